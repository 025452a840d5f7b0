//! What a run begins first: whatever the most time still hangs on.
//!
//! Pure. The priority of a task is the expected time of the longest way from it to the end of the run, its own
//! included: the run can't end earlier than that after it began (Graham 1969; "critical path" list scheduling).
//! The expectation comes from how long the same took before; where it was never done, from its kind and size.

use crate::{
    domain::TaskKind,
    state::{Durations, NewEdge},
    sync::{Action, TablePlan},
};
use std::time::Duration;

/// What a first load brings in a second, about.
const LOAD_BYTES_PER_SECOND: u64 = 16 << 20;
/// What any load takes.
const LOAD: Duration = Duration::from_millis(500);
/// Only what has changed.
const DELTA: Duration = Duration::from_millis(200);
/// A model.
const MODEL: Duration = Duration::from_secs(1);

/// How long a table's sync is expected to take.
pub(super) fn of_table(table: &TablePlan, known: &Durations) -> Duration {
    let (kind, otherwise) = match table.action {
        Action::Skip => return Duration::ZERO,
        Action::Delta => ("delta", DELTA),
        Action::Load => ("load", loaded(table.table.data_bytes)),
        Action::Reconcile => ("reconcile", loaded(table.table.data_bytes)),
    };
    known.of(kind, table.table.name.as_str()).unwrap_or(otherwise)
}

fn loaded(bytes: u64) -> Duration {
    LOAD + Duration::from_millis(bytes.saturating_mul(1000) / LOAD_BYTES_PER_SECOND)
}

/// How long a model's build is expected to take.
pub(super) fn of_model(id: &str, known: &Durations) -> Duration {
    known.of(TaskKind::Model.as_str(), id).unwrap_or(MODEL)
}

/// For each task, by what each takes and who waits for whom: milliseconds until all that waits for it has ended.
pub(super) fn remaining(takes: &[Duration], edges: &[NewEdge]) -> Vec<i64> {
    let millis = |d: &Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
    let mut longest: Vec<i64> = takes.iter().map(millis).collect();
    let (mut parents, mut children) = (vec![Vec::new(); takes.len()], vec![0_usize; takes.len()]);
    for edge in edges {
        parents[edge.child].push(edge.parent);
        children[edge.parent] += 1;
    }
    // From the ends up. In a circle, which a plan has none of, everybody keeps what it takes itself.
    let mut ends: Vec<usize> = (0..takes.len()).filter(|task| children[*task] == 0).collect();
    while let Some(task) = ends.pop() {
        for parent in std::mem::take(&mut parents[task]) {
            longest[parent] = longest[parent].max(millis(&takes[parent]).saturating_add(longest[task]));
            children[parent] -= 1;
            if children[parent] == 0 {
                ends.push(parent);
            }
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(parent: usize, child: usize, must_succeed: bool) -> NewEdge {
        NewEdge { child, parent, must_succeed }
    }

    #[test]
    fn a_task_is_as_urgent_as_the_longest_way_to_the_end() {
        // 0 -> 1 -> 3 and 0 -> 2 -> 3, 4 alone; 5 only comes after 4.
        let takes = [1, 10, 2, 5, 9, 3].map(Duration::from_secs);
        let edges = [(0, 1), (0, 2), (1, 3), (2, 3)].map(|(parent, child)| edge(parent, child, true));
        let edges = [edges.as_slice(), &[edge(4, 5, false)]].concat();
        assert_eq!(remaining(&takes, &edges), [16_000, 15_000, 7_000, 5_000, 12_000, 3_000]);
        assert_eq!(remaining(&[], &[]), [0_i64; 0]);
    }

    #[test]
    fn what_waits_in_a_circle_keeps_what_it_takes_itself() {
        let takes = [1, 2].map(Duration::from_secs);
        assert_eq!(remaining(&takes, &[edge(0, 1, true), edge(1, 0, true)]), [1_000, 2_000]);
    }

    #[test]
    fn a_chain_as_long_as_a_run_may_be_costs_no_time() {
        let takes = vec![Duration::from_millis(1); 10_000];
        let edges: Vec<NewEdge> = (1..10_000).map(|n| edge(n - 1, n, true)).collect();
        assert_eq!(remaining(&takes, &edges)[0], 10_000);
    }
}
