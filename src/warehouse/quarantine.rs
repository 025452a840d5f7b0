//! Rows that have no place in the warehouse, in `amalgam.quarantine`.
//!
//! Guarantee: written only within the transaction that writes the table's state.

use super::{Session, Transaction};
use crate::{
    domain::TableName,
    error::{Error, Kind, Result},
};
use chrono::{DateTime, Utc};
use std::collections::HashSet;
use tracing::warn;

/// What is kept of such a row: never a value, but for a key of integers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Its key: integers as they are, anything else as a hash.
    pub row_key: String,
    /// The column that has the value; `None`: the row as a whole was refused.
    pub column: Option<String>,
    /// Why, in words.
    pub reason: String,
}

impl Session {
    /// How many rows of a table are in quarantine.
    pub async fn quarantined(&self, table: &TableName) -> Result<u64> {
        let sql = "select count(*) from amalgam.quarantine where source_table = $1";
        let rows: i64 = self.query_one(sql, &[&table.as_str()], "counting rows in quarantine").await?.get(0);
        u64::try_from(rows).map_err(|_| Error::new(Kind::Internal, "a count below zero"))
    }

    /// Those among some rows, told by [`Quarantined::row_key`], that are in quarantine.
    pub async fn quarantined_among(&self, table: &TableName, row_keys: &[&str]) -> Result<HashSet<String>> {
        let sql = "select row_key from amalgam.quarantine where source_table = $1 and row_key = any($2)";
        let rows = self.query(sql, &[&table.as_str(), &row_keys], "reading keys in quarantine").await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

impl Session {
    /// The keys of integers of rows that the warehouse refused as a whole.
    pub async fn refused_keys(&self, table: &TableName) -> Result<HashSet<Vec<i128>>> {
        let sql = "select row_key from amalgam.quarantine where source_table = $1 and column_name is null";
        let rows = self.query(sql, &[&table.as_str()], "reading keys in quarantine").await?;
        Ok(rows.iter().filter_map(|row| integers(row.get(0))).collect())
    }
}

/// A key of integers; `None`: it is a hash.
fn integers(row_key: &str) -> Option<Vec<i128>> {
    row_key.split(',').map(|part| part.parse().ok()).collect()
}

impl Transaction<'_> {
    /// Puts rows in quarantine that were refused in a read, which is told by when it began. Logs how many are new.
    pub async fn quarantine(&self, table: &TableName, read_at: DateTime<Utc>, rows: &[&Quarantined]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let keys: Vec<&str> = rows.iter().map(|r| r.row_key.as_str()).collect();
        let columns: Vec<Option<&str>> = rows.iter().map(|r| r.column.as_deref()).collect();
        let reasons: Vec<&str> = rows.iter().map(|r| r.reason.as_str()).collect();
        let parameters: [&(dyn super::ToSql + Sync); 5] = [&table.as_str(), &read_at, &keys, &columns, &reasons];
        let sql = include_str!("queries/quarantine.sql");
        let new: i64 = self.query_one(sql, &parameters, "putting rows in quarantine").await?.get(0);
        if new > 0 {
            // Said again where the transaction has to be done again: better than not at all.
            warn!(%table, rows = new, "rows have no place in the warehouse and are set aside: see amalgam.quarantine");
        }
        Ok(())
    }

    /// The keys of integers of rows that were refused in a read, which is told by when it began.
    pub async fn refused_in(&self, table: &TableName, read_at: DateTime<Utc>) -> Result<Vec<Vec<i128>>> {
        let sql = "select row_key from amalgam.quarantine where source_table = $1 and read_at = $2";
        let rows = self.query(sql, &[&table.as_str(), &read_at], "reading keys in quarantine").await?;
        Ok(rows.iter().filter_map(|row| integers(row.get(0))).collect())
    }

    /// Releases what a read of the whole table has not refused again.
    pub async fn release_but(&self, table: &TableName, read_at: DateTime<Utc>) -> Result<()> {
        let sql = "delete from amalgam.quarantine where source_table = $1 and read_at <> $2";
        self.execute(sql, &[&table.as_str(), &read_at], "releasing rows from quarantine").await.map(|_| ())
    }
}
