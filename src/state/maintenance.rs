//! The control plane kept in order.

use super::{During, State};
use crate::error::Result;
use chrono::{DateTime, Utc};

/// How many runs are forgotten at a time: each may have a task for every table.
const FORGOTTEN_RUNS_MAX: u32 = 100;

impl State {
    /// What of this maintenance is due that is done every so many hours.
    ///
    /// # Errors
    /// The server fails.
    pub async fn maintenance_due(&self, what: &[&str], hours: u32, at: DateTime<Utc>) -> Result<Vec<String>> {
        sqlx::query_scalar(include_str!("queries/maintenance_due.sql"))
            .bind(what)
            .bind(at)
            .bind(i32::try_from(hours).unwrap_or(i32::MAX))
            .fetch_all(&mut *self.connection().await?)
            .during("looking for maintenance that is due")
            .await
    }

    /// Forgets runs that ended more than so many days ago, some at a time; whether more are left.
    ///
    /// # Errors
    /// The server fails.
    pub async fn forget_runs(&self, days: u32, at: DateTime<Utc>) -> Result<bool> {
        let doing = "forgetting old runs";
        let mut tx = self.begin(doing).await?;
        let done = sqlx::query(include_str!("queries/forget_runs.sql"))
            .bind(at)
            .bind(i32::try_from(days).unwrap_or(i32::MAX))
            .bind(i64::from(FORGOTTEN_RUNS_MAX))
            .execute(&mut *tx)
            .during(doing)
            .await?;
        tx.commit().during(doing).await?;
        Ok(done.rows_affected() == u64::from(FORGOTTEN_RUNS_MAX))
    }
}
