//! What a build of one model is asked for, and what it tells beside its outcome.

use super::verdict::TestVerdict;
use crate::domain::{ModelId, RunId};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// How a model is built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildOptions {
    /// Whether it is made from scratch.
    pub full_refresh: bool,
    /// Whether it is made whether or not anything changed.
    pub always: bool,
    /// Which of its tests and unit tests are run.
    pub tests: TestChoice,
    /// Of a microbatch model: the first moment whose rows are taken; dbt's `--event-time-start`.
    pub event_time_start: Option<DateTime<Utc>>,
    /// Of a microbatch model: the first moment whose rows are taken no longer; dbt's `--event-time-end`.
    pub event_time_end: Option<DateTime<Utc>>,
    /// The run that it is a part of.
    pub run: Option<RunId>,
}

impl BuildOptions {
    /// Whether a span of event time was asked for.
    pub(super) fn has_span(&self) -> bool {
        self.event_time_start.is_some() || self.event_time_end.is_some()
    }
}

impl From<bool> for BuildOptions {
    /// Usual but for a full refresh, where that is asked for.
    fn from(full_refresh: bool) -> Self {
        Self { full_refresh, ..Self::default() }
    }
}

/// Which tests and unit tests are run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TestChoice {
    /// All of the model's.
    #[default]
    All,
    /// None: it is published untested.
    None,
    /// Those of these unique ids.
    These(BTreeSet<ModelId>),
}

impl TestChoice {
    /// Whether a test is among them.
    pub(super) fn has(&self, test: &ModelId) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::These(ids) => ids.contains(test),
        }
    }
}

/// What a build tells beside its outcome, be it a failure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// What the unit tests said that ran before the model was made.
    pub units: Vec<TestVerdict>,
    /// What the tests said.
    pub tests: Vec<TestVerdict>,
    /// Of a microbatch model: its batches, of which all were built or none.
    pub batches: Vec<BatchSpan>,
    /// The SQL of the model, where it could be made.
    pub compiled: Option<String>,
    /// What the warehouse answered to the statement that made the relation.
    pub response: Option<Response>,
}

/// What the warehouse answers to a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The command: `SELECT`, `CREATE VIEW`, `MERGE`.
    pub code: String,
    /// Rows that it wrote, where it tells.
    pub rows: Option<u64>,
}

/// The span of event time of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSpan {
    /// The first moment.
    pub from: DateTime<Utc>,
    /// The first moment that is no longer part of it.
    pub until: DateTime<Utc>,
}
