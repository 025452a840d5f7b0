//! `[warehouse]`: the PostgreSQL database that is written.

use super::{
    Problem, Secret, TlsMode,
    problem::{not_empty, within},
    schema::check_schema,
    tls::check_authority,
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where the warehouse is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Warehouse {
    /// `postgresql://user:password@host:port/database`; fills what is not given singly. May hold a password.
    pub url: Option<Secret>,
    /// A file that holds the URL.
    pub url_file: Option<PathBuf>,
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
            url_file: None,
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

impl Warehouse {
    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        not_empty(&mut problems, "warehouse.host", &self.host, "give the name or address of PostgreSQL's server");
        not_empty(&mut problems, "warehouse.user", &self.user, "give the user that owns the warehouse's schemas");
        not_empty(&mut problems, "warehouse.database", &self.database, "give the name of the warehouse's database");
        within(&mut problems, "warehouse.port", self.port, 1..=u16::MAX);
        within(&mut problems, "warehouse.connections_max", self.connections_max, 2..=200);
        within(&mut problems, "warehouse.connect_seconds_max", self.connect_seconds_max, 1..=600);
        within(&mut problems, "warehouse.lock_seconds_max", self.lock_seconds_max, 1..=3_600);
        problems.extend(check_schema("warehouse.raw_schema", &self.raw_schema));
        problems.extend(check_authority("warehouse", self.tls, self.tls_ca_file.as_deref()));
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound() {
        assert_eq!(Warehouse::default().check(), []);
    }

    #[test]
    fn schemas_of_the_server_and_of_the_control_plane_are_refused() {
        for schema in ["", "pg_raw", "information_schema", "amalgam", &"x".repeat(64)] {
            let warehouse = Warehouse { raw_schema: schema.to_owned(), ..Warehouse::default() };
            assert_eq!(warehouse.check().len(), 1, "{schema}");
        }
    }
}
