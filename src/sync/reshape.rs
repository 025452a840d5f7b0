//! Gives a raw table the shape that the source's table has now, in place.
//!
//! Columns are added and widened in the transaction of the rows. A view stands in the way of another type
//! of its columns: what hangs on the table is taken off and made again, in the same transaction.

use super::{SyncOutcome, job::Job};
use crate::{
    domain::{ChangeKind, TableName},
    error::{Error, Kind, Result},
    telemetry::Metrics,
    warehouse::{Dependents, Transaction},
};
use tracing::{info, warn};

impl Job<'_> {
    /// Refuses to write where somebody's trigger or rule may change or swallow what is written: nobody would notice.
    ///
    /// # Errors
    /// [`Kind::RawMeddled`] with what is in the way.
    pub(super) fn refuse_meddlers(&self) -> Result<()> {
        let meddlers = self.state.and_then(|s| s.raw.as_ref()).map_or(&[][..], |raw| &raw.meddlers);
        if meddlers.is_empty() {
            return Ok(());
        }
        let told = format!(
            "{} is not written: on its table {}.{} is {}, which may change or swallow rows",
            self.table.name,
            self.warehouse.raw_schema(),
            self.table.raw_name(),
            meddlers.join(", ")
        );
        Err(Error::new(Kind::RawMeddled, told))
    }

    /// Adds and widens columns.
    pub(super) async fn reshape(&self, transaction: &Transaction<'_>) -> Result<()> {
        let (schema, name) = (self.warehouse.raw_schema(), &*self.table.raw_name());
        if !self.drift.added.is_empty() {
            let sql = self.raw().add_columns(&self.drift.added);
            transaction.batch(&sql, &format!("adding columns to {name}")).await?;
        }
        if !self.drift.widened.is_empty() {
            let dependents = Dependents::take(transaction, schema, name).await?;
            let sql = self.raw().widen_columns(&self.drift.widened);
            transaction.batch(&sql, &format!("widening columns of {name}")).await?;
            dependents.restore(transaction, |_, _| None).await?;
        }
        Ok(())
    }

    /// Tells what has become of a table whose shape had changed; its history was written with its rows.
    pub(super) fn tell_drift(&self, outcome: &SyncOutcome, metrics: &Metrics) {
        let table: &TableName = &self.table.name;
        for change in &self.drift.changes {
            let (kind, told) = (change.kind, change.told.as_str());
            metrics.schema_changes.with_label_values(&[kind.as_str()]).inc();
            match kind {
                ChangeKind::Added | ChangeKind::Widened => {
                    info!(%table, change = %kind, action = ?outcome.action, "the source's table has changed: {told}");
                }
                ChangeKind::Redeclared | ChangeKind::Dropped | ChangeKind::Reloaded => {
                    warn!(%table, change = %kind, action = ?outcome.action, "the source's table has changed: {told}");
                }
            }
        }
    }
}
