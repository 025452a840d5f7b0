//! `amalgam history`: past runs, one of them with its tasks and attempts, or how tables changed.

use super::{
    Context, Outcome,
    output::{self, Format},
    times::{ago, seconds},
};
use crate::{
    domain::RunId,
    error::{Error, Kind},
    orchestrator::short,
    state::{RunRecord, SchemaChangeRecord, State, TaskRecord},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run to show with its tasks and attempts; else the last runs
    run: Option<i64>,
    /// Shows, instead of runs, how tables changed their shape at the source, and what was done about it
    #[arg(long, conflicts_with = "run")]
    schema: bool,
    /// How many
    #[arg(long, short = 'n', default_value_t = 20)]
    limit: u32,
}

pub(super) async fn run(args: Args, context: Context) -> anyhow::Result<Outcome> {
    let state = context.state()?;
    match args.run {
        Some(run) if !state.is_migrated().await? => Err(unknown(RunId(run)).into()),
        None if !state.is_migrated().await? => {
            output::write("nothing has run yet\n")?;
            Ok(Outcome::Done)
        }
        None if args.schema => schema(&state, args.limit, &context).await,
        Some(run) => one(&state, RunId(run), &context).await,
        None => last(&state, args.limit, &context).await,
    }
}

#[derive(Serialize)]
struct RunLine {
    run: i64,
    began_by: String,
    state: String,
    started: String,
    took: Option<String>,
    unchanged_tables: i64,
    done: i64,
    without_change: i64,
    failed: i64,
    skipped: i64,
    error: Option<String>,
}

impl RunLine {
    fn new(r: RunRecord, now: DateTime<Utc>) -> Self {
        Self {
            run: r.run_id,
            began_by: match (r.schedule, r.cause) {
                (Some(schedule), Some(cause)) => format!("{schedule} ({cause})"),
                (Some(schedule), None) => schedule,
                (None, _) => "hand".to_owned(),
            },
            state: r.state,
            started: ago(r.started_at, now),
            took: r.ended_at.map(|end| seconds(end - r.started_at)),
            unchanged_tables: r.tables_unchanged,
            done: r.succeeded,
            without_change: r.unchanged,
            failed: r.failed,
            skipped: r.skipped,
            error: r.error,
        }
    }
}

async fn last(state: &State, limit: u32, context: &Context) -> anyhow::Result<Outcome> {
    let runs = state.history(limit).await?;
    match context.format() {
        Format::Json => context.print_rows(&runs)?,
        Format::Table => {
            let now = context.clock().now();
            context.print_rows(&runs.into_iter().map(|r| RunLine::new(r, now)).collect::<Vec<_>>())?;
        }
    }
    Ok(Outcome::Done)
}

#[derive(Serialize)]
struct SchemaLine {
    changed: String,
    table: String,
    change: String,
    what: String,
}

async fn schema(state: &State, limit: u32, context: &Context) -> anyhow::Result<Outcome> {
    let changes = state.schema_changes(None, limit).await?;
    match context.format() {
        Format::Json => context.print_rows(&changes)?,
        Format::Table => {
            let now = context.clock().now();
            let line = |c: SchemaChangeRecord| SchemaLine {
                changed: ago(c.changed_at, now),
                table: c.source_table,
                change: c.change,
                what: c.told,
            };
            context.print_rows(&changes.into_iter().map(line).collect::<Vec<_>>())?;
        }
    }
    Ok(Outcome::Done)
}

#[derive(Serialize)]
struct TaskLine {
    task: String,
    kind: String,
    state: String,
    attempts: String,
    took: Option<String>,
    note: Option<String>,
}

impl TaskLine {
    fn new(t: TaskRecord) -> Self {
        let rows = t.outcome.as_ref().and_then(|o| o.0.get("reason").and_then(|r| r.as_str()).map(ToOwned::to_owned));
        Self {
            task: short(&t.subject).to_owned(),
            kind: t.kind,
            state: t.state,
            attempts: t.attempts.iter().map(|a| a.state.as_str()).collect::<Vec<_>>().join(", "),
            took: t.started_at.zip(t.ended_at).map(|(start, end)| seconds(end - start)),
            note: t.error.or(rows),
        }
    }
}

async fn one(state: &State, run: RunId, context: &Context) -> anyhow::Result<Outcome> {
    let record = state.run_record(run).await?.ok_or_else(|| unknown(run))?;
    let tasks = state.task_records(run).await?;
    match context.format() {
        Format::Json => context.print_record(&json!({ "run": record, "tasks": tasks }))?,
        Format::Table => {
            context.print_record(&RunLine::new(record, context.clock().now()))?;
            output::write("\n")?;
            context.print_rows(&tasks.into_iter().map(TaskLine::new).collect::<Vec<_>>())?;
        }
    }
    Ok(Outcome::Done)
}

fn unknown(run: RunId) -> Error {
    Error::new(Kind::UnknownRun, format!("there is no run {run}"))
}
