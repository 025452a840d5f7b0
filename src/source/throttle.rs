//! How fast the source is read at most, and a pause where it has become slow.
//!
//! What a range brought is charged when it ends; the next one begins when the charge is paid, or, where
//! the source has let us wait for long, a while after. Between two ranges no lock is held.
//! Guarantee: all readers of a source together keep to its bound, but for one range each and a second's
//! worth that may come at once. What is read in one statement (a table without a key that can be followed) is paid
//! afterwards; the binary log is paid for piece by piece.

use super::{Source, quiet::Quiet};
use crate::{config, error::Result};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tracing::debug;

/// What was not used is forgotten after so long.
const BURST: Duration = Duration::from_secs(1);
/// Slow is what takes so many times as long as usual…
const SLOW_TIMES: u32 = 4;
/// …and so long at least, times that: less is noise.
const USUAL_MIN: Duration = Duration::from_millis(25);
/// What is usual rises by one in so many with each slower range: a source that stays slow is usual at last.
const USUAL_SHARE: u32 = 8;
/// No pause for a slow source is longer.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// The bounds of one source, shared by all its readers.
#[derive(Debug)]
pub(super) struct Throttle {
    began: Instant,
    rows: Option<Mutex<Bucket>>,
    bytes: Option<Mutex<Bucket>>,
}

/// One bound: paid up to a moment.
#[derive(Debug)]
struct Bucket {
    per_second: u64,
    paid_until: Duration,
}

impl Throttle {
    /// As configured; 0 is no bound.
    pub(super) fn new(config: &config::Source) -> Self {
        let bucket =
            |per_second| (per_second > 0).then(|| Mutex::new(Bucket { per_second, paid_until: Duration::ZERO }));
        let (rows, bytes) = (bucket(config.rows_per_second_max), bucket(config.bytes_per_second_max));
        Self { began: Instant::now(), rows, bytes }
    }

    /// Whether there is any bound.
    pub(super) fn is_bound(&self) -> bool {
        self.rows.is_some() || self.bytes.is_some()
    }

    fn charge(&self, rows: u64, bytes: u64, now: Duration) {
        for (bucket, amount) in [(&self.rows, rows), (&self.bytes, bytes)] {
            if let Some(bucket) = bucket {
                bucket.lock().unwrap_or_else(PoisonError::into_inner).charge(amount, now);
            }
        }
    }

    fn wait(&self, now: Duration) -> Duration {
        let owed = |bucket: &Mutex<Bucket>| bucket.lock().unwrap_or_else(PoisonError::into_inner).paid_until;
        let until = [&self.rows, &self.bytes].into_iter().flatten().map(owed).max();
        until.unwrap_or_default().saturating_sub(now)
    }
}

impl Bucket {
    fn charge(&mut self, amount: u64, now: Duration) {
        let micros = u128::from(amount) * 1_000_000 / u128::from(self.per_second);
        let cost = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        self.paid_until = self.paid_until.max(now.saturating_sub(BURST)).saturating_add(cost);
    }
}

/// One reader's way along its ranges.
pub(super) struct Gait {
    throttle: Arc<Throttle>,
    quiet: Quiet,
    slowness: Slowness,
    /// For a source that has become slow.
    pause: Duration,
}

/// How long the source lets us wait, compared with how long it usually does.
#[derive(Default)]
struct Slowness {
    usual: Option<Duration>,
}

impl Slowness {
    /// How long to leave the source alone after it let us wait for the first row of a range.
    fn pause(&mut self, waited: Duration) -> Duration {
        let waited = waited.max(USUAL_MIN);
        let usual = *self.usual.get_or_insert(waited);
        self.usual = Some(waited.min(usual + usual / USUAL_SHARE));
        if waited < usual * SLOW_TIMES {
            return Duration::ZERO;
        }
        let times = waited.as_secs_f64() / usual.as_secs_f64();
        waited.mul_f64(times / f64::from(SLOW_TIMES)).min(PAUSE_MAX)
    }
}

impl Source {
    /// For one reader.
    pub(super) fn gait(&self) -> Gait {
        Gait {
            throttle: Arc::clone(&self.throttle),
            quiet: self.quiet.clone(),
            slowness: Slowness::default(),
            pause: Duration::ZERO,
        }
    }
}

impl Gait {
    /// How long to wait until the next range may begin. To be asked once for each.
    pub(super) fn wait(&mut self) -> Duration {
        self.throttle.wait(self.throttle.began.elapsed()).max(std::mem::take(&mut self.pause))
    }

    /// Waits for so long.
    ///
    /// # Errors
    /// [`crate::error::Kind::SourceQuiet`] within quiet hours.
    pub(super) async fn pause(&self, wait: Duration) -> Result<()> {
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        self.quiet.heed()
    }

    /// Takes in what a range brought, and how long it let us wait for its first row, or, where it is computed,
    /// for longer than it was meant to take. That time alone: the rest may have been ours.
    pub(super) fn learn(&mut self, rows: u64, bytes: u64, waited: Duration) {
        self.throttle.charge(rows, bytes, self.throttle.began.elapsed());
        self.pause = self.slowness.pause(waited);
        if !self.pause.is_zero() {
            let (waited_ms, pause_ms) = (waited.as_millis(), self.pause.as_millis());
            debug!(%waited_ms, %pause_ms, "the source has become slow; it is left alone for a while");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(rows: u64, bytes: u64) -> Throttle {
        let mut config = config::Source::default();
        (config.rows_per_second_max, config.bytes_per_second_max) = (rows, bytes);
        Throttle::new(&config)
    }

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn what_was_read_is_paid_before_the_next_range_by_whoever_reads_it() {
        let throttle = throttle(1000, 0);
        throttle.charge(3000, u64::MAX, seconds(10));
        // A second of what was not used before counts.
        assert_eq!(throttle.wait(seconds(10)), seconds(2));
        throttle.charge(1000, 0, seconds(11));
        assert_eq!(throttle.wait(seconds(11)), seconds(2));
        assert_eq!(throttle.wait(seconds(13)), Duration::ZERO);
    }

    #[test]
    fn what_was_not_used_for_long_is_not_saved_up() {
        let throttle = throttle(0, 1 << 20);
        throttle.charge(1, 5 << 20, seconds(3600));
        assert_eq!(throttle.wait(seconds(3600)), seconds(4));
    }

    #[test]
    fn the_tighter_bound_counts_and_no_bound_lets_everything_pass() {
        let both = throttle(10, 10);
        both.charge(20, 50, Duration::ZERO);
        assert_eq!(both.wait(Duration::ZERO), seconds(5));
        let none = throttle(0, 0);
        none.charge(u64::MAX, u64::MAX, Duration::ZERO);
        assert_eq!(none.wait(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn a_source_that_becomes_slow_is_left_alone_in_proportion() {
        let ms = Duration::from_millis;
        let mut slowness = Slowness::default();
        for waited in [1, 20, 3, 90] {
            assert_eq!(slowness.pause(ms(waited)), Duration::ZERO, "{waited} ms are noise");
        }
        let mut slowness = Slowness { usual: Some(ms(40)) };
        assert_eq!(slowness.pause(ms(150)), Duration::ZERO);
        let mut slowness = Slowness { usual: Some(ms(40)) };
        assert_eq!(slowness.pause(ms(160)), ms(160));
        let mut slowness = Slowness { usual: Some(ms(40)) };
        assert_eq!(slowness.pause(ms(320)), ms(640));
        assert_eq!(slowness.pause(seconds(100)), PAUSE_MAX);
    }

    #[test]
    fn a_reader_whose_range_was_slow_waits_once_before_the_next() {
        let quiet = Quiet::new(&config::Source::default());
        let throttle = Arc::new(throttle(0, 0));
        let mut gait = Gait { throttle, quiet, slowness: Slowness::default(), pause: Duration::ZERO };
        gait.learn(100, 1000, Duration::from_millis(20));
        assert_eq!(gait.wait(), Duration::ZERO);
        gait.learn(100, 1000, Duration::from_millis(200));
        assert_eq!(gait.wait(), Duration::from_millis(400), "eight times as long as usual");
        assert_eq!(gait.wait(), Duration::ZERO, "it has waited");
        gait.learn(100, 1000, Duration::from_millis(20));
        assert_eq!(gait.wait(), Duration::ZERO);
    }

    #[test]
    fn a_reader_pays_for_what_another_has_read() {
        let quiet = Quiet::new(&config::Source::default());
        let throttle = Arc::new(throttle(0, 1000));
        let gait = || Gait {
            throttle: Arc::clone(&throttle),
            quiet: quiet.clone(),
            slowness: Slowness::default(),
            pause: Duration::ZERO,
        };
        gait().learn(1, 10_000, Duration::ZERO);
        let wait = gait().wait();
        assert!(wait > seconds(8) && wait <= seconds(10), "{wait:?}");
    }

    #[test]
    fn a_source_that_stays_slow_is_usual_at_last() {
        let mut slowness = Slowness { usual: Some(USUAL_MIN) };
        let pauses = (0..40).take_while(|_| !slowness.pause(seconds(1)).is_zero()).count();
        assert!((5..30).contains(&pauses), "{pauses}");
    }
}
