//! The daemon's own notifiers: what is wrong now, and who is to be told of it. docs/adr/0018.
//!
//! ```text
//! watch (every 5 s: what is open) ──> one keeper a notifier (what it was told) ──> notify/ (sends)
//!                                 └─> heartbeat (while all is well)
//! ```
//!
//! Guarantee: nobody else waits for any of it. Each notifier is a task of its own, which a failure delays and a
//! panic ends; only the writer tells, but that the warehouse is away.

mod conditions;
mod heartbeat;
mod keeper;
mod watch;

use super::{Health, Orchestrator, writer::Standing};
use crate::{
    config::HEARTBEAT,
    domain::Condition,
    notify::{Heartbeat, Notifier, Scope},
};
use keeper::Keeper;
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch as channel, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::error;
use watch::Watch;

/// How long a message that is on its way may still take when the daemon stops.
const LAST_WORDS_SECONDS_MAX: u64 = 2;

/// How things stand at a moment.
#[derive(Clone, Debug)]
struct Picture {
    open: Vec<Condition>,
    scope: Scope,
    /// The reign in which this process is the writer; `None` where it is not.
    reign: Option<i64>,
    /// Whether the heart may beat.
    is_well: bool,
}

type Pictures = channel::Receiver<Option<Arc<Picture>>>;

impl Orchestrator {
    /// Tells whoever is configured, until told to stop.
    pub(super) async fn tell(
        &self,
        standing: channel::Receiver<Standing>,
        health: channel::Receiver<Health>,
        stop: CancellationToken,
    ) {
        let (shower, pictures) = channel::channel(None);
        let mut tellers = JoinSet::new();
        for config in &self.config.notify {
            self.begin_at_nought(&config.name);
            match Notifier::new(config) {
                Ok(notifier) => {
                    let keeper = Keeper::new(self.clone(), notifier);
                    tellers.spawn(keeper.keep(pictures.clone()));
                }
                Err(error) => error!(kind = %error.kind, %error, remedy = error.remedy(), "a notifier is left out"),
            }
        }
        match Heartbeat::new(&self.config.heartbeat) {
            Ok(Some(heartbeat)) => {
                self.begin_at_nought(HEARTBEAT);
                tellers.spawn(heartbeat::beat(self.clone(), heartbeat, pictures));
            }
            Ok(None) => drop(pictures),
            Err(error) => error!(kind = %error.kind, %error, remedy = error.remedy(), "the heartbeat is left out"),
        }
        if tellers.is_empty() {
            stop.cancelled().await;
            return;
        }
        Watch::new(self.clone(), standing, health).show(shower, stop).await;
        // The channel has ended, and with it each of them after what it is at.
        let ended = async {
            while let Some(ended) = tellers.join_next().await {
                if ended.is_err() {
                    error!("a notifier panicked and tells nothing any more; this is a fault in Amalgam");
                }
            }
        };
        let _ = timeout(Duration::from_secs(LAST_WORDS_SECONDS_MAX), ended).await;
    }

    /// Has its counters be there before anything happens.
    fn begin_at_nought(&self, name: &str) {
        for result in ["sent", "failed"] {
            self.metrics.notifications.with_label_values(&[name, result]);
        }
    }
}
