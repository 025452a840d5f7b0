//! One snapshot for all ranges of a table's read, where the engine has snapshots: InnoDB.
//!
//! MariaDB shares no snapshot between connections, so two tables are read from two. A snapshot holds up the
//! purge of old row versions, and whoever would alter the table: it is given up for a new one when it has
//! lasted for `source.snapshot_seconds_max`. Nothing relies on it: what comes between two of them is found
//! by the next read, because a watermark is taken before the first.
//! Bounds: one range beyond that time. Where we ask for no further range, because the warehouse hangs, the
//! server ends snapshot and connection after as long again: [`idle_bound`]. Where we take no more rows of a
//! range, its `net_write_timeout` does.

use super::{failure::failure, throttle::Gait, wire::Connection};
use crate::{
    domain::{Consistency, Table},
    error::Result,
};
use std::time::{Duration, Instant};

/// The snapshot of one reader.
pub(super) struct Snapshot {
    /// `None`: given up, and no new one begun yet.
    begun: Option<Instant>,
    time_max: Duration,
}

/// A setting of a session, to stand behind others: how long a transaction may be idle. MySQL has none, and
/// passes over it as a comment (MariaDB KB, "Transaction Timeouts").
pub(super) fn idle_bound(snapshot_seconds_max: u64) -> String {
    format!("/*M!100300 , idle_readonly_transaction_timeout = {snapshot_seconds_max} */")
}

impl Snapshot {
    /// Begins one; `None` where the engine has none, or it may not last at all.
    pub(super) async fn begin(connection: &mut Connection, table: &Table, time_max: Duration) -> Result<Option<Self>> {
        if table.engine.consistency() != Consistency::Snapshot || time_max.is_zero() {
            return Ok(None);
        }
        let mut snapshot = Self { begun: None, time_max };
        snapshot.begin_anew(connection).await?;
        Ok(Some(snapshot))
    }

    /// Ends with its connection, which nobody is given after its reader: see [`super::wire`].
    async fn begin_anew(&mut self, connection: &mut Connection) -> Result<()> {
        // The sessions are read-only and of repeatable reads from the first on.
        let sql = "start transaction with consistent snapshot";
        connection.run(sql).await.map_err(|e| failure(&e, "beginning a snapshot"))?;
        self.begun = Some(Instant::now());
        Ok(())
    }

    /// Whether it is to be given up; the server may have done so.
    pub(super) fn is_old(&self) -> bool {
        self.is_old_after(Duration::ZERO)
    }

    fn is_old_after(&self, wait: Duration) -> bool {
        self.begun.is_none_or(|begun| begun.elapsed() + wait >= self.time_max)
    }
}

/// Waits until the next range may begin. A snapshot that is old by then is given up for a new one: before the
/// wait, because that may be long.
pub(super) async fn pause(gait: &mut Gait, snapshot: Option<&mut Snapshot>, connection: &mut Connection) -> Result<()> {
    let wait = gait.wait();
    let Some(snapshot) = snapshot.filter(|snapshot| snapshot.is_old_after(wait)) else {
        return gait.pause(wait).await;
    };
    if !wait.is_zero() {
        connection.run("commit").await.map_err(|e| failure(&e, "ending a snapshot"))?;
        snapshot.begun = None;
    }
    gait.pause(wait).await?;
    snapshot.begin_anew(connection).await
}
