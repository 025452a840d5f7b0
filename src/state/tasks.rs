//! Tasks and their attempts, from pending to their end.

use super::{During, State};
use crate::{
    domain::{RunId, TaskId, TaskKind, TaskState},
    error::{Error, Kind, Result},
};
use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction, types::Json};

/// One node of a run's graph, as far as carrying it out needs it.
#[derive(Clone, Debug)]
pub struct TaskRow {
    /// Its number.
    pub id: TaskId,
    /// What it does.
    pub kind: TaskKind,
    /// To which table or model.
    pub subject: String,
    /// What is started first: expected milliseconds until all that waits for it has ended.
    pub weight: i64,
    /// Where it stands.
    pub state: TaskState,
    /// Attempts that failed.
    pub failures: u32,
    /// A retry begins no earlier.
    pub not_before: Option<DateTime<Utc>>,
    /// Why it failed or was skipped.
    pub error: Option<String>,
    /// What must end well before it.
    pub parents: Vec<TaskId>,
    /// What must end before it, well or not.
    pub after: Vec<TaskId>,
}

/// How tasks end that are not tried any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskEnd {
    /// Something above failed.
    Skipped,
    /// A person called it off.
    Cancelled,
}

#[derive(sqlx::FromRow)]
struct Raw {
    task_id: i64,
    kind: String,
    subject: String,
    weight: i64,
    state: String,
    failures: i32,
    not_before: Option<DateTime<Utc>>,
    error: Option<String>,
    parents: Vec<i64>,
    after: Vec<i64>,
}

impl State {
    /// The tasks of a run, oldest first.
    ///
    /// # Errors
    /// The server fails.
    pub async fn tasks(&self, run: RunId) -> Result<Vec<TaskRow>> {
        let rows: Vec<Raw> = sqlx::query_as(include_str!("queries/tasks.sql"))
            .bind(run.0)
            .fetch_all(&mut *self.connection().await?)
            .during("reading a run's tasks")
            .await?;
        rows.into_iter()
            .map(|r| {
                let unknown = || Error::new(Kind::Internal, "a task's kind or state is not known to this version");
                Ok(TaskRow {
                    id: TaskId(r.task_id),
                    kind: TaskKind::parse(&r.kind).ok_or_else(unknown)?,
                    subject: r.subject,
                    weight: r.weight,
                    state: TaskState::parse(&r.state).ok_or_else(unknown)?,
                    failures: u32::try_from(r.failures).expect("the schema keeps it above zero"),
                    not_before: r.not_before,
                    error: r.error,
                    parents: r.parents.into_iter().map(TaskId).collect(),
                    after: r.after.into_iter().map(TaskId).collect(),
                })
            })
            .collect()
    }

    /// Begins an attempt; its number. The task becomes running. `None` where the task is not pending.
    ///
    /// # Errors
    /// The server fails.
    pub async fn begin_attempt(&self, task: TaskId, at: DateTime<Utc>) -> Result<Option<i32>> {
        // One statement, and so a transaction: each task of a run waits for this.
        sqlx::query_scalar(include_str!("queries/begin_attempt.sql"))
            .bind(task.0)
            .bind(at)
            .bind(self.fence.epoch())
            .fetch_optional(&mut *self.connection().await?)
            .during("beginning an attempt")
            .await
    }

    /// Ends an attempt and its task well. `false` where the attempt had ended before.
    ///
    /// # Errors
    /// The server fails.
    pub async fn succeed(
        &self,
        task: TaskId,
        number: i32,
        unchanged: bool,
        outcome: &serde_json::Value,
        at: DateTime<Utc>,
    ) -> Result<bool> {
        let state = if unchanged { TaskState::Unchanged } else { TaskState::Succeeded };
        // As above.
        let done: Option<i64> = sqlx::query_scalar(include_str!("queries/succeed.sql"))
            .bind(task.0)
            .bind(number)
            .bind(at)
            .bind(state.as_str())
            .bind(Json(outcome))
            .bind(self.fence.epoch())
            .fetch_optional(&mut *self.connection().await?)
            .during("recording a success")
            .await?;
        Ok(done.is_some())
    }

    /// Ends an attempt with an error. With `retry_at`, the task waits for another; else it has failed.
    /// `false` where the attempt had ended before.
    ///
    /// # Errors
    /// The server fails.
    pub async fn fail(
        &self,
        task: TaskId,
        number: i32,
        error: &Error,
        retry_at: Option<DateTime<Utc>>,
        at: DateTime<Utc>,
    ) -> Result<bool> {
        let doing = "recording a failure";
        let mut tx = self.begin(doing).await?;
        let done: Option<i64> = sqlx::query_scalar(include_str!("queries/fail.sql"))
            .bind(task.0)
            .bind(number)
            .bind(at)
            .bind(error.kind.as_str())
            .bind(error.to_string())
            .bind(retry_at)
            .fetch_optional(&mut *tx)
            .during(doing)
            .await?;
        tx.commit().during(doing).await?;
        Ok(done.is_some())
    }

    /// Ends an attempt as interrupted; its task waits until a moment, and keeps its retry budget. `false` where
    /// the attempt had ended before.
    ///
    /// # Errors
    /// The server fails.
    pub async fn postpone(&self, task: TaskId, number: i32, until: DateTime<Utc>, at: DateTime<Utc>) -> Result<bool> {
        let doing = "recording that an attempt waits";
        let mut tx = self.begin(doing).await?;
        let done: Option<i64> = sqlx::query_scalar(include_str!("queries/postpone.sql"))
            .bind(task.0)
            .bind(number)
            .bind(at)
            .bind(until)
            .fetch_optional(&mut *tx)
            .during(doing)
            .await?;
        tx.commit().during(doing).await?;
        Ok(done.is_some())
    }

    /// The attempts of a run that are under way, by task and number, of tasks of which so many died with their
    /// process before.
    ///
    /// # Errors
    /// The server fails.
    pub async fn died_with(&self, run: RunId, deaths: i64) -> Result<Vec<(TaskId, i32)>> {
        let rows: Vec<(i64, i32)> = sqlx::query_as(include_str!("queries/died_with.sql"))
            .bind(run.0)
            .bind(Kind::ProcessDied.as_str())
            .bind(deaths)
            .fetch_all(&mut *self.connection().await?)
            .during("reading how often a process has died")
            .await?;
        Ok(rows.into_iter().map(|(task, number)| (TaskId(task), number)).collect())
    }

    /// Ends the attempts of a run that are under way as interrupted, `by` the death of their process, say; their
    /// tasks wait again and keep their retry budget. How many.
    ///
    /// # Errors
    /// The server fails.
    pub async fn interrupt(&self, run: RunId, by: Option<Kind>, at: DateTime<Utc>) -> Result<u64> {
        let doing = "recording interrupted attempts";
        let mut tx = self.begin(doing).await?;
        let done = sqlx::query(include_str!("queries/interrupt.sql"))
            .bind(run.0)
            .bind(at)
            .bind(by.map(Kind::as_str))
            .execute(&mut *tx)
            .during(doing)
            .await?;
        tx.commit().during(doing).await?;
        Ok(done.rows_affected())
    }

    /// Skips tasks that wait for one that failed, each for its own cause.
    ///
    /// # Errors
    /// The server fails.
    pub async fn skip(&self, tasks: &[(TaskId, String)], at: DateTime<Utc>) -> Result<()> {
        let doing = "skipping tasks";
        let mut tx = self.begin(doing).await?;
        sqlx::query(include_str!("queries/skip.sql"))
            .bind(tasks.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
            .bind(tasks.iter().map(|(_, cause)| cause.as_str()).collect::<Vec<_>>())
            .bind(at)
            .execute(&mut *tx)
            .during(doing)
            .await?;
        tx.commit().during(doing).await?;
        Ok(())
    }

    /// Ends all tasks of a run that have not ended.
    pub(super) async fn end_rest(
        tx: &mut Transaction<'_, Postgres>,
        run: RunId,
        end: TaskEnd,
        why: &str,
        at: DateTime<Utc>,
    ) -> Result<()> {
        sqlx::query(include_str!("queries/interrupt.sql"))
            .bind(run.0)
            .bind(at)
            .bind(None::<&str>)
            .execute(&mut **tx)
            .during("ending a run's tasks")
            .await?;
        let state = match end {
            TaskEnd::Skipped => TaskState::Skipped,
            TaskEnd::Cancelled => TaskState::Cancelled,
        };
        sqlx::query(
            "update amalgam.task set state = $2, ended_at = $3, error = $4 where run_id = $1 and ended_at is null",
        )
        .bind(run.0)
        .bind(state.as_str())
        .bind(at)
        .bind(why)
        .execute(&mut **tx)
        .during("ending a run's tasks")
        .await?;
        Ok(())
    }
}
