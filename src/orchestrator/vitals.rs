//! Signs of life: whether each loop of the process turns, and what it does.
//!
//! A loop that the daemon lives by holds a [`Heart`] and beats it once a turn; whoever tells the watchdog asks
//! which are late. Guarantee: an outage makes no loop late. What asks a database is either bounded, and the
//! loop turns, or waits in [`Heart::polled`], which beats for as long as the runtime comes by.

use super::Orchestrator;
use crate::domain::{RunId, RunState};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// A loop that has not turned for so long is late. Twice what its longest bounded wait takes: a connection
/// that is not answered, and an answer of the control plane's that does not come.
const TURN_SECONDS_MAX: u64 = 90;
/// How often a long wait shows that it is still looked after.
const POLL_SECONDS: u64 = 1;

/// A loop that the daemon lives by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loop {
    /// Lets schedules fire.
    Scheduler,
    /// Holds the writer's lock, or asks for it.
    Writer,
    /// Asks whether both databases answer.
    Health,
    /// Carries a run out.
    Run(RunId),
}

impl fmt::Display for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheduler => f.write_str("scheduler"),
            Self::Writer => f.write_str("writer's lock"),
            Self::Health => f.write_str("health"),
            Self::Run(run) => write!(f, "run {run}"),
        }
    }
}

/// The signs of life of one process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Vitals(Arc<Mutex<Signs>>);

#[derive(Debug, Default)]
struct Signs {
    made: u64,
    hearts: BTreeMap<u64, Beat>,
    last_run: Option<(RunId, RunState)>,
}

#[derive(Clone, Copy, Debug)]
struct Beat {
    of: Loop,
    last: Instant,
    within: Duration,
}

impl Vitals {
    /// A heart for a loop that begins. `waits_max` is what a turn of it may wait for a connection.
    pub(super) fn heart(&self, of: Loop, waits_max: Duration) -> Heart {
        let within = Duration::from_secs(TURN_SECONDS_MAX) + waits_max * 2;
        let mut signs = self.signs();
        signs.made += 1;
        let number = signs.made;
        signs.hearts.insert(number, Beat { of, last: Instant::now(), within });
        drop(signs);
        Heart { vitals: self.clone(), number }
    }

    /// Remembers how the last run ended.
    pub(super) fn ended(&self, run: RunId, state: RunState) {
        self.signs().last_run = Some((run, state));
    }

    /// The loops that should have turned since, and have not.
    pub fn late(&self) -> Vec<Loop> {
        let now = Instant::now();
        let mut late: Vec<Loop> =
            self.signs().hearts.values().filter(|beat| now - beat.last > beat.within).map(|beat| beat.of).collect();
        late.sort_unstable();
        late
    }

    /// For how long each loop has not turned.
    pub fn silence(&self) -> BTreeMap<Loop, Duration> {
        self.signs().hearts.values().map(|beat| (beat.of, beat.last.elapsed())).collect()
    }

    /// The runs that are under way.
    pub fn runs(&self) -> Vec<RunId> {
        let run = |beat: &Beat| if let Loop::Run(run) = beat.of { Some(run) } else { None };
        self.signs().hearts.values().filter_map(run).collect()
    }

    /// The run that ended last in this process, and how.
    pub fn last_run(&self) -> Option<(RunId, RunState)> {
        self.signs().last_run
    }

    fn signs(&self) -> MutexGuard<'_, Signs> {
        self.0.lock().expect("nothing panics while it is held")
    }
}

/// The heart of one loop. It leaves nothing behind when dropped: a loop that ended is not late.
#[derive(Debug)]
pub(super) struct Heart {
    vitals: Vitals,
    number: u64,
}

impl Heart {
    /// The loop has turned.
    pub(super) fn beat(&self) {
        if let Some(beat) = self.vitals.signs().hearts.get_mut(&self.number) {
            beat.last = Instant::now();
        }
    }

    /// Waits for what has no bound, such as a database that is away for the night.
    pub(super) async fn polled<F: Future>(&self, wait: F) -> F::Output {
        let mut wait = std::pin::pin!(wait);
        let mut polls = interval(Duration::from_secs(POLL_SECONDS));
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                done = &mut wait => return done,
                _ = polls.tick() => self.beat(),
            }
        }
    }
}

impl Orchestrator {
    /// A heart for a loop of this process.
    pub(super) fn heart(&self, of: Loop) -> Heart {
        self.vitals.heart(of, Duration::from_secs(self.config.warehouse.connect_seconds_max))
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.vitals.signs().hearts.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{future::poll_fn, task::Poll};

    const LATE: Duration = Duration::from_secs(TURN_SECONDS_MAX + 1);

    /// As if so much time had gone by.
    fn later(vitals: &Vitals) {
        vitals.signs().hearts.values_mut().for_each(|beat| beat.last -= LATE);
    }

    #[test]
    fn a_loop_that_does_not_turn_is_late_until_it_turns_or_ends() {
        let vitals = Vitals::default();
        let scheduler = vitals.heart(Loop::Scheduler, Duration::ZERO);
        let run = vitals.heart(Loop::Run(RunId(7)), Duration::ZERO);
        let patient = vitals.heart(Loop::Writer, LATE);
        assert_eq!(vitals.late(), []);
        later(&vitals);
        assert_eq!(vitals.late(), [Loop::Scheduler, Loop::Run(RunId(7))]);
        scheduler.beat();
        assert_eq!((vitals.late(), vitals.runs()), (vec![Loop::Run(RunId(7))], vec![RunId(7)]));
        drop(run);
        assert_eq!((vitals.late(), vitals.runs()), (vec![], vec![]));
        drop(patient);
    }

    #[tokio::test]
    async fn a_long_wait_makes_no_loop_late_for_as_long_as_it_is_looked_after() {
        let vitals = Vitals::default();
        let heart = vitals.heart(Loop::Writer, Duration::ZERO);
        later(&vitals);
        assert_eq!(vitals.late(), [Loop::Writer]);
        // It ends when the wait itself has made the heart beat.
        let has_beaten = poll_fn(|context| {
            if vitals.late().is_empty() {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        });
        heart.polled(has_beaten).await;
        later(&vitals);
        assert_eq!(vitals.late(), [Loop::Writer]);
    }
}
