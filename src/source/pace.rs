//! How many rows the next range asks for.
//!
//! Pure. A range is to take about as long as the configuration allows and to bring no more than waits
//! for the warehouse without being in the way: learnt from how the last one did. Only the time from its
//! first row on counts: the way to the server, or a sort, takes as long for one row as for many, and
//! smaller ranges would only make more of them.

use std::time::Duration;

/// The first range is a careful guess, so much smaller.
const FIRST_RANGE_SHARE: u64 = 4;
/// A range may be so much larger than the one before.
const GROWTH_MAX: u64 = 2;

/// What a range is held to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// However slow: with fewer rows a statement costs more than what it brings.
    pub rows_min: u64,
    /// However fast.
    pub rows_max: u64,
    /// What it may bring, about.
    pub bytes_max: u64,
    /// What it is to take, about.
    pub time: Duration,
}

/// The size of the ranges of one table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    rows: u64,
    bounds: Bounds,
}

impl Pace {
    /// For what was not read yet; a row brings so many bytes, about.
    pub(super) fn new(bounds: Bounds, row_bytes: u64) -> Self {
        let rows = (bounds.bytes_max / FIRST_RANGE_SHARE / row_bytes.max(1)).clamp(1, bounds.rows_max);
        Self { rows, bounds }
    }

    /// Rows that the next range asks for.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// How much longer a statement took than it was meant to.
    pub(super) fn beyond(&self, took: Duration) -> Duration {
        took.saturating_sub(self.bounds.time)
    }

    /// Takes in how a range did. `flowed` is the time between its first row and its last.
    pub(super) fn learn(&mut self, rows: u64, bytes: u64, flowed: Duration) {
        if rows == 0 {
            return;
        }
        let Bounds { rows_min, rows_max, bytes_max, time } = self.bounds;
        let by_time = u128::from(rows) * time.as_micros() / flowed.as_micros().max(1);
        let by_bytes = u128::from(rows) * u128::from(bytes_max) / u128::from(bytes.max(1));
        let fitting = u64::try_from(by_time.max(rows_min.into()).min(by_bytes)).unwrap_or(u64::MAX);
        self.rows = fitting.min(self.rows.saturating_mul(GROWTH_MAX)).clamp(1, rows_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        let time = Duration::from_millis(100);
        Pace::new(Bounds { rows_min: 100, rows_max: 50_000, bytes_max: 4 << 20, time }, 100)
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
        assert_eq!(pace.rows(), 100);
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
