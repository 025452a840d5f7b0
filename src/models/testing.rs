//! Tests of a node, run in the transaction that will publish it.

use super::{
    compile::{self, Manner},
    context::connection::{On, with_connection},
    manifest::{Manifest, Node},
    relation::Relation,
    templates,
    verdict::{TestStatus, TestVerdict},
};
use crate::{
    domain::ModelId,
    error::{Error, Kind, Result},
    telemetry::Metrics,
    warehouse::{Located, Transaction},
};
use chrono::{DateTime, Utc};
use minijinja::value::Value;
use std::{collections::BTreeMap, sync::Arc};

/// Failed tests named in one error, at most.
const NAMED_MAX: usize = 10;

/// Runs the tests of a node and counts what they say. `stands_for`: relations that stand for those that are published.
pub(super) async fn run(
    transaction: &Transaction<'_>,
    manifest: &Arc<Manifest>,
    node: &Node,
    stands_for: &[(Relation, Relation)],
    started: DateTime<Utc>,
    metrics: &Metrics,
) -> Result<Vec<TestVerdict>> {
    let ids: Vec<ModelId> = manifest.tests.get(&node.id).cloned().unwrap_or_default();
    let mut verdicts = Vec::with_capacity(ids.len());
    for id in ids {
        let verdict = run_one(transaction, manifest, manifest.node(&id)?, stands_for, started).await?;
        metrics.model_tests.with_label_values(&[verdict.status.as_str()]).inc();
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

async fn run_one(
    transaction: &Transaction<'_>,
    manifest: &Arc<Manifest>,
    test: &Node,
    stands_for: &[(Relation, Relation)],
    started: DateTime<Utc>,
) -> Result<TestVerdict> {
    let skipped = || TestVerdict { name: test.name.clone(), status: TestStatus::Skip, failures: 0 };
    test.sound()?;
    // What a test compares with may come later the first time; it then runs when that is there.
    if !is_there(transaction, manifest, test, stands_for).await? {
        return Ok(skipped());
    }
    let (manifest, id, stands_for) = (manifest.clone(), test.id.clone(), stands_for.to_vec());
    let hanging = Default::default();
    let sql = with_connection(On::Transaction(transaction, &hanging), move |connection| {
        let test = manifest.node(&id)?;
        let manner = Manner { as_new: false, stands_for, ..Manner::new(started, Some(connection)) };
        let sql = compile::compile(&manifest, test, &manner)?;
        manifest.write_compiled(test, &sql);
        counted(&manifest, test, &manner, &sql)
    })
    .await??;
    let answer = transaction.answer(&sql, true, &format!("test {}", test.name)).await;
    let answer = answer.map_err(|Located { error, position }| match error.kind {
        Kind::WarehouseQuery => {
            let line = position.and_then(|at| (at as usize).checked_sub(1)).map(|at| compile::line_of(&sql, at));
            let excerpt = line.map_or_else(String::new, |line| super::jinja::excerpt(&sql, line, 0));
            Error::new(Kind::ModelSql, format!("{}: {}{excerpt}", test.file, error.context))
        }
        _ => error,
    })?;
    verdict(test, answer.rows.first().map(Vec::as_slice).unwrap_or_default())
}

/// One row: failures, whether to warn, whether to fail.
fn counted(manifest: &Arc<Manifest>, test: &Node, manner: &Manner, sql: &str) -> Result<String> {
    let text = |key: &str, usual: &str| test.settings.text(key).unwrap_or_else(|| usual.to_owned());
    let limit =
        test.settings.get("limit").filter(|v| !v.is_null()).map_or_else(|| Value::from(()), super::jinja::from_json);
    let scope = compile::scope(manifest, test, manner, BTreeMap::new());
    let values = [
        Value::from(sql),
        text("fail_calc", "count(*)").into(),
        text("warn_if", "!= 0").into(),
        text("error_if", "!= 0").into(),
        limit,
    ];
    templates::call(&scope, test, "get_test_sql", &values).map(|value| value.to_string())
}

/// The outcome that follows from what the SQL gave.
fn verdict(test: &Node, row: &[Option<String>]) -> Result<TestVerdict> {
    let cell = |at: usize| row.get(at).and_then(Option::as_deref);
    let wrong = |what: &str| Error::new(Kind::ModelTest, format!("{}: test {}: {what}", test.file, test.name));
    let failures = match cell(0) {
        None => return Err(wrong("its fail_calc gave null; it must give a number")),
        Some(text) => text.parse::<f64>().map_err(|_| wrong("its fail_calc gave no number"))?,
    };
    let is = |at: usize| cell(at) == Some("t");
    let warns = test.settings.text("severity").is_some_and(|s| s.eq_ignore_ascii_case("warn"));
    let status = match (warns, is(1), is(2)) {
        (false, _, true) => TestStatus::Fail,
        (_, true, _) => TestStatus::Warn,
        _ => TestStatus::Pass,
    };
    #[expect(clippy::cast_possible_truncation, reason = "a count of rows, or what somebody made of it")]
    let failures = if status == TestStatus::Pass { 0 } else { failures as i64 };
    Ok(TestVerdict { name: test.name.clone(), status, failures })
}

/// Whether every relation that a test reads is there.
async fn is_there(
    transaction: &Transaction<'_>,
    manifest: &Manifest,
    test: &Node,
    stands_for: &[(Relation, Relation)],
) -> Result<bool> {
    let mut names = Vec::new();
    for parent in test.parents.iter().filter_map(|id| manifest.nodes.get(id)) {
        if parent.fault.is_some() {
            return Ok(false);
        }
        let stands = stands_for.iter().any(|(published, _)| *published == parent.relation);
        if parent.resource.is_built() && !parent.is_ephemeral() && !stands {
            names.push(parent.relation.quoted());
        }
    }
    let sql = "select coalesce(bool_and(to_regclass(name) is not null), true) from unnest($1::text[]) as wanted (name)";
    Ok(transaction.query_one(sql, &[&names], "looking for relations").await?.get(0))
}

/// Refuses a version whose tests of error severity failed.
pub(super) fn judge(node: &Node, verdicts: &[TestVerdict]) -> Result<()> {
    let failed: Vec<String> = verdicts
        .iter()
        .filter(|v| v.status == TestStatus::Fail)
        .map(|v| format!("{} ({} failure{})", v.name, v.failures, if v.failures == 1 { "" } else { "s" }))
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    let more = failed.len().saturating_sub(NAMED_MAX);
    let mut named = failed[..failed.len() - more].join(", ");
    if more > 0 {
        named.push_str(&format!(" and {more} more"));
    }
    Err(Error::new(Kind::ModelTest, format!("{}: tests failed: {named}", node.name)))
}
