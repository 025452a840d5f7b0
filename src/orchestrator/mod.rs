//! Schedules, runs, the executor.
