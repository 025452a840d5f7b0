//! One entry of a list in a properties file, and the places of what it says.

use super::yaml::{self, Step};
use crate::error::{Error, Kind};
use serde_json::{Map, Value};
use std::path::Path;

/// One entry of a list in a properties file.
#[derive(Clone, Debug)]
pub(in crate::models) struct Entry {
    /// The package.
    pub package: String,
    /// The file, relative to the package's root.
    pub file: String,
    /// The line in the file.
    pub line: Option<usize>,
    /// The list, and which of its entries it is.
    pub at: (&'static str, usize),
    /// Its name.
    pub name: String,
    /// All of it.
    pub map: Map<String, Value>,
}

impl Entry {
    /// Its file and line; `shown` is the file's name in messages.
    pub(in crate::models) fn place(&self, shown: &str) -> String {
        self.line.map_or_else(|| shown.to_owned(), |line| format!("{shown}:{line}"))
    }

    /// The steps from the top of the file to what lies below the entry.
    pub(in crate::models) fn steps(&self, below: &[Step]) -> Vec<Step> {
        [&[Step::Key(self.at.0.to_owned()), Step::Item(self.at.1)], below].concat()
    }

    /// The steps from the entry to a map that is a part of it: a column, a table, a version.
    pub(in crate::models) fn way_to(&self, part: &Map<String, Value>) -> Vec<Step> {
        way(&self.map, part).unwrap_or_default()
    }

    /// What is wrong with what lies below it: with the place in the file, which is read again.
    pub(in crate::models) fn wrong(&self, root: &Path, shown: &str, below: &[Step], what: &str) -> Error {
        match yaml::text_of(&root.join(&self.file), shown) {
            Ok(text) => yaml::wrong(&text, shown, &self.steps(below), what),
            Err(_) => Error::new(Kind::ModelProject, format!("{}: {what}", self.place(shown))),
        }
    }
}

fn way(map: &Map<String, Value>, part: &Map<String, Value>) -> Option<Vec<Step>> {
    if std::ptr::eq(map, part) {
        return Some(Vec::new());
    }
    let below = |value: &Value| match value {
        Value::Array(items) => items.iter().enumerate().find_map(|(at, item)| {
            let way = way(item.as_object()?, part)?;
            Some([vec![Step::Item(at)], way].concat())
        }),
        _ => None,
    };
    // What else holds maps is never looked for.
    let lists = ["columns", "tables", "versions"].into_iter().filter_map(|key| Some((key, map.get(key)?)));
    lists.filter_map(|(key, value)| Some([vec![Step::Key(key.to_owned())], below(value)?].concat())).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_part_is_found_by_where_it_is_and_told_with_its_line() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = "models:\n  - name: a\n  - name: b\n    columns:\n      - name: x\n      - name: x\n";
        std::fs::write(folder.path().join("a.yml"), text).expect("written");
        let map = json!({"name": "b", "columns": [{"name": "x"}, {"name": "x"}]});
        let entry = Entry {
            package: "p".to_owned(),
            file: "a.yml".to_owned(),
            line: Some(3),
            at: ("models", 1),
            name: "b".to_owned(),
            map: map.as_object().expect("a map").clone(),
        };
        let part = entry.map["columns"][1].as_object().expect("a map");
        let way = entry.way_to(part);
        let told = entry.wrong(folder.path(), "a.yml", &way, "it is there twice").to_string();
        assert!(
            told.starts_with("a.yml:6:9: it is there twice\n") && told.contains("\n>    6 |       - name: x"),
            "{told}"
        );
        let gone = entry.wrong(Path::new("/nowhere"), "a.yml", &way, "it is there twice").to_string();
        assert_eq!(gone, "a.yml:3: it is there twice");
    }
}
