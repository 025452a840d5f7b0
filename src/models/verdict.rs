//! What comes out of a test.

use serde::Serialize;

/// What came out of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestVerdict {
    /// The test's name.
    pub name: String,
    /// The outcome.
    pub status: TestStatus,
    /// Rows that failed.
    pub failures: i64,
}

/// The outcome of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TestStatus {
    /// Nothing was found.
    Pass,
    /// Something was found, and it only warns.
    Warn,
    /// Something was found, and the model is held back.
    Fail,
    /// What it compares with is not there yet.
    Skip,
}

impl TestStatus {
    /// Every verdict, in the order of declaration.
    pub const ALL: &'static [Self] = &[Self::Pass, Self::Warn, Self::Fail, Self::Skip];

    /// The word in metrics and on screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
}
