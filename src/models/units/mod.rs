//! Unit tests run: a model's query over given rows, compared with the rows that it shall give.
//!
//! `query` makes the SQL, `difference` compares. Guarantee: a unit test leaves nothing behind, whatever it does, and
//! its failure is its model's alone; only a warehouse that fails is an error here.

mod difference;
mod query;

use super::{
    context::connection::{On, with_connection},
    manifest::{Manifest, Node},
    testing,
    verdict::{TestStatus, TestVerdict},
};
use crate::{
    error::{Error, Kind, Result},
    telemetry::{Metrics, rounded_seconds},
    warehouse::{Answer, Transaction},
};
use chrono::{DateTime, Utc};
use difference::{Rows, difference};
use std::{sync::Arc, time::Instant};

/// Runs unit tests; `verdicts` takes what they say.
pub(super) async fn run(
    transaction: &Transaction<'_>,
    manifest: &Arc<Manifest>,
    tests: &[&Node],
    started: DateTime<Utc>,
    metrics: &Metrics,
    verdicts: &mut Vec<TestVerdict>,
) -> Result<()> {
    for test in tests {
        let verdict = run_one(transaction, manifest, test, started).await?;
        metrics.model_tests.with_label_values(&[verdict.status.as_str()]).inc();
        verdicts.push(verdict);
    }
    Ok(())
}

async fn run_one(
    transaction: &Transaction<'_>,
    manifest: &Arc<Manifest>,
    test: &Node,
    started: DateTime<Utc>,
) -> Result<TestVerdict> {
    const DOING: &str = "running a unit test";
    let since = Instant::now();
    transaction.batch("savepoint amalgam_unit_test", DOING).await?;
    let (kept, id) = (manifest.clone(), test.id.clone());
    let hanging = Default::default();
    let asked = with_connection(On::Transaction(transaction, &hanging), move |connection| {
        let test = kept.node(&id)?;
        let mut compiled = None;
        let answer = query::ask(&kept, test, started, &connection, &mut compiled);
        Ok::<_, Error>((compiled, answer))
    });
    let (compiled, answer) = asked.await??;
    transaction.batch("rollback to savepoint amalgam_unit_test", DOING).await?;
    let (status, message) = match answer.and_then(|answer| judged(test, answer)) {
        Ok(None) => (TestStatus::Pass, None),
        Ok(Some(table)) => (TestStatus::Fail, Some(format!("actual differs from expected:\n\n{table}"))),
        Err(error)
            if matches!(error.kind, Kind::ModelProject | Kind::ModelRender | Kind::ModelSql | Kind::ModelTest) =>
        {
            (TestStatus::Error, Some(error.to_string()))
        }
        Err(error) => return Err(error),
    };
    let name = test.unit.as_ref().map_or_else(|| test.name.clone(), |unit| unit.shown(test));
    let seconds = rounded_seconds(since.elapsed());
    let failures = i64::from(status == TestStatus::Fail);
    Ok(TestVerdict { id: test.id.clone(), name, status, failures, message, compiled, seconds, kept_since: None })
}

/// What the rows of the answer say: the last column tells of which side each is.
fn judged(test: &Node, answer: Answer) -> Result<Option<String>> {
    let (mut actual, mut expected) = (Rows::default(), Rows::default());
    let mut columns = answer.columns;
    columns.pop();
    for mut row in answer.rows {
        match row.pop().flatten().as_deref() {
            Some("actual") => actual.push(row),
            Some("expected") => expected.push(row),
            _ => {
                return Err(Error::new(
                    Kind::ModelTest,
                    format!("{}: {}: a row of neither side", test.file, test.name),
                ));
            }
        }
    }
    Ok(difference(&columns, expected, actual))
}

/// Refuses a model whose unit tests failed.
pub(super) fn judge(node: &Node, verdicts: &[TestVerdict]) -> Result<()> {
    let failed = verdicts.iter().filter(|v| v.status.is_bad()).map(|v| v.id.as_str());
    testing::refuse(node, "unit tests", failed.map(|id| id.rsplit('.').next().unwrap_or(id).to_owned()).collect())
}
