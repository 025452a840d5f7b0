//! Spans of event time: one batch of a microbatch model, and the window of a sample.

use super::super::jinja;
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use minijinja::value::Value;
use serde_json::Value as Json;

/// The flag that holds the window of `--sample`.
pub const SAMPLE: &str = "SAMPLE";

/// From a moment until before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::models) struct Window {
    /// The first moment.
    pub from: DateTime<Utc>,
    /// The first moment that is no longer part of it.
    pub until: DateTime<Utc>,
}

impl Window {
    /// What a flag says: `{start: …, end: …}`.
    pub(in crate::models) fn of_flag(flag: &Json) -> Option<Self> {
        let moment = |key: &str| flag.get(key)?.as_str()?.parse().ok();
        Some(Self { from: moment("start")?, until: moment("end")? })
    }

    /// What lies in both.
    fn and(self, other: Option<Self>) -> Self {
        let Some(other) = other else { return self };
        Self { from: self.from.max(other.from), until: self.until.min(other.until) }
    }

    /// What the rows of an input must fulfil that has its event time in a column.
    fn condition(self, field: &str) -> String {
        format!("{field} >= '{}' and {field} < '{}'", shown(self.from), shown(self.until))
    }
}

/// What the rows of an input must fulfil: to be of the batch that is built, and of the sample. `None` where it has no
/// event time, or is seen whole.
pub(in crate::models) fn condition(
    batch: Option<&Batch>,
    sample: Option<Window>,
    event_time: Option<&str>,
) -> Option<String> {
    let window = match batch {
        Some(batch) => Window { from: batch.from, until: batch.until }.and(sample),
        None => sample?,
    };
    Some(window.condition(event_time?))
}

/// One batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::models) struct Batch {
    /// The first moment.
    pub from: DateTime<Utc>,
    /// The first moment that is no longer part of it.
    pub until: DateTime<Utc>,
    /// How long a batch of its model is.
    pub size: BatchSize,
}

/// How long a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::models) enum BatchSize {
    /// From the full hour.
    Hour,
    /// From midnight in UTC.
    Day,
    /// From the first day of a month.
    Month,
    /// From the first day of a year.
    Year,
}

impl BatchSize {
    /// The first moment of the batch that holds a moment.
    pub(in crate::models) fn truncated(self, at: NaiveDateTime) -> NaiveDateTime {
        let date = at.date();
        let date = match self {
            Self::Hour => return date.and_time(NaiveTime::from_hms_opt(at.hour(), 0, 0).unwrap_or_default()),
            Self::Day => date,
            Self::Month => date.with_day(1).unwrap_or(date),
            Self::Year => NaiveDate::from_ymd_opt(at.year(), 1, 1).unwrap_or(date),
        };
        date.and_time(NaiveTime::MIN)
    }

    /// The first moment of the next batch; `None` at the end of time.
    pub(in crate::models) fn next(self, at: NaiveDateTime) -> Option<NaiveDateTime> {
        let from = self.truncated(at);
        match self {
            Self::Hour => from.checked_add_signed(TimeDelta::hours(1)),
            Self::Day => from.checked_add_days(Days::new(1)),
            Self::Month => from.checked_add_months(Months::new(1)),
            Self::Year => from.checked_add_months(Months::new(12)),
        }
    }

    /// The first moment of the batch so many before the one that holds a moment.
    pub(in crate::models) fn before(self, at: NaiveDateTime, count: u32) -> Option<NaiveDateTime> {
        let from = self.truncated(at);
        match self {
            Self::Hour => from.checked_sub_signed(TimeDelta::hours(count.into())),
            Self::Day => from.checked_sub_days(Days::new(count.into())),
            Self::Month => from.checked_sub_months(Months::new(count)),
            Self::Year => from.checked_sub_months(Months::new(count.checked_mul(12)?)),
        }
    }

    /// The moment itself where a batch begins with it, or where the next one begins.
    pub(in crate::models) fn ceiling(self, at: NaiveDateTime) -> Option<NaiveDateTime> {
        if self.truncated(at) == at { Some(at) } else { self.next(at) }
    }

    /// A batch's first moment as names of files have it.
    pub(in crate::models) fn named(self, from: DateTime<Utc>) -> String {
        let format = match self {
            Self::Hour => "%Y-%m-%dT%H",
            Self::Day => "%Y-%m-%d",
            Self::Month => "%Y-%m",
            Self::Year => "%Y",
        };
        from.format(format).to_string()
    }
}

impl Batch {
    /// Its first moment as names of files have it.
    pub(in crate::models) fn name(&self) -> String {
        self.size.named(self.from)
    }

    /// `model.batch`.
    fn value(&self) -> Value {
        jinja::dict([
            ("id".into(), self.name().replace('-', "").into()),
            ("event_time_start".into(), jinja::datetime(self.from)),
            ("event_time_end".into(), jinja::datetime(self.until)),
        ])
    }
}

/// A node as its artifact describes it, with the batch that is built.
pub(in crate::models) fn with_batch(described: &Json, batch: Option<&Batch>) -> Value {
    match (described, batch) {
        (Json::Object(map), Some(batch)) => {
            let pairs = map.iter().map(|(key, value)| (Value::from(key.as_str()), jinja::from_json(value)));
            jinja::dict(pairs.chain([("batch".into(), batch.value())]))
        }
        (described, _) => jinja::from_json(described),
    }
}

/// A moment as Python prints it.
pub(in crate::models) fn shown(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.f+00:00").to_string()
}
