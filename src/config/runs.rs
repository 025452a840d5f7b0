//! `[runs]`: bounds of all runs together, and how long they are remembered.

use super::{Problem, problem::within};
use serde::{Deserialize, Serialize};

/// Bounds of all runs together.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Runs {
    /// Tables and models worked on at once; 0: no fewer than `sync.parallel_tables` and `models.threads` together.
    pub tasks_max: usize,
    /// Days that a run is remembered after it ended.
    pub history_days: u32,
    /// Hours between two times of maintenance, by runs of schedules; 0: never.
    pub maintenance_hours: u32,
}

impl Default for Runs {
    fn default() -> Self {
        Self { tasks_max: 0, history_days: 90, maintenance_hours: 24 }
    }
}

impl Runs {
    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        within(&mut problems, "runs.tasks_max", self.tasks_max, 0..=256);
        within(&mut problems, "runs.history_days", self.history_days, 1..=3_650);
        within(&mut problems, "runs.maintenance_hours", self.maintenance_hours, 0..=8_760);
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound() {
        assert_eq!(Runs::default().check(), []);
        assert_eq!(Runs { tasks_max: 257, history_days: 0, maintenance_hours: 9_000 }.check().len(), 3);
    }
}
