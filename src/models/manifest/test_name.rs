//! Names and numbers of generic tests, as dbt makes them (dbt-core, `parser/generic_test_builders.py`): people select
//! by these.

use super::super::{
    checksum::md5,
    jinja::{from_json, quoted},
};
use serde_json::{Map, Value as Json};

/// dbt's longest name of a test.
const NAME_MAX: usize = 63;

/// A test's name, and its alias where the name is too long.
pub(super) fn synthesized(
    (prefix, subject): (&str, &str),
    namespace: Option<&str>,
    word: &str,
    arguments: &Map<String, Json>,
) -> (String, Option<String>) {
    let word = format!("{}{word}", prefix);
    let word = namespace.map_or_else(|| word.clone(), |namespace| format!("{namespace}_{word}"));
    let mut sorted: Vec<_> = arguments.iter().collect();
    sorted.sort_by_key(|(key, _)| key.as_str());
    let mut parts = Vec::new();
    for (_, value) in sorted {
        match value {
            Json::Array(items) => parts.extend(items.iter().map(|v| plain(&python(v)))),
            Json::Object(map) => parts.extend(map.values().map(|v| plain(&python(v)))),
            other => parts.push(plain(&python(other))),
        }
    }
    let identifier = format!("{word}_{}", subject);
    let full = format!("{identifier}_{}", parts.join("__"));
    if full.chars().count() <= NAME_MAX {
        return (full, None);
    }
    let begin: String = identifier.chars().take(30).collect();
    let alias = format!("{begin}_{}", md5(&full));
    (full, Some(alias))
}

/// A value as Python's `str` shows it.
fn python(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => from_json(other).to_string(),
    }
}

/// Everything else than letters, digits and underscores an underscore.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut was_replaced = false;
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            plain.push(c);
            was_replaced = false;
        } else if !was_replaced {
            plain.push('_');
            was_replaced = true;
        }
    }
    plain
}

/// Adds a map as Python's `repr` shows it whose keys are sorted, and whose values are all texts.
fn map_to(text: &mut String, map: &Map<String, Json>) {
    let mut sorted: Vec<_> = map.iter().collect();
    sorted.sort_by_key(|(key, _)| key.as_str());
    text.push('{');
    for (place, (key, value)) in sorted.into_iter().enumerate() {
        text.push_str(if place == 0 { "" } else { ", " });
        text.push_str(&quoted(key));
        text.push_str(": ");
        value_to(text, value);
    }
    text.push('}');
}

fn value_to(text: &mut String, value: &Json) {
    match value {
        Json::Object(map) => map_to(text, map),
        Json::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                text.push_str(if place == 0 { "" } else { ", " });
                value_to(text, item);
            }
            text.push(']');
        }
        other => text.push_str(&quoted(&python(other))),
    }
}

/// Ten digits of what the test is: what makes the ids of two tests of one name differ.
pub(super) fn number(name: &str, namespace: Option<&str>, word: &str, arguments: &Map<String, Json>) -> String {
    let mut text = format!("{name}{{'kwargs': ");
    map_to(&mut text, arguments);
    text += &format!(", 'name': {}, 'namespace': {}}}", quoted(word), quoted(namespace.unwrap_or("None")));
    let digest = md5(&text);
    digest[digest.len() - 10..].to_owned()
}
