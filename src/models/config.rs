//! What is configured for one node, merged from project, YAML and the model's own file.

use crate::error::{Error, Kind, Result};
use serde_json::{Map, Value};

/// Configuration by key, as far as it has been merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings(Map<String, Value>);

impl Settings {
    /// Sets a key as dbt merges it: tags add up, `meta` is merged, everything else is replaced.
    pub(super) fn set(&mut self, key: &str, value: Value) {
        match key {
            "tags" => {
                let mut tags = self.texts("tags");
                for tag in texts(&value) {
                    if !tags.contains(&tag) {
                        tags.push(tag);
                    }
                }
                self.0.insert(key.to_owned(), tags.into());
            }
            "meta" => match (self.0.get_mut(key), value) {
                (Some(Value::Object(have)), Value::Object(new)) => have.extend(new),
                (_, value) => {
                    self.0.insert(key.to_owned(), value);
                }
            },
            // A dash is what some write for the underscore.
            _ => {
                self.0.insert(key.replace('-', "_"), value);
            }
        }
    }

    /// Sets every key of a map.
    pub(super) fn merge(&mut self, above: &Map<String, Value>) {
        for (key, value) in above {
            self.set(key.strip_prefix('+').unwrap_or(key), value.clone());
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The value of a key as text; `None` where it is missing or null.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.0.get(key).and_then(|v| match v {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        })
    }

    /// The value of a key as a list of texts; one text is a list of one.
    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        self.0.get(key).map(texts).unwrap_or_default()
    }

    /// The value of a key as yes or no.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.0.get(key).and_then(|v| match v {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" => Some(true),
                "false" | "no" | "off" => Some(false),
                _ => None,
            },
            _ => None,
        })
    }

    /// Everything, for a checksum and for `config.get`.
    pub(super) fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

/// How a model becomes a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Materialized {
    /// A view.
    View,
    /// A table, made anew each time.
    Table,
    /// A table that only gains what is new.
    Incremental,
    /// No relation: a part of the query of whoever reads it.
    Ephemeral,
}

impl Materialized {
    /// The word in the configuration.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Table => "table",
            Self::Incremental => "incremental",
            Self::Ephemeral => "ephemeral",
        }
    }

    /// What is configured; a view where nothing is.
    pub(super) fn of(settings: &Settings, shown: &str) -> Result<Self> {
        Ok(match settings.text("materialized").as_deref() {
            None | Some("view") => Self::View,
            Some("table") => Self::Table,
            Some("incremental") => Self::Incremental,
            Some("ephemeral") => Self::Ephemeral,
            Some(other) => {
                return Err(Error::new(
                    Kind::ModelProject,
                    format!(
                        "{shown}: materialized '{other}' is not supported; view, table, incremental and ephemeral are"
                    ),
                ));
            }
        })
    }
}

/// Keys that would change what is built and that are not carried out yet: named, never passed over in silence.
const NOT_YET: &[&str] = &["pre_hook", "post_hook", "contract", "persist_docs", "grants", "sql_header", "unlogged"];

/// The keys of a model's configuration that have no effect yet.
pub(super) fn not_yet(settings: &Settings) -> Vec<&'static str> {
    let empty = |v: &Value| match v {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty() || map.values().all(|v| *v == Value::Bool(false)),
        _ => false,
    };
    NOT_YET.iter().copied().filter(|key| settings.get(key).is_some_and(|v| !empty(v))).collect()
}
