//! Unit tests run: a model's query over given rows, compared with the rows that it shall give.
//!
//! `query` makes the SQL, `difference` compares. Guarantee: a unit test leaves nothing behind, whatever it does, and
//! its failure is its model's alone; only a warehouse that fails is an error here.

mod difference;
mod query;

use super::{
    Models,
    context::connection::{On, with_connection},
    manifest::{Manifest, Node},
    verdict::TestStatus,
};
use crate::{
    domain::ModelId,
    error::{Error, Kind, Result},
    telemetry::{Metrics, rounded_seconds},
    warehouse::{Answer, Transaction},
};
use chrono::{DateTime, Utc};
use difference::{Rows, difference};
use serde::Serialize;
use std::{collections::BTreeSet, sync::Arc, time::Instant};

/// Failed unit tests named in one error, at most.
const NAMED_MAX: usize = 10;

/// Which unit tests a build runs before it makes a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UnitChoice {
    /// All of the model's.
    #[default]
    All,
    /// None.
    None,
    /// Those of these unique ids.
    These(BTreeSet<ModelId>),
}

/// What came out of a unit test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnitVerdict {
    /// Its unique id.
    pub id: ModelId,
    /// Its model and its name, as dbt shows them: `model::test`.
    pub name: String,
    /// The outcome.
    pub status: UnitStatus,
    /// The rows that differ, as a table; or what went wrong.
    pub message: Option<String>,
    /// The model's query over the given rows, where it could be made.
    pub compiled: Option<String>,
    /// How long it took.
    pub seconds: f64,
}

/// The outcome of a unit test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitStatus {
    /// The rows are those that were expected.
    Pass,
    /// They are others.
    Fail,
    /// The test can't be used, or the warehouse refused its SQL.
    Error,
}

impl UnitStatus {
    /// dbt's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Error => "error",
        }
    }
}

impl Models {
    /// Runs unit tests of a model, without building it.
    ///
    /// # Errors
    /// The warehouse fails, or there is no such model.
    pub async fn test_units(&self, model: &ModelId, choice: &UnitChoice) -> Result<Vec<UnitVerdict>> {
        let node = self.manifest.node(model)?;
        if *choice == UnitChoice::None || self.manifest.units_of(model).next().is_none() {
            return Ok(Vec::new());
        }
        let mut session = self.warehouse.session().await?;
        let transaction = session.begin().await?;
        let mut verdicts = Vec::new();
        run(&transaction, &self.manifest, node, choice, self.clock.now(), &self.metrics, &mut verdicts).await?;
        Ok(verdicts)
    }
}

/// Runs unit tests of a model; `verdicts` takes what they say.
pub(super) async fn run(
    transaction: &Transaction<'_>,
    manifest: &Arc<Manifest>,
    model: &Node,
    choice: &UnitChoice,
    started: DateTime<Utc>,
    metrics: &Metrics,
    verdicts: &mut Vec<UnitVerdict>,
) -> Result<()> {
    let is_chosen = |test: &&Node| match choice {
        UnitChoice::All => true,
        UnitChoice::None => false,
        UnitChoice::These(ids) => ids.contains(&test.id),
    };
    for test in manifest.units_of(&model.id).filter(is_chosen) {
        let verdict = run_one(transaction, manifest, test, started).await?;
        let status = if verdict.status == UnitStatus::Pass { TestStatus::Pass } else { TestStatus::Fail };
        metrics.model_tests.with_label_values(&[status.as_str()]).inc();
        verdicts.push(verdict);
    }
    Ok(())
}

async fn run_one(
    transaction: &Transaction<'_>,
    manifest: &Arc<Manifest>,
    test: &Node,
    started: DateTime<Utc>,
) -> Result<UnitVerdict> {
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
        Ok(None) => (UnitStatus::Pass, None),
        Ok(Some(table)) => (UnitStatus::Fail, Some(format!("actual differs from expected:\n\n{table}"))),
        Err(error)
            if matches!(error.kind, Kind::ModelProject | Kind::ModelRender | Kind::ModelSql | Kind::ModelTest) =>
        {
            (UnitStatus::Error, Some(error.to_string()))
        }
        Err(error) => return Err(error),
    };
    let name = test.unit.as_ref().map_or_else(|| test.name.clone(), |unit| unit.shown(test));
    let seconds = rounded_seconds(since.elapsed());
    Ok(UnitVerdict { id: test.id.clone(), name, status, message, compiled, seconds })
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
pub(super) fn judge(node: &Node, verdicts: &[UnitVerdict]) -> Result<()> {
    let failed: Vec<&str> = verdicts.iter().filter(|v| v.status != UnitStatus::Pass).map(|v| v.id.as_str()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let names = failed.iter().take(NAMED_MAX).map(|id| id.rsplit('.').next().unwrap_or(id));
    let named = names.collect::<Vec<_>>().join(", ");
    let more = failed.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(Error::new(Kind::ModelTest, format!("{}: unit tests failed: {named}{more}", node.name)))
}
