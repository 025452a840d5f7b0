//! `amalgam status`: what is fresh, what is late, what failed, and what comes next.

use super::{
    Context, Outcome,
    output::{self, Format},
    times::ago,
};
use crate::{
    error::Kind,
    orchestrator::{is_late, late_before, short},
    source::Untold,
    state::{GoneTable, ModelHealth, NotFollowed, RunFailure, SchemaChangeRecord, State, TableHealth},
    sync::{GONE_REMEDY, is_chosen},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

/// Changes of tables' shapes are told for so long…
const SCHEMA_CHANGE_DAYS: i64 = 7;
/// …and so many of them; `amalgam history --schema` has all.
const SCHEMA_CHANGES_MAX: u32 = 10;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Lists every table and model, not only those that are late or failing
    #[arg(long)]
    all: bool,
}

/// All there is to tell.
#[derive(Serialize)]
struct Status {
    now: DateTime<Utc>,
    /// When the source's quiet hours are over that it is in.
    quiet_until: Option<DateTime<Utc>>,
    schedules: Vec<ScheduleStatus>,
    runs_running: Vec<i64>,
    runs_failing: Vec<FailingRun>,
    tables: usize,
    tables_fresh: usize,
    tables_late: usize,
    tables_failing: usize,
    /// Tables that were kept in step, and that the source did not show when it was last looked at; not among the
    /// others.
    tables_gone: Vec<GoneTable>,
    /// Replicas of the source, and how many tables were last read from each; the others from the primary.
    tables_of_replicas: BTreeMap<String, i64>,
    /// Tables that are to follow the source's binary log, and were compared or loaded with their last sync.
    tables_not_followed: Vec<NotFollowed>,
    /// Tables with rows that have no place in the warehouse, and how many rows.
    rows_quarantined: BTreeMap<String, i64>,
    models: usize,
    models_failing: usize,
    models_unusual: usize,
    schema_changes: Vec<SchemaChangeRecord>,
    subjects: Vec<Subject>,
}

#[derive(Serialize)]
struct ScheduleStatus {
    name: String,
    cron: String,
    timezone: String,
    next_fire_at: Option<DateTime<Utc>>,
    last_fire_at: Option<DateTime<Utc>>,
    last_success_at: Option<DateTime<Utc>>,
}

/// What is wrong with a schedule's newest run itself: it, or a part of it, could not even be planned.
#[derive(Serialize)]
struct FailingRun {
    #[serde(flatten)]
    failure: RunFailure,
    remedy: Option<&'static str>,
}

/// One table or model.
#[derive(Serialize)]
struct Subject {
    kind: &'static str,
    name: String,
    state: &'static str,
    /// When it was last in step, or its last good version published.
    good_at: Option<DateTime<Utc>>,
    failing_since: Option<DateTime<Utc>>,
    failures_in_a_row: i32,
    error_kind: Option<String>,
    error: Option<String>,
    remedy: Option<&'static str>,
    /// How the last build of a model took longer, or has fewer rows, than usual.
    unusual: Vec<String>,
}

pub(super) async fn run(args: Args, context: Context) -> anyhow::Result<Outcome> {
    let state = context.state()?;
    if !state.is_migrated().await? {
        output::write("nothing has run yet\n")?;
        return Ok(Outcome::Done);
    }
    let now = context.clock().now();
    let config = context.config()?;
    let late = late_before(&config, now);
    let quiet_until = config.source.quiet().until(now);
    let mut status = Status { quiet_until, ..read(&state, now, late, args.all).await? };
    status.tables_gone.retain(|table| is_chosen(&config.sync, &table.name));
    match context.format() {
        Format::Json => context.print_record(&status)?,
        Format::Table => show(&status, &context)?,
    }
    Ok(Outcome::Done)
}

async fn read(state: &State, now: DateTime<Utc>, late: Option<DateTime<Utc>>, all: bool) -> anyhow::Result<Status> {
    let (tables, models) = (state.table_health().await?, state.model_health().await?);
    let runs = state.run_health().await?;
    let successes: BTreeMap<String, _> =
        runs.into_iter().filter_map(|run| Some((run.schedule, run.succeeded_at?))).collect();
    let tables: Vec<Subject> = tables.into_iter().map(|t| Subject::table(t, late)).collect();
    let models: Vec<Subject> = models.into_iter().map(Subject::model).collect();
    let count = |subjects: &[Subject], state: &str| subjects.iter().filter(|s| s.state == state).count();
    Ok(Status {
        now,
        quiet_until: None,
        schedules: state
            .schedules()
            .await?
            .into_iter()
            .map(|s| ScheduleStatus {
                last_success_at: successes.get(&s.name).copied(),
                name: s.name,
                cron: s.cron,
                timezone: s.timezone,
                next_fire_at: s.next_fire_at,
                last_fire_at: s.last_fire_at,
            })
            .collect(),
        runs_running: state.running_runs().await?.iter().map(|r| r.run_id).collect(),
        runs_failing: state
            .run_failures()
            .await?
            .into_iter()
            .map(|failure| FailingRun { remedy: Kind::parse(&failure.error_kind).map(Kind::remedy), failure })
            .collect(),
        tables: tables.len(),
        tables_fresh: count(&tables, "fresh"),
        tables_late: count(&tables, "late"),
        tables_failing: count(&tables, "failing"),
        tables_gone: state.gone_tables().await?,
        tables_of_replicas: state.tables_of_replicas().await?,
        tables_not_followed: state.not_followed().await?,
        rows_quarantined: state.quarantined().await?,
        models: models.len(),
        models_failing: count(&models, "failing"),
        models_unusual: models.iter().filter(|model| !model.unusual.is_empty()).count(),
        schema_changes: state
            .schema_changes(Some(now - TimeDelta::days(SCHEMA_CHANGE_DAYS)), SCHEMA_CHANGES_MAX)
            .await?,
        subjects: tables.into_iter().chain(models).filter(|s| all || !matches!(s.state, "fresh" | "good")).collect(),
    })
}

impl Subject {
    fn table(t: TableHealth, late: Option<DateTime<Utc>>) -> Self {
        let state = match t.failing_since {
            Some(_) => "failing",
            None if is_late(t.fresh_at, late) => "late",
            None => "fresh",
        };
        Self {
            kind: "table",
            name: t.name,
            state,
            good_at: t.fresh_at,
            failing_since: t.failing_since,
            failures_in_a_row: t.failures_in_a_row,
            remedy: t.error_kind.as_deref().and_then(Kind::parse).map(Kind::remedy),
            error_kind: t.error_kind,
            error: t.error,
            unusual: Vec::new(),
        }
    }

    fn model(m: ModelHealth) -> Self {
        let unusual = m.last.told();
        let state = match m.failing_since {
            Some(_) => "failing",
            None if !unusual.is_empty() => "unusual",
            None => "good",
        };
        Self {
            kind: "model",
            name: short(&m.name).to_owned(),
            state,
            good_at: m.good_at,
            failing_since: m.failing_since,
            failures_in_a_row: m.failures_in_a_row,
            remedy: m.error_kind.as_deref().and_then(Kind::parse).map(Kind::remedy),
            error_kind: m.error_kind,
            error: m.error,
            unusual,
        }
    }
}

/// What was done about a change of a table's shape, as a sentence goes on.
fn done(change: &str) -> &'static str {
    match change {
        "added" => "given columns",
        "widened" => "widened",
        "redeclared" => "compared",
        "dropped" => "left with columns that are gone at the source",
        _ => "loaded again",
    }
}

fn show(status: &Status, context: &Context) -> anyhow::Result<()> {
    let told = |moment: Option<DateTime<Utc>>| moment.map(|m| ago(m, status.now));
    let gone = match status.tables_gone.len() {
        0 => String::new(),
        gone => format!("; {gone} gone from the source"),
    };
    let unusual = match status.models_unusual {
        0 => String::new(),
        unusual => format!("; {unusual} not as usual"),
    };
    let mut text = format!(
        "tables  {} fresh, {} late, {} failing, of {}{gone}\nmodels  {} good, {} failing{unusual}\n",
        status.tables_fresh,
        status.tables_late,
        status.tables_failing,
        status.tables,
        status.models - status.models_failing,
        status.models_failing,
    );
    if let Some(quiet) = context.told_quiet()? {
        text.push_str(&format!("source  {quiet}\n"));
    }
    if !status.runs_running.is_empty() {
        let runs: Vec<_> = status.runs_running.iter().map(ToString::to_string).collect();
        text.push_str(&format!("running run {}\n", runs.join(", ")));
    }
    for (replica, tables) in &status.tables_of_replicas {
        text.push_str(&format!("replica {replica}  {tables} of {} tables were last read there\n", status.tables));
    }
    for GoneTable { name, synced_at, row_count } in &status.tables_gone {
        text.push_str(&format!(
            "\ntable {name} is gone from the source; last synced {}, {row_count} rows stay\n  remedy: {GONE_REMEDY}\n",
            ago(*synced_at, status.now)
        ));
    }
    for NotFollowed { name, synced_at, reason } in &status.tables_not_followed {
        let why = Untold::parse(reason).map_or_else(|| reason.clone(), |untold| untold.to_string());
        text.push_str(&format!(
            "\ntable {name} did not follow the binary log {}: {why}\n",
            ago(*synced_at, status.now)
        ));
    }
    for (table, rows) in &status.rows_quarantined {
        text.push_str(&format!(
            "\nwarning: {} of {table} in quarantine\n  remedy: amalgam.quarantine tells keys and reasons; mend the values at the source, \
             or correct [[sync.types]] or source.bad_text\n",
            output::counted(usize::try_from(*rows).unwrap_or(0), "row")
        ));
    }
    for FailingRun { failure, remedy } in &status.runs_failing {
        let by = failure.schedule.as_deref().unwrap_or("hand");
        text.push_str(&format!(
            "\nrun {} by {by} failed {}: {}\n  remedy: {}\n",
            failure.run_id,
            ago(failure.at, status.now),
            failure.error,
            remedy.unwrap_or_default()
        ));
    }
    for s in &status.subjects {
        let good = told(s.good_at).unwrap_or_else(|| "never".to_owned());
        text.push_str(&format!("\n{} {} is {}; last good {good}\n", s.kind, s.name, s.state));
        for what in &s.unusual {
            text.push_str(&format!("  its last build {what}\n"));
        }
        if let (Some(error), Some(since)) = (&s.error, s.failing_since) {
            let remedy = s.remedy.unwrap_or_default();
            text.push_str(&format!(
                "  fails since {} UTC, {} in a row: {error}\n  remedy: {remedy}\n",
                since.format("%Y-%m-%d %H:%M:%S"),
                s.failures_in_a_row
            ));
        }
    }
    for change in &status.schema_changes {
        let SchemaChangeRecord { changed_at, source_table, change, told } = change;
        text.push_str(&format!("\ntable {source_table} was {} {}: {told}", done(change), ago(*changed_at, status.now)));
    }
    text.push_str(if status.schema_changes.is_empty() { "\n" } else { "\n\n" });
    output::write(&text)?;
    let lines = status.schedules.iter().map(|s| {
        serde_json::json!({
            "schedule": s.name,
            "cron": s.cron,
            "timezone": s.timezone,
            "next_fire": told(s.next_fire_at),
            "last_fire": told(s.last_fire_at),
            "last_success": told(s.last_success_at),
        })
    });
    context.print_rows(&lines.collect::<Vec<_>>())
}
