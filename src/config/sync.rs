//! `[sync]` and `[tables.<name>]`: how tables are kept in step.

use crate::domain::SyncMode;
use serde::{Deserialize, Serialize};

/// How tables are kept in step.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sync {
    /// Tables to keep in step, by name, `*` standing for anything.
    pub include: Vec<String>,
    /// Tables to leave out, by name, `*` standing for anything.
    pub exclude: Vec<String>,
    /// Tables brought in step at once.
    pub parallel_tables: usize,
    /// Bytes that one batch on its way into the warehouse holds at most.
    pub batch_bytes_max: usize,
    /// Seconds read again before the watermark: rows stamped by a statement that was under way.
    pub overlap_seconds: u64,
    /// Minutes after which the sync of one table is given up.
    pub timeout_minutes: u64,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            include: vec!["*".to_owned()],
            exclude: Vec::new(),
            parallel_tables: 2,
            batch_bytes_max: 1 << 20,
            overlap_seconds: 60,
            timeout_minutes: 120,
        }
    }
}

/// What is decided by hand for one table.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableOverride {
    /// The mode, instead of the one discovery chooses.
    pub mode: Option<SyncMode>,
    /// The stamp column of `merge`.
    pub cursor: Option<String>,
}
