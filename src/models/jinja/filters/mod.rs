//! Jinja2's filters and tests where the engine has none or means something else by them, and dbt's own.
//!
//! Lists that come out can be changed, as every list of a template.

mod checks;
mod order;
mod sequence;
mod text;

pub(super) use order::Group;
pub(super) use text::centered;

use super::{Arguments, json_text, list, to_json, tuple};
use minijinja::{
    Environment, Error, ErrorKind, State,
    value::{Kwargs, Rest, Value, ValueKind},
};
use serde_json::{Map, Value as Json};

/// Adds the filters and tests.
pub(super) fn add_to(env: &mut Environment<'static>) {
    for name in ["as_text", "as_native"] {
        env.add_filter(name, |value: Value| value);
    }
    env.add_filter("as_bool", |value: Value| match value.as_str() {
        Some(text) if text.eq_ignore_ascii_case("true") => Value::from(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Value::from(false),
        _ => value,
    });
    env.add_filter("as_number", |value: Value| match value.as_str() {
        Some(text) => {
            text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<f64>().map(Value::from)).unwrap_or(value)
        }
        None => value,
    });
    env.add_filter("is_list", |value: Value| matches!(value.kind(), ValueKind::Seq) && !value.is_tuple());
    env.add_filter("list", |value: Value| made(&value));
    env.add_filter("string", |value: Value| super::printed(&value));
    add(env, "default", |_, given| Ok(default(given)));
    add(env, "d", |_, given| Ok(default(given)));
    add(env, "float", |_, given| Ok(float(given)));
    add(env, "int", |_, given| Ok(int(given)));
    add(env, "tojson", |_, given| tojson(given));
    env.add_filter("format", |format: Value, values: Rest<Value>, named: Kwargs| {
        let values: Vec<Value> = values.0.into_iter().chain([Value::from(named)]).collect();
        let given = Arguments::of("format", &values);
        let values = match given.named() {
            [] => tuple(given.positional().to_vec()),
            named => super::dict(named.iter().map(|(name, value)| (Value::from(name.as_str()), value.clone()))),
        };
        super::percent::format(&format.to_string(), &values)
    });
    text::add_to(env);
    sequence::add_to(env);
    order::add_to(env);
    checks::add_to(env);
}

/// Adds a filter that takes its arguments apart by itself: the value is the first.
fn add(
    env: &mut Environment<'static>,
    name: &'static str,
    filter: fn(&mut State<'_, '_>, &Arguments) -> Result<Value, Error>,
) {
    env.add_filter(name, move |state: &mut State<'_, '_>, value: Value, more: Rest<Value>, named: Kwargs| {
        let all: Vec<Value> = std::iter::once(value).chain(more.0).chain([Value::from(named)]).collect();
        filter(state, &Arguments::of(name, &all))
    });
}

fn wrong(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.to_string())
}

/// The value that is filtered.
fn subject(given: &Arguments) -> Value {
    given.positional().first().cloned().unwrap_or_default()
}

/// An argument that is true or false.
fn flag(given: &Arguments, place: usize, name: &str) -> bool {
    given.get(place, name).is_some_and(Value::is_true)
}

/// What a value holds; nothing where it is undefined.
fn items(value: &Value) -> Result<Vec<Value>, Error> {
    match value.kind() {
        ValueKind::Undefined => Ok(Vec::new()),
        ValueKind::None => Err(wrong("none holds nothing that could be gone through")),
        _ => Ok(value.try_iter()?.collect()),
    }
}

/// A list of what a value holds; the characters of a text, the keys of a map.
fn made(value: &Value) -> Result<Value, Error> {
    Ok(list(items(value)?))
}

/// What `attribute=` names: `a.b`, `0`, or nothing for the item itself.
fn attribute(item: &Value, path: Option<&Value>, default: Option<&Value>) -> Value {
    let mut found = item.clone();
    let text = match path.filter(|path| !path.is_none()) {
        None => return found,
        Some(path) => path.to_string(),
    };
    for part in text.split('.') {
        let inner = part.parse::<i64>().map_or_else(|_| found.get_attr(part), |at| found.get_item(&at.into()));
        found = inner.unwrap_or(Value::UNDEFINED);
        if let Some(default) = default.filter(|_| found.is_undefined()) {
            return default.clone();
        }
    }
    found
}

fn default(given: &Arguments) -> Value {
    let value = subject(given);
    if value.is_undefined() || (flag(given, 2, "boolean") && !value.is_true()) {
        return given.get(1, "default_value").cloned().unwrap_or_else(|| "".into());
    }
    value
}

fn float(given: &Arguments) -> Value {
    let value = subject(given);
    let number = match value.as_str() {
        Some(text) => text.trim().replace('_', "").parse().ok(),
        None => f64::try_from(value).ok(),
    };
    number.map_or_else(|| given.get(1, "default").cloned().unwrap_or_else(|| 0.0.into()), Value::from)
}

fn int(given: &Arguments) -> Value {
    let value = subject(given);
    let base = given.get(2, "base").and_then(Value::as_i64).and_then(|base| u32::try_from(base).ok()).unwrap_or(10);
    let whole = |real: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "what is too large for 128 bits is no number of a template"
        )]
        real.is_finite().then(|| real.trunc() as i128)
    };
    let number = match value.as_str() {
        Some(text) => {
            let text = text.trim().replace('_', "").to_lowercase();
            let prefix = match base {
                16 => "0x",
                8 => "0o",
                2 => "0b",
                _ => "",
            };
            let digits = text.strip_prefix(prefix).unwrap_or(&text);
            let parsed = (2..=36).contains(&base).then(|| i128::from_str_radix(digits, base).ok()).flatten();
            parsed.or_else(|| whole(text.parse().ok()?))
        }
        None if value.kind() == ValueKind::Bool => Some(value.is_true().into()),
        None if value.is_integer() => return value,
        None => f64::try_from(value).ok().and_then(whole),
    };
    match number {
        Some(number) => i64::try_from(number).map_or_else(|_| number.into(), Value::from),
        None => given.get(1, "default").cloned().unwrap_or_else(|| 0.into()),
    }
}

/// JSON with its keys in order, safe within HTML, as Jinja2 gives it.
fn tojson(given: &Arguments) -> Result<Value, Error> {
    let json = sorted(to_json(&subject(given)));
    let text = match given.get(1, "indent").and_then(Value::as_usize) {
        Some(indent) => indented(&json, indent.min(64), 0),
        None => json_text(&json),
    };
    let text = text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").replace('\'', "\\u0027");
    Ok(text.into())
}

fn sorted(json: Json) -> Json {
    match json {
        Json::Array(items) => Json::Array(items.into_iter().map(sorted).collect()),
        Json::Object(map) => {
            let mut pairs: Vec<(String, Json)> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(pairs.into_iter().collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn indented(json: &Json, indent: usize, depth: usize) -> String {
    let (inner, outer) = (" ".repeat(indent * (depth + 1)), " ".repeat(indent * depth));
    let joined = |parts: Vec<String>| parts.join(&format!(",\n{inner}"));
    match json {
        Json::Array(items) if !items.is_empty() => {
            let parts = items.iter().map(|item| indented(item, indent, depth + 1)).collect();
            format!("[\n{inner}{}\n{outer}]", joined(parts))
        }
        Json::Object(map) if !map.is_empty() => {
            let key = |key: &str| json_text(&Json::String(key.to_owned()));
            let parts = map.iter().map(|(k, value)| format!("{}: {}", key(k), indented(value, indent, depth + 1)));
            format!("{{\n{inner}{}\n{outer}}}", joined(parts.collect()))
        }
        other => json_text(other),
    }
}
