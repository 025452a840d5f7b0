//! When schedules are due, held against another computation at every change of every zone's clock.
//!
//! The other one walks through the minutes of real time, looks at what the clock shows, and tells from the fields
//! alone whether that is meant. A few expressions are held against it at every change, random ones at some.

use amalgam::{config::Schedule, orchestrator::Timetable};
use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;
use std::collections::{BTreeSet, HashSet};

const EXPRESSIONS: [&str; 9] = [
    "30 2 * * *",
    "0 0 * * *",
    "15 1 * * 0",
    "0,20 0,1,2,3,23 * * *",
    "59 23 * * 1-5",
    "0 * * * *",
    "*/15 * * * *",
    "*/7 1-3 * * *",
    "45 */2 * * *",
];
/// Before and after a change, this much of the clock is walked through.
const HOURS: i64 = 27;

/// One field of an expression: the values it means.
fn field(text: &str, from: u32, to: u32) -> Vec<u32> {
    let one = |part: &str| -> Vec<u32> {
        let (range, step) = part.split_once('/').map_or((part, 1), |(r, s)| (r, s.parse().expect("a step")));
        let number = |n: &str| n.parse::<u32>().expect("a number");
        let (low, high) = match range.split_once('-') {
            Some((low, high)) => (number(low), number(high)),
            None if range == "*" => (from, to),
            None => (number(range), number(range)),
        };
        (low..=high).step_by(step).collect()
    };
    text.split(',').flat_map(one).collect()
}

/// An expression of five fields, or of six with seconds in front.
struct Fields {
    seconds: Vec<u32>,
    minutes: Vec<u32>,
    hours: Vec<u32>,
    days: Vec<u32>,
    months: Vec<u32>,
    /// From Sunday, which is 0 and 7.
    weekdays: Vec<u32>,
    /// Where both are given, one of them is enough.
    either_day: bool,
    repeats: bool,
}

impl Fields {
    fn of(expression: &str) -> Self {
        let fields: Vec<&str> = expression.split(' ').collect();
        let (seconds, fields) = if fields.len() == 6 { (fields[0], &fields[1..]) } else { ("0", &fields[..]) };
        Self {
            seconds: field(seconds, 0, 59),
            minutes: field(fields[0], 0, 59),
            hours: field(fields[1], 0, 23),
            days: field(fields[2], 1, 31),
            months: field(fields[3], 1, 12),
            weekdays: field(fields[4], 0, 7).into_iter().map(|day| day % 7).collect(),
            either_day: fields[2] != "*" && fields[4] != "*",
            repeats: [seconds, fields[0], fields[1]].iter().any(|f| f.contains('*')),
        }
    }

    fn mean_day(&self, day: NaiveDate) -> bool {
        let by_date = self.days.contains(&day.day());
        let by_weekday = self.weekdays.contains(&day.weekday().num_days_from_sunday());
        let is_meant = if self.either_day { by_date || by_weekday } else { by_date && by_weekday };
        is_meant && self.months.contains(&day.month())
    }

    fn mean(&self, face: NaiveDateTime) -> bool {
        self.seconds.contains(&face.second())
            && self.minutes.contains(&face.minute())
            && self.hours.contains(&face.hour())
            && self.mean_day(face.date())
    }

    /// All fires among these moments, so far apart, each given with what the clock shows then.
    fn fires(&self, moments: &[(DateTime<Utc>, NaiveDateTime)], apart: Duration) -> Vec<DateTime<Utc>> {
        let mut fires = Vec::new();
        let mut shown = HashSet::new();
        let mut highest = moments[0].1 - apart;
        for &(at, face) in moments {
            let mut fire = self.mean(face) && (self.repeats || shown.insert(face));
            // What the clock leaves out, it leaves out here.
            let mut left_out = highest + apart;
            while !self.repeats && left_out < face {
                fire |= self.mean(left_out);
                left_out += apart;
            }
            highest = highest.max(face);
            if fire {
                fires.push(at);
            }
        }
        fires
    }
}

fn offset(zone: Tz, at: DateTime<Utc>) -> i32 {
    zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()
}

/// The minutes at which the clock of a zone is put forward or back, from 2020 to 2035, and by what.
fn changes(zone: Tz) -> Vec<(DateTime<Utc>, i32, i32)> {
    let hour = |n: i64| Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).single().expect("a time") + Duration::hours(n);
    let mut changes = Vec::new();
    // Half a day has at most one.
    for n in (0..16 * 366 * 24).step_by(12) {
        let (before, after) = (offset(zone, hour(n)), offset(zone, hour(n + 12)));
        if before != after {
            let minutes = (0..=12 * 60).map(|m| hour(n) + Duration::minutes(m));
            let at = minutes.clone().find(|at| offset(zone, *at) != before).expect("it is in between");
            changes.push((at, before, after));
        }
    }
    changes
}

#[test]
fn every_change_of_every_zone_until_2035_fires_what_a_walk_through_its_minutes_fires() {
    let zones: BTreeSet<&str> = TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
    let mut looked_at = HashSet::new();
    for zone in zones {
        let zone: Tz = zone.parse().expect("the name of a zone");
        for change in changes(zone) {
            // Many zones change alike.
            if looked_at.insert(change) {
                look_at(zone, change.0);
            }
        }
    }
    // Chicago alone has 32.
    assert!(looked_at.len() > 500, "{}", looked_at.len());
}

fn look_at(zone: Tz, change: DateTime<Utc>) {
    for expression in EXPRESSIONS {
        walk(zone, change, expression, Duration::zero());
    }
}

fn timetable(expression: &str, zone: Tz, delay: Duration) -> Timetable {
    let schedule = Schedule {
        name: "s".to_owned(),
        cron: expression.to_owned(),
        timezone: zone.name().to_owned(),
        delay,
        ..Schedule::default()
    };
    Timetable::new(&schedule).unwrap_or_else(|error| panic!("{expression}: {error}"))
}

/// Walks through the clock around a change: by minutes, or a shorter way by seconds where the expression has some.
fn walk(zone: Tz, change: DateTime<Utc>, expression: &str, delay: Duration) {
    let has_seconds = expression.split(' ').count() == 6;
    let (apart, hours) = if has_seconds { (Duration::seconds(1), 3) } else { (Duration::minutes(1), HOURS) };
    let steps = i32::try_from(Duration::hours(hours).num_seconds() / apart.num_seconds()).expect("some thousands");
    let moment = |n: i32| {
        let at = change + apart * n;
        (at, at.with_timezone(&zone).naive_local())
    };
    // What came before decides what was shown already, and is not looked at itself.
    let walked: Vec<_> = (-2 * steps..=steps).map(moment).collect();
    let since = change - Duration::hours(hours);
    let timetable = timetable(expression, zone, delay);
    let said = |at: DateTime<Utc>| format!("{expression} in {zone} around {change}, {delay} later, at {at}");
    let expected = Fields::of(expression).fires(&walked, apart);
    let mut moment = since;
    for fire in expected.into_iter().filter(|at| *at > since) {
        assert_eq!(timetable.next_after(moment + delay), Some(fire + delay), "{}", said(moment));
        assert_eq!(timetable.last_before(fire + delay), Some(fire + delay), "{}", said(fire));
        if moment > since {
            let before = fire - Duration::seconds(1);
            assert_eq!(timetable.last_before(before + delay), Some(moment + delay), "{}", said(before));
        }
        moment = fire;
    }
    // And no other up to the end of the way.
    let end = change + Duration::hours(hours);
    assert!(timetable.next_after(moment + delay).is_none_or(|at| at > end + delay), "{}", said(moment));
}

/// Zones whose clocks are put forward and back by an hour, half of one, or two; at midnight, and around Ramadan.
const ZONES: [&str; 9] = [
    "America/Chicago",
    "Europe/London",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "Africa/Casablanca",
    "Asia/Gaza",
    "America/Nuuk",
    "America/Havana",
    "Pacific/Chatham",
];

/// A field: everything, steps of it, or a list of values, ranges and steps in ranges.
fn any_field(from: u32, to: u32) -> impl Strategy<Value = String> {
    let part = (from..=to, from..=to, 1..=to, 0..3_u32).prop_map(|(one, other, step, shape)| {
        let (low, high) = (one.min(other), one.max(other));
        match shape {
            0 => one.to_string(),
            1 => format!("{low}-{high}"),
            _ => format!("{low}-{high}/{}", step.min(high - low).max(1)),
        }
    });
    let list = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join(","));
    prop_oneof![2 => Just("*".to_owned()), 1 => (1..=to).prop_map(|step| format!("*/{step}")), 3 => list]
}

/// Five fields, and now and then one of seconds in front. Half of them mean every day.
fn any_expression() -> impl Strategy<Value = String> {
    let day = (any_field(1, 31), any_field(1, 12), any_field(0, 7))
        .prop_map(|(day, month, weekday)| format!("{day} {month} {weekday}"));
    let days = prop_oneof![Just("* * *".to_owned()), day];
    let seconds = prop_oneof![3 => Just(String::new()), 1 => any_field(0, 59).prop_map(|field| field + " ")];
    (seconds, any_field(0, 59), any_field(0, 23), days)
        .prop_map(|(seconds, minutes, hours, days)| format!("{seconds}{minutes} {hours} {days}"))
}

/// The first fire after a moment in UTC, by a look at the days of nine years. (29 February may be eight years away.)
fn first_after(fields: &Fields, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let days = moment.date_naive().iter_days().take(9 * 366).filter(|day| fields.mean_day(*day));
    let sorted = |values: &[u32]| values.iter().copied().collect::<BTreeSet<u32>>();
    let (hours, minutes, seconds) = (sorted(&fields.hours), sorted(&fields.minutes), sorted(&fields.seconds));
    let times = |day: NaiveDate| {
        let faces = hours.iter().flat_map(|h| minutes.iter().map(move |m| (h, m)));
        let faces = faces.flat_map(|(h, m)| seconds.iter().map(move |s| (h, m, s)));
        faces.filter_map(|(h, m, s)| day.and_hms_opt(*h, *m, *s)).find(|face| face.and_utc() > moment)
    };
    days.filter_map(times).map(|face| face.and_utc()).next()
}

fn cases() -> u32 {
    std::env::var("TIMETABLES").map_or(256, |cases| cases.parse().expect("a number"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_expression_fires_around_a_change_what_a_walk_through_it_fires(
        expression in any_expression(),
        zone in 0..ZONES.len(),
        change in any::<prop::sample::Index>(),
        delay in prop_oneof![Just(0_i64), 0..=3600_i64],
    ) {
        let zone: Tz = ZONES[zone].parse().expect("the name of a zone");
        let changes = changes(zone);
        let (at, ..) = changes[change.index(changes.len())];
        walk(zone, at, &expression, Duration::seconds(delay));
    }

    #[test]
    fn any_expression_fires_when_its_dates_and_weekdays_come_however_rarely(
        expression in any_expression(),
        moment in 1_577_836_800..2_082_758_400_i64,
    ) {
        let moment = DateTime::from_timestamp(moment, 0).expect("a time");
        let expected = first_after(&Fields::of(&expression), moment);
        let timetable = timetable(&expression, Tz::UTC, Duration::zero());
        prop_assert_eq!(timetable.next_after(moment), expected);
        if let Some(fire) = expected {
            prop_assert_eq!(timetable.last_before(fire), Some(fire));
            prop_assert!(timetable.last_before(fire - Duration::seconds(1)).is_none_or(|last| last <= moment));
        }
    }
}
