//! One table in step with the source.

use crate::{
    config,
    domain::{Catalog, SyncMode, Table, TableName},
    error::{Error, Kind, Result},
    source::Source,
    telemetry::Metrics,
    warehouse::Warehouse,
};
use serde::Serialize;
use std::sync::Arc;

/// Brings tables in step. Cheap to clone.
#[derive(Clone)]
pub struct Syncer {
    source: Source,
    warehouse: Warehouse,
    config: Arc<config::Sync>,
    metrics: Arc<Metrics>,
}

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

/// How a sync of one table is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncOptions {
    /// Load everything again, beside the present rows.
    pub full: bool,
    /// Compare in full and mend, even where the mode would read less.
    pub reconcile: bool,
}

/// What a sync of one table did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SyncOutcome {
    /// What was done.
    pub action: Action,
    /// Rows read from the source.
    pub rows_read: u64,
    /// Rows that are new in the warehouse.
    pub rows_inserted: u64,
    /// Rows that changed in the warehouse.
    pub rows_updated: u64,
    /// Rows that are gone from the warehouse.
    pub rows_deleted: u64,
    /// Values that the warehouse can't hold as they are and that were replaced, by the mapping's rule.
    pub values_coerced: u64,
}

impl SyncOutcome {
    /// Whether any row of the warehouse changed.
    pub fn changed(&self) -> bool {
        self.action == Action::Load || self.rows_inserted + self.rows_updated + self.rows_deleted > 0
    }
}

impl Syncer {
    /// Puts both sides together.
    pub fn new(source: Source, warehouse: Warehouse, config: Arc<config::Config>, metrics: Arc<Metrics>) -> Self {
        Self { source, warehouse, config: Arc::new(config.sync.clone()), metrics }
    }

    /// What the source holds, with include and exclude applied.
    pub async fn discover(&self) -> Result<Catalog> {
        self.source.describe(None).await
    }

    /// What a sync would do now: for the tables named, or all.
    pub async fn plan(&self, _only: Option<&[TableName]>, _options: SyncOptions) -> Result<Vec<TablePlan>> {
        let _ = (&self.warehouse, &self.config, &self.metrics);
        Err(Error::new(Kind::Internal, "not yet"))
    }

    /// Brings one table in step. Looks at both sides afresh, so that doing it again is harmless.
    /// Dropping the future rolls everything back.
    pub async fn sync_table(&self, _table: &TableName, _options: SyncOptions) -> Result<SyncOutcome> {
        Err(Error::new(Kind::Internal, "not yet"))
    }
}
