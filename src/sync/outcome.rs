//! What a sync tells of itself: what it would do and why, what it did, and how two sides differ.
//!
//! Counts and reasons alone, never a value.

use super::RuledColumn;
use crate::{
    domain::{SyncMode, Table, TableName},
    source::Untold,
    telemetry::Metrics,
};
use serde::Serialize;

/// What a sync of one table would do now, and why.
#[derive(Clone, Debug, Serialize)]
pub struct TablePlan {
    /// The table as the source has it now.
    #[serde(skip)]
    pub table: Table,
    /// How it is kept in step.
    pub mode: SyncMode,
    /// Why that mode, in words.
    pub mode_reason: String,
    /// What would be done.
    pub action: Action,
    /// Why that action, in words.
    pub action_reason: String,
    /// Columns that become another type than declared, and by which rule.
    pub types: Vec<RuledColumn>,
}

/// What a sync of one table does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing: the table has not changed since it was last read.
    Skip,
    /// The whole table into a new one.
    Load,
    /// What the mode finds new.
    Delta,
    /// Both sides compared in full, the difference applied.
    Reconcile,
}

/// What a sync of one table did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SyncOutcome {
    /// What was done.
    pub action: Action,
    /// Whether more is to be read at once: a load went on that an earlier sync had begun, or rows may be
    /// missing from it.
    pub look_again: bool,
    /// Why a table that is to follow the source's log did not.
    pub untold: Option<Untold>,
    /// Rows read from the source.
    pub rows_read: u64,
    /// Rows that are new in the warehouse.
    pub rows_inserted: u64,
    /// Rows that changed in the warehouse.
    pub rows_updated: u64,
    /// Rows that are gone from the warehouse.
    pub rows_deleted: u64,
    /// Rows that were set aside.
    pub rows_quarantined: u64,
    /// Dates that became null (zero, partial, impossible).
    pub dates_coerced: u64,
    /// Local times that their zone leaves out or has twice, for which one instant was chosen.
    pub local_times_coerced: u64,
    /// Texts with NUL or invalid UTF-8 that got U+FFFD in their place.
    pub texts_coerced: u64,
    /// Chunks that a comparison passed over, because neither side has changed.
    pub chunks_quiet: u64,
    /// Chunks whose rows it compared.
    pub chunks_walked: u64,
}

impl SyncOutcome {
    /// With nothing counted yet.
    pub(super) fn of(action: Action) -> Self {
        Self {
            action,
            look_again: false,
            untold: None,
            rows_read: 0,
            rows_inserted: 0,
            rows_updated: 0,
            rows_deleted: 0,
            rows_quarantined: 0,
            dates_coerced: 0,
            local_times_coerced: 0,
            texts_coerced: 0,
            chunks_quiet: 0,
            chunks_walked: 0,
        }
    }

    /// Takes in what a later step of the same sync did.
    pub(super) fn add(&mut self, later: &Self) {
        self.untold = later.untold.or(self.untold);
        self.rows_read += later.rows_read;
        self.rows_inserted += later.rows_inserted;
        self.rows_updated += later.rows_updated;
        self.rows_deleted += later.rows_deleted;
        // A comparison sets every unfit row aside anew.
        let again = matches!(later.action, Action::Load | Action::Reconcile);
        self.rows_quarantined = later.rows_quarantined + if again { 0 } else { self.rows_quarantined };
        self.dates_coerced += later.dates_coerced;
        self.local_times_coerced += later.local_times_coerced;
        self.texts_coerced += later.texts_coerced;
        self.chunks_quiet += later.chunks_quiet;
        self.chunks_walked += later.chunks_walked;
    }

    /// Whether any row of the warehouse changed.
    pub fn changed(&self) -> bool {
        self.action == Action::Load || self.rows_inserted + self.rows_updated + self.rows_deleted > 0
    }

    /// Puts what was done with a table into the metrics.
    pub(super) fn count(&self, table: &TableName, metrics: &Metrics) {
        let name = table.as_str();
        if let Some(untold) = self.untold {
            metrics.log_not_followed.with_label_values(&[untold.as_str()]).inc();
        }
        metrics.rows_read.inc_by(self.rows_read);
        for (operation, rows) in
            [("insert", self.rows_inserted), ("update", self.rows_updated), ("delete", self.rows_deleted)]
        {
            metrics.rows_written.with_label_values(&[operation]).inc_by(rows);
        }
        for (outcome, chunks) in [("quiet", self.chunks_quiet), ("walked", self.chunks_walked)] {
            metrics.chunks.with_label_values(&[outcome]).inc_by(chunks);
        }
        let coerced =
            [("date", self.dates_coerced), ("local_time", self.local_times_coerced), ("text", self.texts_coerced)];
        for (rule, values) in coerced {
            if values > 0 {
                metrics.values_coerced.with_label_values(&[name, rule]).inc_by(values);
            }
        }
    }
}

/// How two sides differ, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Rows of the source.
    pub rows: u64,
    /// Rows that only the source has.
    pub missing: u64,
    /// Rows of one key that differ in some value.
    pub different: u64,
    /// Rows that only the warehouse has.
    pub surplus: u64,
    /// Rows of the source that have no place in the warehouse; no difference.
    pub quarantined: u64,
    /// Rows that only the warehouse has, where the rule is to keep them as they are.
    pub kept: u64,
}

impl Differences {
    /// Whether both sides are equal, value for value, but for what is kept by rule.
    pub fn none(self) -> bool {
        self.missing + self.different + self.surplus == 0
    }
}
