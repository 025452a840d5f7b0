//! `modules.datetime`: the classes, and how each makes its values.

use super::{
    super::super::{Arguments, dict},
    Moment, Span, Zone, parse, wrong,
};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc, Weekday};
use minijinja::{
    Error, ErrorKind, State,
    value::{Object, ObjectRepr, Value},
};
use std::sync::Arc;

/// Which class of `datetime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    DateTime,
    Date,
    Time,
    TimeDelta,
    TimeZone,
}

/// A class, and what it gives for `now()`.
#[derive(Debug)]
struct Class(Kind, DateTime<Utc>);

/// `modules.datetime`.
pub(in super::super) fn module(now: DateTime<Utc>) -> Value {
    let class = |kind| Value::from_object(Class(kind, now));
    dict([
        ("datetime".into(), class(Kind::DateTime)),
        ("date".into(), class(Kind::Date)),
        ("time".into(), class(Kind::Time)),
        ("timedelta".into(), class(Kind::TimeDelta)),
        ("timezone".into(), class(Kind::TimeZone)),
        ("UTC".into(), Value::from_object(Zone::UTC)),
    ])
}

fn zone(arguments: &Arguments, place: usize, name: &str) -> Option<Zone> {
    arguments.get(place, name).and_then(|zone| zone.downcast_object_ref::<Zone>().copied())
}

/// A part of a date or time that must be a whole number; `usual` where it may be left out.
fn part(arguments: &Arguments, place: usize, name: &str, usual: Option<u32>) -> Result<u32, Error> {
    match (arguments.get(place, name), usual) {
        (None, Some(usual)) => Ok(usual),
        (None, None) => Err(wrong(format!("'{name}' is missing"))),
        (Some(given), _) => {
            let whole = given.as_i64().filter(|_| given.is_integer()).and_then(|part| u32::try_from(part).ok());
            whole.ok_or_else(|| wrong(format!("'{name}' must be a whole number and not negative")))
        }
    }
}

fn date(arguments: &Arguments) -> Result<NaiveDate, Error> {
    let year = part(arguments, 0, "year", None)?;
    let year = i32::try_from(year).ok().filter(|year| (1..=9999).contains(year));
    let (month, day) = (part(arguments, 1, "month", None)?, part(arguments, 2, "day", None)?);
    year.and_then(|year| NaiveDate::from_ymd_opt(year, month, day)).ok_or_else(|| wrong("there is no such date"))
}

fn time(arguments: &Arguments, first: usize) -> Result<NaiveTime, Error> {
    let part = |at: usize, name: &str| part(arguments, first + at, name, Some(0));
    let (hour, minute, second) = (part(0, "hour")?, part(1, "minute")?, part(2, "second")?);
    let time = NaiveTime::from_hms_micro_opt(hour, minute, second, part(3, "microsecond")?);
    time.ok_or_else(|| wrong("there is no such time"))
}

impl Class {
    /// A moment as this class has it.
    fn shaped(&self, moment: Moment) -> Value {
        Value::from_object(if self.0 == Kind::Date { Moment::Date(moment.plain().date()) } else { moment })
    }

    fn of_date(&self, date: Option<NaiveDate>) -> Result<Value, Error> {
        let date = date.ok_or_else(|| wrong("there is no such date"))?;
        Ok(self.shaped(Moment::At(date.and_time(NaiveTime::MIN), None)))
    }

    fn of_timestamp(&self, arguments: &Arguments) -> Result<Value, Error> {
        let given = arguments.require(0, "timestamp")?;
        let seconds = f64::try_from(given.clone()).map_err(|_| wrong("a timestamp is a number"))?;
        let Span(micros) = Span::rounded(seconds * 1e6)?;
        let utc = DateTime::from_timestamp_micros(micros).ok_or_else(|| wrong("the moment is out of reach"))?;
        let utc = utc.naive_utc();
        Ok(self.shaped(zone(arguments, 1, "tz").map_or(Moment::At(utc, None), |zone| zone.of_utc(utc))))
    }
}

impl Object for Class {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of("datetime", values);
        Ok(Value::from_object(match self.0 {
            Kind::Date => Moment::Date(date(&arguments)?),
            Kind::Time => Moment::Time(time(&arguments, 0)?),
            Kind::TimeDelta => return Span::made(&arguments),
            Kind::TimeZone => return Err(wrong("a fixed zone comes from modules.pytz.FixedOffset")),
            Kind::DateTime => {
                let at = date(&arguments)?.and_time(time(&arguments, 3)?);
                Moment::At(at, zone(&arguments, 7, "tzinfo").map(|zone| zone.at_local(at)))
            }
        }))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of("datetime", values);
        Ok(match method {
            "now" | "utcnow" | "today" => {
                let utc = self.1.naive_utc();
                let zone = zone(&arguments, 0, "tz");
                self.shaped(zone.map_or(Moment::At(utc, None), |zone| zone.of_utc(utc)))
            }
            "strptime" => {
                let (text, format) = (arguments.text(0, "date_string")?, arguments.text(1, "format")?);
                Value::from_object(parse::strptime(&text, &format)?)
            }
            "fromisoformat" => {
                let text = arguments.text(0, "date_string")?;
                let read =
                    if self.0 == Kind::Time { parse::iso(&format!("1900-01-01T{text}")) } else { parse::iso(&text) };
                let moment = read.ok_or_else(|| wrong(format!("'{text}' is not in ISO format")))?;
                match self.0 {
                    Kind::Time => Value::from_object(Moment::Time(moment.plain().time())),
                    _ => self.shaped(moment),
                }
            }
            "fromtimestamp" | "utcfromtimestamp" => self.of_timestamp(&arguments)?,
            "fromordinal" => {
                let days = arguments.require(0, "ordinal")?.as_i64().and_then(|days| i32::try_from(days).ok());
                self.of_date(days.and_then(NaiveDate::from_num_days_from_ce_opt))?
            }
            "fromisocalendar" => {
                let number = |place, name| arguments.require(place, name).map(|n| n.as_i64().unwrap_or_default());
                let (year, week, day) = (number(0, "year")?, number(1, "week")?, number(2, "day")?);
                let weekday = u8::try_from(day - 1).ok().and_then(|day| Weekday::try_from(day).ok());
                let parts = i32::try_from(year).ok().zip(u32::try_from(week).ok()).zip(weekday);
                self.of_date(parts.and_then(|((year, week), day)| NaiveDate::from_isoywd_opt(year, week, day)))?
            }
            "combine" => {
                let part =
                    |place, name| arguments.require(place, name).map(|v| v.downcast_object_ref::<Moment>().copied());
                let (Some(date), Some(time)) = (part(0, "date")?, part(1, "time")?) else {
                    return Err(wrong("combine() takes a date and a time"));
                };
                let at = date.plain().date().and_time(time.plain().time());
                Value::from_object(Moment::At(at, zone(&arguments, 2, "tzinfo").map(|zone| zone.at_local(at))))
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (first, last) = (NaiveDate::from_ymd_opt(1, 1, 1)?, NaiveDate::from_ymd_opt(9999, 12, 31)?);
        let evening = NaiveTime::from_hms_micro_opt(23, 59, 59, 999_999)?;
        match (self.0, key.as_str()?) {
            (Kind::DateTime | Kind::Date, "min") => Some(self.shaped(Moment::At(first.and_time(NaiveTime::MIN), None))),
            (Kind::DateTime | Kind::Date, "max") => Some(self.shaped(Moment::At(last.and_time(evening), None))),
            (Kind::TimeZone, "utc") => Some(Value::from_object(Zone::UTC)),
            _ => None,
        }
    }
}
