//! `amalgam support`: one file for whoever helps from afar.
//!
//! Guarantee: no value of any row and no secret. What is gathered is named here, part by part: names of
//! tables, columns, models and schedules, declarations, counts, times, settings, and kinds of failure. Texts
//! of failures are left out, although they carry no values either: nobody here can see that they don't.
//! Names of hosts, users and databases stand in it, for they are what is to be looked into; README.txt in the
//! file says so.

mod archive;
mod log;
mod shape;

use super::{Context, Outcome, doctor, output};
use crate::{
    config::load,
    error::{Error, Kind},
    state::{ModelHealth, RunRecord, State, TableHealth, TaskRecord},
};
use anyhow::Context as _;
use archive::Archive;
use serde::Serialize;
use serde_json::{Value, json};
use std::{io::Read, net::SocketAddr, path::PathBuf, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long one part may take: a database that hangs is told as that.
const PART_SECONDS_MAX: u64 = 60;
/// Of the last runs, so many are told, and the tasks of so many that failed.
const RUNS_MAX: u32 = 100;
const FAILED_RUNS_MAX: usize = 10;
/// More of a metrics page is cut off.
const METRICS_BYTES_MAX: u64 = 16 << 20;

const README: &str = include_str!("readme.txt");

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to write; else amalgam-support-TIME.tar.gz here
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A log of Amalgam's in JSON to take lines from; `-` for standard input:
    /// journalctl -u amalgam -o cat | amalgam support --log -
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

pub(super) async fn run(args: Args, context: Context) -> anyhow::Result<Outcome> {
    let now = context.clock().now();
    let mut archive = Archive::new(now);
    archive.text("README.txt", README.to_owned());
    archive.json("about.json", &about(now))?;
    if let Some(path) = &args.log {
        archive.text("log.jsonl", log::kept(&read_log(path)?));
    }
    archive.json("configuration.json", &configuration(&context))?;
    // Without a configuration there is nobody to ask.
    if context.config().is_ok() {
        gather(&context, &mut archive).await?;
    }
    let path = args.output.unwrap_or_else(|| PathBuf::from(archive.file_name()));
    archive.write(&path)?;
    output::write(&format!("{}\n", path.display()))?;
    Ok(Outcome::Done)
}

async fn gather(context: &Context, archive: &mut Archive) -> anyhow::Result<()> {
    archive.json("doctor.json", &part(doctor::examine(context)).await)?;
    archive.json("settings.json", &settings(context).await)?;
    archive.json("tables.json", &part(shapes(context)).await)?;
    archive.json("control_plane.json", &part(control_plane(context)).await)?;
    let listen = context.config()?.http.listen;
    match timeout(Duration::from_secs(PART_SECONDS_MAX), metrics(listen)).await {
        Ok(Ok(text)) => archive.text("metrics.txt", text),
        _ => archive.text("metrics.txt", format!("# nobody answers at {listen}\n")),
    }
    Ok(())
}

/// A part, or the kind of what kept it from being gathered.
async fn part<T: Serialize>(gathered: impl Future<Output = anyhow::Result<T>>) -> Value {
    let failed = |kind: &str, remedy: &str| json!({ "not_gathered": { "kind": kind, "remedy": remedy } });
    match timeout(Duration::from_secs(PART_SECONDS_MAX), gathered).await {
        Ok(Ok(value)) => serde_json::to_value(value).unwrap_or_else(|_| failed("no_json", "")),
        Ok(Err(error)) => match error.chain().find_map(|cause| cause.downcast_ref::<Error>()) {
            Some(known) => failed(known.kind.as_str(), known.remedy()),
            None => failed("other", "run amalgam doctor"),
        },
        Err(_) => failed("no_answer", "a database does not answer in time"),
    }
}

fn about(now: chrono::DateTime<chrono::Utc>) -> Value {
    let line_of = |path: &str, name: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_matches(['"', ' ', '\t']).to_owned()))
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "made_at": now,
        "system": line_of("/etc/os-release", "PRETTY_NAME="),
        "kernel": line_of("/proc/sys/kernel/osrelease", ""),
        "architecture": std::env::consts::ARCH,
        "processors": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "memory": line_of("/proc/meminfo", "MemTotal:"),
    })
}

/// Every setting and its origin; secrets are stars. Models' variables may hold anything, and are not told.
fn configuration(context: &Context) -> Value {
    match load::load_with_origins(&context.sources()) {
        Ok(loaded) => {
            let settings = loaded.settings().into_iter().map(|setting| {
                let is_free = setting.key.starts_with("models.vars.");
                let value = if is_free { Value::from("(left out)") } else { setting.value };
                json!({ "key": setting.key, "value": value, "origin": setting.origin })
            });
            settings.collect()
        }
        Err(refused) => {
            let keys: Vec<&str> = refused.problems.iter().map(|problem| problem.key.as_str()).collect();
            json!({ "refused": keys, "remedy": "amalgam config check" })
        }
    }
}

async fn settings(context: &Context) -> Value {
    let source = part(async { Ok(context.source()?.settings().await?) });
    let warehouse = part(async { Ok(context.warehouse()?.settings().await?) });
    let (source, warehouse) = tokio::join!(source, warehouse);
    json!({ "source": source, "warehouse": warehouse })
}

async fn shapes(context: &Context) -> anyhow::Result<Vec<shape::Shape>> {
    let syncer = context.syncer()?;
    Ok(shape::shapes(&syncer.discover().await?, &syncer))
}

/// What the control plane knows, without a word of what was said about it.
async fn control_plane(context: &Context) -> anyhow::Result<Value> {
    let state = context.state()?;
    if !state.is_migrated().await? {
        return Ok(json!({ "migrated": false }));
    }
    let runs = state.history(RUNS_MAX).await?;
    let failed: Vec<&RunRecord> = runs.iter().filter(|run| run.failed > 0).take(FAILED_RUNS_MAX).collect();
    let mut failures = Vec::new();
    for run in &failed {
        let tasks = state.task_records(crate::domain::RunId(run.run_id)).await?;
        failures.extend(tasks.iter().filter(|task| task.error_kind.is_some()).map(|task| failure(run.run_id, task)));
    }
    Ok(json!({
        "migrated": true,
        "schedules": schedules(&state).await?,
        "runs": runs.iter().map(run_told).collect::<Vec<_>>(),
        "failures": failures,
        "tables": state.table_health().await?.iter().map(table_told).collect::<Vec<_>>(),
        "models": state.model_health().await?.iter().map(model_told).collect::<Vec<_>>(),
        "rows_quarantined": state.quarantined().await?,
    }))
}

async fn schedules(state: &State) -> anyhow::Result<Vec<Value>> {
    let told = |s: crate::state::ScheduleRow| {
        json!({
            "name": s.name, "cron": s.cron, "timezone": s.timezone, "paused": s.paused,
            "next_fire_at": s.next_fire_at, "last_fire_at": s.last_fire_at, "queued_fire_at": s.queued_fire_at,
        })
    };
    Ok(state.schedules().await?.into_iter().map(told).collect())
}

fn run_told(run: &RunRecord) -> Value {
    json!({
        "run": run.run_id, "trigger": run.trigger, "schedule": run.schedule, "state": run.state,
        "started_at": run.started_at, "ended_at": run.ended_at, "tables_unchanged": run.tables_unchanged,
        "tasks": run.tasks, "succeeded": run.succeeded, "unchanged": run.unchanged, "failed": run.failed,
        "skipped": run.skipped, "error_kind": kind(run.error_kind.as_deref()),
    })
}

fn failure(run: i64, task: &TaskRecord) -> Value {
    let attempts = task.attempts.iter().map(|attempt| {
        json!({
            "number": attempt.number, "state": attempt.state, "started_at": attempt.started_at,
            "ended_at": attempt.ended_at, "error_kind": kind(attempt.error_kind.as_deref()),
        })
    });
    json!({
        "run": run, "kind": task.kind, "subject": task.subject, "state": task.state,
        "error_kind": kind(task.error_kind.as_deref()), "attempts": attempts.collect::<Vec<_>>(),
    })
}

fn table_told(table: &TableHealth) -> Value {
    json!({
        "table": table.name, "mode": table.mode, "rows": table.row_count, "fresh_at": table.fresh_at,
        "changed_at": table.changed_at, "failing_since": table.failing_since,
        "failures_in_a_row": table.failures_in_a_row, "error_kind": kind(table.error_kind.as_deref()),
    })
}

fn model_told(model: &ModelHealth) -> Value {
    json!({
        "model": model.name, "good_at": model.good_at, "failing_since": model.failing_since,
        "failures_in_a_row": model.failures_in_a_row, "error_kind": kind(model.error_kind.as_deref()),
    })
}

/// A word that is a kind of failure; anything else is no word of ours.
fn kind(word: Option<&str>) -> Option<&'static str> {
    word.map(|word| Kind::parse(word).map_or("unknown", Kind::as_str))
}

/// What the daemon's own page says, where one answers.
async fn metrics(listen: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(listen).await?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(METRICS_BYTES_MAX).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("no page")?;
    anyhow::ensure!(head.contains(" 200 "), "the page is refused");
    // Labels are names. What other programs answer at that port is none of ours.
    let is_ours = |line: &&str| ["amalgam_", "process_", "# "].iter().any(|begin| line.starts_with(begin));
    Ok(body.lines().filter(is_ours).map(|line| format!("{line}\n")).collect())
}

fn read_log(path: &std::path::Path) -> anyhow::Result<String> {
    let told = || format!("reading {}", path.display());
    let mut bytes = Vec::new();
    match path.as_os_str() == "-" {
        true => std::io::stdin().lock().read_to_end(&mut bytes).with_context(told)?,
        false => std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).with_context(told)?,
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_kind_is_not_told() {
        assert_eq!(kind(Some("source_lost")), Some("source_lost"));
        assert_eq!((kind(Some("Smith")), kind(None)), (Some("unknown"), None));
    }
}
