//! What a run is asked for, and what came of it.

use crate::{
    domain::{RunId, RunState, TaskKind, TaskState},
    sync::SyncOptions,
};
use serde::{Deserialize, Serialize};

/// What a run is asked for. Kept with the run, so that it can be continued after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunRequest {
    /// What is selected: see [`super::selection`].
    pub select: Vec<String>,
    /// Load and build everything selected again.
    pub full: bool,
    /// Compare every selected table with the source in full.
    pub reconcile: bool,
}

impl Default for RunRequest {
    fn default() -> Self {
        Self { select: vec!["*".to_owned()], full: false, reconcile: false }
    }
}

impl RunRequest {
    /// How its tables are synced.
    pub(super) fn sync_options(&self) -> SyncOptions {
        SyncOptions { full: self.full, reconcile: self.reconcile, every_row: false }
    }
}

/// What came of a run.
#[derive(Clone, Debug, Serialize)]
pub struct RunSummary {
    /// Its number.
    pub run: RunId,
    /// How it ended.
    pub state: RunState,
    /// What went wrong with the run itself.
    pub error: Option<String>,
}

/// What happens in a run, for whoever watches it.
#[derive(Clone, Debug)]
pub enum Event {
    /// The tasks are known.
    Planned {
        /// Which run.
        run: RunId,
        /// Tasks to do.
        tasks: usize,
        /// Tables that need nothing.
        unchanged: usize,
    },
    /// An attempt began.
    Begun {
        /// Which run.
        run: RunId,
        /// What the task does.
        kind: TaskKind,
        /// To what.
        subject: String,
    },
    /// An attempt ended.
    Ended {
        /// Which run.
        run: RunId,
        /// What the task does.
        kind: TaskKind,
        /// To what.
        subject: String,
        /// Where the task stands now; pending: it will be tried again.
        state: TaskState,
        /// What was done, or what went wrong, in a few words.
        note: String,
    },
}
