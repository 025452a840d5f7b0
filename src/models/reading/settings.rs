//! Configuration of one node, merged from `dbt_project.yml`, properties and the node's own file.
//!
//! Merged as dbt does it (dbt-core, `context/context_config.py`): tags, packages and hooks add up, `meta` and what is
//! like it is merged by key, everything else is replaced.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// Configuration by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::models) struct Settings(Map<String, Value>);

/// One name for each key: some are written with a dash, some with an underscore.
fn key_of(key: &str) -> String {
    key.strip_prefix('+').unwrap_or(key).replace('-', "_")
}

impl Settings {
    /// Sets a key as dbt merges it.
    pub(in crate::models) fn set(&mut self, key: &str, value: Value) {
        let key = key_of(key);
        match key.as_str() {
            "tags" | "packages" => {
                let mut all = self.texts(&key);
                for one in texts(&value) {
                    if !all.contains(&one) {
                        all.push(one);
                    }
                }
                self.0.insert(key, all.into());
            }
            "pre_hook" | "post_hook" => {
                let mut all = self.0.get(&key).and_then(Value::as_array).cloned().unwrap_or_default();
                match value {
                    Value::Null => {}
                    Value::Array(more) => all.extend(more),
                    one => all.push(one),
                }
                self.0.insert(key, all.into());
            }
            "grants" => self.set_grants(value),
            "meta" | "docs" | "quoting" | "column_types" | "contract" => match (self.0.get_mut(&key), value) {
                (Some(Value::Object(have)), Value::Object(new)) => have.extend(new),
                (_, value) => drop(self.0.insert(key, value)),
            },
            _ => drop(self.0.insert(key, value)),
        }
    }

    /// A privilege replaces what it was, unless a plus stands before it: then its grantees are added.
    fn set_grants(&mut self, value: Value) {
        let mut all = match self.0.get("grants") {
            Some(Value::Object(have)) => have.clone(),
            _ => Map::new(),
        };
        for (privilege, grantees) in value.as_object().into_iter().flatten() {
            match privilege.strip_prefix('+') {
                Some(privilege) => {
                    let mut both = all.get(privilege).map(texts).unwrap_or_default();
                    both.extend(texts(grantees));
                    all.insert(privilege.to_owned(), both.into());
                }
                None => drop(all.insert(privilege.clone(), texts(grantees).into())),
            }
        }
        self.0.insert("grants".to_owned(), all.into());
    }

    /// Sets every key of a map.
    pub(in crate::models) fn merge(&mut self, above: &Map<String, Value>) {
        for (key, value) in above {
            self.set(key, value.clone());
        }
    }

    /// The value of a key.
    pub(in crate::models) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The value of a key as a template asks for it, dash or underscore.
    pub(in crate::models) fn looked_up(&self, key: &str) -> Option<Value> {
        self.0.get(&key_of(key)).or_else(|| self.0.get(key)).cloned()
    }

    /// The value of a key as text; `None` where it is missing or null.
    pub(in crate::models) fn text(&self, key: &str) -> Option<String> {
        self.0.get(key).and_then(|v| match v {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        })
    }

    /// The value of a key as a list of texts; one text is a list of one.
    pub(in crate::models) fn texts(&self, key: &str) -> Vec<String> {
        self.0.get(key).map(texts).unwrap_or_default()
    }

    /// The value of a key as yes or no.
    pub(in crate::models) fn flag(&self, key: &str) -> Option<bool> {
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

    /// Everything by dbt's names.
    pub(in crate::models) fn entries(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| match key.as_str() {
            "pre_hook" => ("pre-hook", value),
            "post_hook" => ("post-hook", value),
            key => (key, value),
        })
    }

    /// Everything as JSON, for templates.
    pub(in crate::models) fn json(&self) -> Value {
        Value::Object(self.entries().map(|(key, value)| (key.to_owned(), value.clone())).collect())
    }
}

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.entries())
    }
}

/// A value as a list of texts.
pub(in crate::models) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(all: &[Value]) -> Value {
        let mut settings = Settings::default();
        for one in all {
            settings.merge(one.as_object().expect("a map"));
        }
        settings.json()
    }

    #[test]
    fn every_key_is_merged_by_its_own_rule() {
        let all = [
            json!({"tags": "a", "+meta": {"x": 1}, "pre-hook": "one", "grants": {"select": "r"}, "materialized": "view"}),
            json!({"tags": ["b", "a"], "meta": {"y": 2}, "pre_hook": ["two"], "grants": {"+select": ["s"]}, "materialized": "table"}),
        ];
        let expected = json!({"tags": ["a", "b"], "meta": {"x": 1, "y": 2}, "pre-hook": ["one", "two"],
            "grants": {"select": ["r", "s"]}, "materialized": "table"});
        assert_eq!(merged(&all), expected);
    }
}
