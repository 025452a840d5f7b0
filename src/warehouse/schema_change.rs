//! The history of the tables' shapes.
//!
//! Guarantee: written only within the transaction that does what it tells.

use super::Transaction;
use crate::{
    domain::{SchemaChange, TableName},
    error::Result,
};

impl Transaction<'_> {
    /// Notes what was done about a table whose shape had changed.
    pub async fn note_schema_changes(&self, table: &TableName, changes: &[SchemaChange]) -> Result<()> {
        let sql = "insert into amalgam.schema_change (source_table, change, told) values ($1, $2, $3)";
        for change in changes {
            let doing = "noting a change of a table's shape";
            self.execute(sql, &[&table.as_str(), &change.kind.as_str(), &change.told], doing).await?;
        }
        Ok(())
    }
}
