//! Reads what the mode finds new: `merge` by stamp, `append` by key.
//!
//! Guarantee: never reads below `watermark - overlap`; two rows with one stamp at the edge of a range
//! are both read, because the cursor is stamp and key.

use super::{
    Action, SyncOutcome,
    job::{Found, Job},
    staging::Staging,
};
use crate::{
    domain::Watermark,
    error::{Error, Kind, Result},
    source::Order,
};
use chrono::TimeDelta;

impl Job<'_> {
    /// Stages the rows at or above the watermark and writes those that differ.
    pub(super) async fn delta(&self) -> Result<SyncOutcome> {
        let order = self.delta_order()?;
        let mut staging = Staging::new(self.warehouse.session().await?, self.raw(), self.config.batch_bytes_max);
        let (reading, mut batches) = self.feed(order);
        let (fed, ()) = tokio::try_join!(reading, staging.take(&mut batches))?;
        self.apply(staging, Found::all(Action::Delta, fed)).await
    }

    fn delta_order(&self) -> Result<Order> {
        let overlap = TimeDelta::seconds(i64::try_from(self.config.overlap_seconds).unwrap_or(i64::MAX / 1000));
        match (self.state.and_then(|s| s.watermark.as_ref()), self.stamp) {
            (Some(Watermark::Stamp(at)), Some(column)) => Ok(Order::Stamp { column, from: *at - overlap }),
            (Some(Watermark::Key(key)), _) => Ok(Order::Key { after: Some(*key) }),
            _ => Err(Error::new(
                Kind::Internal,
                format!("a delta of {} was planned without a watermark", self.table.name),
            )),
        }
    }
}
