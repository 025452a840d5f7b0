//! Leaves a database alone that fails whatever it is asked.
//!
//! Pure: the time is handed in. Each of the two databases has a circuit breaker. Closed, work goes on. After
//! [`FAILURES_MAX`] failures in a row that are the database's own, by whichever tasks, it opens: nothing that
//! needs the database begins until a delay is over, which doubles each time; then one task tries, and what comes
//! of it closes the breaker or opens it again. (Nygard, "Release It!", circuit breaker.) Where it failed for another
//! reason, which tells nothing of the database, the next one tries at once.
//! A clock that is put back keeps nothing waiting for it.
//! What an open breaker keeps back costs no attempt; for [`PATIENCE_MINUTES`], after which attempts count again,
//! so that a run does not wait for ever; and for less than a minute where the database answers the watch over its
//! health: then it is a table that breaks every connection, and no outage.

use crate::{
    domain::TaskKind,
    error::{Database, Error},
};
use chrono::{DateTime, TimeDelta, Utc};
use std::{
    ops::RangeInclusive,
    sync::{Mutex, MutexGuard},
};

/// So many failures in a row open it; fewer where a task has fewer attempts, or an outage would use them up before.
/// More than one: a table that breaks every connection, among others that do not, fails for good in the end.
const FAILURES_MAX: RangeInclusive<u32> = 2..=5;
/// How long it is open at first.
const DELAY_SECONDS_INITIAL: i64 = 5;
/// How long it is open at most.
const DELAY_SECONDS_MAX: i64 = 120;
/// How long the one that tries may take, before another may.
const TRIAL_SECONDS_MAX: i64 = 60;
/// So often it opens in a row before it matters that the database answers others: by then that is known.
const OPENINGS_FREE: u32 = 3;
/// How long failures of a database cost no attempt.
const PATIENCE_MINUTES: i64 = 30;

/// The breakers of both databases.
#[derive(Debug)]
pub(super) struct Breakers {
    failures_max: u32,
    source: Mutex<Breaker>,
    warehouse: Mutex<Breaker>,
}

#[derive(Debug, Default)]
struct Breaker {
    /// Failures in a row.
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    /// When it opened first.
    since: DateTime<Utc>,
    /// When one may try.
    until: DateTime<Utc>,
    /// How often it has opened in a row.
    times: u32,
    /// One tries now.
    is_tried: bool,
}

impl Breakers {
    /// Closed ones, for tasks of so many attempts.
    pub(super) fn new(attempts_max: u32) -> Self {
        let failures_max = attempts_max.clamp(*FAILURES_MAX.start(), *FAILURES_MAX.end());
        Self { failures_max, source: Mutex::default(), warehouse: Mutex::default() }
    }

    /// Whether a task of that kind may begin.
    pub(super) fn let_pass(&self, kind: TaskKind, now: DateTime<Utc>) -> bool {
        needs(kind).iter().all(|database| self.of(*database).lets_pass(now))
    }

    /// A task of that kind begins.
    pub(super) fn begin(&self, kind: TaskKind, now: DateTime<Utc>) {
        needs(kind).iter().for_each(|database| self.of(*database).begin(now));
    }

    /// A task of that kind ended well: what it needs is there.
    pub(super) fn succeed(&self, kind: TaskKind) {
        needs(kind).iter().for_each(|database| *self.of(*database) = Breaker::default());
    }

    /// A task of that kind failed. Until when the database that is to blame is left alone, and that costs the task
    /// nothing; `None`: it does. `answers` tells whether a database answered when last asked for a sign of life.
    pub(super) fn fail(
        &self,
        kind: TaskKind,
        error: &Error,
        now: DateTime<Utc>,
        answers: impl Fn(Database) -> bool,
    ) -> Option<DateTime<Utc>> {
        let blamed = error.kind.blames();
        needs(kind).iter().filter(|database| blamed != Some(**database)).for_each(|other| self.of(*other).untold(now));
        let database = blamed?;
        self.of(database).fail(now, self.failures_max, answers(database))
    }

    /// Whether neither database is left alone.
    pub(super) fn are_closed(&self) -> bool {
        [Database::Source, Database::Warehouse].iter().all(|database| self.of(*database).open.is_none())
    }

    fn of(&self, database: Database) -> MutexGuard<'_, Breaker> {
        let breaker = match database {
            Database::Source => &self.source,
            Database::Warehouse => &self.warehouse,
        };
        breaker.lock().expect("nothing panics while it is held")
    }
}

fn needs(kind: TaskKind) -> &'static [Database] {
    match kind {
        TaskKind::Sync | TaskKind::Reconcile => &[Database::Source, Database::Warehouse],
        TaskKind::Model | TaskKind::Maintenance | TaskKind::Operation => &[Database::Warehouse],
    }
}

impl Open {
    /// Whether nobody may try yet. A moment that lies further ahead than any delay comes from a clock that has been
    /// put back since.
    fn waits(&self, now: DateTime<Utc>) -> bool {
        now < self.until && self.until - now <= TimeDelta::seconds(DELAY_SECONDS_MAX)
    }
}

impl Breaker {
    fn lets_pass(&self, now: DateTime<Utc>) -> bool {
        self.open.as_ref().is_none_or(|open| !open.waits(now))
    }

    fn begin(&mut self, now: DateTime<Utc>) {
        if let Some(open) = &mut self.open {
            open.until = now + TimeDelta::seconds(TRIAL_SECONDS_MAX);
            open.is_tried = true;
        }
    }

    /// What tried it failed, and that was not its fault.
    fn untold(&mut self, now: DateTime<Utc>) {
        if let Some(open) = self.open.as_mut().filter(|open| open.is_tried) {
            (open.until, open.is_tried) = (now, false);
        }
    }

    fn fail(&mut self, now: DateTime<Utc>, failures_max: u32, answers: bool) -> Option<DateTime<Utc>> {
        self.failures = self.failures.saturating_add(1);
        if self.failures < failures_max {
            return None;
        }
        if let Some(open) = self.open.as_ref().filter(|open| !open.is_tried && open.waits(now)) {
            // It began before.
            return Some(open.until);
        }
        let (since, times) = self.open.as_ref().map_or((now, 0), |open| (open.since.min(now), open.times));
        let delay = DELAY_SECONDS_INITIAL.saturating_mul(1 << times.min(10)).min(DELAY_SECONDS_MAX);
        let until = now + TimeDelta::seconds(delay);
        self.open = Some(Open { since, until, times: times + 1, is_tried: false });
        let is_outage = times < OPENINGS_FREE || !answers;
        (is_outage && now - since < TimeDelta::minutes(PATIENCE_MINUTES)).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_000_000 + seconds, 0).expect("a valid time")
    }

    fn fail(breakers: &Breakers, kind: Kind, seconds: i64) -> Option<i64> {
        let error = Error::new(kind, "it fails");
        breakers.fail(TaskKind::Sync, &error, at(seconds), |_| false).map(|until| (until - at(0)).num_seconds())
    }

    #[test]
    fn a_database_that_fails_whatever_it_is_asked_is_left_alone_longer_and_longer() {
        let breakers = Breakers::new(5);
        assert!((0..4).all(|n| fail(&breakers, Kind::SourceLost, n).is_none()));
        assert_eq!(fail(&breakers, Kind::SourceUnreachable, 10), Some(15));
        // What began before it opened makes it no longer.
        assert_eq!(fail(&breakers, Kind::SourceLost, 11), Some(15));
        let pass = |kind, seconds| breakers.let_pass(kind, at(seconds));
        assert!(!pass(TaskKind::Sync, 14) && !pass(TaskKind::Reconcile, 14) && pass(TaskKind::Model, 14));
        // Then one tries.
        assert!(pass(TaskKind::Sync, 15));
        breakers.begin(TaskKind::Sync, at(15));
        assert!(!pass(TaskKind::Sync, 16));
        assert_eq!(fail(&breakers, Kind::SourceLost, 16), Some(26));
        breakers.begin(TaskKind::Sync, at(26));
        assert_eq!(fail(&breakers, Kind::SourceLost, 27), Some(47));
        // One that never comes back lets another try.
        breakers.begin(TaskKind::Sync, at(47));
        assert!(!pass(TaskKind::Sync, 106) && pass(TaskKind::Sync, 107));
        breakers.succeed(TaskKind::Sync);
        assert!(pass(TaskKind::Sync, 48) && breakers.are_closed());
        assert_eq!(fail(&breakers, Kind::SourceLost, 50), None);
    }

    #[test]
    fn only_what_is_the_databases_own_fault_counts_and_a_success_between_begins_anew() {
        let breakers = Breakers::new(5);
        for n in 0..20 {
            assert_eq!(fail(&breakers, Kind::ModelSql, n), None);
            assert_eq!(fail(&breakers, Kind::WarehouseConflict, n), None);
        }
        for n in 0..20 {
            if n % 4 == 3 {
                breakers.succeed(TaskKind::Model);
            }
            assert_eq!(fail(&breakers, Kind::WarehouseBusy, n), None);
        }
        assert!(breakers.let_pass(TaskKind::Model, at(0)));
    }

    #[test]
    fn what_tries_and_fails_for_another_reason_lets_the_next_one_try_at_once() {
        let breakers = Breakers::new(5);
        assert_eq!((0..5).filter_map(|n| fail(&breakers, Kind::SourceLost, n)).count(), 1);
        breakers.begin(TaskKind::Sync, at(9));
        assert!(!breakers.let_pass(TaskKind::Sync, at(10)));
        assert_eq!(fail(&breakers, Kind::SourceCrashed, 10), None);
        assert!(breakers.let_pass(TaskKind::Sync, at(10)) && !breakers.are_closed());
        // What began before it opened, and fails so while nobody tries, opens no door.
        breakers.begin(TaskKind::Sync, at(10));
        assert_eq!(fail(&breakers, Kind::SourceLost, 11), Some(21));
        assert_eq!(fail(&breakers, Kind::SourceCrashed, 12), None);
        assert!(!breakers.let_pass(TaskKind::Sync, at(12)));
    }

    #[test]
    fn what_breaks_every_connection_to_a_database_that_answers_costs_attempts_within_a_minute() {
        let breakers = Breakers::new(2);
        let error = Error::new(Kind::SourceLost, "it fails");
        let costs = (0..5).map(|n| {
            breakers.begin(TaskKind::Sync, at(n));
            breakers.fail(TaskKind::Sync, &error, at(n), |_| true).is_none()
        });
        assert_eq!(costs.collect::<Vec<_>>(), [true, false, false, false, true]);
    }

    #[test]
    fn where_tasks_have_few_attempts_it_opens_before_an_outage_has_used_them_up() {
        let breakers = Breakers::new(2);
        assert_eq!(fail(&breakers, Kind::SourceLost, 0), None);
        assert!(fail(&breakers, Kind::SourceLost, 0).is_some());
    }

    #[test]
    fn a_clock_that_is_put_back_keeps_no_database_waiting_until_it_has_caught_up() {
        let breakers = Breakers::new(5);
        let (ahead, right) = (4 * 365 * 86_400, 0);
        assert_eq!((0..5).filter_map(|n| fail(&breakers, Kind::WarehouseLost, ahead + n)).count(), 1);
        assert!(!breakers.let_pass(TaskKind::Model, at(ahead + 5)));
        assert!(breakers.let_pass(TaskKind::Model, at(right)));
        // What fails now is counted from now: it waits for a while, and not for years without costing an attempt.
        assert_eq!(fail(&breakers, Kind::WarehouseLost, right), Some(right + 10));
        assert!(
            !breakers.let_pass(TaskKind::Model, at(right + 9)) && breakers.let_pass(TaskKind::Model, at(right + 10))
        );
        assert_eq!(fail(&breakers, Kind::WarehouseLost, right + 1800), None);
    }

    #[test]
    fn an_outage_costs_no_attempt_for_half_an_hour_and_then_it_does() {
        let breakers = Breakers::new(5);
        let costs_nothing = |seconds| fail(&breakers, Kind::WarehouseUnreachable, seconds).is_some();
        assert_eq!((0..5).filter(|_| costs_nothing(0)).count(), 1);
        for (seconds, expected) in [(1799, true), (1800, false)] {
            breakers.begin(TaskKind::Model, at(seconds));
            assert_eq!(costs_nothing(seconds), expected, "{seconds}");
        }
        assert!(!breakers.are_closed());
    }
}
