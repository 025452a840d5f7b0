//! `+ - * / // %` of moments and spans. Each gives `None` where neither side is one, so that others may be asked.

use super::{Moment, Span, wrong};
use chrono::TimeDelta;
use minijinja::{Error, value::Value};

fn span(value: &Value) -> Option<Span> {
    value.downcast_object_ref::<Span>().copied()
}

fn moment(value: &Value) -> Option<Moment> {
    value.downcast_object_ref::<Moment>().copied()
}

fn of(micros: Option<i64>) -> Result<Value, Error> {
    micros.map(|micros| Value::from_object(Span(micros))).ok_or_else(|| wrong("a span is too long"))
}

fn moved(moment: Moment, by: TimeDelta) -> Option<Result<Value, Error>> {
    let moved = match moment {
        // A date knows whole days only.
        Moment::Date(date) => {
            date.checked_add_signed(TimeDelta::days(by.num_seconds().div_euclid(86_400))).map(Moment::Date)
        }
        Moment::At(at, local) => at.checked_add_signed(by).map(|at| Moment::At(at, local)),
        Moment::Time(_) => return None,
    };
    Some(moved.map(Value::from_object).ok_or_else(|| wrong("the moment is out of reach")))
}

/// A moment and a span, or two spans.
pub(in crate::models::jinja) fn add(a: &Value, b: &Value) -> Option<Result<Value, Error>> {
    match (span(a), span(b)) {
        (Some(a), Some(b)) => Some(of(a.0.checked_add(b.0))),
        (None, Some(by)) => moved(moment(a)?, by.delta()),
        (Some(by), None) => moved(moment(b)?, by.delta()),
        (None, None) => None,
    }
}

/// The span between two moments, or a moment or span less a span.
pub(in crate::models::jinja) fn subtract(a: &Value, b: &Value) -> Option<Result<Value, Error>> {
    if let Some(by) = span(b) {
        return match span(a) {
            Some(from) => Some(of(from.0.checked_sub(by.0))),
            None => moved(moment(a)?, -by.delta()),
        };
    }
    let (a, b) = (moment(a)?, moment(b)?);
    if a.local().is_some() != b.local().is_some() {
        return Some(Err(wrong("of two moments, one has a zone and the other has none")));
    }
    Some(of((a.utc() - b.utc()).num_microseconds()))
}

/// A span as often as a number says.
pub(in crate::models::jinja) fn multiply(a: &Value, b: &Value) -> Option<Result<Value, Error>> {
    let (span, many) = match span(a) {
        Some(span) => (span, b),
        None => (span(b)?, a),
    };
    if let Some(many) = many.as_i64().filter(|_| many.is_integer()) {
        return Some(of(span.0.checked_mul(many)));
    }
    let many = f64::try_from(many.clone()).ok().filter(|_| many.is_number())?;
    #[expect(clippy::cast_precision_loss, reason = "Python rounds here too")]
    let micros = span.0 as f64 * many;
    Some(Span::rounded(micros).map(Value::from_object))
}

/// A span by a span is a number, and by a number a span.
pub(in crate::models::jinja) fn divide(a: &Value, b: &Value) -> Option<Result<Value, Error>> {
    let from = span(a)?;
    #[expect(clippy::cast_precision_loss, reason = "Python's floats lose it too")]
    let real = |span: Span| span.0 as f64;
    if let Some(by) = span(b) {
        return Some(if by.0 == 0 {
            Err(wrong("a span is divided by zero"))
        } else {
            Ok((real(from) / real(by)).into())
        });
    }
    let by = f64::try_from(b.clone()).ok().filter(|_| b.is_number())?;
    Some(Span::rounded(real(from) / by).map(Value::from_object))
}

/// The whole part of a division.
pub(in crate::models::jinja) fn floor(a: &Value, b: &Value) -> Option<Result<Value, Error>> {
    let from = span(a)?;
    let down = |by: i64| {
        let (quotient, rest) = (from.0.checked_div(by)?, from.0.checked_rem(by)?);
        Some(if rest != 0 && (rest < 0) != (by < 0) { quotient - 1 } else { quotient })
    };
    match span(b) {
        Some(by) => Some(down(by.0).map(Value::from).ok_or_else(|| wrong("a span is divided by zero"))),
        None => Some(of(down(b.as_i64().filter(|_| b.is_integer())?))),
    }
}

/// What is left of a division of spans.
pub(in crate::models::jinja) fn modulo(a: &Value, b: &Value) -> Option<Result<Value, Error>> {
    let (from, by) = (span(a)?, span(b)?);
    let rest =
        from.0.checked_rem(by.0).map(|rest| if rest != 0 && (rest < 0) != (by.0 < 0) { rest + by.0 } else { rest });
    Some(rest.map(|rest| Value::from_object(Span(rest))).ok_or_else(|| wrong("a span is divided by zero")))
}
