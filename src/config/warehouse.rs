//! `[warehouse]`: the PostgreSQL database that is written.

use super::{Secret, TlsMode};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where the warehouse is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Warehouse {
    /// `postgresql://user:password@host:port/database`; fills what is not given singly. May hold a password.
    pub url: Option<Secret>,
    /// Host name or address; a path is the folder of the server's Unix socket.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User; owns the schemas it writes.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// A file that holds the password.
    pub password_file: Option<PathBuf>,
    /// The database.
    pub database: String,
    /// The schema of the source's tables.
    pub raw_schema: String,
    /// How far TLS is demanded.
    pub tls: TlsMode,
    /// The authority that signed the server's certificate, in PEM; else the system's.
    pub tls_ca_file: Option<PathBuf>,
    /// Connections at once, at most.
    pub connections_max: usize,
    /// Seconds until a connection attempt is given up.
    pub connect_seconds_max: u64,
    /// Seconds that a change of a table waits for its lock at most: readers behind it wait too.
    pub lock_seconds_max: u64,
}

impl Default for Warehouse {
    fn default() -> Self {
        Self {
            url: None,
            host: "localhost".to_owned(),
            port: 5432,
            user: "amalgam".to_owned(),
            password: Secret::default(),
            password_file: None,
            database: "analytics".to_owned(),
            raw_schema: "raw".to_owned(),
            tls: TlsMode::Disable,
            tls_ca_file: None,
            connections_max: 12,
            connect_seconds_max: 10,
            lock_seconds_max: 10,
        }
    }
}
