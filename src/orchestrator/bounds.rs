//! How much happens at once, over all runs.
//!
//! Tables are bounded by `[sync] parallel_tables`, models by `[models] threads`. One table or model
//! is never worked on by two runs at the same time.

use crate::{config::Config, domain::TaskKind};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// The bounds of one process.
pub(super) struct Bounds {
    tables: (usize, Arc<Semaphore>),
    models: (usize, Arc<Semaphore>),
    busy: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

/// Leave to work on one table or model. Given back when dropped.
pub(super) struct Leave {
    _subject: OwnedMutexGuard<()>,
    _slot: OwnedSemaphorePermit,
}

impl Bounds {
    pub(super) fn new(config: &Config) -> Self {
        let bound = |n: usize| (n.max(1), Arc::new(Semaphore::new(n.max(1))));
        Self {
            tables: bound(config.sync.parallel_tables),
            models: bound(config.models.threads),
            busy: Mutex::default(),
        }
    }

    /// How many tasks of that kind are worked on at once.
    pub(super) fn at_once(&self, kind: TaskKind) -> usize {
        self.of(kind).0
    }

    /// Waits until the table or model is free, and then for a slot. In this order nobody waits for a
    /// table while holding a slot, so that two can't wait for each other.
    pub(super) async fn leave(&self, kind: TaskKind, subject: &str) -> Leave {
        let subject = self.subject(subject).lock_owned().await;
        let slot = Arc::clone(&self.of(kind).1).acquire_owned().await.expect("the semaphores are never closed");
        Leave { _subject: subject, _slot: slot }
    }

    fn of(&self, kind: TaskKind) -> &(usize, Arc<Semaphore>) {
        match kind {
            TaskKind::Sync | TaskKind::Reconcile => &self.tables,
            TaskKind::Model => &self.models,
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
}
