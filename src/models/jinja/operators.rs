//! `+`, `-`, `*` and `%` as Python has them, and the functions that make lists and dictionaries.

use super::{Arguments, dict, list, percent, python, tuple, values};
use minijinja::{
    Environment, Error, ErrorKind,
    value::{Kwargs, Rest, Value, ValueKind},
};

/// Adds the functions that rewritten expressions call, and Python's own that templates do.
pub(super) fn add_to(env: &mut Environment<'static>) {
    env.add_function("__list", |items: Rest<Value>| list(items.0));
    env.add_function("__list_more", |before: Value, more: Rest<Value>| add(&before, &list(more.0)));
    env.add_function("__dict", |items: Rest<Value>| dict(pairs(&items)));
    env.add_function("__dict_more", |before: Value, more: Rest<Value>| {
        values::pairs_of(&before).map(|before| dict(before.into_iter().chain(pairs(&more))))
    });
    env.add_function("__add", |a: Value, more: Rest<Value>| fold(a, &more, add));
    env.add_function("__sub", |a: Value, more: Rest<Value>| fold(a, &more, subtract));
    env.add_function("__mul", |a: Value, b: Value| multiply(&a, &b));
    env.add_function("__div", |a: Value, b: Value| divide(&a, &b));
    env.add_function("__floor", |a: Value, b: Value| floor(&a, &b));
    env.add_function("__neg", |a: Value| negate(&a));
    env.add_function("__part", |value: Value| part(&value));
    env.add_function("cycler", |items: Rest<Value>| minijinja_contrib::globals::cycler(items.0));
    env.add_function("joiner", minijinja_contrib::globals::joiner);
    env.add_function("__mod", |a: Value, b: Value| modulo(&a, &b));
    env.add_function("dict", |items: Rest<Value>, named: Kwargs| {
        let all: Vec<Value> = items.0.into_iter().chain([Value::from(named)]).collect();
        values::made(&Arguments::of("dict", &all))
    });
}

/// Keys and values in turn, as pairs.
fn pairs(items: &[Value]) -> impl Iterator<Item = (Value, Value)> {
    items.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()))
}

/// An operator between the values of a row, from the left.
fn fold(first: Value, more: &[Value], operator: fn(&Value, &Value) -> Result<Value, Error>) -> Result<Value, Error> {
    more.iter().try_fold(first, |sum, next| operator(&sum, next))
}

/// A number, as exact as it is. A truth value counts as 0 or 1.
#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Real(f64),
}

impl Number {
    fn of(value: &Value) -> Option<Self> {
        match value.kind() {
            ValueKind::Bool => Some(Self::Whole(value.is_true().into())),
            ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).ok().map(Self::Whole),
            ValueKind::Number => f64::try_from(value.clone()).ok().map(Self::Real),
            _ => None,
        }
    }

    fn real(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "Python's floats lose it too")]
            Self::Whole(number) => number as f64,
            Self::Real(number) => number,
        }
    }
}

fn numbers(
    a: &Value,
    b: &Value,
    whole: fn(i128, i128) -> Option<i128>,
    real: fn(f64, f64) -> f64,
) -> Option<Result<Value, Error>> {
    let (a, b) = (Number::of(a)?, Number::of(b)?);
    Some(match (a, b) {
        (Number::Whole(a), Number::Whole(b)) => whole(a, b).map(number).ok_or_else(|| {
            Error::new(ErrorKind::InvalidOperation, "a whole number is too large, or is divided by zero")
        }),
        _ => Ok(real(a.real(), b.real()).into()),
    })
}

fn number(whole: i128) -> Value {
    i64::try_from(whole).map_or_else(|_| whole.into(), Value::from)
}

fn impossible(sign: &str, a: &Value, b: &Value) -> Error {
    let kind = |value: &Value| match value.kind() {
        ValueKind::Undefined => "undefined".to_owned(),
        kind => kind.to_string(),
    };
    Error::new(ErrorKind::InvalidOperation, format!("{sign} can't be used between {} and {}", kind(a), kind(b)))
}

fn is_sequence(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

pub(super) fn add(a: &Value, b: &Value) -> Result<Value, Error> {
    if let Some(sum) = numbers(a, b, i128::checked_add, |a, b| a + b) {
        return sum;
    }
    if let (Some(a), Some(b)) = (a.as_str(), b.as_str()) {
        return Ok(format!("{a}{b}").into());
    }
    if let Some(sum) = python::add(a, b) {
        return sum;
    }
    if is_sequence(a) && is_sequence(b) {
        let all = a.try_iter()?.chain(b.try_iter()?).collect();
        return Ok(if a.is_tuple() && b.is_tuple() { tuple(all) } else { list(all) });
    }
    Err(impossible("+", a, b))
}

fn subtract(a: &Value, b: &Value) -> Result<Value, Error> {
    if let Some(difference) = numbers(a, b, i128::checked_sub, |a, b| a - b) {
        return difference;
    }
    if let Some(rest) = values::difference(a, b) {
        return Ok(rest);
    }
    python::subtract(a, b).unwrap_or_else(|| Err(impossible("-", a, b)))
}

/// What a repeated text or list may hold.
const REPEATED_MAX: usize = 10_000_000;

fn multiply(a: &Value, b: &Value) -> Result<Value, Error> {
    if let Some(product) = numbers(a, b, i128::checked_mul, |a, b| a * b) {
        return product;
    }
    if let Some(product) = python::multiply(a, b) {
        return product;
    }
    let (repeated, many) = if Number::of(b).is_some() { (a, b) } else { (b, a) };
    let many = many.as_i64().map_or(0, |many| usize::try_from(many).unwrap_or_default());
    if repeated.len().unwrap_or_default().saturating_mul(many) > REPEATED_MAX {
        return Err(Error::new(ErrorKind::InvalidOperation, "* would repeat too much"));
    }
    if let Some(text) = repeated.as_str() {
        return Ok(text.repeat(many).into());
    }
    if is_sequence(repeated) {
        let items: Vec<Value> = repeated.try_iter()?.collect();
        let all = std::iter::repeat_n(items, many).flatten().collect();
        return Ok(if repeated.is_tuple() { tuple(all) } else { list(all) });
    }
    Err(impossible("*", a, b))
}

/// On texts Python's formatting; on numbers the remainder, which has the sign of the divisor.
fn modulo(a: &Value, b: &Value) -> Result<Value, Error> {
    if let Some(format) = a.as_str() {
        return percent::format(format, b).map(Value::from);
    }
    if let Some(rest) = python::modulo(a, b) {
        return rest;
    }
    let whole = |a: i128, b: i128| {
        a.checked_rem(b).map(|rest| if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
    };
    let real = |a: f64, b: f64| a - b * (a / b).floor();
    numbers(a, b, whole, real).unwrap_or_else(|| Err(impossible("%", a, b)))
}

/// Whether a number is zero.
fn is_zero(value: &Value) -> bool {
    Number::of(value).is_some_and(|number| number.real() == 0.0)
}

fn divide(a: &Value, b: &Value) -> Result<Value, Error> {
    if is_zero(b) {
        return Err(Error::new(ErrorKind::InvalidOperation, "a number is divided by zero"));
    }
    match (Number::of(a), Number::of(b)) {
        (Some(a), Some(b)) => Ok((a.real() / b.real()).into()),
        _ => python::divide(a, b).unwrap_or_else(|| Err(impossible("/", a, b))),
    }
}

fn floor(a: &Value, b: &Value) -> Result<Value, Error> {
    if is_zero(b) {
        return Err(Error::new(ErrorKind::InvalidOperation, "a number is divided by zero"));
    }
    let whole = |a: i128, b: i128| {
        let (quotient, rest) = (a.checked_div(b)?, a.checked_rem(b)?);
        Some(if rest != 0 && (rest < 0) != (b < 0) { quotient - 1 } else { quotient })
    };
    if let Some(quotient) = numbers(a, b, whole, |a, b| (a / b).floor()) {
        return quotient;
    }
    python::floor(a, b).unwrap_or_else(|| Err(impossible("//", a, b)))
}

fn negate(a: &Value) -> Result<Value, Error> {
    match Number::of(a) {
        Some(Number::Whole(whole)) => Ok(number(-whole)),
        Some(Number::Real(real)) => Ok((-real).into()),
        None => python::multiply(a, &Value::from(-1)).unwrap_or_else(|| Err(impossible("-", a, a))),
    }
}

/// A part of a list, which is a list of its own that can be changed.
fn part(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable if !value.is_tuple() => Ok(list(value.try_iter()?.collect())),
        _ => Ok(value.clone()),
    }
}
