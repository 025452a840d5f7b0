//! Keeps the writer's lock, and tells whether it is held.
//!
//! While it is not held, nothing new begins. When it comes back with the next number, nobody wrote in
//! between and all goes on; with any other, another process was the writer, and what this one knows
//! of its runs is void.

use super::patience::Patience;
use crate::{
    domain::Clock,
    error::Error,
    state::{Acquired, Lease, State},
    telemetry::Metrics,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often the lock is looked at.
const CHECK_SECONDS: u64 = 2;

/// Whether this process may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not now.
    Waiting,
    /// Yes, as the holder of this number.
    Writer(i64),
}

/// Who asks for the lock, in words, for those who come second.
pub(super) fn holder(command: &str) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "an unnamed host",
        name => name,
    };
    format!("amalgam {command}, process {} on {host}", std::process::id())
}

/// Holds the lock, and asks for it again whenever it is lost, until told to stop.
pub(super) async fn keep(
    state: State,
    clock: Clock,
    metrics: Arc<Metrics>,
    held: Option<Lease>,
    standing: watch::Sender<Standing>,
    stop: CancellationToken,
) {
    let mut held = held;
    loop {
        let lease = match held.take() {
            Some(lease) => lease,
            None => match stop.run_until_cancelled(acquire(&state, &clock)).await {
                Some(lease) => lease,
                None => return,
            },
        };
        metrics.writer.set(1);
        standing.send_replace(Standing::Writer(lease.epoch()));
        let lost = hold(lease, &stop).await;
        metrics.writer.set(0);
        standing.send_replace(Standing::Waiting);
        match lost {
            Some(error) => {
                warn!(kind = %error.kind, %error, "the writer's lock is lost; nothing new begins until it is back")
            }
            None => return,
        }
    }
}

/// Looks at the lock until it is lost, and says how; `None` when told to stop.
async fn hold(mut lease: Lease, stop: &CancellationToken) -> Option<Error> {
    loop {
        if stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(CHECK_SECONDS))).await.is_none() {
            lease.release().await;
            return None;
        }
        if let Err(error) = lease.check().await {
            return Some(error);
        }
    }
}

/// Waits for the lock, however long it takes.
async fn acquire(state: &State, clock: &Clock) -> Lease {
    let mut patience = Patience::new();
    let mut told = String::new();
    loop {
        match attempt(state, clock).await {
            Ok(Acquired::Held(lease)) => return lease,
            Ok(Acquired::By(other)) => {
                if other != told {
                    info!(holder = other, "another process is the writer; waiting for it to end");
                    told = other;
                }
                patience.pause().await;
            }
            Err(error) => patience.after(&error, "the control plane does not answer; trying again").await,
        }
    }
}

async fn attempt(state: &State, clock: &Clock) -> crate::error::Result<Acquired> {
    state.migrate().await?;
    state.acquire(&holder("serve"), clock.now()).await
}

/// Tells when another process has been the writer: the lock came back with a number that leaves one out.
/// Ends with the sender.
pub(super) async fn watch(mut standing: watch::Receiver<Standing>, lost: CancellationToken) {
    let mut known = None;
    loop {
        if let Standing::Writer(epoch) = *standing.borrow_and_update() {
            if known.is_some_and(|known| epoch > known + 1) {
                lost.cancel();
                return;
            }
            known = Some(epoch);
        }
        if standing.changed().await.is_err() {
            return;
        }
    }
}
