//! Properties files: what is said of models, seeds, snapshots, sources, tests, macros and exposures.
//!
//! Gives each entry as it is written, with its place; what it means is the manifest's.

use super::{files::files, project::ProjectFile, shape, yaml};
use crate::error::{Error, Kind, Result};
use serde_json::{Map, Value};

/// One entry of a list in a properties file.
#[derive(Clone, Debug)]
pub(in crate::models) struct Entry {
    /// The package.
    pub package: String,
    /// The file, relative to the package's root.
    pub file: String,
    /// Its name.
    pub name: String,
    /// All of it.
    pub map: Map<String, Value>,
}

/// What the properties files of all packages say.
#[derive(Clone, Debug, Default)]
pub(in crate::models) struct Properties {
    /// By top-level key: `models`, `sources`, …
    entries: std::collections::BTreeMap<&'static str, Vec<Entry>>,
}

/// The lists that are read.
const LISTS: &[&str] = &[
    "models",
    "seeds",
    "snapshots",
    "sources",
    "exposures",
    "macros",
    "analyses",
    "unit_tests",
    "groups",
    "data_tests",
];

impl Properties {
    /// Reads the properties files of a package.
    ///
    /// # Errors
    /// A file is no YAML, or an entry is no map with a name.
    pub(in crate::models) fn add(&mut self, project: &ProjectFile) -> Result<()> {
        let mut seen = std::collections::BTreeSet::new();
        for kind in ["model-paths", "seed-paths", "snapshot-paths", "analysis-paths", "macro-paths", "test-paths"] {
            for file in files(project, kind, &["yml", "yaml"])? {
                if seen.insert(file.path.clone()) {
                    self.read(project, &file.path, &file.text)?;
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, project: &ProjectFile, file: &str, text: &str) -> Result<()> {
        let top: Value = yaml::parse(text, file)?;
        let top = match top {
            Value::Null => return Ok(()),
            Value::Object(top) => top,
            _ => {
                return Err(Error::new(
                    Kind::ModelProject,
                    format!("{file}: it is no map with keys such as models and sources"),
                ));
            }
        };
        if !shape::fits(&top) {
            // Told by the parser, which knows the line.
            shape::refuse(text, file)?;
        }
        for list in LISTS {
            let given = match *list {
                "data_tests" => top.get("data_tests").or_else(|| top.get("tests")),
                list => top.get(list),
            };
            let items = match given {
                None | Some(Value::Null) => continue,
                Some(Value::Array(items)) => items,
                Some(_) => return Err(Error::new(Kind::ModelProject, format!("{file}: '{list}' must be a list"))),
            };
            for (at, item) in items.iter().enumerate() {
                let wrong =
                    |what: &str| Error::new(Kind::ModelProject, format!("{file}: {list}, entry {}: {what}", at + 1));
                let map = item.as_object().ok_or_else(|| wrong("it is no map with a name"))?;
                let name = match map.get("name") {
                    Some(Value::String(name)) if !name.is_empty() => name.clone(),
                    Some(Value::Number(number)) => number.to_string(),
                    _ => return Err(wrong("it has no name")),
                };
                let (package, file) = (project.name.clone(), file.to_owned());
                self.entries.entry(list).or_default().push(Entry { package, file, name, map: map.clone() });
            }
        }
        Ok(())
    }

    /// The entries of a list.
    pub(in crate::models) fn of(&self, list: &str) -> &[Entry] {
        self.entries.get(list).map_or(&[], Vec::as_slice)
    }
}
