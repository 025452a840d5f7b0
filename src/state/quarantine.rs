//! Rows that were set aside, counted.

use super::{During, State};
use crate::error::Result;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// Rows of one table in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SetAside {
    /// The table.
    pub source_table: String,
    /// How many.
    pub rows: i64,
    /// When the oldest of them was set aside.
    pub since: DateTime<Utc>,
    /// How many of them since the moment asked about.
    pub lately: i64,
}

impl State {
    /// The rows of each table in quarantine, and how many came since a moment.
    ///
    /// # Errors
    /// The server fails.
    pub async fn set_aside(&self, lately: DateTime<Utc>) -> Result<Vec<SetAside>> {
        sqlx::query_as(include_str!("queries/set_aside.sql"))
            .bind(lately)
            .fetch_all(&mut *self.connection().await?)
            .during("counting rows in quarantine")
            .await
    }

    /// How many rows of each table are in quarantine; tables without any are left out.
    ///
    /// # Errors
    /// The server fails.
    pub async fn quarantined(&self) -> Result<BTreeMap<String, i64>> {
        let tables = self.set_aside(DateTime::UNIX_EPOCH).await?;
        Ok(tables.into_iter().map(|table| (table.source_table, table.rows)).collect())
    }
}
