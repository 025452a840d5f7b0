//! YAML files, read with the place of whatever is wrong in them.
//!
//! Read as PyYAML does it for dbt, [`scalar`] says how. Lenient where dbt is: unknown keys are passed over, of two
//! equal keys the last one counts and [`Document::twice`] tells of them.

mod scalar;
mod tree;

use crate::{
    error::{Error, Kind, Result},
    models::jinja::excerpt,
};
use serde_json::{Map, Value};
use std::{collections::HashMap, path::Path};
pub(in crate::models) use tree::Step;
pub(super) use tree::Strange;

/// A file that was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    /// Its value; null where it is empty.
    pub value: Value,
    /// Keys that stand twice in one map, with the line of the second.
    pub twice: Vec<(String, usize)>,
    /// Where values are that JSON has no word for.
    pub strange: Vec<(Vec<Step>, Strange)>,
    lines: HashMap<String, Vec<usize>>,
}

impl Document {
    /// The line of an item of a list right below the top.
    pub(super) fn line(&self, list: &str, item: usize) -> Option<usize> {
        self.lines.get(list)?.get(item).copied()
    }
}

/// Reads a text; `shown` is the name of the file in messages.
///
/// # Errors
/// [`Kind::ModelProject`] with file, line, column and the lines around it.
pub(super) fn document(text: &str, shown: &str) -> Result<Document> {
    let read = tree::read(text, &[]);
    let tree = read.map_err(|fault| wrong_at(text, shown, fault.at.line(), fault.at.col(), &fault.what))?;
    Ok(Document { value: tree.value, twice: tree.twice, strange: tree.strange, lines: tree.lines })
}

/// What is wrong with the value at the end of some steps: with its place, or with that of the last step that is there.
pub(super) fn wrong(text: &str, shown: &str, steps: &[Step], what: &str) -> Error {
    match tree::read(text, steps).ok().and_then(|tree| tree.found) {
        Some((_, at)) => wrong_at(text, shown, at.line(), at.col(), what),
        None => Error::new(Kind::ModelProject, format!("{shown}: {what}")),
    }
}

/// The line of the value at the end of some steps, or of the last that is there.
pub(in crate::models) fn line_of(text: &str, steps: &[Step]) -> Option<usize> {
    tree::read(text, steps).ok()?.found.map(|(_, at)| at.line())
}

fn wrong_at(text: &str, shown: &str, line: usize, column: usize, what: &str) -> Error {
    let around = excerpt(text, line, 0);
    Error::new(Kind::ModelProject, format!("{shown}:{line}:{}: {what}{around}", column + 1))
}

/// Reads a file that holds a map. An empty one holds none.
pub(in crate::models) fn read(path: &Path, shown: &str) -> Result<Map<String, Value>> {
    parse(&text_of(path, shown)?, shown)
}

/// Reads a file that holds a map and may hold secrets: no line of it is shown.
pub(super) fn read_secret(path: &Path, shown: &str) -> Result<Map<String, Value>> {
    parse(&text_of(path, shown)?, shown).map_err(|error| {
        let first = error.context.lines().next().unwrap_or_default();
        Error::new(error.kind, first)
    })
}

/// The text of a file.
pub(in crate::models) fn text_of(path: &Path, shown: &str) -> Result<String> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::new(Kind::ModelProject, format!("{shown}: {e}")))?;
    Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))
}

/// Reads a text that holds a map.
pub(in crate::models) fn parse(text: &str, shown: &str) -> Result<Map<String, Value>> {
    match document(text, shown)?.value {
        Value::Null => Ok(Map::new()),
        Value::Object(map) => Ok(map),
        _ => Err(Error::new(Kind::ModelProject, format!("{shown}: it must hold a map of keys"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_bad_file_is_named_with_its_line_and_shown() {
        let error = parse("a: 1\nb: [1, 2\nc: 3\n", "models/schema.yml").expect_err("the bracket is never closed");
        assert_eq!(error.kind, Kind::ModelProject);
        assert!(error.context.starts_with("models/schema.yml:3:"), "{error}");
        assert!(error.context.contains("\n>    3 | c: 3"), "{error}");
    }

    #[test]
    fn of_two_equal_keys_the_last_counts_and_an_empty_file_is_nothing() {
        let read = document("a: 1\nb:\n  c: 1\n  c: 3\na: 2\n", "x.yml").expect("equal keys are allowed");
        assert_eq!(read.value, json!({"a": 2, "b": {"c": 3}}));
        assert_eq!(read.twice, [("c".to_owned(), 4), ("a".to_owned(), 5)]);
        assert!(parse("# nothing\n", "x.yml").expect("empty").is_empty());
        assert!(parse("---\n", "x.yml").expect("empty").is_empty());
    }

    #[test]
    fn quoted_scalars_are_texts_and_tags_are_heeded() {
        let read = parse("a: 'yes'\nb: yes\nc: !!str 1\nd: |\n  x\n  y\ne: \"1\"\n1: one\n", "x.yml").expect("good");
        assert_eq!(Value::Object(read), json!({"a": "yes", "b": true, "c": "1", "d": "x\ny\n", "e": "1", "1": "one"}));
    }

    #[test]
    fn merged_maps_stand_below_what_the_map_says_itself() {
        let text = "base: &base {a: 1, b: 1}\nother: &other {b: 2, c: 2}\nmade:\n  a: 0\n  <<: [*base, *other]\n";
        assert_eq!(parse(text, "x.yml").expect("good")["made"], json!({"a": 0, "b": 1, "c": 2}));
    }

    #[test]
    fn jinja_that_is_not_quoted_is_told_so() {
        let error = parse("a: 1\nb: {{ var('x') }}\n", "x.yml").expect_err("no YAML");
        assert!(error.context.starts_with("x.yml:2:") && error.context.contains("quote the text"), "{error}");
    }

    #[test]
    fn aliases_that_unfold_without_end_are_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let below = format!("*a{}, ", level - 1).repeat(9);
            text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(parse(&text, "x.yml").expect_err("too many").context.contains("aliases stand for"));
    }

    #[test]
    fn places_of_values_and_of_entries_are_known() {
        let text = "models:\n  - name: a\n    columns:\n      - name: x\n  - name: b\n    columns: 3\n";
        let read = document(text, "x.yml").expect("good");
        assert_eq!((read.line("models", 0), read.line("models", 1), read.line("models", 2)), (Some(2), Some(5), None));
        let steps = [Step::Key("models".into()), Step::Item(1), Step::Key("columns".into())];
        assert!(wrong(text, "x.yml", &steps, "must be a list").context.starts_with("x.yml:6:14: must be a list\n"));
        let beyond = [Step::Key("models".into()), Step::Item(0), Step::Key("nothing".into())];
        assert!(wrong(text, "x.yml", &beyond, "must be there").context.starts_with("x.yml:2:5: "));
    }

    #[test]
    fn secrets_are_not_shown() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("profiles.yml");
        std::fs::write(&path, "p:\n  pass: [hunter2\n").expect("written");
        let error = read_secret(&path, "profiles.yml").expect_err("not closed");
        assert!(error.context.starts_with("profiles.yml:") && !error.context.contains("hunter2"), "{error}");
    }
}
