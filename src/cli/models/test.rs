//! Tests of what is published.

use super::build::tell_unit;
use crate::{
    cli::{Context, Outcome, failure, output},
    domain::ModelId,
    models::{Models, TestStatus, UnitChoice, UnitStatus},
};
use serde::Serialize;

/// One line of the tests' summary.
#[derive(Debug, Serialize)]
struct TestLine {
    test: String,
    status: &'static str,
    failures: i64,
}

pub(super) async fn test(models: &Models, ids: &[ModelId], context: &Context) -> anyhow::Result<Outcome> {
    let mut lines = Vec::new();
    let mut failed = false;
    for id in ids {
        match models.test(id).await {
            Ok(verdicts) => {
                failed |= verdicts.iter().any(|v| v.status == TestStatus::Fail);
                lines.extend(verdicts.into_iter().map(|v| TestLine {
                    test: v.name,
                    status: v.status.as_str(),
                    failures: v.failures,
                }));
            }
            Err(error) => {
                failed = true;
                failure::tell(id.as_str(), &error);
            }
        }
        match models.test_units(id, &UnitChoice::All).await {
            Ok(units) => {
                units.iter().for_each(tell_unit);
                failed |= units.iter().any(|unit| unit.status != UnitStatus::Pass);
                lines.extend(units.into_iter().map(|unit| TestLine {
                    failures: i64::from(unit.status == UnitStatus::Fail),
                    status: unit.status.as_str(),
                    test: unit.name,
                }));
            }
            Err(error) => {
                failed = true;
                failure::tell(id.as_str(), &error);
            }
        }
    }
    output::rows(context.format(), &lines)?;
    Ok(if failed { Outcome::Failed } else { Outcome::Done })
}
