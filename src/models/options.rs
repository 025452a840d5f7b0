//! What a build of one model is asked for, and what it tells beside its outcome.

use super::units::{UnitChoice, UnitVerdict};
use crate::domain::RunId;
use chrono::{DateTime, Utc};

/// How a model is built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildOptions {
    /// Whether it is made from scratch.
    pub full_refresh: bool,
    /// Which of its unit tests run before it is made.
    pub units: UnitChoice,
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

/// What a build tells beside its outcome, be it a failure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// What the unit tests said that ran before the model was made.
    pub units: Vec<UnitVerdict>,
    /// The SQL that was run, with the ephemeral models in it.
    pub compiled: Option<String>,
    /// Of a microbatch model: its batches, of which all were built or none.
    pub batches: Vec<BatchSpan>,
}

/// The span of event time of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSpan {
    /// The first moment.
    pub from: DateTime<Utc>,
    /// The first moment that is no longer part of it.
    pub until: DateTime<Utc>,
}
