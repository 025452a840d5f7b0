//! How the runs of each schedule went, and what the tests of the models say: for the metrics.

use super::{During, State};
use crate::error::Result;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// How the runs of one schedule went.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct RunHealth {
    /// The schedule; empty: by hand.
    pub schedule: String,
    /// When the last run ended well.
    pub succeeded_at: Option<DateTime<Utc>>,
    /// When the oldest run began that is under way; `None` where none is.
    pub running_since: Option<DateTime<Utc>>,
    /// How many runs in a row have failed, the last included.
    pub failures_in_a_row: i64,
    /// How long the last run took; `None` before any has ended.
    pub seconds: Option<f64>,
    /// Rows that the last run read.
    pub rows_read: i64,
    /// Rows that it inserted.
    pub rows_inserted: i64,
    /// Rows that it updated.
    pub rows_updated: i64,
    /// Rows that it deleted.
    pub rows_deleted: i64,
}

impl State {
    /// How the runs of every schedule went, by name.
    ///
    /// # Errors
    /// The server fails.
    pub async fn run_health(&self) -> Result<Vec<RunHealth>> {
        sqlx::query_as(include_str!("queries/run_health.sql"))
            .fetch_all(&mut *self.connection().await?)
            .during("reading how runs went")
            .await
    }

    /// How many tests of the models have each verdict.
    ///
    /// # Errors
    /// The server fails.
    pub async fn verdicts(&self) -> Result<BTreeMap<String, i64>> {
        let rows: Vec<(String, i64)> = sqlx::query_as(include_str!("queries/verdicts.sql"))
            .fetch_all(&mut *self.connection().await?)
            .during("counting the verdicts of tests")
            .await?;
        Ok(rows.into_iter().collect())
    }

    /// When a task last ended, of the runs that are under way.
    ///
    /// # Errors
    /// The server fails.
    pub async fn last_task_end(&self) -> Result<Option<DateTime<Utc>>> {
        let sql =
            "select max(t.ended_at) from amalgam.task t join amalgam.run r using (run_id) where r.state = 'running'";
        sqlx::query_scalar(sql).fetch_one(&mut *self.connection().await?).during("asking when a task ended").await
    }
}
