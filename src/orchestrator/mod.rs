//! Schedules, runs, the executor.
//!
//! ```text
//! scheduler (what is due) ──> planning (what has something to do) ──> executor ──> attempts
//!        ▲                          ▲                                   ▲
//!        └── state: schedules ──────┴── recovery: runs left behind ─────┘
//! ```
//!
//! Owns when something runs, in what order, how often it is tried, and what follows from a failure.
//! What a task does belongs to `sync/` and `models/`; every change of state is a row in `state/`.
//! Guarantee: one process at a time works on runs ([`writer`]); a run that was interrupted goes on.

mod alerts;
mod apart;
mod attempt;
mod bounds;
mod breaker;
mod budget;
mod critical_path;
mod cron;
mod daemon;
mod events;
mod executor;
mod graph;
mod health;
mod lateness;
mod maintenance;
mod measure;
mod outlook;
mod patience;
mod plan;
mod planning;
mod recovery;
mod request;
mod resume;
mod scheduler;
mod selection;
mod vitals;
mod writer;

pub use cron::Timetable;
pub use executor::Stop;
pub use health::{Health, Side};
pub use lateness::{is_late, late_before};
pub use outlook::{ModelAction, ModelPlan, Outlook};
pub use request::{Event, RunRequest, RunSummary};
pub use selection::short;
pub use vitals::{Loop, Vitals};

use crate::{
    config::{Config, Secret},
    domain::{Clock, Fence, RunState},
    error::{Error, Kind, Result},
    source::Source,
    state::{Acquired, Lease, NewRun, State},
    sync::Syncer,
    telemetry::Metrics,
    traces::Traces,
    warehouse::Warehouse,
};
use apart::Apart;
use bounds::Bounds;
use breaker::Breakers;
use chrono::{DateTime, Utc};
use executor::{BegunRun, Execution, Outcome};
use scheduler::Scheduler;
use std::sync::Arc;
use tokio::{
    sync::{broadcast, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};
use writer::{Standing, Writership};

/// How many events a slow watcher may lie behind before it misses some.
const EVENTS_MAX: usize = 4096;

/// Runs and schedules of one warehouse. Cheap to clone.
#[derive(Clone)]
pub struct Orchestrator {
    config: Arc<Config>,
    clock: Clock,
    metrics: Arc<Metrics>,
    state: State,
    source: Source,
    warehouse: Warehouse,
    syncer: Syncer,
    bounds: Arc<Bounds>,
    breakers: Arc<Breakers>,
    /// Reads the models.
    models: Apart,
    events: broadcast::Sender<Event>,
    vitals: Vitals,
    traces: Traces,
}

impl Orchestrator {
    /// Puts the rooms together. Connects to nothing yet.
    ///
    /// # Errors
    /// A wrong configuration.
    pub fn new(config: Arc<Config>, clock: Clock, metrics: Arc<Metrics>) -> Result<Self> {
        measure::begin_at_nought(&metrics);
        let source = Source::new(&config.source)?.by_clock(clock.clone()).kept_for(config.sync.parallel_tables);
        let fence = Fence::default();
        let source = source.counting(&metrics.read_bytes);
        let warehouse = Warehouse::new(&config.warehouse)?.fenced(fence.clone()).counting(&metrics.written_bytes);
        Ok(Self {
            state: State::new(&config.warehouse).fenced(fence),
            syncer: Syncer::new(source.clone(), warehouse.clone(), Arc::clone(&config), Arc::clone(&metrics)),
            source,
            warehouse,
            bounds: Arc::new(Bounds::new(&config)),
            breakers: Arc::new(Breakers::new(config.retry.attempts_max)),
            models: Apart::default(),
            events: broadcast::channel(EVENTS_MAX).0,
            vitals: Vitals::default(),
            traces: Traces::new(&config.traces),
            config,
            clock,
            metrics,
        })
    }

    /// The same process by another configuration: what it has counted and told goes on. It does nothing yet.
    ///
    /// # Errors
    /// A wrong configuration.
    pub fn reconfigured(&self, config: Arc<Config>) -> Result<Self> {
        Scheduler::new(&config)?;
        let next = Self::new(config, self.clock.clone(), Arc::clone(&self.metrics))?;
        Ok(Self { events: self.events.clone(), vitals: self.vitals.clone(), ..next })
    }

    /// Its configuration.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The signs of life of this process.
    pub fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// The control plane.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The source.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The warehouse.
    pub fn warehouse(&self) -> &Warehouse {
        &self.warehouse
    }

    /// The metrics of this process.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The clock of this process.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What is shown by whoever asks for runs over HTTP; empty: nobody may.
    pub fn token(&self) -> &Secret {
        &self.config.http.token
    }

    /// When the source's quiet hours are over that it is in; `None` outside of them.
    pub fn quiet_until(&self) -> Option<DateTime<Utc>> {
        self.source.quiet_until()
    }

    /// Tables in step before this moment only are late: [`late_before`].
    pub fn late_before(&self) -> Option<DateTime<Utc>> {
        late_before(&self.config, self.clock.now())
    }

    /// Does one run and waits for its end. A run by hand that asked for the same, and whose process
    /// died, goes on first. Stopped, the run is called off.
    ///
    /// # Errors
    /// The control plane fails before the run has begun, or another process is the writer.
    pub async fn run_once(&self, request: RunRequest, stop: Stop) -> Result<RunSummary> {
        let (summary, went_on) = self.run_or_go_on(&request, stop.clone()).await?;
        if !went_on || request.full || summary.state != RunState::Succeeded || stop.drain.is_cancelled() {
            return Ok(summary);
        }
        // That run did not look at what has changed since it was planned; who asks now means now.
        self.run_or_go_on(&request, stop).await.map(|(summary, _)| summary)
    }

    /// The run, and whether it is one that was left.
    async fn run_or_go_on(&self, request: &RunRequest, stop: Stop) -> Result<(RunSummary, bool)> {
        let holder = writer::holder("run");
        let Some(by_hand) = stop.drain.run_until_cancelled(self.begin_by_hand(request, &holder)).await else {
            return Err(Error::new(Kind::Cancelled, "the run was called off before it began"));
        };
        let (lease, begun, goes_on) = by_hand?;
        let reign = lease.epoch();
        let (sender, standing) = watch::channel(Standing::Writer(reign));
        let called_off = stop.drain.clone();
        let over = CancellationToken::new();
        let mut background = JoinSet::new();
        background.spawn(writer::keep(self.clone(), holder, Some(lease), sender, over.clone()));
        let run = begun.id;
        let execution = Execution::new(self, begun, Writership::new(standing, reign), stop, true);
        let span = info_span!("run", run = run.0, trace_id = execution.trace.trace_id());
        let ended = execution.carry_out().instrument(span).await;
        over.cancel();
        while background.join_next().await.is_some() {}
        match ended {
            Outcome::Ended(state, error) => Ok((RunSummary { run, state, error }, goes_on)),
            Outcome::Unrecorded(error) => Err(error.during(format!("recording the end of run {run}"))),
            Outcome::Interrupted if called_off.is_cancelled() => {
                Err(Error::new(Kind::Cancelled, format!("run {run} was called off while the warehouse was away")))
            }
            Outcome::Interrupted => {
                Err(Error::new(Kind::WriterElsewhere, format!("another process wrote and goes on with run {run}")))
            }
        }
    }

    /// Ends the connections of the control plane and to the source, and what was still to be said over them; what was
    /// given up is called off. Spans of runs are sent.
    pub async fn close(&self) {
        tokio::join!(self.state.close(), self.source.close(), self.warehouse.close(), self.traces.close());
    }

    /// Becomes the writer, and begins a run or takes up the one that was left; whether it is one that was.
    async fn begin_by_hand(&self, request: &RunRequest, holder: &str) -> Result<(Lease, BegunRun, bool)> {
        self.state.migrate().await?;
        let lease = match self.state.acquire(holder, self.clock.now()).await? {
            Acquired::Held(lease) => lease,
            Acquired::By(other) => {
                return Err(Error::new(Kind::WriterElsewhere, format!("another process writes: {other}")));
            }
        };
        if let Some(left) = self.take_over_by_hand(request).await? {
            return Ok((lease, left, true));
        }
        let asked = serde_json::to_value(request).expect("a request is JSON");
        let new = NewRun { schedule: None, fire_at: None, cause: None, request: asked, at: self.clock.now() };
        let run = self.state.begin_run(&new).await?;
        Ok((lease, BegunRun::new(run, String::new(), request.clone()), false))
    }
}
