//! `[source]`: the practice's database, read and never written.

use super::{Secret, TlsMode};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where the practice's database is, and how gently it is read.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Source {
    /// `mysql://user:password@host:port/database`; fills what is not given singly. May hold a password.
    pub url: Option<Secret>,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Unix socket; used instead of host and port where given.
    pub socket: Option<PathBuf>,
    /// User; needs `SELECT` only.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// A file that holds the password.
    pub password_file: Option<PathBuf>,
    /// The database.
    pub database: String,
    /// How far TLS is demanded.
    pub tls: TlsMode,
    /// The authority that signed the server's certificate, in PEM; else the system's.
    pub tls_ca_file: Option<PathBuf>,
    /// Connections at once, at most.
    pub connections_max: usize,
    /// Seconds until a connection attempt is given up.
    pub connect_seconds_max: u64,
    /// `max_statement_time` of every statement, in seconds.
    pub statement_seconds_max: u64,
    /// Rows that one statement reads at most: a long read of a MyISAM table stops its writers.
    pub range_rows: u64,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            url: None,
            host: "localhost".to_owned(),
            port: 3306,
            socket: None,
            user: String::new(),
            password: Secret::default(),
            password_file: None,
            database: "opendental".to_owned(),
            tls: TlsMode::Disable,
            tls_ca_file: None,
            connections_max: 4,
            connect_seconds_max: 10,
            statement_seconds_max: 60,
            range_rows: 50_000,
        }
    }
}
