//! Functions that know nothing of projects: logs, JSON, YAML, sets, digests.

use super::super::jinja::{self, Arguments};
use super::{functions::invalid, scope::Scope, voice::Voice};
use minijinja::{Error, value::Value};
use serde_json::Value as Json;

/// `log(msg [, info])` and `print(msg)`.
pub(super) fn log(scope: &Scope, arguments: &Arguments, is_print: bool) -> Result<Value, Error> {
    if scope.executes() {
        let message = arguments.require(0, "msg")?.to_string();
        let node = scope.subject.name.as_str();
        if is_print || arguments.get(1, "info").is_some_and(Value::is_true) {
            scope.run().map_or(&Voice::Log, |run| &run.voice).say(node, &message);
        } else {
            tracing::debug!(node, "{message}");
        }
    }
    Ok("".into())
}

/// `tojson(value [, default, sort_keys])`.
pub(super) fn to_json(arguments: &Arguments) -> Result<Value, Error> {
    let mut json = jinja::to_json(arguments.require(0, "value")?);
    if arguments.get(2, "sort_keys").is_some_and(Value::is_true) {
        json.sort_all_objects();
    }
    Ok(jinja::json_text(&json).into())
}

/// `fromjson(text [, default])`.
pub(super) fn from_json(arguments: &Arguments) -> Result<Value, Error> {
    match serde_json::from_str::<Json>(&arguments.text(0, "string")?) {
        Ok(parsed) => Ok(jinja::from_json(&parsed)),
        Err(_) => Ok(arguments.get(1, "default").cloned().unwrap_or_else(|| Value::from(()))),
    }
}

/// `toyaml(value [, default, sort_keys])`.
pub(super) fn to_yaml(arguments: &Arguments) -> Result<Value, Error> {
    let mut json = jinja::to_json(arguments.require(0, "value")?);
    if arguments.get(2, "sort_keys").is_some_and(Value::is_true) {
        json.sort_all_objects();
    }
    match serde_saphyr::to_string(&json) {
        Ok(text) => Ok(text.into()),
        Err(_) => Ok(arguments.get(1, "default").cloned().unwrap_or_else(|| Value::from(()))),
    }
}

/// `fromyaml(text [, default])`.
pub(super) fn from_yaml(arguments: &Arguments) -> Result<Value, Error> {
    match serde_saphyr::from_str::<Json>(&arguments.text(0, "value")?) {
        Ok(parsed) => Ok(jinja::from_json(&parsed)),
        Err(_) => Ok(arguments.get(1, "default").cloned().unwrap_or_else(|| Value::from(()))),
    }
}

/// `zip(a, b, … [, default])`, as long as the shortest.
pub(super) fn zip(arguments: &Arguments, is_strict: bool) -> Result<Value, Error> {
    let mut lists = Vec::new();
    for given in arguments.positional() {
        match given.try_iter() {
            Ok(items) => lists.push(items.collect::<Vec<_>>()),
            Err(error) if is_strict => return Err(error),
            Err(_) => return Ok(arguments.get(usize::MAX, "default").cloned().unwrap_or_else(|| Value::from(()))),
        }
    }
    let shortest = lists.iter().map(Vec::len).min().unwrap_or_default();
    let row = |at: usize| jinja::tuple(lists.iter().map(|list| list[at].clone()).collect());
    Ok(jinja::list((0..shortest).map(row).collect()))
}

/// `set(values [, default])`.
pub(super) fn set(arguments: &Arguments, is_strict: bool) -> Result<Value, Error> {
    let given = arguments.require(0, "value")?;
    match given.try_iter() {
        Ok(items) => Ok(jinja::set(items.collect())),
        Err(error) if is_strict => Err(error),
        Err(_) => Ok(arguments.get(1, "default").cloned().unwrap_or_else(|| Value::from(()))),
    }
}

/// `local_md5(text)`, in hexadecimal.
pub(super) fn local_md5(arguments: &Arguments) -> Result<Value, Error> {
    let text = arguments.require(0, "value")?;
    Ok(super::super::checksum::md5(&text.to_string()).into())
}

/// `diff_of_two_dicts(a, b)`: what the first has for each key and the second has not, names of people compared without
/// regard to case, as grants need it.
pub(super) fn diff_of_two_dicts(arguments: &Arguments) -> Result<Value, Error> {
    let (first, second) =
        (jinja::to_json(arguments.require(0, "dict_a")?), jinja::to_json(arguments.require(1, "dict_b")?));
    let (Json::Object(first), Json::Object(second)) = (first, second) else {
        return Err(invalid("diff_of_two_dicts() takes two dictionaries"));
    };
    let folded = |value: &Json| value.as_str().map(str::to_lowercase);
    let mut difference = serde_json::Map::new();
    for (key, values) in first {
        let had: Vec<Option<String>> = second
            .iter()
            .filter(|(k, _)| k.eq_ignore_ascii_case(&key))
            .flat_map(|(_, values)| values.as_array().into_iter().flatten().map(folded))
            .collect();
        let new: Vec<Json> =
            values.as_array().into_iter().flatten().filter(|value| !had.contains(&folded(value))).cloned().collect();
        if !new.is_empty() {
            difference.insert(key, new.into());
        }
    }
    Ok(jinja::from_json(&Json::Object(difference)))
}
