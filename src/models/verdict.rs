//! What comes out of a test, and how long that holds.

use super::wall_clock;
use crate::domain::ModelId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What came out of a test of data or of a unit test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestVerdict {
    /// Its unique id.
    pub id: ModelId,
    /// Its name; of a unit test `model::test`, as dbt shows it.
    pub name: String,
    /// The outcome.
    pub status: TestStatus,
    /// What the test counts: rows that failed, where it does not say otherwise.
    pub failures: i64,
    /// What was found, or what went wrong.
    pub message: Option<String>,
    /// The SQL that was run, where it could be made.
    #[serde(skip)]
    pub compiled: Option<String>,
    /// How long it took.
    #[serde(skip)]
    pub seconds: f64,
    /// When the test was run, where that was not now: nothing has changed since.
    #[serde(skip)]
    pub kept_since: Option<DateTime<Utc>>,
}

/// What a test said, until something changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptVerdict {
    /// What it said.
    #[serde(flatten)]
    pub verdict: TestVerdict,
    /// Of the test, as it was then.
    pub checksum: String,
    /// What it saw of the clock.
    pub clock: Option<String>,
    /// When that was.
    pub at: DateTime<Utc>,
}

impl KeptVerdict {
    /// Why it does not hold for a test with that checksum now; `None` where it does. What it was run on is another
    /// matter.
    pub(super) fn stale(&self, checksum: &str, now: DateTime<Utc>) -> Option<String> {
        let name = &self.verdict.name;
        if self.checksum != checksum {
            return Some("its tests changed".to_owned());
        }
        if self.verdict.status.is_bad() {
            return Some(format!("test {name} failed when it was run last"));
        }
        let is_still = self.clock.as_ref().is_none_or(|clock| wall_clock::is_still(clock, now));
        (!is_still).then(|| format!("the date turned, which test {name} reads"))
    }

    /// As it is told again.
    pub(super) fn told(&self) -> TestVerdict {
        TestVerdict { kept_since: Some(self.at), ..self.verdict.clone() }
    }
}

/// The outcome of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestStatus {
    /// Nothing was found.
    Pass,
    /// Something was found, and it only warns.
    Warn,
    /// Something was found, and the model is held back.
    Fail,
    /// The test can't be used, or the warehouse refused its SQL.
    Error,
    /// What it compares with is not there yet.
    Skip,
}

impl TestStatus {
    /// Every verdict, in the order of declaration.
    pub const ALL: &'static [Self] = &[Self::Pass, Self::Warn, Self::Fail, Self::Error, Self::Skip];

    /// The word in metrics and on screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Skip => "skip",
        }
    }

    /// Whether a model with this outcome is held back.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Fail | Self::Error)
    }
}
