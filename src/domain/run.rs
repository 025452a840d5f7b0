//! Runs, tasks and attempts: run > task > attempt.
//!
//! The states are drawn in `docs/state-machine.md` and guarded by the database's own checks.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One activation of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub i64);

/// One node of a run's graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub i64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $type { $($(#[$vdoc])* $variant),+ }

        impl $type {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used in the database, logs, metrics and screens.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The variant of a word; `None` for any other.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(
    /// The state of a run.
    RunState {
        /// Set when the run is made; lasts until its last task has ended or the process dies, in
        /// which case the next process continues it.
        Running = "running",
        /// Set by the executor when every task succeeded or had nothing to do. Final.
        Succeeded = "succeeded",
        /// Set by the executor when a task failed. Final.
        Failed = "failed",
        /// Set by the executor on a person's wish. Final.
        Cancelled = "cancelled",
    }
);

words!(
    /// The state of a task.
    TaskState {
        /// Set when the run is made, and again when an attempt was interrupted or will be retried.
        Pending = "pending",
        /// Set by the executor when an attempt begins.
        Running = "running",
        /// Set by the executor. Final.
        Succeeded = "succeeded",
        /// Set by the executor when the inputs of a task have not changed. Final.
        Unchanged = "unchanged",
        /// Set by the executor when no attempt is left or the failure can't be healed by another. Final.
        Failed = "failed",
        /// Set by the executor when something above failed; the cause is recorded. Final.
        Skipped = "skipped",
        /// Set by the executor on a person's wish. Final.
        Cancelled = "cancelled",
    }
);

words!(
    /// The state of an attempt.
    AttemptState {
        /// Set when the attempt begins.
        Running = "running",
        /// Set when it ended well. Final.
        Succeeded = "succeeded",
        /// Set when it ended with an error. Final.
        Failed = "failed",
        /// Set when the process stopped or died in the middle; costs no retry budget. Final.
        Interrupted = "interrupted",
    }
);

words!(
    /// What a task does.
    TaskKind {
        /// Brings one table in step with the source.
        Sync = "sync",
        /// Compares one table with the source in full and mends it.
        Reconcile = "reconcile",
        /// Builds, tests and publishes one model.
        Model = "model",
        /// Keeps the control plane in order.
        Maintenance = "maintenance",
        /// Runs what the project wants before or after its models.
        Operation = "operation",
    }
);

impl TaskKind {
    /// Whether it asks the source.
    pub fn reads_source(self) -> bool {
        matches!(self, Self::Sync | Self::Reconcile)
    }
}

words!(
    /// What started a run.
    Trigger {
        /// A schedule was due.
        Schedule = "schedule",
        /// A person asked.
        Manual = "manual",
    }
);
