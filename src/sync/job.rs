//! What the sync of one table works with, and how it ends: all in one transaction.

use super::{
    Action, SyncOutcome,
    chunks::Chunked,
    drift::{self, Drift},
    encode::Coerced,
    feed::Fed,
    quarantine::Refused,
    raw::Raw,
    staging::Staging,
};
use crate::{
    config,
    domain::{Deletes, Fingerprint, LogPosition, SyncMode, Table, Watermark},
    error::{Error, Kind, Result},
    source::{Source, Untold},
    warehouse::{NewTableState, TableState, Transaction, Warehouse},
};
use chrono::{DateTime, Utc};
use tracing::debug;

/// Statistics are gathered anew when one row in so many has changed…
const ANALYZE_SHARE: u64 = 10;
/// …of so many at least.
const ANALYZE_ROWS: u64 = 10_000;

/// A watermark of `append` where the table was empty: every key is yet to be read.
pub(super) const NO_KEY: i128 = -(1 << 63);

/// The sync of one table.
pub(super) struct Job<'a> {
    pub source: &'a Source,
    pub warehouse: &'a Warehouse,
    pub config: &'a config::Sync,
    /// The table as the source has it now.
    pub table: &'a Table,
    pub mode: SyncMode,
    /// What becomes of rows that the source has deleted.
    pub deletes: Deletes,
    /// The stamp column's position, in `merge` mode.
    pub stamp: Option<usize>,
    pub drift: Drift,
    /// What the last sync left.
    pub state: Option<&'a TableState>,
    /// The source's clock before anything was read; where there are transactions, no later than the oldest
    /// began that has written and not ended.
    pub taken_at: DateTime<Utc>,
    /// How far the source's log was followed, or had come before anything was read, in `stream` mode; `None`
    /// where that isn't known.
    pub log: Option<LogPosition>,
    /// Why the source's log was not followed, in `stream` mode.
    pub untold: Option<Untold>,
    /// Whether a load looks for rows that the warehouse refuses: slower, and only where there are any.
    pub sift: bool,
    /// Whether checksums are not trusted.
    pub every_row: bool,
}

/// What was read and found, before it is written.
pub(super) struct Found {
    pub action: Action,
    pub rows_read: u64,
    pub coerced: Coerced,
    /// Rows among them that were set aside.
    pub refused: Vec<Refused>,
    /// The highest key read, for `append`.
    pub key_max: Option<i128>,
    /// The rows of the warehouse before, where all of them were counted.
    pub rows_before: Option<u64>,
    /// When the read began, if not in this sync.
    pub begun: Option<Begun>,
    /// What was compared in chunks.
    pub chunks: Option<Chunked>,
    /// What the primary had logged when the read had ended, where it was read.
    pub position: Option<String>,
}

/// Where the source stood when a read began.
pub(super) struct Begun {
    pub at: DateTime<Utc>,
    pub fingerprint: Option<Fingerprint>,
    pub log: Option<LogPosition>,
    /// Whether only a comparison can find what it lacks: then there is neither watermark nor fingerprint.
    pub to_compare: bool,
}

impl Found {
    /// All that was read, where nothing was counted in the warehouse.
    pub(super) fn all(action: Action, fed: Fed, refused: Vec<Refused>) -> Self {
        let (rows_read, coerced, key_max) = (fed.rows, fed.coerced, fed.key_max);
        Self {
            action,
            rows_read,
            coerced,
            refused,
            key_max,
            rows_before: None,
            begun: None,
            chunks: None,
            position: None,
        }
    }

    /// Rows that were not set aside.
    pub(super) fn rows_kept(&self) -> u64 {
        self.rows_read - self.refused.len() as u64
    }

    /// The outcome where all that was read is new.
    pub(super) fn loaded(&self) -> SyncOutcome {
        SyncOutcome {
            rows_read: self.rows_read,
            rows_inserted: self.rows_kept(),
            rows_quarantined: self.refused.len() as u64,
            dates_coerced: self.coerced.dates,
            local_times_coerced: self.coerced.local_times,
            texts_coerced: self.coerced.texts,
            ..SyncOutcome::of(Action::Load)
        }
    }
}

impl Job<'_> {
    /// The raw table's SQL.
    pub(super) fn raw(&self) -> Raw<'_> {
        Raw::new(self.warehouse.raw_schema(), self.table, self.deletes, self.is_stamped())
    }

    /// The watermark after a read of what was found. A delta moves it on; a full read sets it, because
    /// keys may have begun anew and a clock may have been put back.
    pub(super) fn watermark(&self, found: &Found) -> Option<Watermark> {
        if found.begun.as_ref().is_some_and(|begun| begun.to_compare) {
            return None;
        }
        let read = match self.mode {
            SyncMode::Merge => Watermark::Stamp(found.begun.as_ref().map_or(self.taken_at, |begun| begun.at)),
            SyncMode::Append => Watermark::Key(found.key_max.unwrap_or(NO_KEY)),
            SyncMode::Stream => {
                let log = found.begun.as_ref().map_or(&self.log, |begun| &begun.log);
                return log.clone().map(Watermark::Log);
            }
            SyncMode::Replace => return None,
        };
        match found.action {
            Action::Delta => Some(Watermark::advance(self.state.and_then(|s| s.watermark.as_ref()), read)),
            Action::Load | Action::Reconcile | Action::Skip => Some(read),
        }
    }

    /// Writes the state of the table in the transaction of its rows.
    pub(super) async fn save(
        &self,
        transaction: &Transaction<'_>,
        found: &Found,
        changed: bool,
        row_count: u64,
    ) -> Result<()> {
        let shape = drift::shape(self.table);
        let watermark = self.watermark(found);
        let (read_at, fingerprint) = match &found.begun {
            Some(begun) => (begun.at, begun.fingerprint.as_ref().filter(|_| !begun.to_compare)),
            None => (self.taken_at, self.table.fingerprint.as_ref()),
        };
        // It was empty when it was looked at, and no more when it was read: that proves nothing.
        let fingerprint = fingerprint.filter(|f| !f.is_empty_table() || found.rows_read == 0);
        let new = NewTableState {
            mode: self.mode,
            deletes: self.deletes,
            consistency: self.table.engine.consistency(),
            shape: &shape,
            fingerprint,
            watermark: watermark.as_ref(),
            seen_revision: self.state.map(|s| s.revision),
            changed,
            row_count: i64::try_from(row_count).expect("a table has fewer than 2^63 rows"),
            source_read_at: read_at,
            reconciled: found.action != Action::Delta,
            server: self.source.name(),
            position: found.position.as_deref(),
            not_followed: self.untold.map(Untold::as_str),
        };
        transaction.note_schema_changes(&self.table.name, &self.drift.changes).await?;
        transaction.save_table_state(&self.table.name, &new).await?;
        let refused: Vec<_> = found.refused.iter().map(|r| &r.entry).collect();
        transaction.quarantine(&self.table.name, read_at, &refused).await?;
        match found.action {
            Action::Delta | Action::Skip => Ok(()),
            Action::Load | Action::Reconcile => transaction.release_but(&self.table.name, read_at).await,
        }
    }

    /// Gives the raw table its new shape, applies what is staged, and writes the state: one transaction, so
    /// that a reader sees all of it or nothing.
    pub(super) async fn apply(&self, mut staging: Staging<'_>, mut found: Found) -> Result<SyncOutcome> {
        found.refused.extend(staging.set_aside().await?);
        found.position = self.source.logged().await;
        let (mut session, staged) = staging.finish().await?;
        let transaction = session.begin().await?;
        transaction.batch(&self.lock_timeout(), "bounding the wait for locks").await?;
        self.reshape(&transaction).await?;
        let forgotten = self.follow_rule(&transaction).await?;
        let raw = Raw { stamped: self.is_stamped() || self.deletes == Deletes::Soft, ..self.raw() };
        let written = if !staged {
            Written::default()
        } else if self.table.has_integer_key() {
            self.write_by_key(&transaction, &raw).await?
        } else {
            self.write_whole(&transaction, &raw).await?
        };
        let before = match found.rows_before {
            Some(rows) => rows,
            None => self.state.map_or(0, |s| s.row_count.unsigned_abs()),
        };
        if let Some(chunks) = &found.chunks {
            let has_refused = !found.refused.is_empty();
            self.remember_written(&transaction, &raw, chunks, staged, has_refused).await?;
        }
        let changed = written != Written::default() || forgotten > 0 || self.drift.alters();
        self.save(&transaction, &found, changed, before + written.inserted - written.deleted.min(before)).await?;
        transaction.commit().await?;
        if (written.inserted + written.updated + written.deleted) * ANALYZE_SHARE >= before.max(ANALYZE_ROWS) {
            // Done again harmlessly, so not worth a failure of what is committed.
            let analyzed = session.batch(&format!("analyze {}", self.raw().name()), "gathering statistics").await;
            analyzed.unwrap_or_else(|error| debug!(table = %self.table.name, %error, "no statistics"));
        }
        Ok(SyncOutcome {
            rows_read: found.rows_read,
            rows_inserted: written.inserted,
            rows_updated: written.updated,
            rows_deleted: written.deleted + forgotten,
            rows_quarantined: found.refused.len() as u64,
            dates_coerced: found.coerced.dates,
            local_times_coerced: found.coerced.local_times,
            texts_coerced: found.coerced.texts,
            chunks_quiet: found.chunks.as_ref().map_or(0, |c| c.quiet),
            chunks_walked: found.chunks.as_ref().map_or(0, |c| c.walked),
            ..SyncOutcome::of(found.action)
        })
    }

    /// Readers queue behind a lock that waits: bound the wait.
    pub(super) fn lock_timeout(&self) -> String {
        format!("set local lock_timeout = '{}s'", self.warehouse.lock_seconds_max())
    }

    async fn write_by_key(&self, transaction: &Transaction<'_>, raw: &Raw<'_>) -> Result<Written> {
        let doing = format!("writing {}", self.table.name);
        let refused = transaction.query_one(&raw.delete_refused(), &[], &doing).await?;
        let deleted = count(refused.get(0))? + transaction.execute(&raw.delete_gone(), &[], &doing).await?;
        transaction.batch(&raw.release_staged(), &doing).await?;
        let row = transaction.query_one(&raw.upsert_staged(), &[], &doing).await?;
        Ok(Written { inserted: count(row.get(0))?, updated: count(row.get(1))?, deleted })
    }

    async fn write_whole(&self, transaction: &Transaction<'_>, raw: &Raw<'_>) -> Result<Written> {
        let doing = format!("writing {}", self.table.name);
        // First, lest they be stamped as deleted.
        let mut deleted = 0;
        if !raw.key().is_empty() {
            deleted += count(transaction.query_one(&raw.delete_refused(), &[], &doing).await?.get(0))?;
        }
        deleted += transaction.execute(&raw.delete_whole(), &[], &doing).await?;
        if raw.stamped {
            transaction.execute(&raw.make_room(), &[], &doing).await?;
        }
        let inserted = transaction.execute(&raw.insert_whole(), &[], &doing).await?;
        Ok(Written { inserted, updated: 0, deleted })
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Written {
    inserted: u64,
    updated: u64,
    deleted: u64,
}

/// A count out of PostgreSQL.
pub(super) fn count(rows: i64) -> Result<u64> {
    u64::try_from(rows).map_err(|_| Error::new(Kind::Internal, "a count below zero"))
}
