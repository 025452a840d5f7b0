//! Python's `datetime` and `pytz`: dates, times of day, moments, spans and zones. Python docs, § datetime.

mod arithmetic;
mod class;
mod form;
mod parse;
mod span;
mod zone;

pub(in crate::models::jinja) use arithmetic::{add, divide, floor, modulo, multiply, subtract};
pub(super) use class::module;
pub(super) use zone::pytz;

use super::super::{Arguments, dict, tuple};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};
use minijinja::{
    Error, ErrorKind, State,
    value::{DynObject, Object, ObjectRepr, Value},
};
use span::Span;
use std::{cmp::Ordering, fmt, sync::Arc};
use zone::{Local, Zone};

pub(super) fn wrong(what: impl fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("datetime: {what}"))
}

/// A date, a time of day, or a moment with or without a zone.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    Date(NaiveDate),
    Time(NaiveTime),
    At(NaiveDateTime, Option<Local>),
}

/// A moment in UTC as a value of Python's.
pub(in crate::models) fn datetime(at: DateTime<Utc>) -> Value {
    Value::from_object(Moment::At(at.naive_utc(), Some(Zone::UTC.at(at.naive_utc()))))
}

/// A date from PostgreSQL's text.
pub(in crate::models) fn date(text: &str) -> Option<Value> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|date| Value::from_object(Moment::Date(date)))
}

/// A moment from PostgreSQL's text, with or without a distance from UTC.
pub(in crate::models) fn timestamp(text: &str) -> Option<Value> {
    parse::iso(text).map(Value::from_object)
}

/// Whether an object is a moment, a span or a zone: nothing that could be called.
pub(in crate::models::jinja) fn is_moment(object: &DynObject) -> bool {
    object.is::<Moment>() || object.is::<Span>() || object.is::<Zone>()
}

/// A moment or a span as Python's `repr` shows it; `None` for anything else.
pub(in crate::models::jinja) fn shown(value: &Value) -> Option<String> {
    let moment = value.downcast_object_ref::<Moment>().map(|moment| form::repr(*moment));
    moment.or_else(|| Some(value.downcast_object_ref::<Span>()?.repr()))
}

/// A moment in a format of `strftime`; `None` for anything else.
pub(super) fn strftime(value: &Value, format: &str) -> Option<Result<String, Error>> {
    Some(form::strftime(*value.downcast_object_ref::<Moment>()?, format))
}

impl Moment {
    /// Without a zone; a date is its midnight, a time of day is on Python's first day.
    fn plain(self) -> NaiveDateTime {
        match self {
            Self::Date(date) => date.and_time(NaiveTime::MIN),
            Self::Time(time) => NaiveDate::from_ymd_opt(1900, 1, 1).unwrap_or_default().and_time(time),
            Self::At(at, _) => at,
        }
    }

    fn local(self) -> Option<Local> {
        match self {
            Self::At(_, local) => local,
            _ => None,
        }
    }

    /// In UTC where it knows its zone.
    fn utc(self) -> NaiveDateTime {
        self.local().map_or_else(|| self.plain(), |local| self.plain() - local.offset)
    }

    fn replaced(self, arguments: &Arguments) -> Result<Self, Error> {
        let names: &[&str] = match self {
            Self::Date(_) => &["year", "month", "day"],
            Self::Time(_) => &["hour", "minute", "second", "microsecond"],
            Self::At(..) => &["year", "month", "day", "hour", "minute", "second", "microsecond"],
        };
        let given = |name: &str| {
            let place = names.iter().position(|known| *known == name).unwrap_or(usize::MAX);
            arguments.get(place, name).and_then(Value::as_i64)
        };
        let part =
            |name: &str, was: u32| given(name).map_or(Ok(was), u32::try_from).map_err(|_| wrong("a part is negative"));
        let at = self.plain();
        let year = given("year").map_or(Ok(at.year()), i32::try_from).map_err(|_| wrong("the year is too large"))?;
        let date = NaiveDate::from_ymd_opt(year, part("month", at.month())?, part("day", at.day())?);
        let micros = part("microsecond", at.nanosecond() / 1000)?;
        let (hour, minute) = (part("hour", at.hour())?, part("minute", at.minute())?);
        let time = NaiveTime::from_hms_micro_opt(hour, minute, part("second", at.second())?, micros);
        let (Some(date), Some(time)) = (date, time) else { return Err(wrong("there is no such date")) };
        Ok(match self {
            Self::Date(_) => Self::Date(date),
            Self::Time(_) => Self::Time(time),
            Self::At(_, local) => {
                let local = match arguments.get(usize::MAX, "tzinfo") {
                    Some(zone) => zone.downcast_object_ref::<Zone>().map(|zone| zone.at_local(date.and_time(time))),
                    None => local,
                };
                Self::At(date.and_time(time), local)
            }
        })
    }

    /// `timetuple()`, of which the day of the year is what templates ask.
    fn parts(self) -> Value {
        let at = self.plain();
        dict([
            ("tm_year".into(), at.year().into()),
            ("tm_mon".into(), at.month().into()),
            ("tm_mday".into(), at.day().into()),
            ("tm_hour".into(), at.hour().into()),
            ("tm_min".into(), at.minute().into()),
            ("tm_sec".into(), at.second().into()),
            ("tm_wday".into(), at.weekday().num_days_from_monday().into()),
            ("tm_yday".into(), at.ordinal().into()),
        ])
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
        let key = key.as_str()?;
        let (has_date, has_time) = (!matches!(**self, Self::Time(_)), !matches!(**self, Self::Date(_)));
        Some(match key {
            "year" if has_date => at.year().into(),
            "month" if has_date => at.month().into(),
            "day" if has_date => at.day().into(),
            "hour" if has_time => at.hour().into(),
            "minute" if has_time => at.minute().into(),
            "second" if has_time => at.second().into(),
            "microsecond" if has_time => (at.nanosecond() / 1000).into(),
            "tzinfo" if has_time => {
                self.local().map_or_else(|| Value::from(()), |local| Value::from_object(local.zone))
            }
            _ => return None,
        })
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of("datetime", values);
        let at = self.plain();
        let nothing = || Value::from(());
        Ok(match method {
            "strftime" => form::strftime(**self, &arguments.text(0, "format")?)?.into(),
            "isoformat" => {
                let places = if matches!(**self, Self::At(..)) { (0, 1) } else { (usize::MAX, 0) };
                let separator = arguments.get(places.0, "sep").and_then(|s| s.as_str()?.chars().next()).unwrap_or('T');
                let precision = arguments.get(places.1, "timespec").map(ToString::to_string);
                form::iso(**self, separator, precision.as_deref().unwrap_or("auto")).into()
            }
            "ctime" => form::strftime(**self, "%a %b %e %H:%M:%S %Y")?.into(),
            "date" => Value::from_object(Self::Date(at.date())),
            "time" | "timetz" => Value::from_object(Self::Time(at.time())),
            "weekday" => at.weekday().num_days_from_monday().into(),
            "isoweekday" => at.weekday().number_from_monday().into(),
            "toordinal" => at.num_days_from_ce().into(),
            "isocalendar" => {
                let week = at.iso_week();
                let day = at.weekday().number_from_monday();
                tuple(vec![week.year().into(), week.week().into(), day.into()])
            }
            "timetuple" => self.parts(),
            "timestamp" => {
                let micros = self.utc().and_utc().timestamp_micros();
                #[expect(clippy::cast_precision_loss, reason = "Python's floats lose it too")]
                let seconds = micros as f64 / 1e6;
                seconds.into()
            }
            "replace" => Value::from_object(self.replaced(&arguments)?),
            "astimezone" => {
                let zone = arguments.get(0, "tz").and_then(|zone| zone.downcast_object_ref::<Zone>().copied());
                Value::from_object(zone.unwrap_or(Zone::UTC).of_utc(self.utc()))
            }
            "utcoffset" => self.local().map_or_else(nothing, |local| Span::of_offset(local.offset)),
            "dst" => self.local().map_or_else(nothing, |local| Span::of_seconds(local.zone.saving_seconds(self.utc()))),
            "tzname" => self.local().map_or_else(nothing, |local| local.name(self.utc()).into()),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.utc().cmp(&other.downcast_ref::<Self>()?.utc()))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&form::iso(**self, ' ', "auto"))
    }
}
