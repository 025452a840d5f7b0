//! The history of the tables' shapes, for people to read.

use super::{During, State};
use crate::error::Result;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// What was done about a table whose shape had changed at the source.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub struct SchemaChangeRecord {
    /// When.
    pub changed_at: DateTime<Utc>,
    /// The table.
    pub source_table: String,
    /// What was done: added, widened, redeclared, dropped, reloaded.
    pub change: String,
    /// What had changed.
    pub told: String,
}

impl State {
    /// The last changes, the newest first; only those since a moment, where one is given.
    ///
    /// # Errors
    /// The server fails.
    pub async fn schema_changes(&self, since: Option<DateTime<Utc>>, limit: u32) -> Result<Vec<SchemaChangeRecord>> {
        sqlx::query_as(
            "select changed_at, source_table, change, told from amalgam.schema_change \
             where $1::timestamptz is null or changed_at >= $1 order by changed_at desc, change_id desc limit $2",
        )
        .bind(since)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.connection().await?)
        .during("reading how tables changed")
        .await
    }
}
