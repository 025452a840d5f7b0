//! How much happens at once, over all runs.
//!
//! Tables are bounded by `[sync] parallel_tables`, models by `[models] threads`, both together by
//! `[runs] tasks_max`; maintenance is done one at a time. One table or model is never worked on by two runs at the
//! same time.

use crate::{config::Config, domain::TaskKind};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// What shares one bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    Tables,
    Models,
    Maintenance,
}

impl From<TaskKind> for Lane {
    fn from(kind: TaskKind) -> Self {
        match kind {
            TaskKind::Sync | TaskKind::Reconcile => Self::Tables,
            TaskKind::Model | TaskKind::Operation => Self::Models,
            TaskKind::Maintenance => Self::Maintenance,
        }
    }
}

/// So many at once.
struct Bound {
    count: usize,
    free: Arc<Semaphore>,
}

impl Bound {
    fn new(count: usize) -> Self {
        let count = count.max(1);
        Self { count, free: Arc::new(Semaphore::new(count)) }
    }

    async fn slot(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.free).acquire_owned().await.expect("the semaphores are never closed")
    }
}

/// The bounds of one process.
pub(super) struct Bounds {
    tables: Bound,
    models: Bound,
    maintenance: Bound,
    all: Bound,
    busy: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

/// Leave to work on one table or model. Given back when dropped.
pub(super) struct Leave {
    _subject: OwnedMutexGuard<()>,
    _slot: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Bounds {
    pub(super) fn new(config: &Config) -> Self {
        let (tables, models) = (config.sync.parallel_tables, config.models.threads);
        let all = if config.runs.tasks_max == 0 { tables + models } else { config.runs.tasks_max };
        Self {
            tables: Bound::new(tables),
            models: Bound::new(models),
            maintenance: Bound::new(1),
            all: Bound::new(all),
            busy: Mutex::default(),
        }
    }

    /// How many tasks are worked on at once that share a bound.
    pub(super) fn at_once(&self, lane: Lane) -> usize {
        self.of(lane).count
    }

    /// How many tasks are worked on at once, whatever they do.
    pub(super) fn in_all(&self) -> usize {
        self.all.count
    }

    /// Waits until the table or model is free, then for a slot of its kind, and for one of all. In this order
    /// nobody waits for a table while holding a slot, so that two can't wait for each other.
    pub(super) async fn leave(&self, kind: TaskKind, subject: &str) -> Leave {
        let subject = self.subject(subject).lock_owned().await;
        let slot = self.of(kind.into()).slot().await;
        let of_all = self.all.slot().await;
        Leave { _subject: subject, _slot: slot, _of_all: of_all }
    }

    fn of(&self, lane: Lane) -> &Bound {
        match lane {
            Lane::Tables => &self.tables,
            Lane::Models => &self.models,
            Lane::Maintenance => &self.maintenance,
        }
    }

    /// Tables and models share one map: a model's unique id is never a table's name.
    fn subject(&self, subject: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut busy = self.busy.lock().expect("nothing panics while it is held");
        if let Some(lock) = busy.get(subject).and_then(Weak::upgrade) {
            return lock;
        }
        busy.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        busy.insert(subject.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn one_table_is_worked_on_once_at_a_time_and_no_more_than_the_bound_at_once() {
        let mut config = Config::default();
        config.sync.parallel_tables = 2;
        let bounds = Bounds::new(&config);
        let patient = bounds.leave(TaskKind::Sync, "patient").now_or_never().expect("all is free");
        assert!(bounds.leave(TaskKind::Reconcile, "patient").now_or_never().is_none());
        let claim = bounds.leave(TaskKind::Sync, "claim").now_or_never().expect("a slot is free");
        assert!(bounds.leave(TaskKind::Sync, "payment").now_or_never().is_none());
        assert!(bounds.leave(TaskKind::Model, "model.clinic.mart").now_or_never().is_some());
        drop(claim);
        assert!(bounds.leave(TaskKind::Sync, "payment").now_or_never().is_some());
        drop(patient);
        assert!(bounds.leave(TaskKind::Reconcile, "patient").now_or_never().is_some());
    }

    #[test]
    fn tables_and_models_together_keep_to_the_bound_of_all() {
        let mut config = Config::default();
        config.runs.tasks_max = 2;
        let bounds = Bounds::new(&config);
        let patient = bounds.leave(TaskKind::Sync, "patient").now_or_never().expect("all is free");
        let mart = bounds.leave(TaskKind::Model, "model.clinic.mart").now_or_never().expect("one is left");
        assert!(bounds.leave(TaskKind::Sync, "claim").now_or_never().is_none());
        drop(mart);
        assert!(bounds.leave(TaskKind::Sync, "claim").now_or_never().is_some());
        drop(patient);
        config.runs.tasks_max = 0;
        assert_eq!(Bounds::new(&config).in_all(), config.sync.parallel_tables + config.models.threads);
    }
}
