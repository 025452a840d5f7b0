//! Keeps the writer's lock, and tells whether it is held.
//!
//! While it is not held, nothing new begins. When it comes back and nobody else had it in between, all
//! goes on. Else another process was the writer: a new reign begins, and what this process knows of its
//! runs is void.

use super::{
    Orchestrator,
    patience::Patience,
    vitals::{Heart, Loop},
};
use crate::{
    domain::Clock,
    error::{Error, Kind, Policy, Result},
    state::{Acquired, Lease, State},
};
use std::{sync::OnceLock, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often the lock is renewed, and asked for while another process has it.
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

    /// Whether it is held at this moment. Not where nobody keeps the lock any more: it went with its keeper.
    pub(super) fn is_held(&self) -> bool {
        self.standing.has_changed().is_ok() && *self.standing.borrow() == Standing::Writer(self.reign)
    }

    /// Waits until another process has been the writer, or nobody keeps the lock any more; for ever, if
    /// that never comes.
    pub(super) async fn lost(&self) {
        let other = |s: &Standing| matches!(s, Standing::Writer(reign) if *reign != self.reign);
        let _ = self.standing.clone().wait_for(other).await;
    }

    /// Does something at the control plane, however long it is away; only while the lock is held. Waits
    /// for ever once it is lost: whoever asks watches [`Writership::lost`] beside it.
    ///
    /// # Errors
    /// What does not heal by itself, as the table in `error.rs` has it.
    pub(super) async fn persisted<T, F>(&self, action: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut patience = Patience::new();
        loop {
            if self.standing.clone().wait_for(|s| *s == Standing::Writer(self.reign)).await.is_err() {
                std::future::pending::<()>().await;
            }
            match action().await {
                Ok(done) => return Ok(done),
                // What is lost is soon noticed by its keeper too.
                Err(error) if error.policy() != Policy::Retry && error.kind != Kind::WriterLost => return Err(error),
                Err(error) => patience.after(&error, "the control plane does not answer; the run waits").await,
            }
        }
    }
}

/// Who asks for the lock, in words, for those who come second. The same for as long as the process asks:
/// by it, the lock tells that nobody else had it in between.
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

/// Holds the lock as `holder`, and asks for it again whenever it is lost, until told to stop.
pub(super) async fn keep(
    orchestrator: Orchestrator,
    holder: String,
    held: Option<Lease>,
    standing: watch::Sender<Standing>,
    stop: CancellationToken,
) {
    let metrics = orchestrator.metrics();
    let heart = orchestrator.heart(Loop::Writer);
    let mut held = held;
    let mut reign = held.as_ref().map(Lease::epoch);
    loop {
        let lease = match held.take() {
            Some(lease) => lease,
            None => match stop.run_until_cancelled(acquire(&orchestrator, &heart, &holder)).await {
                Some(lease) => lease,
                None => return,
            },
        };
        metrics.writer.set(1);
        let goes_on = reign.filter(|_| lease.was_mine());
        let now = *reign.insert(goes_on.unwrap_or(lease.epoch()));
        standing.send_replace(Standing::Writer(now));
        let lost = hold(lease, &heart, &stop).await;
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
async fn hold(mut lease: Lease, heart: &Heart, stop: &CancellationToken) -> Option<Error> {
    loop {
        heart.beat();
        if stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(CHECK_SECONDS))).await.is_none() {
            lease.release().await;
            return None;
        }
        match stop.run_until_cancelled(lease.renew()).await {
            Some(Ok(())) => {}
            Some(Err(error)) => return Some(error),
            None => {
                lease.release().await;
                return None;
            }
        }
    }
}

/// Waits for the lock, however long it takes.
async fn acquire(orchestrator: &Orchestrator, heart: &Heart, holder: &str) -> Lease {
    let mut with_outage = Patience::new();
    let mut told = String::new();
    loop {
        heart.beat();
        // A migration takes as long as it takes.
        match heart.polled(attempt(&orchestrator.state, &orchestrator.clock, holder)).await {
            Ok(Acquired::Held(lease)) => return lease,
            Ok(Acquired::By(other)) => {
                with_outage.reset();
                if other != told {
                    info!(holder = other, "another process is the writer; waiting for it to end");
                    told = other;
                }
                tokio::time::sleep(Duration::from_secs(CHECK_SECONDS)).await;
            }
            Err(error) => {
                with_outage.after(&error, "the control plane does not answer; trying again").await;
            }
        }
    }
}

async fn attempt(state: &State, clock: &Clock, holder: &str) -> Result<Acquired> {
    state.migrate().await?;
    state.acquire(holder, clock.now()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::cell::Cell;

    fn held() -> (watch::Sender<Standing>, Writership) {
        let (sender, standing) = watch::channel(Standing::Writer(1));
        (sender, Writership::new(standing, 1))
    }

    /// How often it was tried, and what came of it.
    async fn persisted(kind: Kind) -> (u32, Result<()>) {
        let (_keeper, writership) = held();
        let tries = Cell::new(0);
        let done = writership.persisted(|| {
            tries.set(tries.get() + 1);
            let first = tries.get() == 1;
            async move { if first { Err(Error::new(kind, "it fails")) } else { Ok(()) } }
        });
        let done = done.await;
        (tries.get(), done)
    }

    #[tokio::test]
    async fn what_heals_by_itself_is_waited_out_and_nothing_else() {
        let (tries, done) = persisted(Kind::WarehouseUnreachable).await;
        assert!(tries == 2 && done.is_ok());
        for kind in [Kind::WarehouseDenied, Kind::WarehouseAuth, Kind::Internal] {
            let (tries, done) = persisted(kind).await;
            assert_eq!((tries, done.expect_err("no patience heals it").kind), (1, kind));
        }
    }

    #[test]
    fn the_lock_is_lost_with_its_keeper() {
        let (keeper, writership) = held();
        assert!(writership.is_held() && writership.lost().now_or_never().is_none());
        drop(keeper);
        assert!(!writership.is_held() && writership.lost().now_or_never().is_some());
    }

    #[test]
    fn the_lock_is_lost_to_another_and_not_for_a_moment() {
        let (keeper, writership) = held();
        keeper.send_replace(Standing::Waiting);
        assert!(!writership.is_held() && writership.lost().now_or_never().is_none());
        keeper.send_replace(Standing::Writer(2));
        assert!(!writership.is_held() && writership.lost().now_or_never().is_some());
    }
}
