//! Python's lists, dictionaries and sets, which templates change in place, and how values are shown.

mod dict;
mod list;
mod set;

pub(in crate::models) use dict::{Dict, dict};
pub(in crate::models::jinja) use dict::{made, pairs_of};
pub(in crate::models) use list::list;
pub(in crate::models::jinja) use set::difference;
pub(in crate::models) use set::{Set, set};

use super::{filters::Group, python::shown as moment_repr};
use minijinja::value::{Tuple, Value, ValueKind};
use serde_json::{Map, Value as Json};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How deep values may lie in one another where they are shown or copied: a list can hold itself.
const DEPTH_MAX: usize = 64;

/// A tuple.
pub(in crate::models) fn tuple(items: Vec<Value>) -> Value {
    Value::from(Tuple::new(items))
}

/// A value as Python's `str` gives it.
pub(in crate::models) fn printed(value: &Value) -> String {
    match value.kind() {
        ValueKind::Number if !value.is_integer() => real(value),
        _ => value.to_string(),
    }
}

/// A float as Python shows it: the shortest digits that mean it, with an exponent where it is very large or small.
fn real(value: &Value) -> String {
    let Ok(number) = f64::try_from(value.clone()) else { return value.to_string() };
    if !number.is_finite() {
        return value.to_string();
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => format!("{number:?}"),
    }
}

/// A value as Python's `repr` shows it.
pub(in crate::models::jinja) fn repr(value: &Value) -> String {
    shown(value, 0)
}

fn shown(value: &Value, depth: usize) -> String {
    if depth > DEPTH_MAX {
        return "...".to_owned();
    }
    let items = || {
        let items = value.try_iter().into_iter().flatten().map(|item| shown(&item, depth + 1));
        items.collect::<Vec<_>>()
    };
    match value.kind() {
        ValueKind::String => quoted(value.as_str().unwrap_or_default()),
        ValueKind::Seq if value.is_tuple() || value.downcast_object_ref::<Group>().is_some() => {
            let items = items();
            if items.len() == 1 { format!("({},)", items[0]) } else { format!("({})", items.join(", ")) }
        }
        ValueKind::Map if value.downcast_object_ref::<Dict>().is_some() || is_plain_map(value) => {
            let keys = value.try_iter().into_iter().flatten();
            let pair = |key: Value| {
                let of_key = value.get_item(&key).unwrap_or_default();
                format!("{}: {}", shown(&key, depth + 1), shown(&of_key, depth + 1))
            };
            format!("{{{}}}", keys.map(pair).collect::<Vec<_>>().join(", "))
        }
        ValueKind::Iterable if value.downcast_object_ref::<Set>().is_some() => {
            let items = items();
            if items.is_empty() { "set()".to_owned() } else { format!("{{{}}}", items.join(", ")) }
        }
        ValueKind::Seq | ValueKind::Iterable => format!("[{}]", items().join(", ")),
        ValueKind::Undefined => "Undefined".to_owned(),
        _ => moment_repr(value).unwrap_or_else(|| printed(value)),
    }
}

/// Whether a map is one of the engine's own and no object with a look of its own.
fn is_plain_map(value: &Value) -> bool {
    value.as_object().is_none_or(|object| !object.type_name().contains("models"))
}

/// A text as Python's `repr` shows it: in single quotes, unless the text has them and no double ones.
pub(in crate::models) fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut shown = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '\0'..='\x1f' | '\x7f'..='\u{a0}' | '\u{ad}' => shown.push_str(&format!("\\x{:02x}", u32::from(c))),
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{feff}' => {
                shown.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            '\\' => shown.push_str("\\\\"),
            c if c == quote => shown.extend(['\\', c]),
            c => shown.push(c),
        }
    }
    shown.push(quote);
    shown
}

/// JSON as values that a template can change.
pub(in crate::models) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(is) => (*is).into(),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => number.into(),
            (_, Some(number), _) => number.into(),
            (_, _, number) => number.unwrap_or_default().into(),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => list(items.iter().map(from_json).collect()),
        Json::Object(map) => dict(map.iter().map(|(key, value)| (Value::from(key.as_str()), from_json(value)))),
    }
}

/// A value as JSON; what JSON has no form for becomes the text that it prints as.
pub(in crate::models) fn to_json(value: &Value) -> Json {
    json_of(value, 0)
}

fn json_of(value: &Value, depth: usize) -> Json {
    if depth > DEPTH_MAX {
        return Json::Null;
    }
    let items = || value.try_iter().into_iter().flatten();
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number => match (value.as_i64().filter(|_| value.is_integer()), f64::try_from(value.clone())) {
            (Some(number), _) => number.into(),
            (None, Ok(number)) if number.is_finite() => number.into(),
            _ => value.to_string().into(),
        },
        ValueKind::String => value.as_str().unwrap_or_default().into(),
        ValueKind::Seq => Json::Array(items().map(|item| json_of(&item, depth + 1)).collect()),
        ValueKind::Iterable => Json::Array(items().map(|item| json_of(&item, depth + 1)).collect()),
        ValueKind::Map if value.downcast_object_ref::<Dict>().is_some() || is_plain_map(value) => {
            let pair = |key: Value| {
                let of_key = value.get_item(&key).unwrap_or_default();
                (key.to_string(), json_of(&of_key, depth + 1))
            };
            Json::Object(items().map(pair).collect::<Map<_, _>>())
        }
        _ => value.to_string().into(),
    }
}

/// JSON as Python's `json.dumps` writes it: a blank after commas and colons, characters beyond ASCII escaped.
pub(in crate::models) fn json_text(json: &Json) -> String {
    let quoted = |text: &str| {
        let mut shown = String::from('"');
        for c in text.chars() {
            match c {
                '"' => shown.push_str("\\\""),
                '\\' => shown.push_str("\\\\"),
                '\n' => shown.push_str("\\n"),
                '\r' => shown.push_str("\\r"),
                '\t' => shown.push_str("\\t"),
                '\u{8}' => shown.push_str("\\b"),
                '\u{c}' => shown.push_str("\\f"),
                ' '..='~' => shown.push(c),
                c => {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        shown.push_str(&format!("\\u{unit:04x}"));
                    }
                }
            }
        }
        shown.push('"');
        shown
    };
    match json {
        Json::String(text) => quoted(text),
        Json::Array(items) => format!("[{}]", items.iter().map(json_text).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{}: {}", quoted(key), json_text(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Locks; a panic elsewhere has not left anything half done that matters here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The place that an index of Python names; `None` beyond the ends.
fn place(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let at = if index < 0 { index + length } else { index };
    usize::try_from(at).ok().filter(|_| at < length)
}
