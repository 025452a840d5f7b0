//! Runs: begun, planned, ended.

use super::{During, State, TaskEnd, catalog};
use crate::{
    domain::{RunId, RunState, ScheduleName, TableName, TaskKind, TaskState, Trigger},
    error::{Error, Result},
};
use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction, types::Json};

/// A run to begin.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The schedule that is due; `None`: a person asked.
    pub schedule: Option<ScheduleName>,
    /// When it was due.
    pub fire_at: Option<DateTime<Utc>>,
    /// What asked for the fire; `None`: its time.
    pub cause: Option<String>,
    /// What is asked for.
    pub request: serde_json::Value,
    /// The present time.
    pub at: DateTime<Utc>,
}

/// A run that has not ended.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct RunRow {
    /// Its number.
    pub run_id: i64,
    /// The schedule that began it.
    pub schedule: Option<String>,
    /// What is asked for.
    pub request: Json<serde_json::Value>,
    /// When its tasks were known; `None`: not yet.
    pub planned_at: Option<DateTime<Utc>>,
    /// What went wrong with the run itself.
    pub error: Option<String>,
    /// Whether each of its tasks is of a kind, and in a state, that this version knows.
    pub is_known: bool,
}

/// The graph of a run.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Its tasks.
    pub tasks: Vec<NewTask>,
    /// Who waits for whom.
    pub edges: Vec<NewEdge>,
    /// Tables that need not be looked at.
    pub unchanged: Vec<TableName>,
    /// When the look at the source began: what changed later, it may not have seen.
    pub looked_at: DateTime<Utc>,
    /// What went wrong with a part that could not be planned.
    pub error: Option<(String, String)>,
    /// Every table there is; `None`: not known, and none is forgotten.
    pub tables: Option<Vec<String>>,
    /// Every model there is; `None`: not known, and none is forgotten.
    pub models: Option<Vec<String>>,
}

/// One task waits for another; both by their positions among the tasks of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewEdge {
    /// The one that waits.
    pub child: usize,
    /// The one it waits for.
    pub parent: usize,
    /// Whether the parent must end well, and not only end.
    pub must_succeed: bool,
}

/// One node of a run's graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// What it does.
    pub kind: TaskKind,
    /// To which table or model.
    pub subject: String,
    /// What is started first: expected milliseconds until all that waits for it has ended.
    pub weight: i64,
}

impl State {
    /// Begins a run that a person asked for.
    ///
    /// # Errors
    /// The server fails.
    pub async fn begin_run(&self, new: &NewRun) -> Result<RunId> {
        let mut tx = self.begin("beginning a run").await?;
        let run = Self::insert_run(&mut tx, new).await?;
        tx.commit().during("beginning a run").await?;
        run.ok_or_else(|| Error::new(crate::error::Kind::Internal, "a run by hand was taken for a repeated fire"))
    }

    /// `None` where this fire has begun a run before.
    pub(super) async fn insert_run(tx: &mut Transaction<'_, Postgres>, new: &NewRun) -> Result<Option<RunId>> {
        let trigger = if new.schedule.is_some() { Trigger::Schedule } else { Trigger::Manual };
        let run: Option<i64> = sqlx::query_scalar(include_str!("queries/begin_run.sql"))
            .bind(trigger.as_str())
            .bind(new.schedule.as_ref().map(ScheduleName::as_str))
            .bind(new.fire_at)
            .bind(Json(&new.request))
            .bind(new.at)
            .bind(&new.cause)
            .fetch_optional(&mut **tx)
            .during("beginning a run")
            .await?;
        Ok(run.map(RunId))
    }

    /// The runs that have not ended, oldest first.
    ///
    /// # Errors
    /// The server fails.
    pub async fn running_runs(&self) -> Result<Vec<RunRow>> {
        sqlx::query_as(include_str!("queries/running_runs.sql"))
            .bind(TaskKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())
            .bind(TaskState::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>())
            .fetch_all(&mut *self.connection().await?)
            .during("reading the runs under way")
            .await
    }

    /// Writes a run's graph. Harmless when repeated: the first graph stays. Which tables are gone since the last look:
    /// see [`State::note_catalog`].
    ///
    /// # Errors
    /// The server fails.
    pub async fn plan_run(&self, run: RunId, plan: &Plan, at: DateTime<Utc>) -> Result<Vec<String>> {
        let doing = "writing a run's plan";
        let mut tx = self.begin(doing).await?;
        let (kind, text) = plan.error.clone().unzip();
        let schedule: Option<String> = sqlx::query_scalar(include_str!("queries/plan_run.sql"))
            .bind(run.0)
            .bind(at)
            .bind(i64::try_from(plan.unchanged.len()).expect("a source has fewer tables than that"))
            .bind(kind)
            .bind(text)
            .fetch_optional(&mut *tx)
            .during(doing)
            .await?;
        let Some(schedule) = schedule else { return Ok(Vec::new()) };
        let ids: Vec<i64> = sqlx::query_scalar(include_str!("queries/insert_tasks.sql"))
            .bind(run.0)
            .bind(plan.tasks.iter().map(|t| t.kind.as_str()).collect::<Vec<_>>())
            .bind(plan.tasks.iter().map(|t| t.subject.as_str()).collect::<Vec<_>>())
            .bind(plan.tasks.iter().map(|t| t.weight).collect::<Vec<_>>())
            .fetch_all(&mut *tx)
            .during(doing)
            .await?;
        sqlx::query(include_str!("queries/insert_edges.sql"))
            .bind(plan.edges.iter().map(|e| ids[e.child]).collect::<Vec<_>>())
            .bind(plan.edges.iter().map(|e| ids[e.parent]).collect::<Vec<_>>())
            .bind(plan.edges.iter().map(|e| e.must_succeed).collect::<Vec<_>>())
            .execute(&mut *tx)
            .during(doing)
            .await?;
        sqlx::query(include_str!("queries/put_unchanged.sql"))
            .bind(schedule)
            .bind(plan.looked_at)
            .bind(plan.unchanged.iter().map(TableName::as_str).collect::<Vec<_>>())
            .execute(&mut *tx)
            .during(doing)
            .await?;
        let gone = match &plan.tables {
            Some(tables) => catalog::put(&mut tx, plan.looked_at, tables, doing).await?,
            None => Vec::new(),
        };
        for (kind, names) in [("table", &plan.tables), ("model", &plan.models)] {
            if let Some(names) = names {
                sqlx::query("delete from amalgam.subject where kind = $1 and name <> all($2)")
                    .bind(kind)
                    .bind(names)
                    .execute(&mut *tx)
                    .during(doing)
                    .await?;
            }
        }
        for (kinds, names) in [(["load", "delta", "reconcile"].as_slice(), &plan.tables), (&["model"], &plan.models)] {
            if let Some(names) = names {
                sqlx::query("delete from amalgam.duration where kind = any($1) and subject <> all($2)")
                    .bind(kinds)
                    .bind(names)
                    .execute(&mut *tx)
                    .during(doing)
                    .await?;
            }
        }
        tx.commit().during(doing).await?;
        Ok(gone)
    }

    /// Ends a run; tasks that have not ended are skipped, or cancelled with it, for the cause given.
    /// Harmless when repeated.
    ///
    /// # Errors
    /// The server fails.
    pub async fn end_run(&self, run: RunId, state: RunState, cause: Option<&Error>, at: DateTime<Utc>) -> Result<()> {
        let mut tx = self.begin("ending a run").await?;
        let (rest, why) = match state {
            RunState::Cancelled => (TaskEnd::Cancelled, "the run was called off".to_owned()),
            _ => {
                (TaskEnd::Skipped, cause.map_or_else(|| "the run ended".to_owned(), |c| format!("the run ended: {c}")))
            }
        };
        Self::end_rest(&mut tx, run, rest, &why, at).await?;
        sqlx::query(include_str!("queries/end_run.sql"))
            .bind(run.0)
            .bind(state.as_str())
            .bind(at)
            .bind(cause.map(|c| c.kind.as_str()))
            .bind(cause.map(ToString::to_string))
            .execute(&mut *tx)
            .during("ending a run")
            .await?;
        tx.commit().during("ending a run").await
    }
}
