//! `amalgam doctor`: looks at both databases before a run has to.
//!
//! Changes nothing. Each finding that isn't well says what to do, with the statement to run where
//! there is one.

mod control;
mod finding;
mod log;
mod machine;
mod project;
mod schedules;
mod source;
mod tables;
mod warehouse;

use super::{
    Context, Outcome,
    output::{self, Format},
};
use crate::{
    config::{Config, load},
    error::Error,
    source as source_facts, warehouse as warehouse_facts,
};
use chrono::TimeDelta;
use finding::{Finding, Findings, Verdict, bytes};
pub(super) use project::debug;
use std::time::Duration;
use tokio::{process::Command, time::timeout};

/// Apart by more than this, times of the two sides can't be compared by a person.
const CLOCKS_APART_SECONDS_MAX: i64 = 5;
/// Below this much free space the warehouse's disk is told.
const DISK_FREE_BYTES_MIN: u64 = 5 << 30;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_args: Args, context: Context) -> anyhow::Result<Outcome> {
    let findings = examine(&context).await?;
    tell(&context, &findings)
}

/// Prints what was found.
fn tell(context: &Context, findings: &[Finding]) -> anyhow::Result<Outcome> {
    match context.format() {
        Format::Json => context.print_rows(findings)?,
        Format::Table => output::write(&shown(findings))?,
    }
    let worst = findings.iter().map(|finding| finding.verdict).max();
    Ok(if worst == Some(Verdict::Fail) { Outcome::Failed } else { Outcome::Done })
}

/// All that is found.
pub(super) async fn examine(context: &Context) -> anyhow::Result<Vec<Finding>> {
    let config = context.config()?;
    let clock = context.clock();
    let loaded = load::load_with_origins(&context.sources())?;
    let (from, to) = (context.source()?, context.warehouse()?);
    let schemas = [config.warehouse.raw_schema.as_str(), "amalgam", config.models.schema.as_str()];
    let (source, warehouse) = tokio::join!(from.preflight(&clock), to.preflight(&clock, &schemas));

    let mut on_source = Findings::on("source");
    match &source {
        Ok(facts) => {
            source::judge(facts, &config.source, &mut on_source);
            let syncer = context.syncer()?;
            match syncer.discover().await {
                Ok(catalog) => {
                    tables::judge(&catalog, facts, &syncer, &mut on_source);
                    log::examine(&catalog, facts, &from, &syncer, &mut on_source).await;
                }
                Err(error) => on_source.failed("tables", &error),
            }
        }
        Err(error) => on_source.failed("reachable", error),
    }
    let mut on_replica = Findings::on("replica");
    if source.is_ok() {
        source::judge_replica(from.examine_replica().await, &mut on_replica);
    }
    let mut on_warehouse = Findings::on("warehouse");
    match &warehouse {
        Ok(facts) => {
            warehouse::judge(facts, &config, &mut on_warehouse);
            control::examine(&context.state()?, &mut on_warehouse).await;
            if let Some(directory) = facts.tablespace.as_ref().or(facts.data_directory.as_ref()) {
                let needed = source.as_ref().map_or(0, |facts| facts.data_bytes);
                disk(&config, directory, needed, &mut on_warehouse).await;
            }
        }
        Err(error) => on_warehouse.failed("reachable", error),
    }
    let mut on_clocks = Findings::on("clocks");
    clocks("source", source.as_ref().map(|facts| facts.clock_ahead), &mut on_clocks);
    clocks("warehouse", warehouse.as_ref().map(|facts| facts.clock_ahead), &mut on_clocks);

    apart(source.as_ref().ok(), warehouse.as_ref().ok(), &mut on_clocks);
    schedules::judge(&config.schedule, source.as_ref().ok(), clock.now(), &mut on_clocks);
    let mut on_machine = Findings::on("machine");
    machine::examine(&config, &loaded.settings(), &context.sources(), &mut on_machine).await;

    let mut on_models = Findings::on("models");
    match context.models() {
        Ok(None) => on_models.ok("project", "none configured; only tables are kept in step"),
        Ok(Some(models)) => project::judge(Ok(models), &mut on_models),
        Err(error) => project::judge(Err(error), &mut on_models),
    }
    let all = [on_machine, on_source, on_replica, on_warehouse, on_clocks, on_models];
    Ok(all.into_iter().flat_map(Findings::into_vec).collect())
}

fn clocks(check: &'static str, ahead: Result<TimeDelta, &Error>, into: &mut Findings) {
    // A server that didn't answer is told under its own name.
    let Ok(ahead) = ahead else { return };
    let apart = ahead.num_milliseconds();
    let side = if apart >= 0 { "ahead of" } else { "behind" };
    #[expect(clippy::cast_precision_loss, reason = "milliseconds between two clocks, shown with three digits")]
    let told = format!("{:.3} s {side} this machine", apart.unsigned_abs() as f64 / 1000.0);
    if ahead.abs() > TimeDelta::seconds(CLOCKS_APART_SECONDS_MAX) {
        into.warn(check, told, "let every machine follow NTP: timedatectl set-ntp true");
    } else {
        into.ok(check, told);
    }
}

/// Both databases with each other: a person compares the times of one with those of the other.
fn apart(
    source: Option<&source_facts::Preflight>,
    warehouse: Option<&warehouse_facts::Preflight>,
    into: &mut Findings,
) {
    let (Some(source), Some(warehouse)) = (source, warehouse) else { return };
    let apart = source.clock_ahead - warehouse.clock_ahead;
    if apart.abs() > TimeDelta::seconds(CLOCKS_APART_SECONDS_MAX) {
        let told = format!("source and warehouse are {} s apart", apart.num_seconds().abs());
        into.warn("each other", told, "let every machine follow NTP: timedatectl set-ntp true");
    }
}

/// Free space where the warehouse keeps its data, as far as this machine and user can see it.
async fn disk(config: &Config, directory: &str, needed_bytes: u64, into: &mut Findings) {
    if !source::is_this_machine(&config.warehouse.host) {
        return;
    }
    let df = Command::new("df").args(["--output=avail", "-B1", "--", directory]).kill_on_drop(true).output();
    let Ok(Ok(output)) = timeout(Duration::from_secs(5), df).await else { return };
    let Some(free) =
        String::from_utf8_lossy(&output.stdout).lines().nth(1).and_then(|line| line.trim().parse::<u64>().ok())
    else {
        return;
    };
    let told = format!("{} free in {directory}", bytes(free));
    // Twice the source: a table that is loaded again stands beside the old one for a while.
    if free < DISK_FREE_BYTES_MIN.max(needed_bytes.saturating_mul(2)) {
        let remedy =
            format!("free or add space: the source holds {}, and a reload needs it twice", bytes(needed_bytes));
        into.warn("disk", told, remedy);
    } else {
        into.ok("disk", told);
    }
}

/// A line a finding, the remedy below it, and the sum at the end.
fn shown(findings: &[Finding]) -> String {
    let width = |text: fn(&Finding) -> &str| findings.iter().map(|f| text(f).len()).max().unwrap_or(0);
    let (subjects, checks) = (width(|f| f.subject), width(|f| f.check));
    let mut text = String::new();
    for Finding { verdict, subject, check, finding, remedy } in findings {
        let word = word(*verdict);
        text.push_str(&format!("{word:4}  {subject:subjects$}  {check:checks$}  {finding}\n"));
        if let Some(remedy) = remedy {
            text.push_str(&format!("{:indent$}remedy: {remedy}\n", "", indent = subjects + checks + 10));
        }
    }
    let count = |verdict| findings.iter().filter(|f| f.verdict == verdict).count();
    text.push_str(&match (count(Verdict::Fail), count(Verdict::Warn)) {
        (0, 0) => "all is well\n".to_owned(),
        (0, warnings) => format!("it will work; {warnings} to look at\n"),
        (failures, warnings) => format!("{failures} to mend first, {warnings} to look at\n"),
    });
    text
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Fail => "FAIL",
    }
}
