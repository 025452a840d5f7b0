//! `amalgam demo`: an invented practice that lives, a private warehouse, and the daemon on top.

use super::{Context, Outcome};
use crate::{
    config::{LogFormat, load},
    demo::{
        Demo, Options,
        practice::{Act, Life, PracticeError, Size},
        project,
    },
    domain::{Clock, RunState, TaskKind, TaskState},
    lifecycle::{self, Reread},
    orchestrator::{Event, Orchestrator, RunRequest, RunSummary, Stop},
    telemetry::Metrics,
};
use std::{
    collections::BTreeMap,
    io::Write,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::broadcast,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

const DEFAULT_FOLDER: &str = "demo-data";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where everything lies; else demo-data, or a temporary folder with --throw-away
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Leave nothing behind; the folder must not be there yet
    #[arg(long, conflicts_with = "keep")]
    throw_away: bool,
    /// Keep the folder for the next start, which is quicker then (as without either flag)
    #[arg(long)]
    keep: bool,
    /// Patients of the practice, where there is none yet
    #[arg(long, value_name = "COUNT", default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    patients: u32,
    /// What chance begins with: the same seed makes the same practice
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// What happens in the practice, in acts a second; 0 for a practice that stands still
    #[arg(long, value_name = "COUNT", default_value_t = 3.0)]
    rate: f64,
    /// Do one run, say what came of it, and end
    #[arg(long)]
    once: bool,
}

/// After a failed act, life rests so long: somebody may have stopped the practice's server.
const REST: Duration = Duration::from_secs(2);

/// How often the log tells what happened in the practice.
const TELL_EVERY: Duration = Duration::from_secs(60);

pub(super) async fn run(args: Args, context: Context) -> anyhow::Result<Outcome> {
    let began = Instant::now();
    let stop = lifecycle::stop_on_signals(&TaskTracker::new())?;
    let options = options(&args, &context)?;
    say(&format!("demo: everything lies in {}", options.folder.display()));
    let clock = context.clock();
    let bring_up = Demo::bring_up(&options, &clock, step);
    let Some(demo) = stop.drain.run_until_cancelled(bring_up).await else { return Ok(Outcome::Failed) };
    let demo = demo?;
    let outcome = run_on(&demo, &args, &context, stop, began).await;
    let ending = Instant::now();
    demo.end().await?;
    step("both servers stopped", ending.elapsed());
    if options.throw_away {
        say("demo: nothing is left behind");
    } else {
        say(&format!("demo: {} is kept for the next start; remove it when you like", options.folder.display()));
    }
    outcome
}

fn options(args: &Args, context: &Context) -> anyhow::Result<Options> {
    let usual = if args.throw_away {
        std::env::temp_dir().join(format!("amalgam-demo-{}", std::process::id()))
    } else {
        PathBuf::from(DEFAULT_FOLDER)
    };
    Ok(Options {
        folder: args.folder.clone().unwrap_or(usual),
        throw_away: args.throw_away,
        size: Size { patients: args.patients, seed: args.seed },
        models: models_folder(),
        http: asked_http(context)?,
    })
}

/// The project in a clone, seen from the present folder: what is changed there shows in the demo.
fn models_folder() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|folder| folder.join(project::FOLDER)).find(|folder| folder.join(project::FILE).exists())
}

/// Where health and metrics are to be served, if it was said.
fn asked_http(context: &Context) -> anyhow::Result<Option<SocketAddr>> {
    let overrides = context.sources().overrides;
    let is_asked = overrides.iter().any(|item| item.split('=').next().map(str::trim) == Some("http.listen"));
    let config = load::load(&load::Sources { overrides, ..Default::default() })?;
    Ok(is_asked.then_some(config.http.listen))
}

/// The first run, then the daemon on top of a practice that lives.
async fn run_on(demo: &Demo, args: &Args, context: &Context, stop: Stop, began: Instant) -> anyhow::Result<Outcome> {
    let sources =
        load::Sources { files: vec![demo.config_file()], overrides: context.sources().overrides, ..Default::default() };
    let mut config = load::load(&sources)?;
    // The port that was chosen where any would do.
    config.http.listen = demo.http();
    let config = Arc::new(config);
    let first = Instant::now();
    let orchestrator = Orchestrator::new(Arc::clone(&config), context.clock(), Arc::new(Metrics::new()))?;
    let mut watching = JoinSet::new();
    watching.spawn(watch(orchestrator.events()));
    let summary = orchestrator.run_once(RunRequest::default(), stop.clone()).await;
    watching.shutdown().await;
    let summary = summary?;
    let built = done(&orchestrator, &summary).await?;
    orchestrator.close().await;
    step(&format!("first run, {built}: {}", summary.state), first.elapsed());
    if let Some(error) = summary.error {
        say(&format!("  {error}"));
    }
    if args.once || stop.drain.is_cancelled() {
        let done = summary.state == RunState::Succeeded;
        return Ok(if done { Outcome::Done } else { Outcome::Failed });
    }
    show_places(demo);
    say(&format!("demo: up after {:.1} s; the practice lives, Ctrl-C ends it\n", began.elapsed().as_secs_f64()));
    context.start_logs(&config.log.filter, LogFormat::Text)?;
    let life = live(demo, args, context.clock(), stop.drain.clone());
    let (served, acts) = tokio::join!(lifecycle::serve(config, context.clock(), stop.clone(), Reread::never()), life);
    served?;
    say(&format!("demo: what happened in the practice: {}", told(&acts)));
    Ok(Outcome::Done)
}

/// How many tables and models the run has brought to their end.
async fn done(orchestrator: &Orchestrator, summary: &RunSummary) -> anyhow::Result<String> {
    let tasks = orchestrator.state().task_records(summary.run).await?;
    let count = |kind: TaskKind| {
        tasks.iter().filter(|t| t.kind == kind.as_str() && t.state == TaskState::Succeeded.as_str()).count()
    };
    Ok(format!("{} tables synced, {} models built", count(TaskKind::Sync), count(TaskKind::Model)))
}

/// Tells of what the first run does, a line for each table or model that took a while or failed.
async fn watch(mut events: broadcast::Receiver<Event>) {
    let (mut tasks_of_run, mut ended) = (0, 0);
    loop {
        match events.recv().await {
            Ok(Event::Planned { tasks, .. }) => tasks_of_run = tasks,
            Ok(Event::Ended { subject, state, note, .. }) => {
                ended += 1;
                if state == TaskState::Failed {
                    say(&format!("  {subject} failed: {note}"));
                }
                if ended % 20 == 0 {
                    say(&format!("  {ended} of {tasks_of_run} tables and models"));
                }
            }
            Ok(Event::Begun { .. }) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

fn show_places(demo: &Demo) {
    say("\nWhere to look:");
    let config = demo.config_file();
    // Who has just built it has not put it on the path.
    let program = std::env::current_exe().map_or_else(|_| "amalgam".to_owned(), |path| path.display().to_string());
    let mut places = demo.places();
    places.push(("status", format!("{program} status --config {}", config.display())));
    places.push(("history", format!("{program} history --config {}", config.display())));
    for (what, place) in places {
        say(&format!("  {what:<14} {place}"));
    }
    say("  reports        schema marts of the warehouse: \\dt marts.* in psql lists them\n");
}

/// Lets the practice live until told to stop; says what happened.
async fn live(demo: &Demo, args: &Args, clock: Clock, stop: CancellationToken) -> BTreeMap<Act, u64> {
    let mut acts = BTreeMap::new();
    if args.rate <= 0.0 {
        return acts;
    }
    let mut beat = interval(Duration::from_secs_f64((1.0 / args.rate).clamp(0.001, 3_600.0)));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut life: Option<Life> = None;
    let mut last_told = Instant::now();
    // Ends with the demo.
    while stop.run_until_cancelled(beat.tick()).await.is_some() {
        match act(demo, args, &clock, &mut life).await {
            Ok(act) => *acts.entry(act).or_insert(0) += 1,
            Err(error) => {
                warn!(%error, "the practice stands still");
                life = None;
                stop.run_until_cancelled(tokio::time::sleep(REST)).await;
            }
        }
        if last_told.elapsed() >= TELL_EVERY {
            last_told = Instant::now();
            info!(so_far = told(&acts), "the practice lives");
        }
    }
    acts
}

async fn act(demo: &Demo, args: &Args, clock: &Clock, life: &mut Option<Life>) -> Result<Act, PracticeError> {
    match life {
        Some(life) => life.act().await,
        None => life.insert(demo.live(args.seed, clock.clone()).await?).act().await,
    }
}

fn told(acts: &BTreeMap<Act, u64>) -> String {
    let counts: Vec<_> = acts.iter().map(|(act, count)| format!("{count} {act}")).collect();
    counts.join(", ")
}

/// A step that is done, and how long it took.
fn step(what: &str, took: Duration) {
    say(&format!("{:>7.1} s  {what}", took.as_secs_f64()));
}

/// A closed terminal is no reason to fail.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
