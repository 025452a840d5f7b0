//! Past runs, for people to read.

use super::{During, State};
use crate::{domain::RunId, error::Result};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;

/// A run and how many of its tasks came to what.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub struct RunRecord {
    /// Its number.
    pub run_id: i64,
    /// What started it.
    pub trigger: String,
    /// The schedule that started it.
    pub schedule: Option<String>,
    /// What started it, where that was neither its time nor a person.
    pub cause: Option<String>,
    /// What was asked for.
    pub request: Json<serde_json::Value>,
    /// Where it stands.
    pub state: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Tables that needed nothing.
    pub tables_unchanged: i64,
    /// Tasks in all.
    pub tasks: i64,
    /// Tasks that succeeded.
    pub succeeded: i64,
    /// Tasks whose inputs had not changed.
    pub unchanged: i64,
    /// Tasks that failed.
    pub failed: i64,
    /// Tasks that were skipped or cancelled.
    pub skipped: i64,
    /// The kind of what went wrong with the run itself.
    pub error_kind: Option<String>,
    /// What went wrong with the run itself.
    pub error: Option<String>,
}

/// What went wrong with a schedule's newest run itself, and not with one of its tasks.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub struct RunFailure {
    /// The run's number.
    pub run_id: i64,
    /// The schedule that started it; `None`: a person.
    pub schedule: Option<String>,
    /// The failure's kind.
    pub error_kind: String,
    /// The failure, in words.
    pub error: String,
    /// When it was known.
    pub at: DateTime<Utc>,
}

/// A task of a past run.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub struct TaskRecord {
    /// Its number.
    pub task_id: i64,
    /// What it did.
    pub kind: String,
    /// To which table or model.
    pub subject: String,
    /// Where it stands.
    pub state: String,
    /// When its first attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Counts of what was done.
    pub outcome: Option<Json<serde_json::Value>>,
    /// The kind of its failure.
    pub error_kind: Option<String>,
    /// Why it failed or was skipped.
    pub error: Option<String>,
    /// Its attempts.
    #[sqlx(skip)]
    pub attempts: Vec<AttemptRecord>,
}

/// One try of a task.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub struct AttemptRecord {
    /// The task's number.
    pub task_id: i64,
    /// The first is 1.
    pub number: i32,
    /// Where it stands.
    pub state: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// The kind of its failure.
    pub error_kind: Option<String>,
    /// Its failure, in words.
    pub error: Option<String>,
}

impl State {
    /// The last runs, newest first.
    ///
    /// # Errors
    /// The server fails.
    pub async fn history(&self, limit: u32) -> Result<Vec<RunRecord>> {
        self.run_records(None, limit).await
    }

    /// What is wrong with the runs themselves, by the newest of each schedule.
    ///
    /// # Errors
    /// The server fails.
    pub async fn run_failures(&self) -> Result<Vec<RunFailure>> {
        sqlx::query_as(include_str!("queries/run_failures.sql"))
            .fetch_all(&mut *self.connection().await?)
            .during("reading what is wrong with runs")
            .await
    }

    /// One run; `None` where there is none of that number.
    ///
    /// # Errors
    /// The server fails.
    pub async fn run_record(&self, run: RunId) -> Result<Option<RunRecord>> {
        Ok(self.run_records(Some(run), 1).await?.pop())
    }

    async fn run_records(&self, run: Option<RunId>, limit: u32) -> Result<Vec<RunRecord>> {
        sqlx::query_as(include_str!("queries/history.sql"))
            .bind(run.map(|r| r.0))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.connection().await?)
            .during("reading past runs")
            .await
    }

    /// The tasks of a run with their attempts, in the order in which they were made.
    ///
    /// # Errors
    /// The server fails.
    pub async fn task_records(&self, run: RunId) -> Result<Vec<TaskRecord>> {
        let mut tasks: Vec<TaskRecord> = sqlx::query_as(include_str!("queries/task_records.sql"))
            .bind(run.0)
            .fetch_all(&mut *self.connection().await?)
            .during("reading a run's tasks")
            .await?;
        let attempts: Vec<AttemptRecord> = sqlx::query_as(include_str!("queries/attempt_records.sql"))
            .bind(run.0)
            .fetch_all(&mut *self.connection().await?)
            .during("reading a run's attempts")
            .await?;
        for attempt in attempts {
            if let Ok(at) = tasks.binary_search_by_key(&attempt.task_id, |t| t.task_id) {
                tasks[at].attempts.push(attempt);
            }
        }
        Ok(tasks)
    }
}
