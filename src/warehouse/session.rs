//! One connection, and a transaction on it.

use super::{failure::failure, identifier::quote};
use crate::error::{Error, Kind, Result};
use tokio_postgres::{Row, error::ErrorPosition, types::ToSql};

/// One connection out of the pool. Goes back when dropped; open work is rolled back.
pub struct Session {
    pub(super) client: deadpool_postgres::Object,
}

/// One transaction. Rolled back when dropped.
pub struct Transaction<'a> {
    pub(super) inner: deadpool_postgres::Transaction<'a>,
}

impl Session {
    pub(super) fn new(client: deadpool_postgres::Object) -> Self {
        Self { client }
    }

    /// Makes a schema where there is none. Two who do so at once both succeed.
    pub async fn ensure_schema(&self, name: &str) -> Result<()> {
        let doing = "making a schema";
        let there = self.query_opt("select from pg_catalog.pg_namespace where nspname = $1", &[&name], doing).await?;
        if there.is_some() {
            return Ok(());
        }
        match self.batch(&format!("create schema if not exists {}", quote(name)), doing).await {
            Err(error) if error.kind == Kind::WarehouseConflict => Ok(()),
            other => other,
        }
    }

    /// Begins a transaction.
    pub async fn begin(&mut self) -> Result<Transaction<'_>> {
        let inner = self.client.transaction().await.map_err(|e| failure(&e, "beginning a transaction"))?;
        Ok(Transaction { inner })
    }
}

macro_rules! statements {
    ($($type:ty => $field:ident),+) => { $(
        impl $type {
            /// Runs statements without parameters. `doing` says, in a few words, what for.
            pub async fn batch(&self, sql: &str, doing: &str) -> Result<()> {
                self.$field.batch_execute(sql).await.map_err(|e| failure(&e, doing))
            }

            /// Runs one statement; rows affected.
            pub async fn execute(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)], doing: &str) -> Result<u64> {
                self.$field.execute(sql, parameters).await.map_err(|e| failure(&e, doing))
            }

            /// Runs one query; all rows.
            pub async fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)], doing: &str) -> Result<Vec<Row>> {
                self.$field.query(sql, parameters).await.map_err(|e| failure(&e, doing))
            }

            /// Runs one query that has exactly one row.
            pub async fn query_one(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)], doing: &str) -> Result<Row> {
                self.$field.query_one(sql, parameters).await.map_err(|e| failure(&e, doing))
            }

            /// Runs one query that has one row or none.
            pub async fn query_opt(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)], doing: &str) -> Result<Option<Row>> {
                self.$field.query_opt(sql, parameters).await.map_err(|e| failure(&e, doing))
            }
        }
    )+ };
}

statements!(Session => client, Transaction<'_> => inner);

/// A failure, and where in the statement the server saw it.
#[derive(Debug)]
pub struct Located {
    /// The failure.
    pub error: Error,
    /// Characters from the statement's start, the first being 1; `None` where the server names no place.
    pub position: Option<u32>,
}

impl Transaction<'_> {
    /// Runs one statement that a person wrote; rows affected, or the failure with its place.
    pub async fn execute_located(&self, sql: &str, doing: &str) -> Result<u64, Located> {
        self.inner.execute(sql, &[]).await.map_err(|e| {
            let position = e.as_db_error().and_then(|db| match db.position() {
                Some(ErrorPosition::Original(position)) => Some(*position),
                _ => None,
            });
            Located { error: failure(&e, doing), position }
        })
    }

    /// Runs a query whose one row is a count and two verdicts.
    pub async fn execute_count(&self, sql: &str, doing: &str) -> Result<(i64, bool, bool)> {
        let row = self.query_one(sql, &[], doing).await?;
        Ok((row.get(0), row.get(1), row.get(2)))
    }

    /// Makes it all last.
    pub async fn commit(self) -> Result<()> {
        self.inner.commit().await.map_err(|e| failure(&e, "committing"))
    }
}
