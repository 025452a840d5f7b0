//! Python's methods on texts and dictionaries, as far as models use them on values that don't change.

use super::arguments::Arguments;
use minijinja::{
    Error, ErrorKind, State,
    value::{Value, ValueKind},
};

/// Called by the engine for a method that a value doesn't have.
pub(super) fn call(_: &mut State, value: &Value, method: &str, values: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::of("method", values);
    match value.kind() {
        ValueKind::String => text(value.as_str().unwrap_or_default(), method, &arguments),
        ValueKind::Map => map(value, method, &arguments),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn text(text: &str, method: &str, arguments: &Arguments) -> Result<Value, Error> {
    let characters = |default: &str| match arguments.get(0, "chars") {
        Some(given) => given.to_string(),
        None => default.to_owned(),
    };
    let blank = " \t\r\n\u{b}\u{c}";
    Ok(match method {
        "upper" => text.to_uppercase().into(),
        "lower" => text.to_lowercase().into(),
        "strip" => {
            let set = characters(blank);
            text.trim_matches(|c| set.contains(c)).into()
        }
        "lstrip" => {
            let set = characters(blank);
            text.trim_start_matches(|c| set.contains(c)).into()
        }
        "rstrip" => {
            let set = characters(blank);
            text.trim_end_matches(|c| set.contains(c)).into()
        }
        "replace" => text.replace(&arguments.text(0, "old")?, &arguments.text(1, "new")?).into(),
        "startswith" => text.starts_with(&arguments.text(0, "prefix")?).into(),
        "endswith" => text.ends_with(&arguments.text(0, "suffix")?).into(),
        "split" => match arguments.get(0, "sep").filter(|sep| !sep.is_none()) {
            None => text.split_whitespace().map(Value::from).collect::<Vec<_>>().into(),
            Some(_) => text.split(&arguments.text(0, "sep")?).map(Value::from).collect::<Vec<_>>().into(),
        },
        "join" => {
            let items: Vec<String> = arguments.require(0, "iterable")?.try_iter()?.map(|v| v.to_string()).collect();
            items.join(text).into()
        }
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}

fn map(map: &Value, method: &str, arguments: &Arguments) -> Result<Value, Error> {
    let keys = || Ok::<_, Error>(map.try_iter()?.collect::<Vec<_>>());
    Ok(match method {
        "keys" => keys()?.into(),
        "values" => keys()?.iter().map(|key| map.get_item(key)).collect::<Result<Vec<_>, _>>()?.into(),
        "items" => {
            let mut pairs = Vec::new();
            for key in keys()? {
                let value = map.get_item(&key)?;
                pairs.push(Value::from(vec![key, value]));
            }
            pairs.into()
        }
        "get" => {
            let found = map.get_item(arguments.require(0, "key")?)?;
            if found.is_undefined() { arguments.get(1, "default").cloned().unwrap_or(Value::from(())) } else { found }
        }
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}
