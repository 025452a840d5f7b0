//! The tasks of one run in memory: what may start now, and what an end means for the others.
//!
//! Pure: no I/O and no clock. Carried out by [`super::executor`].
//! Guarantee: a task starts only after all it waits for ended well; when one fails, everything below
//! it and nothing else is skipped, each with the cause in words.

use crate::{
    dag::{Cycle, Dag},
    domain::{TaskId, TaskKind, TaskState},
    state::TaskRow,
};
use chrono::{DateTime, Utc};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// What comes first: weight ([`super::critical_path`]), then how many wait for it.
type Rank = (Reverse<i64>, Reverse<usize>, TaskId);

/// The tasks of one run. What a turn of the executor costs does not grow with how many there are.
pub(super) struct Graph {
    dag: Dag<TaskId>,
    tasks: BTreeMap<TaskId, TaskRow>,
    /// Who comes after each, however that ends.
    followers: BTreeMap<TaskId, Vec<TaskId>>,
    /// Those that have not begun, each with how many it still waits for.
    waiting: BTreeMap<TaskId, usize>,
    /// Those of them that wait for room alone.
    ready: BTreeMap<TaskKind, BTreeSet<Rank>>,
    /// Those of them that wait for their time alone.
    delayed: BTreeSet<(DateTime<Utc>, TaskId)>,
}

impl Graph {
    /// Takes the tasks as the control plane has them. None is running: recovery comes first.
    ///
    /// # Errors
    /// Tasks that wait for each other: the schema does not refuse that.
    pub(super) fn new(rows: Vec<TaskRow>) -> Result<Self, Cycle> {
        let dag = Dag::new(rows.iter().map(|t| (t.id, t.parents.clone())))?;
        let tasks: BTreeMap<TaskId, TaskRow> = rows.into_iter().map(|t| (t.id, t)).collect();
        let mut followers: BTreeMap<TaskId, Vec<TaskId>> = BTreeMap::new();
        let mut waiting = BTreeMap::new();
        for task in tasks.values() {
            for first in &task.after {
                followers.entry(*first).or_default().push(task.id);
            }
            if task.state == TaskState::Pending {
                let parents = dag.parents(&task.id).filter(|p| !ended_well(tasks[*p].state)).count();
                let after = task.after.iter().filter_map(|a| tasks.get(a)).filter(|t| !has_ended(t.state)).count();
                waiting.insert(task.id, parents + after);
            }
        }
        let lined_up: Vec<TaskId> = waiting.iter().filter(|(_, open)| **open == 0).map(|(id, _)| *id).collect();
        let (ready, delayed) = (BTreeMap::new(), BTreeSet::new());
        let mut graph = Self { dag, tasks, followers, waiting, ready, delayed };
        lined_up.into_iter().for_each(|id| graph.line_up(id));
        Ok(graph)
    }

    /// A task waits for no other any more.
    fn line_up(&mut self, id: TaskId) {
        let task = &self.tasks[&id];
        match task.not_before {
            Some(time) => drop(self.delayed.insert((time, id))),
            None => {
                let rank = (Reverse(task.weight), Reverse(self.dag.children(&id).count()), id);
                self.ready.entry(task.kind).or_default().insert(rank);
            }
        }
    }

    /// A task ended: whoever waited for that alone may begin.
    fn release(&mut self, id: TaskId) {
        let children: Vec<TaskId> = match ended_well(self.tasks[&id].state) {
            true => self.dag.children(&id).copied().collect(),
            false => Vec::new(),
        };
        let followers = self.followers.get(&id).cloned().unwrap_or_default();
        for next in children.into_iter().chain(followers) {
            let Some(open) = self.waiting.get_mut(&next) else { continue };
            *open -= 1;
            if *open == 0 {
                self.line_up(next);
            }
        }
    }

    /// Takes the next task that may start, of those kinds for which `room` says so.
    pub(super) fn start(&mut self, now: DateTime<Utc>, room: impl Fn(TaskKind) -> bool) -> Option<TaskRow> {
        while let Some((time, id)) = self.delayed.first().copied()
            && time <= now
        {
            self.delayed.remove(&(time, id));
            self.task_mut(id).not_before = None;
            self.line_up(id);
        }
        let has_room = self.ready.iter().filter(|(kind, ranks)| !ranks.is_empty() && room(**kind));
        let (_, kind) = has_room.filter_map(|(kind, ranks)| Some((*ranks.first()?, *kind))).min()?;
        let (_, _, id) = self.ready.get_mut(&kind)?.pop_first()?;
        self.waiting.remove(&id);
        let task = self.task_mut(id);
        task.state = TaskState::Running;
        Some(task.clone())
    }

    /// When the next retry is due, of those that only wait for the time.
    pub(super) fn next_retry(&self) -> Option<DateTime<Utc>> {
        self.delayed.first().map(|(time, _)| *time)
    }

    /// Whether no task waits.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A task ended well.
    pub(super) fn succeed(&mut self, id: TaskId, unchanged: bool) {
        self.task_mut(id).state = if unchanged { TaskState::Unchanged } else { TaskState::Succeeded };
        self.release(id);
    }

    /// A task will be tried again.
    pub(super) fn retry(&mut self, id: TaskId, not_before: DateTime<Utc>) {
        self.task_mut(id).failures += 1;
        self.wait(id, not_before);
    }

    /// A task waits for its time; that was no failure.
    pub(super) fn wait(&mut self, id: TaskId, not_before: DateTime<Utc>) {
        let task = self.task_mut(id);
        task.state = TaskState::Pending;
        task.not_before = Some(not_before);
        self.waiting.insert(id, 0);
        self.line_up(id);
    }

    /// Nothing waits for a moment behind `latest`: one that lies further ahead comes from a clock that has been put
    /// back since.
    pub(super) fn wait_no_longer_than(&mut self, latest: DateTime<Utc>) {
        while let Some((time, id)) = self.delayed.last().copied()
            && time > latest
        {
            self.delayed.remove(&(time, id));
            self.task_mut(id).not_before = Some(latest);
            self.delayed.insert((latest, id));
        }
    }

    /// A task failed. What is skipped for it, and why, in words.
    pub(super) fn fail(&mut self, id: TaskId, why: String) -> Vec<(TaskId, String)> {
        let task = self.task_mut(id);
        task.state = TaskState::Failed;
        task.error = Some(why);
        self.release(id);
        self.skipped_below(id)
    }

    /// What stands below tasks that failed before the process died, and was not yet skipped.
    pub(super) fn overdue_skips(&mut self) -> Vec<(TaskId, String)> {
        let failed: Vec<TaskId> = self.tasks.values().filter(|t| t.state == TaskState::Failed).map(|t| t.id).collect();
        failed.into_iter().flat_map(|id| self.skipped_below(id)).collect()
    }

    fn skipped_below(&mut self, id: TaskId) -> Vec<(TaskId, String)> {
        let culprit = &self.tasks[&id];
        let cause =
            format!("{} failed: {}", describe(culprit.kind, &culprit.subject), culprit.error.as_deref().unwrap_or(""));
        let mut skipped: Vec<TaskId> = self.dag.descendants(&id).into_iter().collect();
        skipped.retain(|d| self.tasks[d].state == TaskState::Pending);
        for d in &skipped {
            self.task_mut(*d).state = TaskState::Skipped;
            // It waits for what has failed, so it was neither ready nor delayed.
            self.waiting.remove(d);
        }
        skipped.iter().for_each(|d| self.release(*d));
        skipped.into_iter().map(|d| (d, cause.clone())).collect()
    }

    /// Takes everything that waits out; nothing starts any more.
    pub(super) fn halt(&mut self) {
        self.waiting.clear();
        self.ready.clear();
        self.delayed.clear();
    }

    /// How many tasks stand in each state.
    pub(super) fn count(&self, state: TaskState) -> usize {
        self.tasks.values().filter(|t| t.state == state).count()
    }

    /// One task of this run.
    pub(super) fn task(&self, id: TaskId) -> &TaskRow {
        self.tasks.get(&id).expect("only tasks of this run are asked for")
    }

    fn task_mut(&mut self, id: TaskId) -> &mut TaskRow {
        self.tasks.get_mut(&id).expect("only tasks of this run are reported")
    }
}

fn has_ended(state: TaskState) -> bool {
    !matches!(state, TaskState::Pending | TaskState::Running)
}

fn ended_well(state: TaskState) -> bool {
    matches!(state, TaskState::Succeeded | TaskState::Unchanged)
}

/// A task in words: `table payment`, `model mart_collections`.
pub(super) fn describe(kind: TaskKind, subject: &str) -> String {
    match kind {
        TaskKind::Sync => format!("sync of table {subject}"),
        TaskKind::Reconcile => format!("reconciliation of table {subject}"),
        TaskKind::Maintenance => format!("maintenance of {subject}"),
        TaskKind::Operation => subject.to_owned(),
        TaskKind::Model => format!("model {}", super::selection::short(subject)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: i64, kind: TaskKind, weight: i64, parents: &[i64]) -> TaskRow {
        TaskRow {
            id: TaskId(id),
            kind,
            subject: format!("s{id}"),
            weight,
            state: TaskState::Pending,
            failures: 0,
            not_before: None,
            error: None,
            parents: parents.iter().copied().map(TaskId).collect(),
            after: Vec::new(),
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("a small number of seconds is a valid time")
    }

    /// Tables 1 (small, much below it), 2 (large), 3; model 4 on 1, model 5 on 4 and 2, model 6 on 3.
    fn graph() -> Graph {
        use TaskKind::{Model, Sync};
        Graph::new(vec![
            task(1, Sync, 0, &[]),
            task(2, Sync, 9000, &[]),
            task(3, Sync, 0, &[]),
            task(4, Model, 0, &[1]),
            task(5, Model, 0, &[4, 2]),
            task(6, Model, 0, &[3]),
        ])
        .expect("no cycle")
    }

    fn started(graph: &mut Graph) -> Vec<i64> {
        std::iter::from_fn(|| graph.start(at(0), |_| true)).map(|t| t.id.0).collect()
    }

    #[test]
    fn the_largest_starts_first_then_what_most_wait_for() {
        assert_eq!(started(&mut graph()), [2, 1, 3]);
    }

    #[test]
    fn a_model_starts_as_soon_as_its_own_inputs_are_done() {
        let mut graph = graph();
        started(&mut graph);
        graph.succeed(TaskId(3), false);
        assert_eq!(started(&mut graph), [6]);
        graph.succeed(TaskId(1), true);
        assert_eq!(started(&mut graph), [4]);
        graph.succeed(TaskId(4), false);
        assert_eq!(started(&mut graph), [0; 0]);
        graph.succeed(TaskId(2), false);
        assert_eq!(started(&mut graph), [5]);
    }

    #[test]
    fn nothing_starts_where_there_is_no_room() {
        let mut graph = graph();
        assert!(graph.start(at(0), |kind| kind == TaskKind::Model).is_none());
    }

    #[test]
    fn a_failure_skips_what_is_below_it_and_says_whose_fault_it_is() {
        let mut graph = graph();
        started(&mut graph);
        let skipped = graph.fail(TaskId(1), "the user lacks a right".to_owned());
        assert_eq!(skipped.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [4, 5]);
        assert_eq!(skipped[0].1, "sync of table s1 failed: the user lacks a right");
        graph.succeed(TaskId(2), false);
        graph.succeed(TaskId(3), false);
        assert_eq!(started(&mut graph), [6]);
        assert!(graph.is_done());
        assert_eq!(graph.count(TaskState::Skipped), 2);
    }

    #[test]
    fn what_only_comes_after_waits_for_the_end_and_is_not_skipped() {
        let mut rows = vec![task(1, TaskKind::Model, 0, &[]), task(2, TaskKind::Model, 0, &[])];
        rows[1].after = vec![TaskId(1)];
        let mut graph = Graph::new(rows).expect("no cycle");
        assert_eq!(started(&mut graph), [1]);
        assert!(graph.fail(TaskId(1), "broken".to_owned()).is_empty());
        assert_eq!(started(&mut graph), [2]);
    }

    #[test]
    fn a_retry_waits_for_its_time() {
        let mut graph = graph();
        started(&mut graph);
        graph.retry(TaskId(3), at(10));
        assert_eq!(graph.next_retry(), Some(at(10)));
        assert!(graph.start(at(9), |_| true).is_none());
        assert_eq!(graph.start(at(10), |_| true).map(|t| (t.id.0, t.failures)), Some((3, 1)));
    }

    #[test]
    fn a_retry_does_not_wait_for_a_clock_that_was_put_back() {
        let mut graph = graph();
        started(&mut graph);
        graph.retry(TaskId(1), at(7210));
        graph.wait_no_longer_than(at(60));
        assert_eq!(graph.next_retry(), Some(at(60)));
        graph.wait_no_longer_than(at(90));
        assert_eq!(graph.next_retry(), Some(at(60)));
    }

    #[test]
    fn what_waits_for_its_time_keeps_its_budget() {
        let mut graph = graph();
        started(&mut graph);
        graph.wait(TaskId(3), at(10));
        assert!(graph.start(at(9), |_| true).is_none());
        assert_eq!(graph.start(at(10), |_| true).map(|t| (t.id.0, t.failures)), Some((3, 0)));
    }

    #[test]
    fn what_a_dead_process_left_to_be_skipped_is_skipped() {
        let mut rows = vec![task(1, TaskKind::Sync, 0, &[]), task(2, TaskKind::Model, 0, &[1])];
        rows[0].state = TaskState::Failed;
        rows[0].error = Some("gone".to_owned());
        let mut graph = Graph::new(rows).expect("no cycle");
        assert_eq!(graph.overdue_skips(), [(TaskId(2), "sync of table s1 failed: gone".to_owned())]);
        assert!(graph.is_done());
    }
}
