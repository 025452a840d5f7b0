//! How many rows the next range asks for.
//!
//! Pure. A range is to take about as long as the configuration allows and to bring no more than waits
//! for the warehouse without being in the way: learnt from how the last one did. Only the time from its
//! first row on counts: the way to the server, or a sort, takes as long for one row as for many, and
//! smaller ranges would only make more of them.

use crate::domain::Table;
use std::time::Duration;

/// The first range is a careful guess, so much smaller.
const FIRST_RANGE_SHARE: u64 = 4;
/// However slow: with fewer rows a statement costs more than what it brings.
const ROWS_MIN: u64 = 100;
/// A range may be so much larger than the one before.
const GROWTH_MAX: u64 = 2;

/// The size of the ranges of one table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    rows: u64,
    rows_max: u64,
    bytes_max: u64,
    time: Duration,
}

impl Pace {
    /// For a table that was not read yet. `time` is what a range is to take, `bytes_max` what it may bring,
    /// both about.
    pub(super) fn new(rows_max: u64, bytes_max: u64, time: Duration, table: &Table) -> Self {
        let row_bytes = (table.data_bytes / table.rows.max(1)).max(1);
        Self { rows: (bytes_max / FIRST_RANGE_SHARE / row_bytes).clamp(1, rows_max), rows_max, bytes_max, time }
    }

    /// Rows that the next range asks for.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes in how a range did. `flowed` is the time between its first row and its last.
    pub(super) fn learn(&mut self, rows: u64, bytes: u64, flowed: Duration) {
        if rows == 0 {
            return;
        }
        let by_time = u128::from(rows) * self.time.as_micros() / flowed.as_micros().max(1);
        let by_bytes = u128::from(rows) * u128::from(self.bytes_max) / u128::from(bytes.max(1));
        let fitting = u64::try_from(by_time.max(ROWS_MIN.into()).min(by_bytes)).unwrap_or(u64::MAX);
        self.rows = fitting.min(self.rows.saturating_mul(GROWTH_MAX)).clamp(1, self.rows_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Engine;

    fn pace() -> Pace {
        let (name, engine) = ("t".into(), Engine::MyIsam);
        let (columns, key) = (Vec::new(), vec![0]);
        let table = Table { name, engine, columns, key, rows: 1000, data_bytes: 100_000, fingerprint: None };
        Pace::new(50_000, 4 << 20, Duration::from_millis(100), &table)
    }

    #[test]
    fn slow_ranges_shrink_at_once_and_fast_ones_grow_step_by_step() {
        let mut pace = pace();
        let first = pace.rows();
        pace.learn(first, 1000, Duration::from_secs(1));
        assert_eq!(pace.rows(), first / 10);
        pace.learn(pace.rows(), 1000, Duration::from_millis(1));
        assert_eq!(pace.rows(), first / 10 * 2);
        (0..20).for_each(|_| pace.learn(pace.rows(), 1000, Duration::from_secs(10)));
        assert_eq!(pace.rows(), ROWS_MIN);
    }

    #[test]
    fn wide_rows_come_few_at_a_time_and_never_none() {
        let mut pace = pace();
        pace.learn(10, 40 << 20, Duration::from_millis(1));
        assert_eq!(pace.rows(), 1);
        (0..40).for_each(|_| pace.learn(pace.rows(), 1, Duration::from_micros(1)));
        assert_eq!(pace.rows(), 50_000);
    }
}
