//! Looks at how things stand, from time to time.

use super::{
    Picture,
    conditions::{Candidate, Known, Process, candidates},
};
use crate::{
    domain::{Alert, AlertKey, Condition, Severity},
    error::{Kind, Result},
    notify::Scope,
    orchestrator::{Health, Orchestrator, late_before, writer::Standing},
    sync::is_chosen,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// How often.
const LOOK_SECONDS: u64 = 5;
/// How long the control plane is waited for.
const READ_SECONDS_MAX: u64 = 10;
/// Changes of tables' shapes that are looked at.
const CHANGES_MAX: u32 = 1000;

/// Looks, and remembers what can't be read anywhere: since when something is so.
pub(super) struct Watch {
    orchestrator: Orchestrator,
    standing: watch::Receiver<Standing>,
    health: watch::Receiver<Health>,
    seen: BTreeMap<AlertKey, DateTime<Utc>>,
    moved: (u64, DateTime<Utc>),
    full: (u64, Option<DateTime<Utc>>),
    /// The reign in which notifiers were forgotten that are no longer configured.
    cleared: Option<i64>,
}

impl Watch {
    pub(super) fn new(
        orchestrator: Orchestrator,
        standing: watch::Receiver<Standing>,
        health: watch::Receiver<Health>,
    ) -> Self {
        let now = orchestrator.clock.now();
        let (moved, full) = (moved(&orchestrator), full(&orchestrator));
        let (moved, full) = ((moved, now), (full, None));
        Self { orchestrator, standing, health, seen: BTreeMap::new(), moved, full, cleared: None }
    }

    /// Shows how things stand, until told to stop.
    pub(super) async fn show(mut self, shower: watch::Sender<Option<Arc<Picture>>>, stop: CancellationToken) {
        let looks = async {
            loop {
                shower.send_replace(Some(Arc::new(self.look().await)));
                tokio::time::sleep(Duration::from_secs(LOOK_SECONDS)).await;
            }
        };
        stop.run_until_cancelled(looks).await;
    }

    async fn look(&mut self) -> Picture {
        let now = self.orchestrator.clock.now();
        let reign = match *self.standing.borrow() {
            Standing::Writer(reign) => Some(reign),
            Standing::Waiting => None,
        };
        self.clear(reign).await;
        let process = self.process(now);
        let known = match reign {
            Some(_) => self.known(now).await,
            None => None,
        };
        let scope = if known.is_some() { Scope::All } else { Scope::Warehouse };
        let open = self.lasting(candidates(&process, known.as_ref(), now), scope, now);
        let is_ready = self.health.borrow().is_ready();
        let nothing_critical = open.iter().all(|condition| condition.severity < Severity::Critical);
        let is_well = scope == Scope::All && is_ready && process.late_loops == 0 && nothing_critical;
        Picture { open, scope, reign, is_well }
    }

    /// Once in each reign.
    async fn clear(&mut self, reign: Option<i64>) {
        if reign.is_none() || reign == self.cleared {
            return;
        }
        let names: Vec<String> = self.orchestrator.config.notify.iter().map(|notify| notify.name.clone()).collect();
        match self.orchestrator.state.keep_notifiers(&names).await {
            Ok(()) => self.cleared = reign,
            Err(error) => debug!(kind = %error.kind, %error, "notifiers of before can't be forgotten"),
        }
    }

    /// Those that have been so for as long as they have to be.
    fn lasting(&mut self, candidates: Vec<Candidate>, scope: Scope, now: DateTime<Utc>) -> Vec<Condition> {
        let mut seen = BTreeMap::new();
        let mut open = Vec::new();
        for Candidate { mut condition, hold } in candidates {
            let first = self.seen.get(&condition.key).copied().unwrap_or(now);
            condition.since = condition.since.min(first);
            seen.insert(condition.key.clone(), condition.since);
            if now - condition.since >= hold {
                open.push(condition);
            }
        }
        // Of what could not be looked at, it stays known since when it was so.
        if scope == Scope::Warehouse {
            let others = std::mem::take(&mut self.seen).into_iter();
            seen.extend(others.filter(|(key, _)| key.alert != Alert::WarehouseDown));
        }
        self.seen = seen;
        open
    }

    fn process(&mut self, now: DateTime<Utc>) -> Process {
        let o = &self.orchestrator;
        let (moves, fulls) = (moved(o), full(o));
        if moves != self.moved.0 {
            self.moved = (moves, now);
        }
        if fulls != self.full.0 {
            self.full = (fulls, Some(now));
        }
        let health = self.health.borrow();
        Process {
            source: health.source.clone(),
            warehouse: health.warehouse.clone(),
            migrated: health.migrated,
            late_loops: o.vitals.late().len(),
            config_refused: o.metrics.config_reload_ok.get() == 0,
            full_at: self.full.1,
            moved_at: Some(self.moved.1),
            is_quiet: o.source.quiet_until().is_some(),
            certificates: o.certificates().collect(),
        }
    }

    /// What the control plane knows; `None` where it does not answer.
    async fn known(&self, now: DateTime<Utc>) -> Option<Known> {
        match timeout(Duration::from_secs(READ_SECONDS_MAX), self.read(now)).await {
            Ok(Ok(known)) => Some(known),
            Ok(Err(error)) => {
                // Whether the warehouse answers is told, and logged, by the watch over its health.
                debug!(kind = %error.kind, %error, "what is wrong can't be read");
                None
            }
            Err(_) => None,
        }
    }

    async fn read(&self, now: DateTime<Utc>) -> Result<Known> {
        let (state, config) = (&self.orchestrator.state, &self.orchestrator.config);
        let an_hour_ago = now - Alert::TablesLate.hold();
        Ok(Known {
            tables: state.table_health().await?,
            models: state.model_health().await?,
            schedules: state.schedules().await?,
            runs: state.run_health().await?,
            gone: state.gone_tables().await?.into_iter().filter(|t| is_chosen(&config.sync, &t.name)).collect(),
            set_aside: state.set_aside(now - TimeDelta::days(1)).await?,
            verdicts: state.verdicts().await?,
            changes: state.schema_changes(Some(now - Alert::CHANGED), CHANGES_MAX).await?,
            task_ended_at: state.last_task_end().await?,
            late_before: late_before(config, now),
            late_before_an_hour_ago: late_before(config, an_hour_ago),
        })
    }
}

/// Bytes that have passed.
fn moved(orchestrator: &Orchestrator) -> u64 {
    orchestrator.metrics.read_bytes.get().wrapping_add(orchestrator.metrics.written_bytes.get())
}

/// Writes that were refused for want of room.
fn full(orchestrator: &Orchestrator) -> u64 {
    orchestrator.metrics.failures.with_label_values(&[Kind::WarehouseFull.as_str()]).get()
}
