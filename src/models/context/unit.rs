//! What the query of a unit test sees in place of what is there: rows for its inputs, values for macros and variables.

use super::{
    super::manifest::{Manifest, Node, UnitTest},
    constant::constant,
    functions::invalid,
    relation::{PART_PREFIX, RelationValue},
    scope::{Run, lock},
};
use crate::{domain::ModelId, models::jinja};
use minijinja::{Error, value::Value};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// What stands in for what is there.
#[derive(Debug)]
pub(in crate::models) struct UnitView {
    /// The part of the query that stands for each input, by the input's unique id.
    pub parts: BTreeMap<String, String>,
    /// The model that is tested.
    tested: String,
    /// Variables, those of the test above the others.
    pub vars: Map<String, Json>,
    /// Variables of the environment.
    pub env_vars: Map<String, Json>,
    macros: Map<String, Json>,
}

impl UnitView {
    /// Of a unit test; `vars` are those that its model sees.
    pub(in crate::models) fn new(manifest: &Manifest, test: &UnitTest, mut vars: Map<String, Json>) -> Self {
        let mut parts = BTreeMap::new();
        for input in &test.given {
            let node = manifest.nodes.get(&ModelId::new(input.id.as_str())).map(|node| node.relation.name.as_str());
            let source = || manifest.sources.get(&input.id).map(|source| source.name.as_str());
            let name = format!("{PART_PREFIX}{}", node.or_else(source).unwrap_or_default());
            // A source's table may bear the name of a model.
            let mut free = name.clone();
            while parts.values().any(|taken| *taken == free) {
                free.push('_');
            }
            parts.entry(input.id.clone()).or_insert(free);
        }
        vars.extend(test.vars.clone());
        let (tested, env_vars, macros) = (test.model.as_str().to_owned(), test.env_vars.clone(), test.macros.clone());
        Self { parts, tested, vars, env_vars, macros }
    }

    /// What a name means to the test; `package` where it stands before it. `is_macro` tells whether a macro bears it.
    pub(super) fn overridden(
        &self,
        package: Option<&str>,
        name: &str,
        is_macro: impl FnOnce() -> bool,
    ) -> Option<Value> {
        let said = match package {
            // What is said of dbt's macros holds with dbt's name before them and without.
            None => self.macros.get(name).or_else(|| self.macros.get(&format!("dbt.{name}"))),
            Some("dbt") => self.macros.get(name).or_else(|| self.macros.get(&format!("dbt.{name}"))),
            Some(package) => self.macros.get(&format!("{package}.{name}")),
        }?;
        let value = jinja::from_json(said);
        Some(if is_macro() { constant(value) } else { value })
    }

    /// `this`: the rows that are given for it, or nothing.
    pub(super) fn this(&self, run: &Run) -> Value {
        match self.part(run, &self.tested) {
            Some(part) => part.value(),
            None => Value::from(()),
        }
    }

    /// What stands for a node that the query refers to.
    pub(super) fn of_node(&self, run: &Run, node: &Node) -> Result<RelationValue, Error> {
        let missing = || invalid(format!("ref('{}'): the unit test gives no rows for it", node.name));
        self.part(run, node.id.as_str()).ok_or_else(missing)
    }

    /// What stands for a table of a source that the query refers to.
    pub(super) fn of_source(&self, run: &Run, id: &str, source: &str, table: &str) -> Result<RelationValue, Error> {
        let missing = || invalid(format!("source('{source}', '{table}'): the unit test gives no rows for it"));
        self.part(run, id).ok_or_else(missing)
    }

    fn part(&self, run: &Run, id: &str) -> Option<RelationValue> {
        let name = self.parts.get(id)?;
        let mut parts = lock(&run.parts);
        if !parts.iter().any(|known| known == id) {
            parts.push(id.to_owned());
        }
        Some(RelationValue::part(name.strip_prefix(PART_PREFIX)?))
    }
}
