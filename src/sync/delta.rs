//! Reads what the mode finds new: `merge` by stamp, `append` by key.
//!
//! Where the source then has fewer rows than there ought to be, [`super::deletes`] finds which are gone.
//! Guarantee: never reads below `watermark - overlap`; two rows with one stamp at the edge of a range
//! are both read, because the cursor is stamp and key.

use super::{
    Action, SyncOutcome,
    feed::Ends,
    job::{Found, Job},
    staging::Staging,
};
use crate::{
    domain::{Engine, Watermark},
    error::{Error, Kind, Result},
    source::Order,
};

/// So many keys below the watermark are read again where the engine shows rows in another order than it
/// numbers them.
const LATE_KEYS: i128 = 1000;

impl Job<'_> {
    /// Stages the rows at or above the watermark and writes those that differ.
    pub(super) async fn delta(&self) -> Result<SyncOutcome> {
        let order = self.delta_order()?;
        let mut staging = Staging::new(self.warehouse.session().await?, self.raw(), self.config.batch_bytes_max);
        let (reading, mut batches) = self.feed(order, Ends::WithTheTable);
        let (fed, ()) = tokio::try_join!(reading, staging.take(&mut batches))?;
        let mut found = Found::all(Action::Delta, fed, Vec::new());
        if self.has_lost_rows(&mut staging).await? {
            let Some(rows) = self.stage_deletes(&mut staging).await? else { return self.reconcile().await };
            found.rows_before = Some(rows);
        }
        self.apply(staging, found).await
    }

    fn delta_order(&self) -> Result<Order> {
        match (self.state.and_then(|s| s.watermark.as_ref()), self.stamp) {
            (Some(Watermark::Stamp(at)), Some(column)) => {
                Ok(Order::Stamp { column, from: *at - self.config.overlap() })
            }
            (Some(Watermark::Key(key)), _) if self.table.engine == Engine::MyIsam && !self.source.is_replica() => {
                Ok(Order::Key { after: vec![*key] })
            }
            // Handed out before its row could be seen: a key may come after a higher one.
            (Some(Watermark::Key(key)), _) => Ok(Order::Key { after: vec![key.saturating_sub(LATE_KEYS)] }),
            _ => Err(Error::new(
                Kind::Internal,
                format!("a delta of {} was planned without a watermark", self.table.name),
            )),
        }
    }
}
