//! `pytz`: zones by name, UTC, fixed distances from it.

use super::super::super::{Arguments, dict, list};
use super::{Moment, wrong};
use chrono::{FixedOffset, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::{OffsetComponents, OffsetName, Tz};
use minijinja::{
    Error, ErrorKind, State,
    value::{DynObject, Object, ObjectRepr, Value},
};
use std::{cmp::Ordering, fmt, sync::Arc};

/// A zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    Named(Tz),
    Fixed(FixedOffset),
}

/// A zone as it is at a moment: Python's `tzinfo` of an aware datetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) zone: Zone,
    pub(super) offset: FixedOffset,
}

impl Local {
    /// `CET`, `UTC`, `UTC+01:00`.
    pub(super) fn name(self, utc: NaiveDateTime) -> String {
        match self.zone {
            Zone::Named(zone) => zone
                .offset_from_utc_datetime(&utc)
                .abbreviation()
                .map_or_else(|| self.offset.to_string(), str::to_owned),
            zone @ Zone::Fixed(_) => zone.to_string(),
        }
    }
}

impl Zone {
    pub(super) const UTC: Self = Self::Named(Tz::UTC);

    /// As it is at a moment in UTC.
    pub(super) fn at(self, utc: NaiveDateTime) -> Local {
        let offset = match self {
            Self::Named(zone) => zone.offset_from_utc_datetime(&utc).fix(),
            Self::Fixed(offset) => offset,
        };
        Local { zone: self, offset }
    }

    /// As it is when its own clocks show a moment: the earlier where they show it twice.
    pub(super) fn at_local(self, at: NaiveDateTime) -> Local {
        let offset = match self {
            Self::Named(zone) => zone.offset_from_local_datetime(&at).earliest().map(|offset| offset.fix()),
            Self::Fixed(offset) => Some(offset),
        };
        offset.map_or_else(|| self.at(at), |offset| Local { zone: self, offset })
    }

    /// A moment in UTC as its clocks show it.
    pub(super) fn of_utc(self, utc: NaiveDateTime) -> Moment {
        let local = self.at(utc);
        Moment::At(utc + local.offset, Some(local))
    }

    /// By how much its clocks are put forward for the summer.
    pub(super) fn saving_seconds(self, utc: NaiveDateTime) -> i64 {
        match self {
            Self::Named(zone) => zone.offset_from_utc_datetime(&utc).dst_offset().num_seconds(),
            Self::Fixed(_) => 0,
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(zone) => write!(f, "{zone}"),
            Self::Fixed(offset) if offset.local_minus_utc() == 0 => f.write_str("UTC"),
            Self::Fixed(offset) => write!(f, "UTC{offset}"),
        }
    }
}

impl Object for Zone {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str() == Some("zone")).then(|| self.to_string().into())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of("timezone", values);
        let given = arguments.require(0, "dt")?.downcast_object_ref::<Moment>().copied();
        let given = given.ok_or_else(|| wrong("a moment is needed"))?;
        match method {
            "localize" if given.local().is_some() => Err(wrong("localize(): the moment has a zone already")),
            "localize" => Ok(Value::from_object(Moment::At(given.plain(), Some(self.at_local(given.plain()))))),
            "normalize" | "fromutc" => Ok(Value::from_object(self.of_utc(given.utc()))),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.to_string().cmp(&other.downcast_ref::<Self>()?.to_string()))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// `modules.pytz`.
pub(in super::super) fn pytz() -> Value {
    let utc = || Value::from_object(Zone::UTC);
    let names = || list(chrono_tz::TZ_VARIANTS.iter().map(|zone| Value::from(zone.name())).collect());
    dict([
        ("utc".into(), utc()),
        ("UTC".into(), utc()),
        ("timezone".into(), Value::from_object(Maker::Named)),
        ("FixedOffset".into(), Value::from_object(Maker::Fixed)),
        ("all_timezones".into(), names()),
        ("common_timezones".into(), names()),
    ])
}

/// `pytz.timezone(name)`, `pytz.FixedOffset(minutes)`.
#[derive(Debug)]
enum Maker {
    Named,
    Fixed,
}

impl Object for Maker {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of("timezone", values);
        Ok(Value::from_object(match **self {
            Self::Named => {
                let name = arguments.text(0, "zone")?;
                let found = name.parse::<Tz>();
                Zone::Named(found.map_err(|_| wrong(format!("there is no time zone '{name}'")))?)
            }
            Self::Fixed => {
                let seconds = arguments.require(0, "offset")?.as_i64().and_then(|minutes| minutes.checked_mul(60));
                let offset = seconds.and_then(|s| FixedOffset::east_opt(i32::try_from(s).ok()?));
                let offset = offset.ok_or_else(|| wrong("a zone is less than a day from UTC"))?;
                if offset == Utc.fix() { Zone::UTC } else { Zone::Fixed(offset) }
            }
        }))
    }
}
