//! `[retry]`: how often and how fast to try again.

use serde::{Deserialize, Serialize};

/// Bounds of the attempts at one task.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, the first included.
    pub attempts_max: u32,
    /// Milliseconds before the second attempt, at most.
    pub delay_milliseconds_initial: u64,
    /// Milliseconds before any attempt, at most.
    pub delay_milliseconds_max: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts_max: 5, delay_milliseconds_initial: 500, delay_milliseconds_max: 60_000 }
    }
}
