//! What the names in `ref` and `source` stand for.

use super::super::{context::relation::Policy, relation::Relation};
use super::{Node, RefCall, Resource};
use crate::domain::ModelId;
use std::{
    collections::{BTreeMap, HashMap},
    fmt::{self, Display},
};

/// Every node and every source's table, by name.
#[derive(Debug, Default)]
pub(in crate::models) struct Names {
    nodes: HashMap<String, Vec<Named>>,
    sources: BTreeMap<(String, String), Vec<SourceTable>>,
    project: String,
}

/// One node that bears a name.
#[derive(Clone, Debug)]
struct Named {
    id: ModelId,
    package: String,
    version: Option<String>,
    is_latest: bool,
    is_disabled: bool,
}

/// A table of a source.
#[derive(Clone, Debug)]
pub(in crate::models) struct SourceTable {
    /// Its unique id.
    pub id: String,
    /// Its package.
    pub package: String,
    /// Where it is.
    pub relation: Relation,
    /// How its name is quoted.
    pub quoting: Policy,
    /// The column that tells when its rows happened.
    pub event_time: Option<String>,
    /// Whether it is enabled.
    pub is_enabled: bool,
}

/// Why a name stands for nothing.
#[derive(Debug)]
pub(in crate::models) struct Lost {
    what: String,
    /// Whether what it names is there, and is off.
    pub is_off: bool,
}

impl Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Names {
    /// None yet, for a project.
    pub(in crate::models) fn new(project: &str) -> Self {
        Self { project: project.to_owned(), ..Self::default() }
    }

    /// Adds a node that `ref` can name.
    pub(in crate::models) fn add(&mut self, node: &Node, is_disabled: bool) {
        debug_assert!(matches!(node.resource, Resource::Model | Resource::Seed | Resource::Snapshot));
        let text = |json: &serde_json::Value| json.as_str().map_or_else(|| json.to_string(), str::to_owned);
        let version = node.version.as_ref().map(text);
        let is_latest = version.is_none() || version == node.latest_version.as_ref().map(text);
        let named = Named { id: node.id.clone(), package: node.package.clone(), version, is_latest, is_disabled };
        self.nodes.entry(node.name.clone()).or_default().push(named);
    }

    /// Whether anything bears that name, be it disabled.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.nodes.contains_key(name)
    }

    /// Adds a table of a source.
    pub(in crate::models) fn add_source(&mut self, source: &str, table: &str, found: SourceTable) {
        self.sources.entry((source.to_owned(), table.to_owned())).or_default().push(found);
    }

    /// The node that a `ref` in a package names, or what is wrong with it.
    ///
    /// Without a package the project's own comes first, then that of the reader, then any.
    pub(in crate::models) fn resolve(&self, call: &RefCall, reader: &str) -> Result<&ModelId, Lost> {
        let shown = shown(call);
        let Some(named) = self.nodes.get(&call.name) else {
            return Err(lost(format!("{shown}: there is no such model{}", super::hint(&call.name, self.nodes.keys()))));
        };
        let fits = |n: &&Named| match &call.version {
            Some(version) => n.version.as_ref() == Some(version),
            None => n.is_latest,
        };
        let of = |package: Option<&str>| {
            let in_package = |n: &&Named| package.is_none_or(|package| n.package == package);
            let mut found: Vec<&Named> = named.iter().filter(in_package).filter(fits).collect();
            // One that is off counts only where there is no other.
            found.sort_by_key(|n| n.is_disabled);
            found.first().copied()
        };
        let found = match &call.package {
            Some(package) => of(Some(package)),
            None => of(Some(&self.project)).or_else(|| of(Some(reader))).or_else(|| of(None)),
        };
        match found {
            Some(found) if found.is_disabled => {
                Err(Lost { what: format!("{shown}: that model is disabled"), is_off: true })
            }
            Some(found) => Ok(&found.id),
            None => {
                let versions: Vec<&str> = named.iter().filter_map(|n| n.version.as_deref()).collect();
                let there = match (&call.version, &call.package) {
                    (Some(_), _) if !versions.is_empty() => format!("; its versions are {}", versions.join(", ")),
                    (_, Some(package)) => format!("; package '{package}' has no such model"),
                    _ => String::new(),
                };
                Err(lost(format!("{shown}: there is no such model{there}")))
            }
        }
    }

    /// The table that a `source` in a package names, or what is wrong with it.
    pub(in crate::models) fn source(&self, source: &str, table: &str, reader: &str) -> Result<&SourceTable, Lost> {
        let key = (source.to_owned(), table.to_owned());
        let shown = format!("source('{source}', '{table}')");
        if let Some(found) = self.sources.get(&key) {
            let of = |package: &str| found.iter().find(|s| s.package == package);
            let chosen = of(&self.project).or_else(|| of(reader)).or_else(|| found.first());
            return match chosen {
                Some(chosen) if chosen.is_enabled => Ok(chosen),
                _ => Err(Lost { what: format!("{shown}: that table is disabled"), is_off: true }),
            };
        }
        let tables: Vec<&String> = self.sources.keys().filter(|(s, _)| s == source).map(|(_, t)| t).collect();
        if tables.is_empty() {
            let hint = super::hint(source, self.sources.keys().map(|(s, _)| s));
            return Err(lost(format!("{shown}: there is no such source{hint}")));
        }
        Err(lost(format!("{shown}: the source has no such table{}", super::hint(table, tables))))
    }
}

fn lost(what: String) -> Lost {
    Lost { what, is_off: false }
}

fn shown(call: &RefCall) -> String {
    let package = call.package.as_ref().map_or_else(String::new, |package| format!("'{package}', "));
    let version = call.version.as_ref().map_or_else(String::new, |version| format!(", v={version}"));
    format!("ref({package}'{}'{version})", call.name)
}
