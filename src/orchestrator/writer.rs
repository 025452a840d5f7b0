//! Keeps the writer's lock, and tells whether it is held.
//!
//! While it is not held, nothing new begins. When it comes back and nobody else had it in between, all
//! goes on. Else another process was the writer: a new reign begins, and what this process knows of its
//! runs is void.

use super::patience::Patience;
use crate::{
    domain::Clock,
    error::{Error, Kind, Result},
    state::{Acquired, Lease, State},
    telemetry::Metrics,
};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often the lock is looked at.
const CHECK_SECONDS: u64 = 2;

/// Tells this process from all others.
static NONCE: OnceLock<u32> = OnceLock::new();

/// Whether this process may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not now.
    Waiting,
    /// Yes, in the reign of this number.
    Writer(i64),
}

/// Leave to write, for as long as one reign lasts.
#[derive(Clone)]
pub(super) struct Writership {
    standing: watch::Receiver<Standing>,
    reign: i64,
}

impl Writership {
    pub(super) fn new(standing: watch::Receiver<Standing>, reign: i64) -> Self {
        Self { standing, reign }
    }

    /// Whether it is held at this moment.
    pub(super) fn is_held(&self) -> bool {
        *self.standing.borrow() == Standing::Writer(self.reign)
    }

    /// Waits until another process has been the writer; for ever, if that never comes.
    pub(super) async fn lost(&self) {
        self.wait(|s| matches!(s, Standing::Writer(reign) if *reign != self.reign)).await;
    }

    /// Does something at the control plane, however long it is away; only while the lock is held. Waits
    /// for ever once it is lost: whoever asks watches [`Writership::lost`] beside it.
    ///
    /// # Errors
    /// Only what no patience heals: the control plane contradicts this process.
    pub(super) async fn persisted<T, F>(&self, action: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut patience = Patience::new();
        loop {
            self.wait(|s| *s == Standing::Writer(self.reign)).await;
            match action().await {
                Ok(done) => return Ok(done),
                Err(error) if error.kind == Kind::Internal => return Err(error),
                Err(error) => patience.after(&error, "the control plane does not answer; the run waits").await,
            }
        }
    }

    async fn wait(&self, condition: impl FnMut(&Standing) -> bool) {
        // Where nobody keeps the lock any more, the process is at its end.
        if self.standing.clone().wait_for(condition).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Who asks for the lock, in words, for those who come second.
pub(super) fn holder(command: &str) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "an unnamed host",
        name => name,
    };
    // Another container may have the same name and number.
    let nonce = NONCE.get_or_init(|| fastrand::u32(..));
    format!("amalgam {command}, process {} on {host} ({nonce:08x})", std::process::id())
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
    let mut reign = held.as_ref().map(Lease::epoch);
    loop {
        let lease = match held.take() {
            Some(lease) => lease,
            None => match stop.run_until_cancelled(acquire(&state, &clock)).await {
                Some(lease) => lease,
                None => return,
            },
        };
        metrics.writer.set(1);
        let goes_on = reign.filter(|_| lease.was_mine());
        let now = *reign.insert(goes_on.unwrap_or(lease.epoch()));
        standing.send_replace(Standing::Writer(now));
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

async fn attempt(state: &State, clock: &Clock) -> Result<Acquired> {
    state.migrate().await?;
    state.acquire(&holder("serve"), clock.now()).await
}
