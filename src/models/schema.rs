//! Properties files (`schema.yml`, `_models.yml`, …): sources, and what is said about models.
//!
//! Gives plain shapes; what a test means lies in [`super::generic_test`].

use serde::Deserialize;
use serde_json::{Map, Value};

/// One properties file. Other top-level keys are passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Properties {
    /// Tables that are read and not made.
    pub sources: Option<Vec<Source>>,
    /// What is said about models.
    pub models: Option<Vec<Model>>,
}

/// A source: a schema that somebody else fills.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Source {
    /// Its name in `source()`.
    pub name: String,
    /// The schema; the source's name where none is given. May hold Jinja.
    pub schema: Option<String>,
    /// The database; the warehouse's where none is given. May hold Jinja.
    pub database: Option<String>,
    /// Its tables.
    pub tables: Option<Vec<SourceTable>>,
}

/// One table of a source.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SourceTable {
    /// Its name in `source()`.
    pub name: String,
    /// Its name in the warehouse, where it differs. May hold Jinja.
    pub identifier: Option<String>,
}

/// What is said about one model.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Model {
    /// The model's name.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Configuration.
    pub config: Option<Map<String, Value>>,
    /// Its columns.
    pub columns: Option<Vec<Column>>,
    /// Tests of the whole relation.
    #[serde(alias = "data_tests")]
    pub tests: Option<Vec<Value>>,
}

/// What is said about one column.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Column {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Whether the name needs quotes.
    pub quote: Option<bool>,
    /// Its tests.
    #[serde(alias = "data_tests")]
    pub tests: Option<Vec<Value>>,
}
