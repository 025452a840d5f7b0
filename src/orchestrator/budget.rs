//! How many retries one run may spend over all its tasks.
//!
//! Pure. Each task has its attempts; but when hundreds fail at once, that many times hundreds would come back at a
//! database that is in trouble. So a run has some retries, and a share of its tasks more (Finagle,
//! "RetryBudget"; gRPC proposal A6 § "Throttling Retry Attempts"). Who finds none left fails; the next run tries
//! afresh.

use crate::{config, domain::TaskState, state::TaskRow};
use std::sync::atomic::{AtomicU32, Ordering};

/// The retries that a run has left.
#[derive(Debug)]
pub(super) struct Budget(AtomicU32);

impl Budget {
    /// Of a run with these tasks. What they have spent before a restart is spent.
    pub(super) fn new(config: &config::Retry, tasks: &[TaskRow]) -> Self {
        let count = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
        let share = u64::from(count) * u64::from(config.budget_percent) / 100;
        let allowed = u64::from(config.budget_retries) + share;
        // The last failure of a task that failed was followed by no retry.
        let retries = |task: &TaskRow| {
            u64::from(task.failures) - u64::from(task.state == TaskState::Failed).min(task.failures.into())
        };
        let left = allowed.saturating_sub(tasks.iter().map(retries).sum());
        Self(AtomicU32::new(u32::try_from(left).unwrap_or(u32::MAX)))
    }

    /// Takes one; whether there was one.
    pub(super) fn spend(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{TaskId, TaskKind};

    fn tasks(count: i64, state: TaskState, failures: u32) -> Vec<TaskRow> {
        let task = |id| TaskRow {
            id: TaskId(id),
            kind: TaskKind::Sync,
            subject: format!("t{id}"),
            weight: 0,
            state,
            failures,
            not_before: None,
            error: None,
            parents: Vec::new(),
            after: Vec::new(),
        };
        (0..count).map(task).collect()
    }

    fn left(config: &config::Retry, tasks: &[TaskRow]) -> usize {
        let budget = Budget::new(config, tasks);
        (0..10_000).take_while(|_| budget.spend()).count()
    }

    #[test]
    fn a_run_has_some_retries_and_a_share_of_its_tasks_more() {
        let config = config::Retry { budget_retries: 3, budget_percent: 20, ..config::Retry::default() };
        assert_eq!(left(&config, &tasks(446, TaskState::Pending, 0)), 3 + 89);
        assert_eq!(left(&config, &tasks(1, TaskState::Pending, 0)), 3);
        let none = config::Retry { budget_retries: 0, budget_percent: 0, ..config };
        assert_eq!(left(&none, &tasks(446, TaskState::Pending, 0)), 0);
    }

    #[test]
    fn what_was_spent_before_a_restart_is_spent() {
        let config = config::Retry { budget_retries: 10, budget_percent: 0, ..config::Retry::default() };
        assert_eq!(left(&config, &tasks(2, TaskState::Pending, 3)), 4);
        assert_eq!(left(&config, &tasks(2, TaskState::Failed, 3)), 6);
        assert_eq!(left(&config, &tasks(20, TaskState::Pending, 3)), 0);
    }

    #[test]
    fn many_tasks_at_once_spend_no_more_than_there_is() {
        let config = config::Retry { budget_retries: 100, budget_percent: 0, ..config::Retry::default() };
        let budget = Budget::new(&config, &[]);
        let spent: usize = std::thread::scope(|scope| {
            let spending: Vec<_> = (0..8).map(|_| scope.spawn(|| (0..50).filter(|_| budget.spend()).count())).collect();
            spending.into_iter().map(|one| one.join().expect("it does not panic")).sum()
        });
        assert_eq!(spent, 100);
    }
}
