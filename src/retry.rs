//! How long to wait before the next attempt.
//!
//! Pure but for the jitter's random number. Equal jitter under an exponential bound: AWS Architecture
//! Blog, "Exponential Backoff And Jitter".

use std::time::Duration;

/// Bounds of the attempts at one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Attempts in all, the first included.
    pub attempts_max: u32,
    /// The longest wait before the second attempt.
    pub delay_initial: Duration,
    /// The longest wait before any attempt.
    pub delay_max: Duration,
}

impl Backoff {
    /// The longest wait after `failures` failed attempts: doubled each time, up to `delay_max`.
    pub fn bound(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        self.delay_initial.saturating_mul(1 << doublings).min(self.delay_max)
    }

    /// How long to wait after `failures` failed attempts; `None` when no attempt is left.
    ///
    /// At least half the bound, so that a struggling server gets air, and at random above, so that
    /// many tasks do not come back at once.
    pub fn delay(&self, failures: u32) -> Option<Duration> {
        (failures < self.attempts_max).then(|| self.bound(failures).mul_f64(0.5 + fastrand::f64() / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { attempts_max: 5, delay_initial: Duration::from_secs(1), delay_max: Duration::from_secs(6) };

    #[test]
    fn bound_doubles_up_to_its_maximum() {
        let bounds: Vec<_> = (1..=5).map(|n| BACKOFF.bound(n).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 6, 6]);
        assert_eq!(BACKOFF.bound(u32::MAX).as_secs(), 6);
    }

    #[test]
    fn delay_stays_within_the_bound_and_ends_with_the_budget() {
        for failures in 1..5 {
            let delay = BACKOFF.delay(failures).expect("four retries follow the first attempt");
            assert!(delay <= BACKOFF.bound(failures) && delay >= BACKOFF.bound(failures) / 2);
        }
        assert_eq!(BACKOFF.delay(5), None);
    }

    #[test]
    fn delays_are_spread_over_the_upper_half_of_the_bound() {
        let delays: Vec<_> = (0..1000).filter_map(|_| BACKOFF.delay(1)).collect();
        let is_within = |from: u64, to: u64| {
            let span = Duration::from_millis(from)..Duration::from_millis(to);
            delays.iter().filter(|delay| span.contains(delay)).count()
        };
        // 250 are expected in each; fewer than 100 come by chance once in more than 10^30 times.
        for quarter in [500, 625, 750, 875] {
            assert!(is_within(quarter, quarter + 125) > 100, "{delays:?}");
        }
    }
}
