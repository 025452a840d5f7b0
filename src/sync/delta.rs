//! Reads what the mode finds new: `merge` by stamp, `append` by key.
//!
//! Where the source then has fewer rows than there ought to be, [`super::deletes`] finds which are gone; where it has
//! more, both sides are compared ([`super::balance`]).
//! Guarantee: never reads below `watermark - overlap`; two rows with one stamp at the edge of a range
//! are both read, because the cursor is stamp and key. A log that was emptied, and whose keys began anew, is
//! noticed by the row at the watermark, which is gone or another; then both sides are compared in full.
//! Not noticed: a new log that has, at the very key of the watermark, a row equal in every value; a watermark
//! above the keys of 64 bits with a sign. Those wait for the next comparison.

use super::{
    Action, SyncOutcome,
    balance::Balance,
    deletes::Gone,
    job::{Found, Job, NO_KEY},
    staging::Staging,
};
use crate::{
    domain::{Engine, KeyRange, Watermark},
    error::{Error, Kind, Result},
    source::Order,
};
use tracing::info;

/// So many keys below the watermark are read again where the engine shows rows in another order than it
/// numbers them.
const LATE_KEYS: i128 = 1000;

impl Job<'_> {
    /// Stages the rows at or above the watermark and writes those that differ.
    pub(super) async fn delta(&self) -> Result<SyncOutcome> {
        let order = self.delta_order()?;
        let mut staging = Staging::new(self.warehouse.session().await?, self.raw(), self.config.batch_bytes_max);
        let (reading, mut batches) = self.feed(order);
        let (fed, ()) = tokio::try_join!(reading, staging.take(&mut batches))?;
        // Afterwards: had it been emptied in between, its rows would be taken for new ones of the old log.
        if self.has_begun_anew().await? {
            // It holds a connection; the comparison takes its own.
            drop(staging);
            return self.reconcile().await;
        }
        let mut found = Found::all(Action::Delta, fed, Vec::new());
        match self.balance(&mut staging).await? {
            Balance::Even => {}
            Balance::Back(rows) => found.rows_before = self.state.map(|s| s.row_count.unsigned_abs() + rows),
            Balance::Lost(lost) => match self.stage_deletes(&mut staging, lost).await? {
                Gone::Staged(rows) => found.rows_before = rows,
                Gone::TooMany => {
                    drop(staging);
                    return self.reconcile().await;
                }
            },
            Balance::Missed(rows) => {
                let table = &self.table.name;
                info!(%table, rows, "the source counts rows that came behind the watermark: both sides are compared");
                drop(staging);
                return self.reconcile().await;
            }
        }
        self.apply(staging, found).await
    }

    /// Whether the row at the watermark of a log is another than the one that was read, or none.
    async fn has_begun_anew(&self) -> Result<bool> {
        let Some(Watermark::Key(key)) = self.state.and_then(|s| s.watermark.as_ref()) else { return Ok(false) };
        let Some(key) = i64::try_from(*key).ok().filter(|_| *key != NO_KEY) else { return Ok(false) };
        let found = self.compare_range(KeyRange { from: key, to: key }).await?;
        Ok(found.rows == 0 || !found.none())
    }

    fn delta_order(&self) -> Result<Order> {
        match (self.state.and_then(|s| s.watermark.as_ref()), self.stamp) {
            (Some(Watermark::Stamp(at)), Some(column)) => {
                Ok(Order::Stamp { column, from: *at - self.config.overlap() })
            }
            (Some(Watermark::Key(NO_KEY)), _) => Ok(Order::Key { after: Vec::new() }),
            (Some(Watermark::Key(key)), _) if self.table.engine == Engine::MyIsam && !self.source.is_replica() => {
                Ok(Order::Key { after: vec![*key] })
            }
            // Handed out before its row could be seen: a key may come after a higher one.
            (Some(Watermark::Key(key)), _) => Ok(Order::Key { after: vec![(key - LATE_KEYS).max(NO_KEY)] }),
            _ => Err(Error::new(
                Kind::Internal,
                format!("a delta of {} was planned without a watermark", self.table.name),
            )),
        }
    }
}
