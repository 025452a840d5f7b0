//! SIGTERM and SIGINT: the process is asked to end.

use crate::{
    error::{Error, Kind, Result},
    orchestrator::Stop,
};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::task::TaskTracker;
use tracing::info;

/// How long what is under way may take to end after the first signal.
pub(super) const DRAIN_SECONDS_MAX: u64 = 4;

/// Stops at SIGTERM and SIGINT. The watch over them ends with the runtime.
///
/// # Errors
/// The system refuses to tell of signals.
pub fn stop_on_signals(tracker: &TaskTracker) -> Result<Stop> {
    let stop = Stop::default();
    let terminate = listen(SignalKind::terminate())?;
    let interrupt = listen(SignalKind::interrupt())?;
    tracker.spawn(watch_signals(stop.clone(), terminate, interrupt));
    Ok(stop)
}

/// Listens for one signal; from now on, it does not end the process by itself.
pub(super) fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(|e| Error::new(Kind::Internal, "waiting for signals").with_source(e))
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
