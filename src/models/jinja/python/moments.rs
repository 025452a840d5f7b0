//! Python's `datetime` and `pytz`: dates, moments, spans and zones, with what templates use of them.
//!
//! Python docs, § datetime; codes of `strftime` as in C.

use super::super::{Arguments, dict};
use chrono::{
    DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Timelike, Utc,
};
use chrono_tz::Tz;
use minijinja::{
    Error, ErrorKind, State,
    value::{DynObject, Object, ObjectRepr, Value, ValueKind},
};
use std::{
    cmp::Ordering,
    fmt::{self, Write},
    sync::Arc,
};

fn wrong(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("datetime: {what}"))
}

/// A date, or a moment with or without a distance from UTC, or a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Date(NaiveDate),
    Time(NaiveTime),
    At(NaiveDateTime, Option<FixedOffset>),
}

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span(TimeDelta);

/// A zone.
#[derive(Clone, Copy, Debug)]
enum Zone {
    Named(Tz),
    Fixed(FixedOffset),
}

impl Zone {
    fn at(self, utc: NaiveDateTime) -> FixedOffset {
        match self {
            Self::Named(zone) => zone.offset_from_utc_datetime(&utc).fix(),
            Self::Fixed(offset) => offset,
        }
    }
}

/// A moment in UTC as a value of Python's.
pub(in crate::models) fn datetime(at: DateTime<Utc>) -> Value {
    Value::from_object(Moment::At(at.naive_utc(), Some(Utc.fix())))
}

/// A date from PostgreSQL's text.
pub(in crate::models) fn date(text: &str) -> Option<Value> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|date| Value::from_object(Moment::Date(date)))
}

/// A moment from PostgreSQL's text, with or without a distance from UTC.
pub(in crate::models) fn timestamp(text: &str) -> Option<Value> {
    iso(text).map(Value::from_object)
}

/// A moment as ISO 8601 and PostgreSQL write it.
fn iso(text: &str) -> Option<Moment> {
    let text = text.trim().replacen('T', " ", 1).replace('Z', "+00:00");
    if let Ok(date) = NaiveDate::parse_from_str(&text, "%Y-%m-%d") {
        return Some(Moment::At(date.and_time(NaiveTime::MIN), None));
    }
    for form in ["%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%d %H:%M:%S%.f%#z"] {
        if let Ok(at) = DateTime::parse_from_str(&text, form) {
            return Some(Moment::At(at.naive_local(), Some(*at.offset())));
        }
    }
    let forms = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    forms.iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok()).map(|at| Moment::At(at, None))
}

impl Moment {
    /// Without a distance from UTC; a date is its midnight.
    fn plain(self) -> NaiveDateTime {
        match self {
            Self::Date(date) => date.and_time(NaiveTime::MIN),
            Self::Time(time) => NaiveDate::MIN.and_time(time),
            Self::At(at, _) => at,
        }
    }

    /// In UTC where it knows its distance from it.
    fn utc(self) -> NaiveDateTime {
        match self {
            Self::At(at, Some(offset)) => at - offset,
            other => other.plain(),
        }
    }

    fn iso(self, separator: char) -> String {
        let fraction = |time: NaiveTime| match time.nanosecond() / 1000 {
            0 => String::new(),
            micros => format!(".{micros:06}"),
        };
        match self {
            Self::Date(date) => date.format("%Y-%m-%d").to_string(),
            Self::Time(time) => format!("{}{}", time.format("%H:%M:%S"), fraction(time)),
            Self::At(at, offset) => {
                let offset = offset.map_or_else(String::new, |offset| offset.to_string());
                format!("{}{separator}{}{}{offset}", at.format("%Y-%m-%d"), at.format("%H:%M:%S"), fraction(at.time()))
            }
        }
    }

    fn strftime(self, format: &str) -> Result<String, Error> {
        // Python's microseconds have six digits, and chrono's the word of its own.
        let format = format.replace("%f", "%6f");
        let mut text = String::new();
        let written = match self {
            Self::Date(date) => write!(text, "{}", date.and_time(NaiveTime::MIN).format(&format)),
            Self::Time(time) => write!(text, "{}", time.format(&format)),
            Self::At(at, Some(offset)) => write!(
                text,
                "{}",
                DateTime::<FixedOffset>::from_naive_utc_and_offset(at - offset, offset).format(&format)
            ),
            Self::At(at, None) => write!(text, "{}", at.format(&format.replace("%z", "").replace("%Z", ""))),
        };
        written.map_err(|_| wrong(format!("the format '{format}' is not understood")))?;
        Ok(text)
    }

    fn replaced(self, arguments: &Arguments) -> Result<Self, Error> {
        let given = |name: &str| arguments.get(usize::MAX, name).and_then(Value::as_i64);
        let part =
            |name: &str, was: u32| given(name).map_or(Ok(was), u32::try_from).map_err(|_| wrong("a part is negative"));
        let at = self.plain();
        let year = given("year").map_or(Ok(at.year()), i32::try_from).map_err(|_| wrong("the year is too large"))?;
        let date = NaiveDate::from_ymd_opt(year, part("month", at.month())?, part("day", at.day())?);
        let micros = part("microsecond", at.nanosecond() / 1000)?;
        let time = NaiveTime::from_hms_micro_opt(
            part("hour", at.hour())?,
            part("minute", at.minute())?,
            part("second", at.second())?,
            micros,
        );
        let (Some(date), Some(time)) = (date, time) else { return Err(wrong("there is no such date")) };
        Ok(match self {
            Self::Date(_) => Self::Date(date),
            Self::Time(_) => Self::Time(time),
            Self::At(_, offset) => {
                let offset = match arguments.get(usize::MAX, "tzinfo") {
                    Some(zone) if zone.is_none() => None,
                    Some(zone) => zone.downcast_object_ref::<Zone>().map(|zone| zone.at(date.and_time(time))),
                    None => offset,
                };
                Self::At(date.and_time(time), offset)
            }
        })
    }
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let at = self.plain();
        Some(match key.as_str()? {
            "year" => at.year().into(),
            "month" => at.month().into(),
            "day" => at.day().into(),
            "hour" => at.hour().into(),
            "minute" => at.minute().into(),
            "second" => at.second().into(),
            "microsecond" => (at.nanosecond() / 1000).into(),
            "tzinfo" => match **self {
                Self::At(_, Some(offset)) => Value::from_object(Zone::Fixed(offset)),
                _ => Value::from(()),
            },
            _ => return None,
        })
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of("datetime", values);
        let at = self.plain();
        Ok(match method {
            "strftime" => self.strftime(&arguments.text(0, "format")?)?.into(),
            "isoformat" => {
                let separator = arguments.get(0, "sep").and_then(|s| s.as_str()?.chars().next()).unwrap_or('T');
                self.iso(separator).into()
            }
            "date" => Value::from_object(Self::Date(at.date())),
            "time" => Value::from_object(Self::Time(at.time())),
            "weekday" => at.weekday().num_days_from_monday().into(),
            "isoweekday" => at.weekday().number_from_monday().into(),
            "toordinal" => at.num_days_from_ce().into(),
            "isocalendar" => {
                let week = at.iso_week();
                super::super::tuple(vec![
                    week.year().into(),
                    week.week().into(),
                    at.weekday().number_from_monday().into(),
                ])
            }
            "timestamp" => {
                let utc = self.utc().and_utc();
                (f64::from(i32::try_from(utc.timestamp()).unwrap_or(i32::MAX))
                    + f64::from(utc.timestamp_subsec_micros()) / 1e6)
                    .into()
            }
            "replace" => Value::from_object(self.replaced(&arguments)?),
            "astimezone" => {
                let zone = arguments.get(0, "tz").and_then(|zone| zone.downcast_object_ref::<Zone>().copied());
                let utc = self.utc();
                let offset = zone.unwrap_or(Zone::Fixed(Utc.fix())).at(utc);
                Value::from_object(Self::At(utc + offset, Some(offset)))
            }
            "utcoffset" => match **self {
                Self::At(_, Some(offset)) => {
                    Value::from_object(Span(TimeDelta::seconds(offset.local_minus_utc().into())))
                }
                _ => Value::from(()),
            },
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.utc().cmp(&other.downcast_ref::<Self>()?.utc()))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso(' '))
    }
}

impl Object for Span {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.0.is_zero()
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let seconds = self.0.num_seconds();
        Some(match key.as_str()? {
            "days" => seconds.div_euclid(86_400).into(),
            "seconds" => seconds.rem_euclid(86_400).into(),
            "microseconds" => (self.0.subsec_nanos() / 1000).into(),
            _ => return None,
        })
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        match method {
            "total_seconds" => Ok(self.0.as_seconds_f64().into()),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.0.cmp(&other.downcast_ref::<Self>()?.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.num_seconds();
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        if days != 0 {
            write!(f, "{days} day{}, ", if days.abs() == 1 { "" } else { "s" })?;
        }
        write!(f, "{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
    }
}

impl Object for Zone {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of("timezone", values);
        let given = arguments.require(0, "dt")?.downcast_object_ref::<Moment>().copied();
        let given = given.ok_or_else(|| wrong("a moment is needed"))?;
        match method {
            "localize" => {
                let at = given.plain();
                let offset = match **self {
                    Self::Named(zone) => zone
                        .offset_from_local_datetime(&at)
                        .earliest()
                        .map_or_else(|| Self::at(**self, at), |o| o.fix()),
                    Self::Fixed(offset) => offset,
                };
                Ok(Value::from_object(Moment::At(at, Some(offset))))
            }
            "normalize" => {
                let utc = given.utc();
                let offset = self.at(utc);
                Ok(Value::from_object(Moment::At(utc + offset, Some(offset))))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match **self {
            Self::Named(zone) => write!(f, "{zone}"),
            Self::Fixed(offset) if offset.local_minus_utc() == 0 => f.write_str("UTC"),
            Self::Fixed(offset) => write!(f, "UTC{offset}"),
        }
    }
}

/// Which class of `datetime`.
#[derive(Clone, Copy, Debug)]
enum Class {
    DateTime,
    Date,
    Time,
    TimeDelta,
}

#[derive(Debug)]
struct ClassValue(Class, DateTime<Utc>);

/// `modules.datetime`.
pub(super) fn module(now: DateTime<Utc>) -> Value {
    let class = |class| Value::from_object(ClassValue(class, now));
    let utc = || Value::from_object(Zone::Fixed(Utc.fix()));
    dict([
        ("datetime".into(), class(Class::DateTime)),
        ("date".into(), class(Class::Date)),
        ("time".into(), class(Class::Time)),
        ("timedelta".into(), class(Class::TimeDelta)),
        ("timezone".into(), dict([("utc".into(), utc())])),
        ("UTC".into(), utc()),
    ])
}

/// `modules.pytz`.
pub(super) fn pytz() -> Value {
    let utc = || Value::from_object(Zone::Named(Tz::UTC));
    dict([("utc".into(), utc()), ("UTC".into(), utc()), ("timezone".into(), Value::from_object(Zones))])
}

/// `pytz.timezone(name)`.
#[derive(Debug)]
struct Zones;

impl Object for Zones {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, values: &[Value]) -> Result<Value, Error> {
        let name = Arguments::of("timezone", values).text(0, "zone")?;
        let zone: Tz = name.parse().map_err(|_| wrong(format!("there is no time zone '{name}'")))?;
        Ok(Value::from_object(Zone::Named(zone)))
    }
}

fn real(value: &Value) -> Option<f64> {
    f64::try_from(value.clone()).ok()
}

/// `timedelta(days, seconds, microseconds, milliseconds, minutes, hours, weeks)`.
fn span(arguments: &Arguments) -> Result<Value, Error> {
    let units = [
        ("days", 86_400e6),
        ("seconds", 1e6),
        ("microseconds", 1.0),
        ("milliseconds", 1e3),
        ("minutes", 60e6),
        ("hours", 3600e6),
        ("weeks", 604_800e6),
    ];
    let micros: f64 = units
        .iter()
        .enumerate()
        .map(|(at, (name, unit))| arguments.get(at, name).and_then(real).unwrap_or(0.0) * unit)
        .sum();
    if !micros.is_finite() || micros.abs() > 1e17 {
        return Err(wrong("a span is too long"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "it was just seen to fit")]
    let micros = micros.round() as i64;
    Ok(Value::from_object(Span(TimeDelta::microseconds(micros))))
}

impl ClassValue {
    fn made(&self, arguments: &Arguments) -> Result<Value, Error> {
        let part = |place, name: &str, usual: i64| arguments.get(place, name).and_then(Value::as_i64).unwrap_or(usual);
        let small = |part: i64| u32::try_from(part).map_err(|_| wrong("a part is negative"));
        let date = |given: (i64, i64, i64)| -> Result<NaiveDate, Error> {
            let year = i32::try_from(given.0).map_err(|_| wrong("the year is too large"))?;
            NaiveDate::from_ymd_opt(year, small(given.1)?, small(given.2)?)
                .ok_or_else(|| wrong("there is no such date"))
        };
        let time = |first: usize| -> Result<NaiveTime, Error> {
            let (hour, minute) = (small(part(first, "hour", 0))?, small(part(first + 1, "minute", 0))?);
            let (second, micros) = (small(part(first + 2, "second", 0))?, small(part(first + 3, "microsecond", 0))?);
            NaiveTime::from_hms_micro_opt(hour, minute, second, micros).ok_or_else(|| wrong("there is no such time"))
        };
        let ymd = || (part(0, "year", 0), part(1, "month", 0), part(2, "day", 0));
        Ok(match self.0 {
            Class::Date => Value::from_object(Moment::Date(date(ymd())?)),
            Class::Time => Value::from_object(Moment::Time(time(0)?)),
            Class::TimeDelta => return span(arguments),
            Class::DateTime => {
                let at = date(ymd())?.and_time(time(3)?);
                let zone = arguments.get(7, "tzinfo").and_then(|zone| zone.downcast_object_ref::<Zone>().copied());
                Value::from_object(Moment::At(at, zone.map(|zone| zone.at(at))))
            }
        })
    }

    fn parsed(text: &str, format: &str) -> Result<Value, Error> {
        let format = format.replace("%f", "%6f");
        if let Ok(at) = DateTime::parse_from_str(text, &format) {
            return Ok(Value::from_object(Moment::At(at.naive_local(), Some(*at.offset()))));
        }
        let at = NaiveDateTime::parse_from_str(text, &format)
            .or_else(|_| NaiveDate::parse_from_str(text, &format).map(|date| date.and_time(NaiveTime::MIN)))
            .or_else(|_| {
                NaiveDate::parse_from_str(&format!("{text} 01"), &format!("{format} %d"))
                    .map(|date| date.and_time(NaiveTime::MIN))
            })
            .or_else(|_| {
                NaiveTime::parse_from_str(text, &format)
                    .map(|time| NaiveDate::from_ymd_opt(1900, 1, 1).unwrap_or_default().and_time(time))
            });
        at.map(|at| Value::from_object(Moment::At(at, None)))
            .map_err(|_| wrong(format!("'{text}' does not fit the format '{format}'")))
    }
}

impl Object for ClassValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, values: &[Value]) -> Result<Value, Error> {
        self.made(&Arguments::of("datetime", values))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of("datetime", values);
        let is_date = matches!(self.0, Class::Date);
        let shaped =
            |moment: Moment| Value::from_object(if is_date { Moment::Date(moment.plain().date()) } else { moment });
        Ok(match method {
            "now" | "utcnow" | "today" => {
                let zone = arguments.get(0, "tz").and_then(|zone| zone.downcast_object_ref::<Zone>().copied());
                let utc = self.1.naive_utc();
                shaped(zone.map_or(Moment::At(utc, None), |zone| Moment::At(utc + zone.at(utc), Some(zone.at(utc)))))
            }
            "strptime" => Self::parsed(&arguments.text(0, "date_string")?, &arguments.text(1, "format")?)?,
            "fromisoformat" => {
                let text = arguments.text(0, "date_string")?;
                shaped(iso(&text).ok_or_else(|| wrong(format!("'{text}' is not in ISO format")))?)
            }
            "fromtimestamp" | "utcfromtimestamp" => {
                let seconds = arguments.require(0, "timestamp")?.as_i64().unwrap_or_default();
                let at = DateTime::from_timestamp(seconds, 0).ok_or_else(|| wrong("the moment is out of reach"))?;
                shaped(Moment::At(at.naive_utc(), None))
            }
            "combine" => {
                let part =
                    |place, name| arguments.require(place, name).map(|v| v.downcast_object_ref::<Moment>().copied());
                let (Some(date), Some(time)) = (part(0, "date")?, part(1, "time")?) else {
                    return Err(wrong("combine() takes a date and a time"));
                };
                Value::from_object(Moment::At(date.plain().date().and_time(time.plain().time()), None))
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let midnight = |date: NaiveDate| Value::from_object(Moment::At(date.and_time(NaiveTime::MIN), None));
        match (self.0, key.as_str()?) {
            (Class::DateTime, "min") => NaiveDate::from_ymd_opt(1, 1, 1).map(midnight),
            (Class::DateTime, "max") => NaiveDate::from_ymd_opt(9999, 12, 31).map(midnight),
            _ => None,
        }
    }
}

fn moved(moment: Moment, span: TimeDelta) -> Option<Value> {
    Some(Value::from_object(match moment {
        Moment::Date(date) => {
            Moment::Date(date.checked_add_signed(TimeDelta::days(span.num_seconds().div_euclid(86_400)))?)
        }
        Moment::At(at, offset) => Moment::At(at.checked_add_signed(span)?, offset),
        Moment::Time(_) => return None,
    }))
}

/// A moment and a span, or two spans; `None` for anything else.
pub(in crate::models::jinja) fn add(a: &Value, b: &Value) -> Option<Value> {
    if a.kind() != ValueKind::Plain || b.kind() != ValueKind::Plain {
        return None;
    }
    let (span_a, span_b) = (a.downcast_object_ref::<Span>(), b.downcast_object_ref::<Span>());
    match (span_a, span_b) {
        (Some(a), Some(b)) => Some(Value::from_object(Span(a.0.checked_add(&b.0)?))),
        (None, Some(span)) => moved(*a.downcast_object_ref::<Moment>()?, span.0),
        (Some(span), None) => moved(*b.downcast_object_ref::<Moment>()?, span.0),
        (None, None) => None,
    }
}

/// The span between two moments, or a moment earlier by a span; `None` for anything else.
pub(in crate::models::jinja) fn subtract(a: &Value, b: &Value) -> Option<Value> {
    if a.kind() != ValueKind::Plain || b.kind() != ValueKind::Plain {
        return None;
    }
    if let Some(span) = b.downcast_object_ref::<Span>() {
        return match a.downcast_object_ref::<Span>() {
            Some(from) => Some(Value::from_object(Span(from.0.checked_sub(&span.0)?))),
            None => moved(*a.downcast_object_ref::<Moment>()?, -span.0),
        };
    }
    let (a, b) = (a.downcast_object_ref::<Moment>()?, b.downcast_object_ref::<Moment>()?);
    Some(Value::from_object(Span(a.utc() - b.utc())))
}

/// A span as often as a number says; `None` for anything else.
pub(in crate::models::jinja) fn multiply(a: &Value, b: &Value) -> Option<Value> {
    let (span, many) = match a.downcast_object_ref::<Span>() {
        Some(span) => (span, b.as_i64()?),
        None => (b.downcast_object_ref::<Span>()?, a.as_i64()?),
    };
    Some(Value::from_object(Span(span.0.checked_mul(i32::try_from(many).ok()?)?)))
}
