//! `[[schedule]]`: when what shall run.

use serde::{Deserialize, Serialize};

/// One schedule.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Its name; unique.
    pub name: String,
    /// Five fields (minute hour day month weekday), or six with seconds in front.
    pub cron: String,
    /// IANA name of the zone in which the expression is meant.
    #[serde(default = "utc")]
    pub timezone: String,
    /// What runs: `*` for all, else names of tables and models with `*`, and `+` before or after a
    /// name for what it needs and what needs it.
    #[serde(default = "all")]
    pub select: Vec<String>,
    /// What happens when the last run of this schedule is still under way.
    #[serde(default)]
    pub overlap: Overlap,
    /// What happens to fires that were missed while the daemon was down.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// Compares every selected table in full, which finds deletes and edits without a stamp.
    #[serde(default)]
    pub reconcile: bool,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

/// What happens when the last run of a schedule is still under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The fire is left out.
    #[default]
    Skip,
    /// The fire waits; at most one waits.
    Queue,
}

/// What happens to fires that were missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// However many were missed, one run makes up for them.
    #[default]
    Once,
    /// They are let go.
    None,
}
