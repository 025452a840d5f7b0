//! What has to be known of the warehouse before it is written: version, rights, limits.
//!
//! Gathers facts and judges nothing; `amalgam doctor` does.

use super::Warehouse;
use crate::{domain::Clock, error::Result};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

/// Settings that matter: names of PostgreSQL's manual. None holds a secret or a value of a row.
const SETTINGS: [&str; 26] = [
    "server_version",
    "server_encoding",
    "lc_collate",
    "TimeZone",
    "max_connections",
    "shared_buffers",
    "work_mem",
    "maintenance_work_mem",
    "effective_cache_size",
    "wal_level",
    "max_wal_size",
    "checkpoint_timeout",
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "synchronous_standby_names",
    "autovacuum",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "default_tablespace",
    "temp_file_limit",
    "max_locks_per_transaction",
];

const FACTS: &str = include_str!("queries/preflight.sql");
const SCHEMAS: &str = include_str!("queries/preflight_schemas.sql");

/// Facts of the warehouse.
#[derive(Clone, Debug)]
pub struct Preflight {
    /// `server_version`.
    pub version: String,
    /// `server_version_num`: 150004 for 15.4.
    pub version_number: i64,
    /// Protocol and cipher of this connection; `None` for plain text.
    pub cipher: Option<String>,
    /// `current_user`.
    pub user: String,
    /// `current_database()`.
    pub database: String,
    /// Whether schemas can be made in the database.
    pub may_create: bool,
    /// Whether temporary tables can be made in the database.
    pub may_stage: bool,
    /// The database's encoding.
    pub encoding: String,
    /// Connections that the server gives to users like ours.
    pub connections_max: i64,
    /// Connections of others at this moment.
    pub connections_used: i64,
    /// Connections that our user may have; below 0: as many as there are.
    pub connections_of_user_max: i64,
    /// Whether it is a standby, which can't be written.
    pub is_standby: bool,
    /// `default_transaction_read_only`.
    pub is_read_only: bool,
    /// `statement_timeout` in milliseconds; 0 for none.
    pub statement_milliseconds_max: i64,
    /// Bytes of the database.
    pub database_bytes: i64,
    /// Whether a crash of the machine loses nothing: `fsync` and `full_page_writes`.
    pub is_durable: bool,
    /// `idle_in_transaction_session_timeout` in milliseconds; 0 for none.
    pub idle_milliseconds_max: i64,
    /// Where the database's tablespace lies, where it has one of its own.
    pub tablespace: Option<String>,
    /// Where the server keeps its data, where we may know.
    pub data_directory: Option<String>,
    /// The server's clock minus this machine's.
    pub clock_ahead: TimeDelta,
    /// Those of the asked schemas that exist.
    pub schemas: Vec<Schema>,
}

/// A schema that exists already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// Whether we are its owner, or of the owner's role.
    pub is_ours: bool,
    /// Whether we may create in it.
    pub may_create: bool,
    /// Its owner.
    pub owner: String,
    /// Tables and views in it that belong to somebody else.
    pub foreign_relations: i64,
}

impl Warehouse {
    /// Asks for the facts. `schemas` are those that will be written.
    ///
    /// # Errors
    /// What a connection or a query can meet.
    pub async fn preflight(&self, clock: &Clock, schemas: &[&str]) -> Result<Preflight> {
        let session = self.session().await?;
        let before = clock.now();
        let there: DateTime<Utc> =
            session.query_one("select clock_timestamp()", &[], "asking the warehouse for the time").await?.get(0);
        let after = clock.now();
        let row = session.query_one(FACTS, &[], "asking the warehouse for its settings").await?;
        let rows = session.query(SCHEMAS, &[&schemas], "asking the warehouse for its schemas").await?;
        let schema = |row: &super::Row| Schema {
            name: row.get(0),
            is_ours: row.get(1),
            may_create: row.get(2),
            owner: row.get(3),
            foreign_relations: row.get(4),
        };
        Ok(Preflight {
            version: row.get(0),
            version_number: row.get(1),
            cipher: row.get(2),
            user: row.get(3),
            database: row.get(4),
            may_create: row.get(5),
            may_stage: row.get(6),
            encoding: row.get(7),
            connections_max: row.get(8),
            connections_used: row.get(9),
            connections_of_user_max: row.get::<_, Option<i64>>(10).unwrap_or(-1),
            is_standby: row.get(11),
            is_read_only: row.get(12),
            statement_milliseconds_max: row.get::<_, Option<i64>>(13).unwrap_or(0),
            database_bytes: row.get(14),
            is_durable: row.get(15),
            idle_milliseconds_max: row.get::<_, Option<i64>>(16).unwrap_or(0),
            tablespace: row.get(17),
            data_directory: row.get(18),
            // Half of the way there and back belongs to the question.
            clock_ahead: there - (before + (after - before) / 2),
            schemas: rows.iter().map(schema).collect(),
        })
    }

    /// Settings of the server by which it behaves as it does.
    ///
    /// # Errors
    /// What a connection or a query can meet.
    pub async fn settings(&self) -> Result<BTreeMap<String, String>> {
        let sql = "select name, current_setting(name) from pg_settings where name = any($1)";
        let rows =
            self.session().await?.query(sql, &[&SETTINGS.as_slice()], "asking the warehouse for its settings").await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}
