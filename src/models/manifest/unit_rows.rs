//! Rows that unit tests give and expect: dictionaries, CSV, SQL, and files of fixtures.
//!
//! Read as dbt does it (dbt-core, `parser/unit_tests.py`): an empty value of a CSV is null, and the first row without
//! a null goes to the front, so that types can be told from it.

use super::wrong;
use crate::error::Result;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// Rows, or the query that gives them.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::models) enum UnitRows {
    /// Values by column.
    Rows(Vec<Map<String, Json>>),
    /// A query; its Jinja is rendered when it is compiled.
    Sql(String),
}

/// Rows with what was written of them.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::models) struct UnitFixture {
    /// The rows.
    pub rows: UnitRows,
    /// `dict`, `csv` or `sql`.
    format: String,
    /// The file they are in, by its name without the ending.
    fixture: Option<String>,
}

/// Texts of the files of fixtures of a package, by name.
pub(super) type Fixtures = BTreeMap<String, String>;

impl UnitFixture {
    /// Reads one entry of `given`, or `expect`. `seed` gives the text of the input's own file, where it is a seed.
    pub(super) fn read(
        entry: &Map<String, Json>,
        fixtures: &Fixtures,
        seed: impl FnOnce() -> Result<Option<String>>,
        shown: &str,
    ) -> Result<Self> {
        let format = entry.get("format").and_then(Json::as_str).unwrap_or("dict").to_lowercase();
        let fixture = entry.get("fixture").and_then(Json::as_str).map(str::to_owned);
        let rows = entry.get("rows").filter(|rows| !rows.is_null());
        let text = || -> Result<String> {
            match (&fixture, rows) {
                (Some(name), _) => fixtures.get(name).cloned().ok_or_else(|| {
                    let hint = super::hint(name, fixtures.keys());
                    wrong(shown, format!("there is no fixture '{name}' below fixtures/ of the tests' folder{hint}"))
                }),
                (None, Some(Json::String(text))) => Ok(text.clone()),
                (None, _) => Err(wrong(shown, format!("rows of the format {format} are a text, or a fixture"))),
            }
        };
        let rows = match format.as_str() {
            "dict" => match (rows, &fixture) {
                (Some(Json::Array(rows)), _) => {
                    let row = |row: &Json| row.as_object().cloned();
                    let rows: Option<Vec<_>> = rows.iter().map(row).collect();
                    rows.ok_or_else(|| wrong(shown, "each row of the format dict is a map from columns to values"))?
                }
                (None, None) => match seed()? {
                    Some(text) => of_csv(&text, shown, false)?,
                    None => return Err(wrong(shown, "it has no rows; only a seed's may be left out")),
                },
                _ => return Err(wrong(shown, "rows of the format dict are a list of maps; csv and sql are texts")),
            },
            "csv" => of_csv(&text()?, shown, true)?,
            "sql" => return Ok(Self { rows: UnitRows::Sql(text()?), format, fixture }),
            other => return Err(wrong(shown, format!("the format '{other}' is none of dict, csv and sql"))),
        };
        Ok(Self { rows: UnitRows::Rows(whole_first(rows)), format, fixture })
    }

    /// As its artifact describes it.
    pub(super) fn described(&self) -> Map<String, Json> {
        let rows = match &self.rows {
            UnitRows::Rows(rows) => Json::Array(rows.iter().cloned().map(Json::Object).collect()),
            UnitRows::Sql(text) => text.as_str().into(),
        };
        Map::from_iter([
            ("rows".to_owned(), rows),
            ("format".to_owned(), self.format.as_str().into()),
            ("fixture".to_owned(), json!(self.fixture)),
        ])
    }
}

/// Rows of a CSV: all values are texts.
fn of_csv(text: &str, shown: &str, is_empty_null: bool) -> Result<Vec<Map<String, Json>>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let names = reader.headers().map_err(|e| wrong(shown, e))?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| wrong(shown, e))?;
        if record.len() > names.len() {
            let what =
                format!("row {} has {} values and there are {} columns", rows.len() + 1, record.len(), names.len());
            return Err(wrong(shown, what));
        }
        let cell = |at: usize| match record.get(at) {
            None => Json::Null,
            Some("") if is_empty_null => Json::Null,
            Some(text) => text.into(),
        };
        rows.push(names.iter().enumerate().map(|(at, name)| (name.to_owned(), cell(at))).collect());
    }
    Ok(rows)
}

fn whole_first(mut rows: Vec<Map<String, Json>>) -> Vec<Map<String, Json>> {
    if let Some(at) = rows.iter().position(|row| row.values().all(|value| !value.is_null())) {
        rows.swap(0, at);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entry: Json) -> Result<UnitRows> {
        let fixtures = Fixtures::from([("some".to_owned(), "a,b\n1,\n2,x\n".to_owned())]);
        let seed = || Ok(Some("a\n\"\"\n".to_owned()));
        UnitFixture::read(entry.as_object().expect("a map"), &fixtures, seed, "x.yml").map(|fixture| fixture.rows)
    }

    fn rows(json: Json) -> UnitRows {
        UnitRows::Rows(json.as_array().expect("a list").iter().filter_map(|row| row.as_object().cloned()).collect())
    }

    #[test]
    fn rows_come_in_each_of_their_formats() {
        for (entry, expected) in [
            (json!({"rows": [{"a": null}, {"a": 1}]}), rows(json!([{"a": 1}, {"a": null}]))),
            (json!({"rows": []}), rows(json!([]))),
            (json!({"format": "csv", "rows": "a,b\n1,\"x, y\"\n"}), rows(json!([{"a": "1", "b": "x, y"}]))),
            (json!({"format": "csv", "fixture": "some"}), rows(json!([{"a": "2", "b": "x"}, {"a": "1", "b": null}]))),
            (json!({"format": "sql", "rows": "select 1"}), UnitRows::Sql("select 1".to_owned())),
            (json!({}), rows(json!([{"a": ""}]))),
        ] {
            assert_eq!(read(entry.clone()).expect("sound"), expected, "{entry}");
        }
    }

    #[test]
    fn rows_that_are_not_of_their_format_are_refused() {
        for (entry, expected) in [
            (json!({"rows": "a\n1"}), "csv and sql are texts"),
            (json!({"rows": [1]}), "a map from columns to values"),
            (json!({"format": "csv", "rows": []}), "a text, or a fixture"),
            (json!({"format": "csv", "fixture": "sone"}), "did you mean 'some'?"),
            (json!({"format": "xml", "rows": "x"}), "none of dict, csv and sql"),
            (json!({"format": "csv", "rows": "a\n1,2"}), "row 1 has 2 values"),
        ] {
            let error = read(entry.clone()).expect_err("it is refused").to_string();
            assert!(error.contains(expected), "{entry}: {error}");
        }
    }
}
