//! What the names in `ref` and `source` stand for.

use super::relation::Relation;
use std::collections::BTreeMap;

/// Every model and every source table of a project, by name.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Models.
    pub models: BTreeMap<String, Referred>,
    /// Tables of sources, by source and table.
    pub sources: BTreeMap<(String, String), Relation>,
    /// The project's name: what a package in `ref` may be.
    pub project: String,
}

/// What a `ref` stands for.
#[derive(Clone, Debug)]
pub(super) enum Referred {
    /// A relation of the warehouse.
    Relation(Relation),
    /// A part of the query of whoever reads it.
    Ephemeral,
    /// Nothing: the model is there and not enabled.
    Disabled,
    /// Nobody knows: the model's own file can't be used.
    Faulty,
}

impl Names {
    /// The model that a `ref` names, or what is wrong with it.
    pub(super) fn model(&self, package: Option<&str>, name: &str) -> Result<&Referred, String> {
        if let Some(package) = package.filter(|p| *p != self.project) {
            return Err(format!("ref('{package}', '{name}'): there is no package '{package}'"));
        }
        match self.models.get(name) {
            Some(Referred::Disabled) => Err(format!("ref('{name}'): that model is disabled")),
            Some(found) => Ok(found),
            None => Err(format!("ref('{name}'): there is no such model{}", hint(name, self.models.keys()))),
        }
    }

    /// The table that a `source` names, or what is wrong with it.
    pub(super) fn source(&self, source: &str, table: &str) -> Result<&Relation, String> {
        self.sources.get(&(source.to_owned(), table.to_owned())).ok_or_else(|| {
            let tables: Vec<&String> = self.sources.keys().filter(|(s, _)| s == source).map(|(_, t)| t).collect();
            if tables.is_empty() {
                let hint = hint(source, self.sources.keys().map(|(s, _)| s));
                format!("source('{source}', '{table}'): there is no such source{hint}")
            } else {
                format!("source('{source}', '{table}'): the source has no such table{}", hint(table, tables))
            }
        })
    }
}

/// The nearest name, as the end of a sentence; nothing where none is near.
pub(super) fn hint<'a>(name: &str, names: impl IntoIterator<Item = &'a String>) -> String {
    names
        .into_iter()
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, known)| format!("; did you mean '{known}'?"))
}
