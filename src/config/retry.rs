//! `[retry]`: how often and how fast to try again.

use super::{Problem, problem::within};
use serde::{Deserialize, Serialize};

/// Bounds of the attempts at one task, and of all retries of a run.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, the first included.
    pub attempts_max: u32,
    /// Milliseconds before the second attempt, at most.
    pub delay_milliseconds_initial: u64,
    /// Milliseconds before any attempt, at most.
    pub delay_milliseconds_max: u64,
    /// Retries of a run over all its tasks: so many,
    pub budget_retries: u32,
    /// and so many for a hundred tasks.
    pub budget_percent: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts_max: 5,
            delay_milliseconds_initial: 500,
            delay_milliseconds_max: 60_000,
            budget_retries: 20,
            budget_percent: 20,
        }
    }
}

impl Retry {
    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        within(&mut problems, "retry.attempts_max", self.attempts_max, 1..=100);
        within(&mut problems, "retry.delay_milliseconds_max", self.delay_milliseconds_max, 1..=86_400_000);
        within(&mut problems, "retry.budget_retries", self.budget_retries, 0..=100_000);
        within(&mut problems, "retry.budget_percent", self.budget_percent, 0..=10_000);
        if self.delay_milliseconds_initial > self.delay_milliseconds_max {
            problems.push(Problem::new(
                "retry.delay_milliseconds_initial",
                "is above retry.delay_milliseconds_max",
                format!("give at most {}", self.delay_milliseconds_max),
            ));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound() {
        assert_eq!(Retry::default().check(), []);
    }

    #[test]
    fn the_first_delay_is_not_above_the_longest() {
        let retry =
            Retry { attempts_max: 0, delay_milliseconds_initial: 2, delay_milliseconds_max: 1, ..Retry::default() };
        assert_eq!(retry.check().len(), 2);
    }
}
