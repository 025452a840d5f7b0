//! The life of the process: signals, systemd, drain.
//!
//! Owns when the process stops and how. The first SIGTERM or SIGINT asks what is under way to end; after
//! [`DRAIN_SECONDS_MAX`], or at a second signal, it is rolled back. Nothing is lost either way: a run
//! goes on at the next start. A database that is away makes the daemon unready, never dead.

use crate::{
    config::Config,
    domain::Clock,
    error::{Error, Kind, Result},
    http,
    orchestrator::{Health, Orchestrator, Stop},
    telemetry::Metrics,
};
use sd_notify::NotifyState;
use std::{sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

/// How long what is under way may take to end after the first signal.
const DRAIN_SECONDS_MAX: u64 = 4;
/// How long connections of watchers may take to end.
const CLOSE_SECONDS_MAX: u64 = 1;

/// Stops at SIGTERM and SIGINT. The watch over them ends with the runtime.
///
/// # Errors
/// The system refuses to tell of signals.
pub fn stop_on_signals(tracker: &TaskTracker) -> Result<Stop> {
    let stop = Stop::default();
    let refused = |e: std::io::Error| Error::new(Kind::Internal, "waiting for signals").with_source(e);
    let terminate = signal(SignalKind::terminate()).map_err(refused)?;
    let interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
    tracker.spawn(watch_signals(stop.clone(), terminate, interrupt));
    Ok(stop)
}

async fn watch_signals(stop: Stop, mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = stop.drain.cancelled() => {}
    }
    info!(seconds_max = DRAIN_SECONDS_MAX, "stopping; what is under way may end");
    stop.drain.cancel();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = tokio::time::sleep(Duration::from_secs(DRAIN_SECONDS_MAX)) => {}
        () = stop.abort.cancelled() => {}
    }
    stop.abort.cancel();
}

/// Runs the daemon until told to stop: schedules, health, metrics.
///
/// Starts, and keeps trying, when neither database answers.
///
/// # Errors
/// A wrong configuration, or an address that can't be listened on.
pub async fn serve(config: Arc<Config>, clock: Clock, stop: Stop) -> Result<()> {
    let listener = listen(&config).await?;
    // Port 0 stands for any that is free; which one it became is told.
    let address = listener.local_addr().unwrap_or(config.http.listen);
    let orchestrator = Orchestrator::new(Arc::clone(&config), clock, Arc::new(Metrics::new()))?;
    let (health_sender, health) = watch::channel(Health::default());
    let tracker = TaskTracker::new();
    let served = CancellationToken::new();
    tracker.spawn(http::serve(listener, orchestrator.clone(), health, served.clone()));
    tracker.spawn(watchdog(served.clone()));
    notify(&[NotifyState::Ready]);
    info!(version = env!("CARGO_PKG_VERSION"), listen = %address, schedules = config.schedule.len(), "serving");
    if config.schedule.is_empty() {
        warn!("no [[schedule]] is configured: nothing runs by itself");
    }
    let drain = stop.drain.clone();
    tracker.spawn(async move {
        drain.cancelled().await;
        notify(&[NotifyState::Stopping]);
    });
    let ended = orchestrator.serve(health_sender, stop.clone()).await;
    // Health and metrics are served to the very end, so that the drain can be watched.
    served.cancel();
    stop.drain.cancel();
    tracker.close();
    if tokio::time::timeout(Duration::from_secs(CLOSE_SECONDS_MAX), tracker.wait()).await.is_err() {
        warn!("a watcher's connection is still open and is cut off");
    }
    orchestrator.close().await;
    info!("stopped");
    ended
}

async fn listen(config: &Config) -> Result<TcpListener> {
    let address = config.http.listen;
    TcpListener::bind(address)
        .await
        .map_err(|e| Error::new(Kind::Listen, format!("listening on [http] listen = \"{address}\": {e}")))
}

/// Tells systemd that the process is alive, where it wants to know.
async fn watchdog(stop: CancellationToken) {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    while stop.run_until_cancelled(tokio::time::sleep(period / 2)).await.is_some() {
        notify(&[NotifyState::Watchdog]);
    }
}

/// Without systemd there is nobody to tell, and that is no failure.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd can't be told");
    }
}
