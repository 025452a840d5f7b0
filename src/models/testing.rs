//! Tests of a model, run in the transaction that will publish it.

use super::{
    generic_test::{TestStatus, TestVerdict},
    manifest::{AttachedTest, Manifest, Node},
    scope::{Scope, Task, lock},
};
use crate::{
    error::{Error, Kind, Result},
    telemetry::Metrics,
    warehouse::Transaction,
};
use chrono::{DateTime, Utc};
use std::sync::Arc;

/// Failed tests named in one error, at most.
const NAMED_MAX: usize = 10;

/// Runs the tests of a model and counts what they say; `under` is where its version lies for now.
pub(super) async fn run(
    transaction: &Transaction<'_>,
    manifest: &Manifest,
    node: &Node,
    under: &str,
    started: DateTime<Utc>,
    metrics: &Metrics,
) -> Result<Vec<TestVerdict>> {
    let manner = super::compile::Manner { incremental: false, full_refresh: false, started };
    let scope = manifest.scope(node, manner);
    let mut verdicts = Vec::with_capacity(node.tests.len());
    for attached in &node.tests {
        let verdict = run_one(transaction, manifest, node, under, attached, &scope).await?;
        metrics.model_tests.with_label_values(&[verdict.status.as_str()]).inc();
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

async fn run_one(
    transaction: &Transaction<'_>,
    manifest: &Manifest,
    node: &Node,
    under: &str,
    attached: &AttachedTest,
    scope: &Arc<Scope>,
) -> Result<TestVerdict> {
    let test = &attached.test;
    let skipped = || TestVerdict { name: test.name.clone(), status: TestStatus::Skip, failures: 0 };
    if attached.waits {
        return Ok(skipped());
    }
    let subject = manifest.node(&attached.subject)?;
    let relation = if subject.id == node.id { under.to_owned() } else { subject.relation.to_string() };
    let condition = match test.condition() {
        Some(condition) => Some(manifest.templates.render_text(&condition, &attached.shown, scope)?),
        None => None,
    };
    let to = match test.expression() {
        Some(expression) => Some(other(manifest, node, under, expression, attached, scope)?),
        None => None,
    };
    if let Some(to) = to.as_deref().filter(|to| to.starts_with('"')) {
        let there =
            transaction.query_one("select to_regclass($1) is not null", &[&to], "looking for a relation").await?;
        // What a test compares with may come later the first time; it then runs when that is there.
        if !there.get::<_, bool>(0) {
            return Ok(skipped());
        }
    }
    let sql = test.sql(&relation, to.as_deref(), condition.as_deref());
    let row = transaction.execute_count(&sql, &format!("test {}", test.name)).await.map_err(|e| match e.kind {
        Kind::WarehouseQuery => Error::new(Kind::ModelSql, format!("{}: {}", attached.shown, e.context)),
        _ => e,
    })?;
    Ok(test.verdict(row.0, row.1, row.2))
}

/// The other relation of a test, as it is written into the SQL.
fn other(
    manifest: &Manifest,
    node: &Node,
    under: &str,
    expression: &str,
    attached: &AttachedTest,
    scope: &Arc<Scope>,
) -> Result<String> {
    let named = manifest.templates.evaluate(expression, &attached.shown, scope)?.to_string();
    if let Task::Compile(compile) = &scope.task {
        let ephemeral = std::mem::take(&mut *lock(&compile.ephemeral));
        if let Some(model) = ephemeral.first().and_then(|name| manifest.by_name(name)) {
            let manner = super::compile::Manner { incremental: false, full_refresh: false, started: compile.started };
            return Ok(format!("(\n{}\n) {named}", manifest.compile(model, manner)?));
        }
    }
    Ok(if named == node.relation.to_string() { under.to_owned() } else { named })
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
