//! One index of a configuration: `adapter.parse_index(…)`.

use super::super::{
    checksum,
    jinja::{self, Arguments},
};
use super::{functions::invalid, scope::Scope};
use crate::warehouse::OWN_INDEX_PREFIX;
use minijinja::{
    Error, ErrorKind, State,
    value::{Object, Value},
};
use serde_json::Value as Json;
use std::sync::Arc;

/// Columns, method and whether it is unique.
#[derive(Debug)]
pub(super) struct IndexConfig {
    raw: Json,
    /// The relation that it is configured for, whatever its new version is called for a while.
    owner: String,
}

impl IndexConfig {
    /// Takes what was configured.
    pub(super) fn parse(scope: &Scope, raw: &Value) -> Result<Value, Error> {
        if raw.is_none() || raw.is_undefined() {
            return Ok(Value::from(()));
        }
        let raw = jinja::to_json(raw);
        if raw["columns"].as_array().is_none_or(Vec::is_empty) {
            return Err(invalid("an index needs columns, a list of at least one: {columns: [a]}"));
        }
        let owner = scope.subject.this.as_ref().and_then(|this| this.place()).map(|place| place.quoted());
        Ok(Value::from_object(Self { raw, owner: owner.unwrap_or_default() }))
    }
}

/// What the name of an index begins with: a digest of the relation and of what it is.
pub(in crate::models) fn known(owner: &str, raw: &Json) -> String {
    let digest = checksum::of([owner, &raw.to_string()]);
    format!("{OWN_INDEX_PREFIX}{}", &digest[..16])
}

impl Object for IndexConfig {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "columns" => jinja::from_json(&self.raw["columns"]),
            "unique" => (self.raw["unique"] == true).into(),
            "type" => self.raw.get("type").map_or(Value::from(()), jinja::from_json),
            _ => return None,
        })
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    /// `render(relation)`: its name. Known by a digest of what it is; behind that it is chance, because those of the
    /// old relation and of the new one stand beside each other for a while.
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        match method {
            "render" => {
                Arguments::of("render", values).require(0, "relation")?;
                Ok(format!("{}_{:016x}", known(&self.owner, &self.raw), fastrand::u64(..)).into())
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}
