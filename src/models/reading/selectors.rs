//! `selectors.yml`: selections with names.

use super::{project::ProjectFile, yaml};
use crate::error::{Error, Kind, Result};
use serde_json::{Map, Value};

/// The file, as messages show it.
pub(in crate::models) const FILE: &str = "selectors.yml";

/// A selection with a name, as written.
#[derive(Clone, Debug)]
pub(in crate::models) struct Selector {
    /// Its name.
    pub name: String,
    /// Whether it is meant where nothing is selected.
    pub is_default: bool,
    /// For people.
    pub description: String,
    /// What it selects.
    pub definition: Value,
}

/// The selectors of a project, in their order.
///
/// # Errors
/// The file is no YAML, or an entry has no name or no definition.
pub(in crate::models) fn read(project: &ProjectFile) -> Result<Vec<Selector>> {
    let path = project.root.join(FILE);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let file: Map<String, Value> = yaml::read(&path, FILE)?;
    let entries = file.get("selectors").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut all: Vec<Selector> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let wrong = |what: &str| Error::new(Kind::ModelProject, format!("{FILE}: entry {}: {what}", at + 1));
        let name = entry.get("name").and_then(Value::as_str).ok_or_else(|| wrong("it has no name"))?;
        let definition = entry.get("definition").cloned().ok_or_else(|| wrong("it has no definition"))?;
        let is_default = entry.get("default").and_then(Value::as_bool).unwrap_or(false);
        if let Some(other) = all.iter().find(|s| is_default && s.is_default) {
            return Err(wrong(&format!("only one can be the default, and '{}' is", other.name)));
        }
        let description = entry.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        all.push(Selector { name: name.to_owned(), is_default, description, definition });
    }
    Ok(all)
}
