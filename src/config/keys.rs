//! The keys that there are, what kind of value each holds, and the nearest one to a misspelled key.
//!
//! Read off the default configuration, so that a new field is known here without being listed.

use super::{Config, Notify, Schedule, TableOverride, TypeRule};
use figment::value::{Dict, Value};
use serde_json::{Map, Value as Json, json};

/// Stands for any name in [`Keys`].
const ANY: &str = "*";

/// Every key there is: the default configuration with one of each list filled in.
#[derive(Clone, Debug)]
pub(super) struct Keys(Json);

/// What kind of value a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A text; also every key that has no default.
    Text,
    /// A number or a truth value.
    Scalar,
    /// A list.
    List,
    /// Keys below.
    Section,
    /// Whatever it is given.
    Anything,
}

impl Keys {
    pub(super) fn new() -> Self {
        let mut keys = serde_json::to_value(Config::default()).expect("a configuration is JSON");
        keys["tables"] = json!({ ANY: TableOverride::default() });
        keys["sync"]["types"] = json!([TypeRule::default()]);
        keys["schedule"] = json!([Schedule::default()]);
        keys["notify"] = json!([Notify::default()]);
        // Without a default, and yet no text.
        keys["source"]["replica"]["port"] = json!(0);
        keys["models"]["vars"] = json!({ ANY: { ANY: null } });
        Self(keys)
    }

    /// The shape of a key; `None` where there is no such key.
    pub(super) fn shape(&self, path: &[String]) -> Option<Shape> {
        let mut place = &self.0;
        for part in path {
            if is_anything(place) {
                return Some(Shape::Anything);
            }
            place = step(place, part)?;
        }
        Some(match place {
            _ if is_anything(place) => Shape::Anything,
            Json::String(_) | Json::Null => Shape::Text,
            Json::Number(_) | Json::Bool(_) => Shape::Scalar,
            Json::Array(_) => Shape::List,
            Json::Object(_) => Shape::Section,
        })
    }

    /// Every key with a value, with its full path; `<name>` and `[]` stand for what is chosen freely.
    pub(super) fn all(&self) -> Vec<String> {
        let mut all = Vec::new();
        collect(&self.0, "", &mut all);
        all
    }

    /// Takes the keys that don't exist out of `values`, and tells their paths.
    pub(super) fn remove_unknown(&self, values: &mut Dict) -> Vec<Vec<String>> {
        let mut unknown = Vec::new();
        prune(&self.0, values, &mut Vec::new(), &mut unknown);
        unknown
    }

    /// What to do about a key that doesn't exist.
    pub(super) fn suggest(&self, path: &[String]) -> String {
        let (name, parents) = path.split_last().expect("an unknown key has a name");
        let siblings: Vec<String> = match self.at(parents) {
            Some(Json::Object(fields)) => fields.keys().filter(|k| *k != ANY).cloned().collect(),
            _ => Vec::new(),
        };
        if let Some(near) = nearest(name, siblings.iter().map(String::as_str)) {
            let full: Vec<&str> = parents.iter().map(String::as_str).chain([near]).collect();
            return format!("did you mean {}?", full.join("."));
        }
        let elsewhere = self.all().into_iter().find(|key| key.rsplit('.').next() == Some(name));
        match elsewhere {
            Some(key) => format!("there is {key}"),
            None => format!("the keys here are {}", siblings.join(", ")),
        }
    }

    fn at(&self, path: &[String]) -> Option<&Json> {
        path.iter().try_fold(&self.0, |place, part| step(place, part))
    }
}

/// The name most like `word`, where one is like it at all.
pub(super) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    names
        .map(|name| (strsim::jaro_winkler(&word, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

fn is_anything(place: &Json) -> bool {
    place.as_object().is_some_and(|fields| fields.is_empty() || fields.get(ANY).is_some_and(Json::is_null))
}

fn step<'a>(place: &'a Json, part: &str) -> Option<&'a Json> {
    match place {
        Json::Object(fields) => fields.get(part).or_else(|| fields.get(ANY)),
        Json::Array(elements) => elements.first().filter(|e| e.is_object()),
        _ => None,
    }
}

fn collect(place: &Json, path: &str, all: &mut Vec<String>) {
    match place {
        Json::Object(fields) if !is_anything(place) => {
            for (name, below) in fields {
                let name = if name == ANY { "<name>" } else { name };
                let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                collect(below, &path, all);
            }
        }
        Json::Array(elements) if elements.first().is_some_and(Json::is_object) => {
            collect(&elements[0], &format!("{path}[]"), all);
        }
        _ => all.push(path.to_owned()),
    }
}

fn prune(known: &Json, values: &mut Dict, path: &mut Vec<String>, unknown: &mut Vec<Vec<String>>) {
    if is_anything(known) {
        return;
    }
    let names: Vec<String> = values.keys().cloned().collect();
    for name in names {
        path.push(name.clone());
        match (step(known, &name), values.get_mut(&name)) {
            (None, _) => {
                unknown.push(path.clone());
                values.remove(&name);
            }
            (Some(below @ Json::Object(_)), Some(Value::Dict(_, values))) => prune(below, values, path, unknown),
            (Some(Json::Array(elements)), Some(Value::Array(_, items))) => {
                for (index, item) in items.iter_mut().enumerate() {
                    if let (Some(below @ Json::Object(_)), Value::Dict(_, values)) = (elements.first(), item) {
                        path.push(index.to_string());
                        prune(below, values, path, unknown);
                        path.pop();
                    }
                }
            }
            _ => {}
        }
        path.pop();
    }
}

/// The default configuration flattened: every key and its value.
pub(super) fn flatten(value: &Json) -> Map<String, Json> {
    let mut flat = Map::new();
    flatten_into(value, "", &mut flat);
    flat
}

fn flatten_into(value: &Json, path: &str, flat: &mut Map<String, Json>) {
    match value {
        Json::Object(fields) if !fields.is_empty() => {
            for (name, below) in fields {
                flatten_into(below, &if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, flat);
            }
        }
        Json::Array(items) if items.first().is_some_and(Json::is_object) => {
            for (index, item) in items.iter().enumerate() {
                flatten_into(item, &format!("{path}.{index}"), flat);
            }
        }
        _ => {
            flat.insert(path.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn shapes_come_from_the_defaults() {
        let keys = Keys::new();
        assert_eq!(keys.shape(&path("source.port")), Some(Shape::Scalar));
        assert_eq!(keys.shape(&path("source.password_file")), Some(Shape::Text));
        assert_eq!(keys.shape(&path("sync.include")), Some(Shape::List));
        assert_eq!(keys.shape(&path("tables.patient.cursor")), Some(Shape::Text));
        assert_eq!(keys.shape(&path("schedule.0.cron")), Some(Shape::Text));
        assert_eq!(keys.shape(&path("models.vars.start")), Some(Shape::Anything));
        assert_eq!(keys.shape(&path("source.prot")), None);
        assert_eq!(keys.shape(&path("source.port.x")), None);
    }

    #[test]
    fn the_nearest_key_is_suggested() {
        let keys = Keys::new();
        assert_eq!(keys.suggest(&path("source.prot")), "did you mean source.port?");
        assert_eq!(keys.suggest(&path("sorce")), "did you mean source?");
        assert_eq!(keys.suggest(&path("tables.patient.curser")), "did you mean tables.patient.cursor?");
        assert_eq!(keys.suggest(&path("sync.range_rows")), "there is source.range_rows");
        assert!(keys.suggest(&path("log.zzz")).starts_with("the keys here are format, filter"));
    }

    #[test]
    fn unknown_keys_are_found_at_every_depth() {
        let mut values = Dict::new();
        let schedule =
            Value::from(Dict::from([("nmae".to_owned(), Value::from("a")), ("name".to_owned(), "b".into())]));
        values.insert("schedule".to_owned(), Value::from(vec![schedule]));
        values.insert("sink".to_owned(), Value::from(1));
        values.insert("source".to_owned(), Value::from(Dict::from([("hots".to_owned(), Value::from("h"))])));
        let unknown: Vec<String> = Keys::new().remove_unknown(&mut values).iter().map(|p| p.join(".")).collect();
        assert_eq!(unknown, ["schedule.0.nmae", "sink", "source.hots"]);
        assert!(!values.contains_key("sink"));
    }
}
