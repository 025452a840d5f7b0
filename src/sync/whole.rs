//! Keeps in step what has no key that orders both sides alike: no key at all, or one of text.
//!
//! All rows are staged and compared as a multiset: duplicates are kept exactly.

use super::{
    Action, SyncOutcome,
    encode::Encoder,
    job::{Found, Job, count},
    reconcile::Differences,
    staging::Staging,
};
use crate::{error::Result, source::Order};

impl Job<'_> {
    /// Stages everything and writes the difference.
    pub(super) async fn reconcile_whole(&self) -> Result<SyncOutcome> {
        let (staging, found) = self.stage_whole().await?;
        self.apply(staging, found).await
    }

    /// Stages everything and counts the difference.
    pub(super) async fn compare_whole(&self) -> Result<Differences> {
        let (staging, found) = self.stage_whole().await?;
        let (session, _) = staging.finish().await?;
        let row = session.query_one(&self.raw().count_whole(), &[], &format!("comparing {}", self.table.name)).await?;
        Ok(Differences {
            rows: found.rows_read,
            missing: count(row.get(1))?,
            different: 0,
            surplus: count(row.get(0))?,
        })
    }

    async fn stage_whole(&self) -> Result<(Staging<'_>, Found)> {
        let mut staging = Staging::new(self.warehouse.session().await?, self.raw(), self.config.batch_bytes_max);
        staging.make().await?;
        let mut reader = self.source.reader(self.table, &Order::Unordered).await?;
        let mut encoder = Encoder::new(&self.table.columns);
        let mut rows_read = 0;
        while let Some(mut range) = reader.range().await? {
            while let Some(cells) = range.next().await? {
                encoder.row(&cells, staging.row())?;
                rows_read += 1;
                staging.staged().await?;
            }
        }
        let found =
            Found { action: Action::Reconcile, rows_read, coerced: encoder.coerced, key_max: None, rows_before: None };
        Ok((staging, found))
    }
}
