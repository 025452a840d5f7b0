//! When a schedule is due.
//!
//! Pure. Expressions are read in the schedule's zone: where the clocks go forward, a fixed time that
//! is left out fires when the gap ends; where they go back, a fixed time fires once. An expression
//! with a wildcard in seconds, minutes or hours fires through both passes of the hour.

use crate::{
    config,
    domain::local_time::{change, end_of_gap},
    error::{Error, Kind, Result},
};
use chrono::{DateTime, Duration, LocalResult, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use croner::Cron;

/// How many times on the clock's face are looked at for one that exists and lies ahead: what comes twice is two hours
/// at most, as in Antarctica/Troll, and holds 7200 of them.
const FACES_MAX: usize = 3 * 3600;

/// A cron expression in a zone.
#[derive(Clone, Debug)]
pub struct Timetable {
    cron: Cron,
    zone: Tz,
    /// Each fire comes so much later than the expression says.
    delay: Duration,
}

impl Timetable {
    /// Takes a schedule's expression, zone and delay.
    ///
    /// # Errors
    /// Not an expression, or not an IANA zone.
    pub fn new(schedule: &config::Schedule) -> Result<Self> {
        let wrong = |what: &str, text: &str, why: String| {
            Error::new(Kind::Config, format!("schedule {}: {what} {text:?}: {why}", schedule.name))
        };
        let cron = config::parse_cron(&schedule.cron).map_err(|e| wrong("cron", &schedule.cron, e.to_string()))?;
        let zone = schedule.timezone.parse().map_err(|_| {
            wrong("timezone", &schedule.timezone, "not an IANA zone, such as America/Chicago".to_owned())
        })?;
        Ok(Self { cron, zone, delay: schedule.delay })
    }

    /// The first fire after `moment`; `None` where the expression never comes true again.
    pub fn next_after(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_true(moment - self.delay).map(|at| at + self.delay)
    }

    /// The last fire at or before `moment`.
    pub fn last_before(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.last_true(moment - self.delay).map(|at| at + self.delay)
    }

    /// When the expression comes true next.
    ///
    /// The expression is searched on the clock's face, which croner gets right, and the face is turned
    /// into a moment here: croner's own search in a zone leaves out the hour that comes twice.
    fn next_true(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut face = self.face(moment);
        for _ in 0..FACES_MAX {
            face = self.next_face(face, false)?;
            let at = match self.zone.from_local_datetime(&face) {
                LocalResult::Single(at) => at.to_utc(),
                // Passed for the first time before `moment`: a fixed time does not fire again.
                LocalResult::Ambiguous(first, second) if first.to_utc() <= moment && self.repeats() => second.to_utc(),
                LocalResult::Ambiguous(first, _) => first.to_utc(),
                LocalResult::None if self.repeats() => {
                    face = self.face(end_of_gap(self.zone, face)) - Duration::seconds(1);
                    continue;
                }
                LocalResult::None => end_of_gap(self.zone, face),
            };
            if at > moment {
                return Some(if self.repeats() { self.or_repeated(moment, at) } else { at });
            }
        }
        None
    }

    /// The fire at `at`, or one in between on a clock that is put back in between. A change further off than a
    /// day repeats nothing that lies behind.
    fn or_repeated(&self, moment: DateTime<Utc>, at: DateTime<Utc>) -> DateTime<Utc> {
        let Some(change) = self.put_back(moment, moment + Duration::days(1)) else { return at };
        let repeated = self.next_face(self.face(change), true).and_then(|f| self.zone.from_local_datetime(&f).latest());
        repeated.map_or(at, |r| r.to_utc().min(at))
    }

    /// When the expression came true last.
    fn last_true(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let at = self.last_shown(self.face(moment), moment)?;
        let Some(change) = self.put_back(moment - Duration::days(1), moment) else { return Some(at) };
        // Before that it showed later times than it does now.
        let before = change - Duration::seconds(1);
        Some(self.last_shown(self.face(before), before).map_or(at, |last| last.max(at)))
    }

    /// The last fire at or before `moment` of those at `face` or earlier on the clock's face.
    fn last_shown(&self, mut face: NaiveDateTime, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut inclusive = true;
        for _ in 0..FACES_MAX {
            face = self.cron.find_previous_occurrence(&face.and_utc(), inclusive).ok()?.naive_utc();
            inclusive = false;
            let at = match self.zone.from_local_datetime(&face) {
                LocalResult::Single(at) => at.to_utc(),
                LocalResult::Ambiguous(_, second) if self.repeats() && second.to_utc() <= moment => second.to_utc(),
                LocalResult::Ambiguous(first, _) => first.to_utc(),
                LocalResult::None if self.repeats() => {
                    // The last that was shown before the clock was put forward may be one itself.
                    face = self.face(end_of_gap(self.zone, face) - Duration::seconds(1));
                    inclusive = true;
                    continue;
                }
                LocalResult::None => end_of_gap(self.zone, face),
            };
            if at <= moment {
                return Some(at);
            }
        }
        None
    }

    /// What a clock in the zone shows, to the second: croner carries a fraction on into what it finds.
    fn face(&self, moment: DateTime<Utc>) -> NaiveDateTime {
        let face = moment.with_timezone(&self.zone).naive_local();
        face.with_nanosecond(0).expect("every second begins")
    }

    fn next_face(&self, face: NaiveDateTime, inclusive: bool) -> Option<NaiveDateTime> {
        Some(self.cron.find_next_occurrence(&face.and_utc(), inclusive).ok()?.naive_utc())
    }

    /// When the clock is put back between two moments, if it is.
    fn put_back(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<DateTime<Utc>> {
        (self.offset(to) < self.offset(from)).then(|| change(self.zone, from, to))
    }

    /// By how many seconds a clock in the zone is ahead of UTC.
    fn offset(&self, at: DateTime<Utc>) -> i32 {
        self.zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()
    }

    /// Whether it has a wildcard in seconds, minutes or hours: then both passes of an hour count. Lists and
    /// ranges of times do not, as in Vixie's cron; croner's own kind of a job takes them for intervals.
    fn repeats(&self) -> bool {
        let pattern = &self.cron.pattern;
        [&pattern.seconds, &pattern.minutes, &pattern.hours].iter().any(|field| field.from_wildcard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timetable(cron: &str, timezone: &str) -> Result<Timetable> {
        Timetable::new(&config::Schedule {
            name: "nightly".to_owned(),
            cron: cron.to_owned(),
            timezone: timezone.to_owned(),
            ..config::Schedule::default()
        })
    }

    fn fires(cron: &str, after: &str, count: usize) -> Vec<String> {
        let timetable = timetable(cron, "America/Chicago").expect("a good expression");
        let mut moment: DateTime<Utc> = after.parse().expect("a time");
        (0..count)
            .map(|_| {
                moment = timetable.next_after(moment).expect("it comes true again");
                moment.format("%m-%d %H:%M:%S").to_string()
            })
            .collect()
    }

    #[test]
    fn five_fields_mean_minutes_and_six_seconds() {
        assert_eq!(fires("*/5 * * * *", "2026-06-01T00:01:30Z", 2), ["06-01 00:05:00", "06-01 00:10:00"]);
        assert_eq!(fires("*/20 * * * * *", "2026-06-01T00:01:30Z", 2), ["06-01 00:01:40", "06-01 00:02:00"]);
    }

    #[test]
    fn a_fire_is_at_a_full_second_whenever_it_is_asked_for() {
        let timetable = timetable("* * * * *", "America/Chicago").expect("a good expression");
        let at = |text: &str| -> DateTime<Utc> { text.parse().expect("a time") };
        assert_eq!(timetable.next_after(at("2026-06-01T00:00:59.9Z")), Some(at("2026-06-01T00:01:00Z")));
        assert_eq!(timetable.next_after(at("2026-06-01T00:01:00.3Z")), Some(at("2026-06-01T00:02:00Z")));
        assert_eq!(timetable.last_before(at("2026-06-01T00:01:00.3Z")), Some(at("2026-06-01T00:01:00Z")));
    }

    #[test]
    fn a_time_of_day_follows_the_zone_through_both_changes() {
        // Six in the morning in Chicago: 12:00 UTC in winter, 11:00 in summer.
        assert_eq!(fires("0 6 * * *", "2026-03-07T00:00:00Z", 2), ["03-07 12:00:00", "03-08 11:00:00"]);
        assert_eq!(fires("0 6 * * *", "2026-10-31T00:00:00Z", 2), ["10-31 11:00:00", "11-01 12:00:00"]);
    }

    #[test]
    fn a_time_that_is_left_out_fires_when_the_gap_ends() {
        // 02:30 does not exist on 8 March: the clocks go from 02:00 to 03:00, which is 08:00 UTC.
        assert_eq!(fires("30 2 * * *", "2026-03-08T00:00:00Z", 2), ["03-08 08:00:00", "03-09 07:30:00"]);
    }

    #[test]
    fn every_second_goes_on_where_two_hours_are_left_out() {
        let timetable = timetable("* * * * * *", "Antarctica/Troll").expect("a good expression");
        let at = |text: &str| -> DateTime<Utc> { text.parse().expect("a time") };
        assert_eq!(timetable.next_after(at("2035-03-25T00:59:59Z")), Some(at("2035-03-25T01:00:00Z")));
        assert_eq!(timetable.last_before(at("2035-03-25T00:59:59.9Z")), Some(at("2035-03-25T00:59:59Z")));
    }

    #[test]
    fn a_time_that_comes_twice_fires_once() {
        // 01:30 comes twice on 1 November: at 06:30 and 07:30 UTC.
        assert_eq!(fires("30 1 * * *", "2026-11-01T00:00:00Z", 2), ["11-01 06:30:00", "11-02 07:30:00"]);
    }

    #[test]
    fn every_quarter_of_an_hour_fires_through_both_changes() {
        let forward = fires("*/15 * * * *", "2026-03-08T07:30:00Z", 4);
        assert_eq!(forward, ["03-08 07:45:00", "03-08 08:00:00", "03-08 08:15:00", "03-08 08:30:00"]);
        let back = fires("*/15 * * * *", "2026-11-01T06:30:00Z", 4);
        assert_eq!(back, ["11-01 06:45:00", "11-01 07:00:00", "11-01 07:15:00", "11-01 07:30:00"]);
    }

    #[test]
    fn every_hour_fires_in_both_passes_of_the_hour_that_comes_twice() {
        let back = fires("0 * * * *", "2026-11-01T05:30:00Z", 3);
        assert_eq!(back, ["11-01 06:00:00", "11-01 07:00:00", "11-01 08:00:00"]);
        let forward = fires("30 * * * *", "2026-03-08T07:00:00Z", 2);
        assert_eq!(forward, ["03-08 07:30:00", "03-08 08:30:00"]);
    }

    #[test]
    fn the_second_pass_of_an_hour_counts_on_a_day_that_comes_once_a_year() {
        let back = fires("*/30 1 1 11 *", "2026-11-01T06:15:00Z", 3);
        assert_eq!(back, ["11-01 06:30:00", "11-01 07:00:00", "11-01 07:30:00"]);
    }

    #[test]
    fn lists_of_times_that_come_twice_fire_once() {
        assert_eq!(fires("0,30 1 * * *", "2026-11-01T06:15:00Z", 2), ["11-01 06:30:00", "11-02 07:00:00"]);
    }

    #[test]
    fn the_last_fire_is_at_or_before() {
        let timetable = timetable("0 6 * * *", "America/Chicago").expect("a good expression");
        let at = |text: &str| -> DateTime<Utc> { text.parse().expect("a time") };
        assert_eq!(timetable.last_before(at("2026-06-02T10:59:59Z")), Some(at("2026-06-01T11:00:00Z")));
        assert_eq!(timetable.last_before(at("2026-06-02T11:00:00Z")), Some(at("2026-06-02T11:00:00Z")));
    }

    #[test]
    fn the_last_fire_is_found_across_the_hour_that_is_left_out() {
        let at = |text: &str| -> DateTime<Utc> { text.parse().expect("a time") };
        let last = |cron: &str, moment: &str| {
            timetable(cron, "America/Chicago").expect("a good expression").last_before(at(moment))
        };
        assert_eq!(last("30 2 * * *", "2026-03-08T15:00:00Z"), Some(at("2026-03-08T08:00:00Z")));
        assert_eq!(last("30 2 * * *", "2026-03-08T07:59:59Z"), Some(at("2026-03-07T08:30:00Z")));
        assert_eq!(last("30 * * * *", "2026-03-08T08:10:00Z"), Some(at("2026-03-08T07:30:00Z")));
    }

    #[test]
    fn what_never_comes_true_again_has_no_next_fire() {
        let never = timetable("0 0 30 2 *", "UTC").expect("well formed");
        assert_eq!(never.next_after("2026-01-01T00:00:00Z".parse().expect("a time")), None);
    }

    #[test]
    fn a_wrong_expression_or_zone_names_the_schedule() {
        for error in [timetable("61 * * * *", "UTC"), timetable("* * * * *", "Chicago")].map(Result::unwrap_err) {
            assert_eq!(error.kind, Kind::Config);
            assert!(error.to_string().contains("schedule nightly"), "{error}");
        }
    }
}
