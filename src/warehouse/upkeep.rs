//! What keeps the schema `amalgam` in order.

use super::{Warehouse, relation};
use crate::error::Result;

const SCHEMA: &str = "amalgam";

impl Warehouse {
    /// Drops what is left of loads that nobody went on with for so many days, of tables that are not kept in step any
    /// more; how many.
    ///
    /// # Errors
    /// The server fails.
    pub async fn drop_left_loads(&self, days: i32) -> Result<usize> {
        let doing = "dropping loads that were left";
        let mut session = self.session().await?;
        let transaction = session.begin().await?;
        let left = transaction.query(include_str!("queries/left_loads.sql"), &[&days], doing).await?;
        for load in &left {
            transaction.batch(&format!("drop table if exists {}", relation(SCHEMA, load.get(0))), doing).await?;
        }
        transaction.commit().await?;
        Ok(left.len())
    }

    /// Takes dead rows out of the control plane's tables, and has the server look at them anew; how many tables.
    ///
    /// # Errors
    /// The server fails.
    pub async fn vacuum_control_plane(&self) -> Result<usize> {
        let doing = "vacuuming the control plane's tables";
        let session = self.session().await?;
        let tables = session.query(include_str!("queries/control_tables.sql"), &[], doing).await?;
        for table in &tables {
            session.batch(&format!("vacuum (analyze) {}", relation(SCHEMA, table.get(0))), doing).await?;
        }
        Ok(tables.len())
    }
}
