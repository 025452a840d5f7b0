//! Between JSON and Jinja's values.

use minijinja::value::{Value, ValueKind};
use serde_json::{Map, Number, Value as Json};

/// A JSON value for Jinja.
pub(super) fn to_jinja(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(flag) => (*flag).into(),
        Json::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
            (Some(n), _, _) => n.into(),
            (_, Some(n), _) => n.into(),
            (_, _, n) => n.unwrap_or_default().into(),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => items.iter().map(to_jinja).collect::<Vec<_>>().into(),
        Json::Object(map) => Value::from_pairs(map.iter().map(|(key, value)| (key.as_str(), to_jinja(value)))),
    }
}

/// A value of Jinja as JSON; what JSON has no form for becomes text.
pub(super) fn from_jinja(value: &Value) -> Json {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number => match value.as_i64() {
            Some(n) if value.is_integer() => n.into(),
            _ => f64::try_from(value.clone()).ok().and_then(Number::from_f64).map_or(Json::Null, Json::Number),
        },
        ValueKind::String => Json::String(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Map => {
            let mut map = Map::new();
            for key in value.try_iter().into_iter().flatten() {
                let inner = value.get_item(&key).unwrap_or_default();
                map.insert(key.to_string(), from_jinja(&inner));
            }
            Json::Object(map)
        }
        ValueKind::Seq | ValueKind::Iterable => {
            Json::Array(value.try_iter().into_iter().flatten().map(|item| from_jinja(&item)).collect())
        }
        _ => Json::String(value.to_string()),
    }
}
