//! `amalgam models`: dbt's verbs on the project, in the order of its graph.

use super::{Context, Outcome, failure, output};
use crate::{
    config::Config,
    domain::ModelId,
    error::{Error, Kind},
    models::{
        BuildOptions, BuildOutcome, Ended, ModelNode, Models, Moment, ProfileChoice, TestStatus, TestVerdict, Told,
        UnitChoice, UnitStatus, UnitVerdict, take_profile,
    },
    state::State,
    telemetry::rounded_seconds,
    warehouse::Warehouse,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use clap::{Args as ClapArgs, Subcommand};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Instant,
};
use tokio::task::JoinSet;

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Build, test and publish what changed, each model in one transaction
    Build(Wanted),
    /// The same as build: a model is never published untested
    Run(Wanted),
    /// Run the tests on what is published
    Test(Chosen),
    /// Write the SQL of the models below the target folder
    Compile(Chosen),
    /// List the models
    #[command(visible_alias = "list")]
    Ls(Chosen),
}

/// dbt's flags.
#[derive(Debug, ClapArgs)]
struct Chosen {
    /// Folder of dbt_project.yml
    #[arg(long, value_name = "DIR")]
    project_dir: Option<PathBuf>,
    /// Folder of profiles.yml: warehouse, schema and threads come from there
    #[arg(long, value_name = "DIR")]
    profiles_dir: Option<PathBuf>,
    /// Profile in profiles.yml; else the one that the project names
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Models: name, stg_*, folder, +needs, needed+, tag:t, path:p, config.materialized:table; a comma for both
    #[arg(long, short, alias = "models", num_args = 1.., value_name = "SELECTION")]
    select: Vec<String>,
    /// Models to leave out, in the same words
    #[arg(long, num_args = 1.., value_name = "SELECTION")]
    exclude: Vec<String>,
    /// Variables above the project's, in YAML or JSON: '{raw_schema: raw}'
    #[arg(long, value_name = "YAML", value_parser = parse_vars)]
    vars: Option<Vars>,
    /// Name of the target, which macros see
    #[arg(long, short, value_name = "NAME")]
    target: Option<String>,
}

/// What is to be built, and how.
#[derive(Debug, ClapArgs)]
struct Wanted {
    #[command(flatten)]
    chosen: Chosen,
    /// Make incremental models and tables from scratch
    #[arg(long, short)]
    full_refresh: bool,
    /// First moment whose rows microbatch models take, in UTC: 2024-01-31, 2024-01-31T06:00:00
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment, requires = "event_time_end")]
    event_time_start: Option<DateTime<Utc>>,
    /// First moment whose rows they take no longer
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment, requires = "event_time_start")]
    event_time_end: Option<DateTime<Utc>>,
    /// Models built at once
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

type Vars = BTreeMap<String, serde_json::Value>;

fn parse_vars(text: &str) -> Result<Vars, String> {
    serde_saphyr::from_str(text).map_err(|error| error.without_snippet().to_string())
}

fn parse_moment(text: &str) -> Result<DateTime<Utc>, String> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|date| date.and_time(NaiveTime::MIN));
    let forms = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"].into_iter();
    let found = date.ok().or_else(|| forms.filter_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).next());
    found.map(|at| at.and_utc()).ok_or_else(|| "write it as 2024-01-31 or 2024-01-31T06:00:00".to_owned())
}

pub(super) async fn run(args: Args, context: Context) -> anyhow::Result<Outcome> {
    let chosen = match &args.verb {
        Verb::Build(wanted) | Verb::Run(wanted) => &wanted.chosen,
        Verb::Test(chosen) | Verb::Compile(chosen) | Verb::Ls(chosen) => chosen,
    };
    let config = configured(&context, chosen)?;
    let warehouse = Warehouse::new(&config.warehouse)?;
    let metrics = context.metrics();
    let models = Models::load(&config, warehouse, metrics, context.clock())?
        .ok_or_else(|| Error::new(Kind::NoProject, "there is no project to take models from"))?;
    let ids = models.select(&chosen.select, &chosen.exclude)?;
    if ids.is_empty() {
        eprintln!("warning: no model is selected");
    }
    match &args.verb {
        Verb::Build(wanted) | Verb::Run(wanted) => {
            State::new(&config.warehouse).migrate().await?;
            let threads = wanted.threads.unwrap_or(config.models.threads);
            let (event_time_start, event_time_end) = (wanted.event_time_start, wanted.event_time_end);
            if event_time_start.zip(event_time_end).is_some_and(|(start, end)| start >= end) {
                return Err(Error::new(Kind::Config, "--event-time-start must lie before --event-time-end").into());
            }
            let usual = BuildOptions::from(wanted.full_refresh);
            let options = BuildOptions { event_time_start, event_time_end, ..usual };
            build(models, ids, options, threads, &context).await
        }
        Verb::Test(_) => test(&models, &ids, &context).await,
        Verb::Compile(_) => compile(&models, &ids),
        Verb::Ls(_) => {
            let rows: Vec<_> = ids.iter().map(|id| models.summary(id)).collect::<Result<_, _>>()?;
            output::rows(context.format(), &rows)?;
            let faults = models.faults();
            for error in &faults {
                failure::tell("reading the models", error);
            }
            Ok(if faults.is_empty() { Outcome::Done } else { Outcome::Failed })
        }
    }
}

/// The configuration with the command's flags above it.
fn configured(context: &Context, chosen: &Chosen) -> anyhow::Result<Config> {
    let mut config = Config::clone(&*context.config()?);
    if let Some(folder) = &chosen.project_dir {
        config.models.project_dir = Some(folder.clone());
    }
    if chosen.profiles_dir.is_some() || chosen.profile.is_some() {
        let choice = ProfileChoice {
            folder: chosen.profiles_dir.as_deref(),
            name: chosen.profile.as_deref(),
            target: chosen.target.as_deref(),
        };
        take_profile(&mut config, &choice, context.clock().now())?;
    } else if let Some(target) = &chosen.target {
        config.models.target.clone_from(target);
    }
    if let Some(vars) = &chosen.vars {
        config.models.vars.extend(vars.clone());
    }
    Ok(config)
}

/// One line of the summary.
#[derive(Debug, Serialize)]
struct Line {
    model: String,
    status: &'static str,
    rows: Option<u64>,
    tests: String,
    seconds: f64,
    reason: String,
}

/// A model that waits for its turn.
struct Waiting {
    node: ModelNode,
    for_: BTreeSet<ModelId>,
}

async fn build(
    models: Models,
    ids: Vec<ModelId>,
    options: BuildOptions,
    threads: usize,
    context: &Context,
) -> anyhow::Result<Outcome> {
    let chosen: BTreeSet<ModelId> = ids.into_iter().collect();
    let waits =
        |node: &ModelNode| node.models.iter().chain(&node.after).filter(|id| chosen.contains(*id)).cloned().collect();
    let nodes = models.nodes();
    let continuing: BTreeSet<ModelId> = nodes.iter().filter(|n| n.continues).map(|n| n.id.clone()).collect();
    let mut waiting: Vec<Waiting> = nodes
        .into_iter()
        .filter(|node| chosen.contains(&node.id))
        .map(|node| Waiting { for_: waits(&node), node })
        .collect();
    models.operate(Moment::Start, &[]).await?;
    let mut ends = Vec::new();
    let mut running: JoinSet<(ModelId, f64, Result<BuildOutcome, Error>, Told)> = JoinSet::new();
    let mut lost: BTreeMap<ModelId, String> = BTreeMap::new();
    let mut lines = Vec::new();
    let mut failed = false;
    while !waiting.is_empty() || !running.is_empty() {
        while running.len() < threads.max(1) {
            let Some(at) = waiting.iter().position(|w| w.for_.is_empty()) else { break };
            let Waiting { node, .. } = waiting.remove(at);
            if let Some(cause) = node.models.iter().find_map(|parent| lost.get(parent)) {
                lines.push(skipped(&models, &node.id, cause)?);
                ends.push(Ended { id: node.id.clone(), status: "skipped", seconds: 0.0, message: None });
                if !node.continues {
                    lost.insert(node.id.clone(), cause.clone());
                }
                release(&mut waiting, &node.id);
                continue;
            }
            let (models, options) = (models.clone(), options.clone());
            running.spawn(async move {
                let since = Instant::now();
                let mut told = Told::default();
                let outcome = models.build_telling(&node.id, &options, &mut told).await;
                (node.id, rounded_seconds(since.elapsed()), outcome, told)
            });
        }
        let Some(ended) = running.join_next().await else { continue };
        let (id, seconds, outcome, told) = ended?;
        for unit in &told.units {
            tell_unit(unit);
        }
        let name = models.summary(&id)?.name;
        release(&mut waiting, &id);
        match outcome {
            Ok(outcome) => {
                ends.push(Ended { id, status: "success", seconds, message: None });
                lines.push(built(name, seconds, &outcome));
            }
            Err(error) => {
                ends.push(Ended { id: id.clone(), status: "error", seconds, message: Some(error.to_string()) });
                failed = true;
                failure::tell(&name, &error);
                if !continuing.contains(&id) {
                    lost.insert(id, name.clone());
                }
                lines.push(Line {
                    model: name,
                    status: "failed",
                    rows: None,
                    tests: String::new(),
                    seconds,
                    reason: error.kind.to_string(),
                });
            }
        }
    }
    if let Err(error) = models.operate(Moment::End, &ends).await {
        failed = true;
        failure::tell("on-run-end", &error);
    }
    output::rows(context.format(), &lines)?;
    let count = |status: &str| lines.iter().filter(|l| l.status == status).count();
    eprintln!(
        "{} built, {} unchanged, {} failed, {} skipped",
        count("built"),
        count("unchanged"),
        count("failed"),
        count("skipped")
    );
    Ok(if failed { Outcome::Failed } else { Outcome::Done })
}

/// Tells of a unit test that did not pass.
fn tell_unit(unit: &UnitVerdict) {
    if let Some(message) = &unit.message {
        eprintln!("unit test {}: {}: {message}\n", unit.name, unit.status.as_str());
    }
}

fn release(waiting: &mut [Waiting], ended: &ModelId) {
    for one in waiting {
        one.for_.remove(ended);
    }
}

fn skipped(models: &Models, id: &ModelId, cause: &str) -> anyhow::Result<Line> {
    let model = models.summary(id)?.name;
    let reason = format!("{cause} failed");
    Ok(Line { model, status: "skipped", rows: None, tests: String::new(), seconds: 0.0, reason })
}

fn built(model: String, seconds: f64, outcome: &BuildOutcome) -> Line {
    let status = if outcome.built { "built" } else { "unchanged" };
    let tests = if outcome.built { tally(&outcome.tests) } else { String::new() };
    Line { model, status, rows: outcome.rows, tests, seconds, reason: outcome.reason.clone() }
}

/// `12 passed`, or `11 passed, 1 warned`.
fn tally(verdicts: &[TestVerdict]) -> String {
    let words = [
        (TestStatus::Pass, "passed"),
        (TestStatus::Warn, "warned"),
        (TestStatus::Fail, "failed"),
        (TestStatus::Skip, "not run"),
    ];
    let count = |status| verdicts.iter().filter(|v| v.status == status).count();
    let parts = words.into_iter().map(|(status, word)| (count(status), word)).filter(|(n, _)| *n > 0);
    parts.map(|(n, word)| format!("{n} {word}")).collect::<Vec<_>>().join(", ")
}

/// One line of the tests' summary.
#[derive(Debug, Serialize)]
struct TestLine {
    test: String,
    status: &'static str,
    failures: i64,
}

async fn test(models: &Models, ids: &[ModelId], context: &Context) -> anyhow::Result<Outcome> {
    let mut lines = Vec::new();
    let mut failed = false;
    for id in ids {
        match models.test(id).await {
            Ok(verdicts) => {
                failed |= verdicts.iter().any(|v| v.status == TestStatus::Fail);
                lines.extend(verdicts.into_iter().map(|v| TestLine {
                    test: v.name,
                    status: v.status.as_str(),
                    failures: v.failures,
                }));
            }
            Err(error) => {
                failed = true;
                failure::tell(id.as_str(), &error);
            }
        }
        match models.test_units(id, &UnitChoice::All).await {
            Ok(units) => {
                units.iter().for_each(tell_unit);
                failed |= units.iter().any(|unit| unit.status != UnitStatus::Pass);
                lines.extend(units.into_iter().map(|unit| TestLine {
                    failures: i64::from(unit.status == UnitStatus::Fail),
                    status: unit.status.as_str(),
                    test: unit.name,
                }));
            }
            Err(error) => {
                failed = true;
                failure::tell(id.as_str(), &error);
            }
        }
    }
    output::rows(context.format(), &lines)?;
    Ok(if failed { Outcome::Failed } else { Outcome::Done })
}

fn compile(models: &Models, ids: &[ModelId]) -> anyhow::Result<Outcome> {
    let mut failed = false;
    for id in ids {
        match models.compile(id) {
            Ok(sql) if ids.len() == 1 => output::write(&format!("{}\n", sql.trim_end()))?,
            Ok(_) => {}
            Err(error) => {
                failed = true;
                failure::tell("compiling", &error);
            }
        }
    }
    if ids.len() != 1 {
        eprintln!("{} compiled", output::counted(ids.len(), "model"));
    }
    Ok(if failed { Outcome::Failed } else { Outcome::Done })
}
