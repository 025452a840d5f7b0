//! Weighs what a delta has found against the source's own count of its rows.
//!
//! A delta reads what stamps and keys tell of. Too few rows at the source: some are gone, and
//! [`super::deletes`] finds which. Too many: some were missed, because they came into sight behind the watermark
//! (rows of a long concurrent insert bear the time at which it began) or bear a stamp of the past; then both sides
//! are compared.
//! Only engines that count exactly are asked ([`crate::domain::Engine::counts_exactly`]); what others lose or
//! hide, a reconciliation finds.
//! Not noticed: as many rows that were missed as others that are gone. Those wait for the next comparison.

use super::{job::Job, staging::Staging};
use crate::{domain::Deletes, error::Result};

/// How both sides stand to each other after a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Balance {
    /// As far as can be told, nothing is missing on either side.
    Even,
    /// So many rows are gone from the source.
    Lost(u64),
    /// So many rows of the source were not found.
    Missed(u64),
    /// So many rows are back that were kept as deleted ones.
    Back(u64),
}

impl Job<'_> {
    /// Weighs the rows that are known, with what a delta has staged, against those that the source counts. Rows in
    /// quarantine are the source's alone; as long as one is there that the source has deleted since, keys are
    /// compared each time, and the next comparison of all rows releases it. Where deleted rows are kept as they
    /// are, nobody asks for them, and until a comparison finds them they make up for as many that were missed.
    pub(super) async fn balance(&self, staging: &mut Staging<'_>) -> Result<Balance> {
        let asks = self.table.engine.counts_exactly() && self.table.has_integer_key();
        let Some(state) = self.state.filter(|_| asks) else {
            return Ok(Balance::Even);
        };
        let quarantined = self.warehouse.session().await?.quarantined(&self.table.name).await?;
        let before = state.row_count.unsigned_abs();
        let known = before + staging.count_new().await? + quarantined;
        // Counted before anything was read: rows that came since are known, and were not counted.
        let counted = self.table.rows;
        if counted > known {
            let known = known + staging.count_refused_anew(&self.table.name).await?;
            let back_max = match self.deletes {
                Deletes::Hard | Deletes::Soft => 0,
                Deletes::Ignore => staging.count_back(before).await?,
            };
            // Some may have been deleted before they could be read.
            let still = counted.min(self.source.count(self.table).await?);
            match still.saturating_sub(known) {
                0 => {}
                more if more <= back_max => return Ok(Balance::Back(more)),
                more => return Ok(Balance::Missed(more - back_max)),
            }
        }
        // A row that is set aside now may hide one that is gone: better look once too often.
        let expected = known + staging.refused_now();
        if self.deletes == Deletes::Ignore || expected <= counted {
            return Ok(Balance::Even);
        }
        let rows_now = self.source.count(self.table).await?;
        let lost = expected.saturating_sub(rows_now.max(counted));
        Ok(if lost > 0 { Balance::Lost(lost) } else { Balance::Even })
    }
}
