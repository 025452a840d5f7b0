//! One snapshot for all ranges of a table's read, where the engine has snapshots: InnoDB.
//!
//! MariaDB shares no snapshot between connections, so two tables are read from two. A snapshot holds up the
//! purge of old row versions, and whoever would alter the table: it is given up for a new one when it has
//! lasted for `source.snapshot_seconds_max`. Nothing relies on it: what comes between two of them is found
//! by the next read, because a watermark is taken before the first.

use super::failure::failure;
use crate::{
    domain::{Consistency, Table},
    error::Result,
};
use mysql_async::{Conn, TxOpts, prelude::Queryable};
use std::time::{Duration, Instant};

/// The snapshot of one reader.
pub(super) struct Snapshot {
    begun: Instant,
    time_max: Duration,
}

impl Snapshot {
    /// Begins one; `None` where the engine has none, or it may not last at all.
    pub(super) async fn begin(connection: &mut Conn, table: &Table, time_max: Duration) -> Result<Option<Self>> {
        if table.engine.consistency() != Consistency::Snapshot || time_max.is_zero() {
            return Ok(None);
        }
        // The sessions are read-only and of repeatable reads from the first on.
        let mut options = TxOpts::default();
        options.with_consistent_snapshot(true);
        let begun = connection.start_transaction(options).await.map_err(|e| failure(&e, "beginning a snapshot"))?;
        // The connection stays marked as within a transaction: however its reader ends, it is rolled back
        // before anybody else is given it.
        std::mem::forget(begun);
        Ok(Some(Self { begun: Instant::now(), time_max }))
    }

    /// Gives an old one up for a new one. To be called between two ranges.
    pub(super) async fn renew(&mut self, connection: &mut Conn) -> Result<()> {
        if self.begun.elapsed() >= self.time_max {
            let sql = "start transaction with consistent snapshot";
            connection.query_drop(sql).await.map_err(|e| failure(&e, "beginning a snapshot"))?;
            self.begun = Instant::now();
        }
        Ok(())
    }
}
