//! Follows the source's binary log: it tells which rows have changed, and they are read by key.
//!
//! Guarantee: rows and the place of the log up to which they were told are committed together, so an event is
//! taken in again rather than lost. A row that is told and no longer there is deleted. Where the log does not
//! tell ([`Untold`]), both sides are compared.

use super::{
    SyncOutcome,
    batches::Batch,
    feed::Fed,
    job::{Found, Job},
    staging::Staging,
};
use crate::{
    domain::Watermark,
    error::{Error, Kind, Result},
    source::Untold,
    sync::Action,
};
use tracing::{info, warn};

impl Job<'_> {
    /// Notes how far the log has come, before everything is read.
    pub(super) async fn find_log_position(&mut self) -> Result<()> {
        match self.source.log_position(self.table).await? {
            Ok(position) => self.log = Some(position),
            Err(untold) => self.tell(untold),
        }
        Ok(())
    }

    /// Says why everything is compared though nobody asked for it, unless the log itself has told.
    pub(super) fn tell_why_compared(&mut self) {
        if self.untold.is_some() {
            return;
        }
        let has_place = matches!(self.state.and_then(|s| s.watermark.as_ref()), Some(Watermark::Log(_)));
        // With a place and the same shape, it is for another rule for deletes.
        if self.drift.compare.is_some() {
            self.tell(Untold::Altered);
        } else if !has_place {
            self.tell(Untold::NoPlace);
        }
    }

    /// Stages the rows that the log tells of and writes those that differ.
    pub(super) async fn stream(&mut self) -> Result<SyncOutcome> {
        let Some(Watermark::Log(since)) = self.state.and_then(|s| s.watermark.as_ref()) else {
            let context = format!("the log was to be followed for {} from nowhere", self.table.name);
            return Err(Error::new(Kind::Internal, context));
        };
        let changes = self.source.changes(self.table, since).await?;
        self.log = changes.up_to;
        let changed = match changes.told {
            Ok(changed) => changed,
            Err(untold) => {
                self.tell(untold);
                return self.reconcile().await;
            }
        };
        let mut gone = changed.keys.clone();
        let mut staging = Staging::new(self.warehouse.session().await?, self.raw(), self.config.batch_bytes_max);
        let fed = if gone.is_empty() {
            Fed::default()
        } else {
            let (reading, mut batches) = self.feed_changed(changed);
            let taking = staging.take_and(&mut batches, |batch: &Batch| {
                for (key, _) in batch.each() {
                    gone.remove(key);
                }
                for refused in &batch.refused {
                    gone.remove(&refused.key);
                }
            });
            tokio::try_join!(reading, taking)?.0
        };
        for key in &gone {
            staging.delete_key(key, self.table).await?;
        }
        self.apply(staging, Found::all(Action::Delta, fed, Vec::new())).await
    }

    /// Says, and keeps, why the log is not followed.
    fn tell(&mut self, untold: Untold) {
        let table = &self.table.name;
        if untold.is_a_fault() {
            warn!(%table, reason = %untold, "the log does not tell what has changed; everything is read");
        } else {
            info!(%table, reason = %untold, "the log does not tell what has changed; everything is read");
        }
        self.untold = Some(untold);
    }
}
