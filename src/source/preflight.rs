//! What has to be known of the source before it is read: version, rights, engines, settings.
//!
//! Gathers facts and judges nothing; `amalgam doctor` does.

use super::{Source, failure::failure, log::LogFacts, transactions};
use crate::{
    domain::Clock,
    error::{Error, Kind, Result},
};
use chrono::{DateTime, TimeDelta};
use mysql_async::{Conn, Row, prelude::Queryable};
use std::collections::{BTreeMap, BTreeSet};

/// Settings that matter: names of MariaDB's and MySQL's manuals. None holds a secret or a value of a row.
const SETTINGS: [&str; 26] = [
    "version",
    "version_comment",
    "version_compile_os",
    "time_zone",
    "system_time_zone",
    "sql_mode",
    "character_set_server",
    "collation_server",
    "lower_case_table_names",
    "max_connections",
    "max_allowed_packet",
    "max_statement_time",
    "net_read_timeout",
    "net_write_timeout",
    "wait_timeout",
    "lock_wait_timeout",
    "innodb_buffer_pool_size",
    "key_buffer_size",
    "concurrent_insert",
    "transaction_isolation",
    "tx_isolation",
    "log_bin",
    "binlog_format",
    "binlog_row_image",
    "binlog_expire_logs_seconds",
    "read_only",
];

const FACTS: &str = include_str!("queries/preflight.sql");

/// Facts of the source.
#[derive(Clone, Debug)]
pub struct Preflight {
    /// `@@version`, such as `10.11.6-MariaDB`.
    pub version: String,
    /// Whether it is MariaDB rather than MySQL.
    pub is_mariadb: bool,
    /// The cipher of this connection; `None` for plain text.
    pub cipher: Option<String>,
    /// Who the server takes us for: `user@host` of the account.
    pub account: String,
    /// What that account may do.
    pub grants: Vec<Grant>,
    /// Base tables that the user sees, by storage engine.
    pub engines: BTreeMap<String, u64>,
    /// Columns that an index of their table begins with: table, column.
    pub indexed: BTreeSet<(String, String)>,
    /// Bytes of data in those tables.
    pub data_bytes: u64,
    /// `log_bin`.
    pub binlog: bool,
    /// `binlog_format`.
    pub binlog_format: String,
    /// What else there is to know of the binary log.
    pub log: LogFacts,
    /// The server's clock minus this machine's.
    pub clock_ahead: TimeDelta,
    /// `time_zone`; `SYSTEM` already replaced by what the system has.
    pub time_zone: String,
    /// `sql_mode`.
    pub sql_mode: String,
    /// `max_allowed_packet`, in bytes.
    pub packet_bytes_max: u64,
    /// `max_connections`.
    pub connections_max: u64,
    /// `max_user_connections` of the account; 0 for none.
    pub connections_of_user_max: u64,
    /// How far the server's local time is ahead of UTC now.
    pub ahead_of_utc: TimeDelta,
    /// Whether transactions of others can be seen.
    pub sees_transactions: bool,
    /// The database's default character set.
    pub character_set: String,
}

/// One line of `show grants`, without the password's hash that it may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// `SELECT`, `ALL PRIVILEGES`, …
    pub privileges: Vec<String>,
    /// `*.*`, `` `opendental`.* ``, `` `opendental`.`patient` ``.
    pub on: String,
}

impl Source {
    /// Asks for the facts.
    ///
    /// # Errors
    /// What a connection or a query can meet; rights that are missing for a fact are no error.
    pub async fn preflight(&self, clock: &Clock) -> Result<Preflight> {
        let mut connection = self.connection().await?;
        let clock_ahead = clock_ahead(&mut connection, clock).await?;
        let row = first(&mut connection, FACTS, "asking the source for its settings").await?;
        let version = text(&row, 0);
        let time_zone = if text(&row, 2) == "SYSTEM" { text(&row, 3) } else { text(&row, 2) };
        let cipher: Option<(String, String)> = connection
            .query_first("show session status like 'Ssl_cipher'")
            .await
            .map_err(|e| failure(&e, "asking the source for its cipher"))?;
        let sees_transactions = match transactions::oldest(self.silence_max, &mut connection).await {
            Err(error) if error.kind == Kind::SourceDenied => false,
            other => other.map(|_| true)?,
        };
        let (engines, data_bytes) = engines(&mut connection).await?;
        Ok(Preflight {
            is_mariadb: version.contains("MariaDB") || text(&row, 1).contains("MariaDB"),
            version,
            cipher: cipher.map(|(_, cipher)| cipher).filter(|cipher| !cipher.is_empty()),
            account: text(&row, 10),
            grants: grants(&mut connection).await?,
            engines,
            indexed: indexed(&mut connection).await?,
            data_bytes,
            binlog: number(&row, 5) == 1,
            binlog_format: text(&row, 6),
            log: LogFacts::of(&mut connection).await?,
            clock_ahead,
            time_zone,
            sql_mode: text(&row, 4),
            packet_bytes_max: number(&row, 7),
            connections_max: number(&row, 8),
            connections_of_user_max: number(&row, 11),
            ahead_of_utc: TimeDelta::seconds(signed(&row, 12)),
            sees_transactions,
            character_set: text(&row, 9),
        })
    }
}

impl Source {
    /// Settings of the server by which it behaves as it does; those that it knows.
    ///
    /// # Errors
    /// What a connection or a query can meet.
    pub async fn settings(&self) -> Result<BTreeMap<String, String>> {
        let mut connection = self.connection().await?;
        let sql = format!("show global variables where variable_name in ('{}')", SETTINGS.join("', '"));
        let rows: Vec<(String, String)> =
            connection.query(sql).await.map_err(|e| failure(&e, "asking the source for its settings"))?;
        Ok(rows.into_iter().collect())
    }
}

/// Half of the way there and back belongs to the question.
async fn clock_ahead(connection: &mut Conn, clock: &Clock) -> Result<TimeDelta> {
    let before = clock.now();
    let row =
        first(connection, "select cast(unix_timestamp(now(6)) * 1000000 as signed)", "asking the source for the time")
            .await?;
    let after = clock.now();
    let micros = i64::try_from(number(&row, 0)).unwrap_or_default();
    let there = DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| Error::new(Kind::Internal, "the source's time is out of range"))?;
    Ok(there - (before + (after - before) / 2))
}

async fn engines(connection: &mut Conn) -> Result<(BTreeMap<String, u64>, u64)> {
    let rows: Vec<Row> = connection
        .query(
            "select cast(coalesce(engine, 'unknown') as char), count(*), cast(coalesce(sum(data_length), 0) as signed) \
             from information_schema.tables where table_schema = database() and table_type = 'BASE TABLE' group by 1",
        )
        .await
        .map_err(|e| failure(&e, "asking the source for its engines"))?;
    let bytes = rows.iter().map(|row| number(row, 2)).sum();
    Ok((rows.iter().map(|row| (text(row, 0), number(row, 1))).collect(), bytes))
}

async fn indexed(connection: &mut Conn) -> Result<BTreeSet<(String, String)>> {
    let rows: Vec<Row> = connection
        .query(
            "select cast(table_name as char), cast(column_name as char) from information_schema.statistics \
             where table_schema = database() and seq_in_index = 1",
        )
        .await
        .map_err(|e| failure(&e, "asking the source for its indexes"))?;
    Ok(rows.iter().map(|row| (text(row, 0), text(row, 1))).collect())
}

async fn grants(connection: &mut Conn) -> Result<Vec<Grant>> {
    let lines: Vec<String> =
        connection.query("show grants").await.map_err(|e| failure(&e, "asking the source for the user's rights"))?;
    Ok(lines.iter().filter_map(|line| grant(line)).collect())
}

/// Takes a line apart: MariaDB KB, "SHOW GRANTS". Grants of roles have no `ON`.
fn grant(line: &str) -> Option<Grant> {
    let (privileges, rest) = line.strip_prefix("GRANT ")?.split_once(" ON ")?;
    let (on, _) = rest.split_once(" TO ")?;
    let privileges = privileges.split(", ").map(|privilege| privilege.trim().to_uppercase()).collect();
    Some(Grant { privileges, on: on.trim_start_matches("TABLE ").to_owned() })
}

async fn first(connection: &mut Conn, sql: &str, doing: &str) -> Result<Row> {
    let row: Option<Row> = connection.query_first(sql).await.map_err(|e| failure(&e, doing))?;
    row.ok_or_else(|| Error::new(Kind::Internal, format!("{doing}: no answer")))
}

/// A column as text; empty for null. The columns are settings, never a practice's data.
fn text(row: &Row, column: usize) -> String {
    row.get_opt::<String, usize>(column).and_then(std::result::Result::ok).unwrap_or_default()
}

/// A column as a number; 0 for null.
fn number(row: &Row, column: usize) -> u64 {
    row.get_opt::<u64, usize>(column).and_then(std::result::Result::ok).unwrap_or_default()
}

/// The same where it may be below 0.
fn signed(row: &Row, column: usize) -> i64 {
    row.get_opt::<i64, usize>(column).and_then(std::result::Result::ok).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_taken_apart_without_its_password() {
        let line = "GRANT SELECT, SHOW VIEW ON `open\\_dental`.* TO `reader`@`%` IDENTIFIED BY PASSWORD '*0123'";
        let parsed = grant(line).expect("it is a grant");
        assert_eq!(parsed.privileges, ["SELECT", "SHOW VIEW"]);
        assert_eq!(parsed.on, "`open\\_dental`.*");
        assert_eq!(grant("GRANT `role` TO `reader`@`%`"), None);
    }
}
