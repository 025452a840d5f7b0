//! Whether both databases answer: what readiness is told from.

use super::{Orchestrator, vitals::Loop};
use crate::error::{Database, Error, Kind};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often a database that answers is asked again: the source is somebody's live practice.
const ASK_AGAIN_UP_SECONDS: u64 = 10;
/// How often one that does not answer is asked again.
const ASK_AGAIN_DOWN_SECONDS: u64 = 1;
/// How long an answer is waited for: where packets vanish, none comes, and nobody says so.
const ANSWER_SECONDS_MAX: u64 = 10;

/// Whether the daemon can do its work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// The practice's database.
    pub source: Side,
    /// The warehouse, with the control plane in it.
    pub warehouse: Side,
    /// Whether the schema `amalgam` is as this version needs it.
    pub migrated: bool,
    /// Whether the schema has been there before, however long ago.
    #[serde(skip)]
    pub was_ready: bool,
}

/// How one database does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Whether it answered when last asked.
    pub up: bool,
    /// Since when that is so; `None` before it was first asked.
    pub since: Option<DateTime<Utc>>,
    /// The kind of the failure.
    pub error_kind: Option<&'static str>,
    /// The failure, in words.
    pub error: Option<String>,
    /// What the operator can do.
    pub remedy: Option<&'static str>,
}

impl Health {
    /// Whether all is there to work with.
    pub fn is_ready(&self) -> bool {
        self.source.up && self.warehouse.up && self.migrated
    }
}

impl Side {
    /// Takes the answer in; logs when it changes.
    fn take(&mut self, name: &str, answer: Result<(), Error>, now: DateTime<Utc>) {
        let next = match &answer {
            Ok(()) => Self { up: true, since: Some(now), ..Self::default() },
            Err(e) => Self {
                up: false,
                since: Some(now),
                error_kind: Some(e.kind.as_str()),
                error: Some(e.to_string()),
                remedy: Some(e.remedy()),
            },
        };
        if self.since.is_some() && self.up == next.up && self.error_kind == next.error_kind {
            return;
        }
        match answer {
            Ok(()) => info!(database = name, "answers"),
            Err(error) => {
                warn!(database = name, kind = %error.kind, %error, remedy = error.remedy(), "does not answer");
            }
        }
        *self = next;
    }
}

impl Orchestrator {
    /// Asks both databases from time to time, until told to stop.
    pub(super) async fn watch_health(&self, health: watch::Sender<Health>, stop: CancellationToken) {
        let heart = self.heart(Loop::Health);
        let asks = async {
            loop {
                heart.beat();
                self.ask(&health).await;
                let seconds = if health.borrow().is_ready() { ASK_AGAIN_UP_SECONDS } else { ASK_AGAIN_DOWN_SECONDS };
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
        };
        stop.run_until_cancelled(asks).await;
    }

    /// Whether a database answered when last asked.
    pub(super) fn answers(&self, database: Database) -> bool {
        let up = match database {
            Database::Source => &self.metrics.source_up,
            Database::Warehouse => &self.metrics.warehouse_up,
        };
        up.get() == 1
    }

    async fn ask(&self, health: &watch::Sender<Health>) {
        let source = in_time(Kind::SourceUnreachable, self.source.describe(Some(&[]), |_| true));
        let warehouse = in_time(Kind::WarehouseUnreachable, self.warehouse_answers());
        let (source, warehouse) = tokio::join!(source, warehouse);
        let now = self.clock.now();
        health.send_modify(|h| {
            h.source.take("source", source.map(drop), now);
            h.migrated = matches!(warehouse, Ok(true));
            h.was_ready |= h.migrated;
            h.warehouse.take("warehouse", warehouse.map(drop), now);
            self.metrics.source_up.set(i64::from(h.source.up));
            self.metrics.warehouse_up.set(i64::from(h.warehouse.up && h.migrated));
        });
    }

    async fn warehouse_answers(&self) -> Result<bool, Error> {
        self.state.ping().await?;
        self.state.is_migrated().await
    }
}

/// An answer, or that none came in time.
async fn in_time<T>(silent: Kind, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let time = Duration::from_secs(ANSWER_SECONDS_MAX);
    tokio::time::timeout(time, answer)
        .await
        .unwrap_or_else(|_| Err(Error::new(silent, format!("no answer within {ANSWER_SECONDS_MAX} s"))))
}
