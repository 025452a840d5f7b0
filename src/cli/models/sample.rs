//! `--sample`: a window of event time through which models and snapshots see what they read.

use super::arguments::{parse_moment, parse_vars};
use crate::error::{Error, Kind};
use chrono::{DateTime, Days, DurationRound as _, Months, TimeDelta, Utc};
use serde_json::{Map, Value as Json, json};

/// As it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    /// So much until now.
    Last(u32, Grain),
    /// From a moment until before another.
    Between(DateTime<Utc>, DateTime<Utc>),
}

/// From a moment until before another.
pub(super) type Window = (DateTime<Utc>, DateTime<Utc>);

/// What a length of time is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grain {
    Hour,
    Day,
    Month,
    Year,
}

impl Sample {
    /// Its first moment, and the first that is no longer part of it.
    pub(super) fn window(self, now: DateTime<Utc>) -> Result<Window, Error> {
        let (count, grain) = match self {
            Self::Between(from, until) => return Ok((from, until)),
            Self::Last(count, grain) => (count, grain),
        };
        // dbt's moments have no more digits.
        let now = now.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(now);
        let from = match grain {
            Grain::Hour => now.checked_sub_signed(TimeDelta::hours(count.into())),
            Grain::Day => now.checked_sub_days(Days::new(count.into())),
            Grain::Month => now.checked_sub_months(Months::new(count)),
            Grain::Year => count.checked_mul(12).and_then(|months| now.checked_sub_months(Months::new(months))),
        };
        let from = from.ok_or_else(|| Error::new(Kind::Config, "--sample: it begins before the calendar"))?;
        Ok((from, now))
    }
}

/// A window as flags and artifacts have it.
pub(super) fn written((from, until): Window) -> Json {
    json!({"start": from.to_rfc3339(), "end": until.to_rfc3339()})
}

/// `3 days`, or `{start: 2024-01-01, end: 2024-02-01}`.
pub(super) fn parse_sample(text: &str) -> Result<Sample, String> {
    let form = "write it as '3 days' (hours, days, months, years) or as '{start: 2024-01-01, end: 2024-02-01}'";
    if text.trim_start().starts_with('{') {
        let given: Map<String, Json> = parse_vars(text)?.into_iter().collect();
        let moment = |key: &str| {
            let said = given.get(key).and_then(Json::as_str).ok_or_else(|| format!("'{key}' is missing; {form}"))?;
            parse_moment(said).map_err(|what| format!("{key} is '{said}': {what}"))
        };
        let (from, until) = (moment("start")?, moment("end")?);
        return match from < until {
            true => Ok(Sample::Between(from, until)),
            false => Err("start must lie before end".to_owned()),
        };
    }
    let mut words = text.split_whitespace();
    let (Some(count), Some(grain), None) = (words.next(), words.next(), words.next()) else {
        return Err(form.to_owned());
    };
    let count = count.parse().map_err(|_| format!("'{count}' is no number; {form}"))?;
    let grain = match grain.to_ascii_lowercase().trim_end_matches('s') {
        "hour" => Grain::Hour,
        "day" => Grain::Day,
        "month" => Grain::Month,
        "year" => Grain::Year,
        _ => return Err(format!("'{grain}' is no length of time; {form}")),
    };
    Ok(Sample::Last(count, grain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    #[test]
    fn a_window_is_counted_back_from_now_or_said_whole() {
        let now = at("2024-03-31T16:06:00Z");
        for (text, from) in [
            ("3 hours", "2024-03-31T13:06:00Z"),
            ("1 DAY", "2024-03-30T16:06:00Z"),
            ("1 month", "2024-02-29T16:06:00Z"),
            ("2 years", "2022-03-31T16:06:00Z"),
        ] {
            assert_eq!(parse_sample(text).expect(text).window(now).expect(text), (at(from), now));
        }
        let said = parse_sample("{start: 2024-01-01, end: '2024-01-02 06:00:00'}").expect("a window");
        assert_eq!(said, Sample::Between(at("2024-01-01T00:00:00Z"), at("2024-01-02T06:00:00Z")));
    }

    #[test]
    fn what_is_no_window_is_refused_with_the_form() {
        for (text, told) in [
            ("3", "write it as '3 days'"),
            ("x days", "'x' is no number"),
            ("3 weeks", "'weeks' is no length"),
            ("{start: 2024-01-01}", "'end' is missing"),
            ("{start: 2024-01-01, end: soon}", "end is 'soon'"),
            ("{start: 2024-01-02, end: 2024-01-02}", "before end"),
        ] {
            assert!(parse_sample(text).expect_err(text).contains(told), "{text}");
        }
        assert!(Sample::Last(u32::MAX, Grain::Year).window(at("2024-01-01T00:00:00Z")).is_err());
    }
}
