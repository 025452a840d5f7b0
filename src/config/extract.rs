//! Makes the configuration of the merged values, and tells every value that doesn't fit.
//!
//! Guarantee: what is told never quotes the value of a secret.

use super::{Config, Notify, Problem, Schedule, keys::nearest};
use figment::{
    Figment,
    error::{Actual, Kind},
    providers::Serialized,
    value::Value,
};
use serde::Serialize;

/// So many wrong values are told; who has more has named the wrong file.
const PROBLEMS_MAX: usize = 50;

/// Makes the configuration of the merged values. A value of a wrong type is reported and replaced by
/// its default, so that the next one is found too.
pub(super) fn extract(mut figment: Figment, problems: &mut Vec<Problem>) -> Option<Config> {
    for _ in 0..PROBLEMS_MAX {
        let error = match figment.extract::<Config>() {
            Ok(config) => return Some(config),
            Err(error) => error,
        };
        let problem = wrong_value(&error.path.join("."), &error.kind);
        let is_mended = mend(&mut figment, &problem.key);
        problems.push(problem);
        if !is_mended {
            break;
        }
    }
    None
}

/// Puts the default in the place of a wrong value, or of the nearest around it that has one; `false`
/// where there is none.
fn mend(figment: &mut Figment, key: &str) -> bool {
    let path: Vec<&str> = key.split('.').collect();
    let (part, value) = match *path.as_slice() {
        // figment merges lists as a whole: the element is mended in a copy of its list.
        ["schedule", index, field] => match mended(figment, "schedule", &Schedule::default(), index, field) {
            Some(schedules) => ("schedule".to_owned(), schedules),
            None => return false,
        },
        ["notify", index, field] => match mended(figment, "notify", &Notify::default(), index, field) {
            Some(notifiers) => ("notify".to_owned(), notifiers),
            None => return false,
        },
        _ => match default_around(&path) {
            Some(found) => found,
            None => return false,
        },
    };
    // A section is merged key by key; an emptied one must be null first.
    let merged = std::mem::take(figment);
    *figment = merged.merge(Serialized::default(&part, ())).merge(Serialized::default(&part, value));
    true
}

fn default_around(path: &[&str]) -> Option<(String, Value)> {
    let defaults = Value::serialize(Config::default()).expect("a configuration can be a value");
    (1..=path.len()).rev().find_map(|length| {
        let part = path[..length].join(".");
        let value = defaults.find_ref(&part)?.clone();
        Some((part, value))
    })
}

fn mended(figment: &Figment, list: &str, default: &impl Serialize, index: &str, field: &str) -> Option<Value> {
    let mut list = figment.find_value(list).ok()?.into_array()?;
    let default = Value::serialize(default).expect("an element can be a value").find(field)?;
    match list.get_mut(index.parse::<usize>().ok()?)? {
        Value::Dict(_, fields) => drop(fields.insert(field.to_owned(), default)),
        _ => return None,
    }
    Some(list.into())
}

fn wrong_value(key: &str, kind: &Kind) -> Problem {
    let is_secret =
        key.rsplit('.').next().is_some_and(|name| matches!(name, "password" | "url" | "token" | "secret" | "headers"));
    match kind {
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            Problem::new(key, format!("is {}", describe(actual, is_secret)), format!("give {}", wanted(expected)))
        }
        Kind::UnknownVariant(word, words) => {
            let choice = words.join(", ");
            let remedy = match nearest(word, words.iter().copied()) {
                Some(near) => format!("did you mean {near}? possible are {choice}"),
                None => format!("possible are {choice}"),
            };
            Problem::new(key, format!("is \"{word}\""), remedy)
        }
        Kind::MissingField(field) => {
            let key = if key.is_empty() { field.to_string() } else { format!("{key}.{field}") };
            Problem::new(key, "is not given", "give it")
        }
        Kind::Message(message) if !is_secret => Problem::new(key, message.clone(), "correct the value"),
        _ => Problem::new(key, "has a value that doesn't fit", "see docs/configuration.md"),
    }
}

fn describe(actual: &Actual, is_secret: bool) -> String {
    match actual {
        Actual::Str(text) if !is_secret => format!("the text \"{text}\""),
        Actual::Unsigned(number) if !is_secret => number.to_string(),
        Actual::Signed(number) if !is_secret => number.to_string(),
        Actual::Float(number) if !is_secret => number.to_string(),
        Actual::Bool(truth) if !is_secret => truth.to_string(),
        Actual::Str(_) | Actual::Char(_) => "a text".to_owned(),
        Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) => "a number".to_owned(),
        Actual::Bool(_) => "a truth value".to_owned(),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a section".to_owned(),
        _ => "something else".to_owned(),
    }
}

fn wanted(expected: &str) -> String {
    match expected {
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u32" | "u64" | "usize" => "a whole number, without quotes and not below 0".to_owned(),
        "a string" | "path string" => "a text in quotes".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list: [\"a\", \"b\"]".to_owned(),
        other if other.starts_with("enum ") => "one of the words that docs/configuration.md lists for it".to_owned(),
        other if other.starts_with("struct ") => "a section with keys".to_owned(),
        other => other.to_owned(),
    }
}
