//! Python's `timedelta`.

use super::{super::super::Arguments, wrong};
use chrono::{FixedOffset, TimeDelta};
use minijinja::{
    Error, ErrorKind, State,
    value::{DynObject, Object, ObjectRepr, Value},
};
use std::{cmp::Ordering, fmt, sync::Arc};

/// Microseconds of a day.
const DAY_MICROS: i64 = 86_400_000_000;

/// A span of time, in microseconds: Python goes to a billion days, which is more than anybody needs of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(pub(super) i64);

impl Span {
    pub(super) fn of_offset(offset: FixedOffset) -> Value {
        Self::of_seconds(offset.local_minus_utc().into())
    }

    pub(super) fn of_seconds(seconds: i64) -> Value {
        Value::from_object(Self(seconds.saturating_mul(1_000_000)))
    }

    pub(super) fn delta(self) -> TimeDelta {
        TimeDelta::microseconds(self.0)
    }

    /// A whole number of microseconds nearest to a real one, as Python rounds: halves to the even.
    pub(super) fn rounded(micros: f64) -> Result<Self, Error> {
        if !micros.is_finite() || micros.abs() > 9e18 {
            return Err(wrong("a span is too long"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "it was just seen to fit")]
        let whole = micros.round_ties_even() as i64;
        Ok(Self(whole))
    }

    /// Days, seconds and microseconds as Python keeps them: only the days may be negative.
    fn parts(self) -> (i64, i64, i64) {
        let rest = self.0.rem_euclid(DAY_MICROS);
        (self.0.div_euclid(DAY_MICROS), rest / 1_000_000, rest % 1_000_000)
    }

    pub(super) fn repr(self) -> String {
        let (days, seconds, micros) = self.parts();
        let parts = [("days", days), ("seconds", seconds), ("microseconds", micros)];
        let shown: Vec<String> = parts.iter().filter(|(_, n)| *n != 0).map(|(name, n)| format!("{name}={n}")).collect();
        format!("datetime.timedelta({})", if shown.is_empty() { "0".to_owned() } else { shown.join(", ") })
    }

    /// `timedelta(days, seconds, microseconds, milliseconds, minutes, hours, weeks)`.
    pub(super) fn made(arguments: &Arguments) -> Result<Value, Error> {
        let units = [
            ("days", DAY_MICROS),
            ("seconds", 1_000_000),
            ("microseconds", 1),
            ("milliseconds", 1_000),
            ("minutes", 60_000_000),
            ("hours", 3_600_000_000),
            ("weeks", 7 * DAY_MICROS),
        ];
        let too_long = || wrong("a span is too long");
        let (mut whole, mut part) = (0_i64, 0.0_f64);
        for (at, (name, unit)) in units.into_iter().enumerate() {
            let Some(given) = arguments.get(at, name) else { continue };
            if let Some(many) = given.as_i64().filter(|_| given.is_integer()) {
                whole = many.checked_mul(unit).and_then(|micros| whole.checked_add(micros)).ok_or_else(too_long)?;
            } else {
                let many =
                    f64::try_from(given.clone()).map_err(|_| wrong(format!("'{name}' of a span is no number")))?;
                #[expect(clippy::cast_precision_loss, reason = "the units are exact")]
                let micros = many * unit as f64;
                part += micros;
            }
        }
        let Self(part) = Self::rounded(part)?;
        Ok(Value::from_object(Self(whole.checked_add(part).ok_or_else(too_long)?)))
    }
}

impl Object for Span {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.0 != 0
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (days, seconds, micros) = self.parts();
        Some(match key.as_str()? {
            "days" => days.into(),
            "seconds" => seconds.into(),
            "microseconds" => micros.into(),
            _ => return None,
        })
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        match method {
            "total_seconds" => {
                #[expect(clippy::cast_precision_loss, reason = "Python's floats lose it too")]
                let seconds = self.0 as f64 / 1e6;
                Ok(seconds.into())
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.0.cmp(&other.downcast_ref::<Self>()?.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds, micros) = self.parts();
        if days != 0 {
            write!(f, "{days} day{}, ", if days.abs() == 1 { "" } else { "s" })?;
        }
        write!(f, "{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        if micros == 0 { Ok(()) } else { write!(f, ".{micros:06}") }
    }
}
