//! The life of the process: signals, systemd, reload, drain.
//!
//! Owns when the process stops and how. The first SIGTERM or SIGINT asks what is under way to end; after
//! [`DRAIN_SECONDS_MAX`], or at a second signal, it is rolled back. Nothing is lost either way: a run
//! goes on at the next start. A database that is away makes the daemon unready, never dead.
//!
//! ```text
//! serve ──> one reign per configuration ──> Orchestrator::serve
//!   ▲                   │ SIGHUP, and the new one is good: drained as at a stop
//!   └───────────────────┘
//! ```

mod listener;
mod reload;
mod signals;
mod systemd;

pub use reload::Reread;
pub use signals::stop_on_signals;

use crate::{
    config::Config,
    domain::Clock,
    error::Result,
    http,
    orchestrator::{Health, Orchestrator, Stop},
    telemetry::Metrics,
};
use listener::Listener;
use reload::Next;
use sd_notify::NotifyState;
use signals::DRAIN_SECONDS_MAX;
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

/// How long connections of watchers may take to end.
const CLOSE_SECONDS_MAX: u64 = 1;

/// Runs the daemon until told to stop: schedules, health, metrics.
///
/// Starts, and keeps trying, when neither database answers.
///
/// # Errors
/// A wrong configuration, or an address that can't be listened on.
pub async fn serve(config: Arc<Config>, clock: Clock, stop: Stop, mut reread: Reread) -> Result<()> {
    let mut listener = Listener::bind(config.http.listen).await?;
    let mut orchestrator = Orchestrator::new(config, clock, Arc::new(Metrics::new()))?;
    let health = watch::Sender::new(Health::default());
    let watchers = TaskTracker::new();
    watchers.spawn(tell_stopping(stop.drain.clone()));
    let ended = loop {
        begin(&orchestrator, &listener);
        let (ended, next) = reign(&orchestrator, &listener, &health, &stop, &mut reread).await;
        orchestrator.close().await;
        match next {
            Some(next) if ended.is_ok() && !stop.drain.is_cancelled() => {
                orchestrator = next.orchestrator;
                listener = next.listener.unwrap_or(listener);
            }
            _ => break ended,
        }
    };
    stop.drain.cancel();
    watchers.close();
    watchers.wait().await;
    info!("stopped");
    ended
}

fn begin(orchestrator: &Orchestrator, listener: &Listener) {
    let (config, metrics) = (orchestrator.config(), orchestrator.metrics());
    metrics.config_reload_ok.set(1);
    metrics.config_reloaded.set(orchestrator.clock().now().timestamp());
    systemd::notify(&[NotifyState::Ready]);
    let (version, schedules) = (env!("CARGO_PKG_VERSION"), config.schedule.len());
    info!(version, listen = %listener.address(), schedules, "serving");
    if config.schedule.is_empty() {
        warn!("no [[schedule]] is configured: nothing runs by itself");
    }
}

/// Works by one configuration, until told to stop or until another is to come into force.
async fn reign(
    orchestrator: &Orchestrator,
    listener: &Listener,
    health: &watch::Sender<Health>,
    stop: &Stop,
    reread: &mut Reread,
) -> (Result<()>, Option<Next>) {
    let served = match listener.for_server() {
        Ok(socket) => Served::begin(socket, orchestrator, health),
        Err(error) => return (Err(error), None),
    };
    let own = Stop { drain: stop.drain.child_token(), abort: stop.abort.child_token() };
    let mut working = std::pin::pin!(orchestrator.serve(health.clone(), own.clone()));
    let mut next: Option<(Next, Instant)> = None;
    let ended = loop {
        let patience_ends = next.as_ref().map_or_else(Instant::now, |(_, ends)| *ends);
        tokio::select! {
            ended = &mut working => break ended,
            read = reread.next(orchestrator), if next.is_none() => {
                own.drain.cancel();
                next = Some((read, Instant::now() + Duration::from_secs(DRAIN_SECONDS_MAX)));
            }
            () = tokio::time::sleep_until(patience_ends), if next.is_some() && !own.abort.is_cancelled() => {
                own.abort.cancel();
            }
        }
    };
    served.end().await;
    (ended, next.map(|(next, _)| next))
}

/// Health, metrics and signs of life: to the very end of a reign, so that its drain can be watched.
struct Served {
    tracker: TaskTracker,
    over: CancellationToken,
}

impl Served {
    fn begin(socket: tokio::net::TcpListener, orchestrator: &Orchestrator, health: &watch::Sender<Health>) -> Self {
        let (tracker, over) = (TaskTracker::new(), CancellationToken::new());
        tracker.spawn(http::serve(socket, orchestrator.clone(), health.subscribe(), over.clone()));
        tracker.spawn(systemd::watch(orchestrator.clone(), health.subscribe(), over.clone()));
        tracker.close();
        Self { tracker, over }
    }

    async fn end(self) {
        self.over.cancel();
        if tokio::time::timeout(Duration::from_secs(CLOSE_SECONDS_MAX), self.tracker.wait()).await.is_err() {
            warn!("a watcher's connection is still open and is cut off");
        }
    }
}

async fn tell_stopping(drain: CancellationToken) {
    drain.cancelled().await;
    systemd::notify(&[NotifyState::Stopping]);
}
