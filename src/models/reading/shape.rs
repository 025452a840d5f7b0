//! What a properties file must look like, as far as that is not lenient: which keys hold lists and which hold maps.
//!
//! Only looked at; what an entry says is taken from the file as it is.

use super::yaml;
use crate::error::Result;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    models: Option<Vec<Entry>>,
    seeds: Option<Vec<Entry>>,
    snapshots: Option<Vec<Entry>>,
    sources: Option<Vec<Entry>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    description: Option<Value>,
    config: Option<Map<String, Value>>,
    columns: Option<Vec<Map<String, Value>>>,
    tests: Option<Vec<Value>>,
    data_tests: Option<Vec<Value>>,
    tables: Option<Vec<Entry>>,
    versions: Option<Vec<Map<String, Value>>>,
}

/// Whether a file has the shape.
pub(super) fn fits(top: &Map<String, Value>) -> bool {
    File::deserialize(top).is_ok()
}

/// The error of a file that has not.
pub(super) fn refuse(text: &str, file: &str) -> Result<()> {
    yaml::parse::<File>(text, file).map(drop)
}
