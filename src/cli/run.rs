//! `amalgam run`: one run of sync and models.

use super::{
    Context, Outcome,
    output::{self, Format},
    plan,
    times::seconds,
};
use crate::{
    domain::{RunId, RunState, TaskKind, TaskState},
    error::{Kind, Result},
    lifecycle::stop_on_signals,
    orchestrator::{Event, Orchestrator, RunRequest, RunSummary, short},
    state::{RunRecord, TaskRecord},
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::{
    collections::BTreeSet,
    fmt::Write,
    io::{IsTerminal, stderr},
};
use tokio::{sync::broadcast, task::JoinSet};
use tokio_util::task::TaskTracker;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to run: names of tables and models, `*` for anything, `+name` with what it needs, `name+`
    /// with what needs it; may be given more than once
    #[arg(long, short, value_name = "PATTERN", default_value = "*")]
    select: Vec<String>,
    /// Load and build everything selected again, beside what is there
    #[arg(long)]
    full: bool,
    /// Compare every selected table with the source in full: finds deletes and edits without a stamp
    #[arg(long)]
    reconcile: bool,
    /// Make up for a run that has ended, the last one where no number is given: do what failed, was skipped or
    /// called off in it, and what depends on that
    #[arg(long, value_name = "RUN", num_args = 0..=1, conflicts_with_all = ["select", "full", "reconcile"])]
    resume: Option<Option<i64>>,
    /// Only say what would be done, as `amalgam plan` does
    #[arg(long)]
    dry_run: bool,
    /// Read tables within the source's quiet hours too
    #[arg(long)]
    ignore_quiet_hours: bool,
}

pub(super) async fn run(args: Args, mut context: Context) -> anyhow::Result<Outcome> {
    context.heed_quiet_hours(args.ignore_quiet_hours)?;
    let config = context.config()?;
    config.source.require()?;
    let orchestrator = Orchestrator::new(config, context.clock(), context.metrics())?;
    let request = match args.resume {
        None => RunRequest { select: args.select, full: args.full, reconcile: args.reconcile },
        Some(run) => match orchestrator.rest_of(run.map(RunId)).await? {
            (_, Some(request)) => request,
            (run, None) => {
                orchestrator.close().await;
                output::write(&format!("run {run} ended well: there is nothing to make up for\n"))?;
                return Ok(Outcome::Done);
            }
        },
    };
    if args.dry_run {
        return plan::tell(&context, &orchestrator, &request, false).await;
    }
    let stop = stop_on_signals(&TaskTracker::new())?;
    let mut watching = JoinSet::new();
    if stderr().is_terminal() {
        watching.spawn(draw(orchestrator.events()));
    }
    let ran = orchestrator.run_once(request, stop).await;
    watching.shutdown().await;
    let recorded = recorded(&orchestrator, ran).await;
    orchestrator.close().await;
    let (summary, record, tasks) = recorded?;
    match (context.format(), record) {
        (Format::Json, record) => context.print_record(&json!({ "run": record, "tasks": tasks }))?,
        (Format::Table, Some(record)) => output::write(&told(&summary, &record, &tasks))?,
        (Format::Table, None) => {}
    }
    Ok(if summary.state == RunState::Succeeded { Outcome::Done } else { Outcome::Failed })
}

/// What the control plane says of a run.
async fn recorded(
    orchestrator: &Orchestrator,
    ran: Result<RunSummary>,
) -> Result<(RunSummary, Option<RunRecord>, Vec<TaskRecord>)> {
    let summary = ran?;
    let record = orchestrator.state().run_record(summary.run).await?;
    let tasks = orchestrator.state().task_records(summary.run).await?;
    Ok((summary, record, tasks))
}

/// What came of the run, for a person: the failures with their remedies, then the counts.
fn told(summary: &RunSummary, run: &RunRecord, tasks: &[TaskRecord]) -> String {
    let mut text = String::new();
    let say = "a text takes every line";
    for task in tasks.iter().filter(|t| t.state == TaskState::Failed.as_str()) {
        let error = task.error.as_deref().unwrap_or_default();
        writeln!(text, "failed: {} {}: {error}", task.kind, short(&task.subject)).expect(say);
        if let Some(remedy) = task.error_kind.as_deref().and_then(Kind::parse).map(Kind::remedy) {
            writeln!(text, "        remedy: {remedy}").expect(say);
        }
    }
    if let Some(error) = &run.error {
        writeln!(text, "the run itself: {error}").expect(say);
        if let Some(remedy) = run.error_kind.as_deref().and_then(Kind::parse).map(Kind::remedy) {
            writeln!(text, "        remedy: {remedy}").expect(say);
        }
    }
    let took = run.ended_at.map(|end| seconds(end - run.started_at)).unwrap_or_default();
    write!(text, "run {} {} in {took}: {} tables unchanged", run.run_id, summary.state, run.tables_unchanged)
        .expect(say);
    let counts =
        [("done", run.succeeded), ("without change", run.unchanged), ("failed", run.failed), ("skipped", run.skipped)];
    for (what, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        write!(text, ", {count} {what}").expect(say);
    }
    text.push('\n');
    text
}

/// Draws a bar with what is under way, until dropped.
async fn draw(mut events: broadcast::Receiver<Event>) {
    let style = ProgressStyle::with_template("{spinner} [{elapsed_precise}] {bar:30} {pos}/{len} {wide_msg}")
        .expect("the template is well formed");
    let bar = ProgressBar::new(0).with_style(style).with_message("planning");
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    let mut under_way = BTreeSet::new();
    loop {
        let event = match events.recv().await {
            Ok(event) => event,
            Err(broadcast::error::RecvError::Lagged(_)) => continue,
            Err(broadcast::error::RecvError::Closed) => break,
        };
        match event {
            Event::Planned { tasks, .. } => bar.set_length(tasks as u64),
            Event::Begun { kind, subject, .. } => drop(under_way.insert(name(kind, &subject))),
            Event::Ended { kind, subject, state, note, .. } => {
                let name = name(kind, &subject);
                under_way.remove(&name);
                match state {
                    TaskState::Pending => bar.println(format!("{name}: {note}; will be tried again")),
                    TaskState::Failed => {
                        bar.println(format!("{name} failed: {note}"));
                        bar.inc(1);
                    }
                    _ => bar.inc(1),
                }
            }
        }
        bar.set_message(under_way.iter().cloned().collect::<Vec<_>>().join(", "));
    }
    bar.finish_and_clear();
}

fn name(kind: TaskKind, subject: &str) -> String {
    match kind {
        TaskKind::Model => short(subject).to_owned(),
        TaskKind::Sync | TaskKind::Reconcile | TaskKind::Maintenance | TaskKind::Operation => subject.to_owned(),
    }
}
