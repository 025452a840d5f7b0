//! What the tests said, by both.

use super::super::Result;
use serde_json::Value as Json;
use std::{collections::BTreeMap, path::Path};

/// The outcome and the failures of each test, by name.
pub(super) type Verdicts = BTreeMap<String, (String, i64)>;

/// What we printed.
pub(super) fn ours(printed: &Path) -> Result<Verdicts> {
    let said: Json = serde_json::from_str(&std::fs::read_to_string(printed)?)?;
    taken(&said, |test| test["test"].as_str().map(str::to_owned))
}

/// What dbt left in `run_results.json`, whose ids are `test.package.name.number`.
pub(super) fn theirs(target: &Path) -> Result<Verdicts> {
    let said: Json = serde_json::from_str(&std::fs::read_to_string(target.join("run_results.json"))?)?;
    taken(&said["results"], |test| test["unique_id"].as_str()?.split('.').nth(2).map(str::to_owned))
}

fn taken(said: &Json, name: impl Fn(&Json) -> Option<String>) -> Result<Verdicts> {
    let list = said.as_array().filter(|list| !list.is_empty()).ok_or("no test was run")?;
    let one = |test: &Json| {
        let status = test["status"].as_str()?.to_owned();
        Some((name(test)?, (status, test["failures"].as_i64().unwrap_or_default())))
    };
    list.iter().map(|test| one(test).ok_or_else(|| format!("a test without a verdict: {test}").into())).collect()
}

/// Refuses verdicts that are not equal.
pub(super) fn compare(ours: &Verdicts, theirs: &Verdicts) -> Result<()> {
    let names = ours.keys().chain(theirs.keys());
    match names.into_iter().find(|name| ours.get(*name) != theirs.get(*name)) {
        None => Ok(()),
        Some(name) => Err(format!("test {name}: {:?} by us, {:?} by dbt", ours.get(name), theirs.get(name)).into()),
    }
}
