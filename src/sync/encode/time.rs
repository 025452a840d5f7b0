//! The binary forms of days, moments and spans.

use super::{Coerced, Way, put_fixed, put_null};
use crate::domain::{Mapping, SourceType};
use bytes::BytesMut;
use chrono::{DateTime, Datelike, MappedLocalTime, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use std::ops::RangeInclusive;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// From 1970-01-01 to PostgreSQL's epoch, 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;
/// The last years that the zones' table knows, as many as it takes until weekdays and leap years come again.
const KNOWN_YEARS: RangeInclusive<i32> = 2072..=2099;
/// The end of a gap is looked for in steps; offsets are of whole quarters of an hour where clocks are put on.
const STEP_MINUTES: i64 = 15;
/// The longest gap known is a day: Samoa, 2011-12-30.
const STEPS_MAX: i32 = 100;

/// Appends a day, or a moment of it; null where there is no such day. `false` where a day is to be of a
/// column of days and has a time: then nothing is appended.
pub(super) fn put_day(day: Option<i64>, micros: i64, way: &Way, coerced: &mut Coerced, out: &mut BytesMut) -> bool {
    match (day, way.mapping) {
        (None, _) => {
            coerced.dates += 1;
            put_null(out);
        }
        (Some(day), Some(Mapping::TimestampTz(zone))) => {
            let is_certain = put_zoned(day * MICROS_PER_DAY + micros, zone, out);
            coerced.local_times += u64::from(!is_certain);
        }
        (Some(_), _) if way.source == SourceType::Date && micros != 0 => return false,
        (Some(day), _) if way.source == SourceType::Date => {
            let day = i32::try_from(day).expect("a year up to 9999 is below 3 million days");
            put_fixed(day.to_be_bytes(), out);
        }
        (Some(day), _) => {
            put_fixed((day * MICROS_PER_DAY + micros).to_be_bytes(), out);
        }
    }
    true
}

/// `timestamptz_send` of a local time, in microseconds since 2000-01-01 of its zone; `false` where that
/// time comes twice, or not at all, and one instant was chosen: PostgreSQL's choice, which is the later one
/// of two, and for none the one that the offset before the gap gives (`DetermineTimeZoneOffset`).
fn put_zoned(local_micros: i64, zone: Tz, out: &mut BytesMut) -> bool {
    let local = DateTime::from_timestamp_micros(local_micros + EPOCH_DAYS * MICROS_PER_DAY)
        .expect("a year of 16 bits is in range")
        .naive_utc();
    let local = with_known_rules(local);
    let (offset_seconds, is_certain) = match offset_seconds(local, zone) {
        MappedLocalTime::Single(offset) => (offset, true),
        MappedLocalTime::Ambiguous(_, later) => (later, false),
        MappedLocalTime::None => (offset_before(local, zone), false),
    };
    put_fixed((local_micros - offset_seconds * MICROS_PER_SECOND).to_be_bytes(), out);
    is_certain
}

/// The same time of a year that has the same days and rules, where the year is beyond those of the zones'
/// table: rules go on for ever, the table does not.
fn with_known_rules(local: NaiveDateTime) -> NaiveDateTime {
    let begins = |year| NaiveDate::from_yo_opt(year, 1).map(|day| (day.weekday(), day.leap_year()));
    let year = local.year();
    if year <= *KNOWN_YEARS.end() {
        return local;
    }
    KNOWN_YEARS
        .into_iter()
        .find(|known| begins(*known) == begins(year))
        .and_then(|known| local.with_year(known))
        .expect("28 years in a row begin on every weekday, leap or not")
}

fn offset_seconds(local: NaiveDateTime, zone: Tz) -> MappedLocalTime<i64> {
    zone.offset_from_local_datetime(&local).map(|offset| i64::from(offset.fix().local_minus_utc()))
}

/// The offset that was in force before the gap in which a local time lies.
fn offset_before(local: NaiveDateTime, zone: Tz) -> i64 {
    (1..=STEPS_MAX)
        .find_map(|step| offset_seconds(local - TimeDelta::minutes(STEP_MINUTES) * step, zone).latest())
        .expect("no zone leaves out more than a day")
}

/// Microseconds of a span; `None` where there are more than 64 bits hold.
pub(super) fn span(days: u32, hours: u8, minutes: u8, seconds: u8, micros: u32) -> Option<i64> {
    let hours = i64::from(days) * 24 + i64::from(hours);
    let rest = (i64::from(minutes) * 60 + i64::from(seconds)) * MICROS_PER_SECOND + i64::from(micros);
    hours.checked_mul(3_600 * MICROS_PER_SECOND)?.checked_add(rest)
}

/// Microseconds since midnight; `None` where no day has such a time.
pub(super) fn time_of_day(hours: u8, minutes: u8, seconds: u8, micros: u32) -> Option<i64> {
    let is_time = hours < 24 && minutes < 60 && seconds < 60 && i64::from(micros) < MICROS_PER_SECOND;
    if is_time { span(0, hours, minutes, seconds, micros) } else { None }
}

/// Days from 2000-01-01 in the proleptic Gregorian calendar; `None` where there is no such day.
/// Formula: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
pub(super) fn days(year: u16, month: u8, day: u8) -> Option<i64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u8::from(leap),
        _ => return None,
    };
    if year == 0 || day == 0 || day > length {
        return None;
    }
    let (y, m) =
        if month <= 2 { (i64::from(year) - 1, i64::from(month) + 9) } else { (i64::from(year), i64::from(month) - 3) };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * m + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468 - EPOCH_DAYS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn days_agree_with_chrono(year in 1u16..=9999, month in 0u8..=13, day in 0u8..=32) {
            let epoch = NaiveDate::from_ymd_opt(2000, 1, 1).expect("a valid date");
            let expected = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into()).map(|d| (d - epoch).num_days());
            prop_assert_eq!(days(year, month, day), expected);
        }
    }

    #[test]
    fn no_time_beyond_midnight_becomes_another_day() {
        assert_eq!(time_of_day(23, 59, 59, 999_999), Some(MICROS_PER_DAY - 1));
        assert_eq!(time_of_day(24, 0, 0, 0), None);
        assert_eq!(time_of_day(0, 60, 0, 0), None);
        assert_eq!(span(u32::MAX, 0, 0, 0, 0), None);
    }
}
