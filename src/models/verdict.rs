//! What comes out of a test.

use crate::domain::ModelId;
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
