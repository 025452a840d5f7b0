//! Keeps in step what has no key that orders both sides alike: no key at all, or one of text.
//!
//! All rows are staged and compared as a multiset: duplicates are kept exactly. They are read by the primary key as
//! the source orders it, where that can be followed; else in one statement.

use super::{
    Action, Differences, SyncOutcome,
    job::{Found, Job, count},
    staging::Staging,
};
use crate::{
    error::{Error, Kind, Result},
    source::Order,
};

impl Job<'_> {
    /// Stages everything and writes the difference.
    pub(super) async fn reconcile_whole(&self) -> Result<SyncOutcome> {
        let (staging, found) = self.stage_whole().await?;
        self.apply(staging, found).await
    }

    /// Stages everything and counts the difference.
    pub(super) async fn compare_whole(&self) -> Result<Differences> {
        let (mut staging, found) = self.stage_whole().await?;
        let refused = staging.set_aside().await?;
        let (session, _) = staging.finish().await?;
        let row = session.query_one(&self.raw().count_whole(), &[], &format!("comparing {}", self.table.name)).await?;
        Ok(Differences {
            rows: found.rows_read,
            missing: count(row.get(1))?,
            different: 0,
            surplus: count(row.get(0))?,
            quarantined: refused.len() as u64,
            kept: count(row.get(2))?,
        })
    }

    async fn stage_whole(&self) -> Result<(Staging<'_>, Found)> {
        for order in [Order::OwnKey, Order::Unordered] {
            if let Some(staged) = self.stage_whole_in(order).await? {
                return Ok(staged);
            }
        }
        Err(Error::new(Kind::Internal, "a statement without an order has not brought all rows"))
    }

    /// `None` where the order can't be followed to its end.
    async fn stage_whole_in(&self, order: Order) -> Result<Option<(Staging<'_>, Found)>> {
        let mut staging = Staging::new(self.warehouse.session().await?, self.raw(), self.config.batch_bytes_max);
        staging.make().await?;
        let (reading, mut batches) = self.feed(order);
        let (fed, ()) = tokio::try_join!(reading, staging.take(&mut batches))?;
        Ok(fed.whole.then(|| (staging, Found::all(Action::Reconcile, fed, Vec::new()))))
    }
}
