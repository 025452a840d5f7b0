//! Loads a large table in parts, each committed with how far the load has come.
//!
//! Filled is a table in schema `amalgam`, where nobody looks for data; the last transaction builds key and
//! index, gives it its name in the raw schema, and writes the table's state.
//! Read is as the rows lie in the file, to its end or until somebody waits for the table; else by key, and what a
//! reading of the file has left out by [`super::gaps`].
//! Guarantee: a load that was interrupted, by whatever, goes on after the last part. What changed behind
//! its back is found right afterwards: watermark, place in the source's log and fingerprint are those of the load's
//! first beginning.
//! Where none can find it (rows that an engine without an exact count has lost meanwhile), there are none, so that
//! both sides are compared.

use super::{
    Action, SyncOutcome,
    batches::Batches,
    drift::shape,
    encode::Coerced,
    feed::raise,
    job::{Begun, Found, Job},
    quarantine::{self, REFUSED_MAX, encoded_integers},
    raw::Statistics,
};
use crate::{
    domain::{Engine, SyncMode},
    error::Result,
    source::Order,
    warehouse::{LoadProgress, Session, Transaction, literal},
};
use bytes::Bytes;
use std::time::Instant;
use tracing::info;

impl Job<'_> {
    /// Loads everything into a new table, or goes on where a load like this one was interrupted.
    pub(super) async fn load_in_parts(&self, session: &mut Session) -> Result<SyncOutcome> {
        let begun = session.load_progress(&self.table.name).await?;
        // One from before the last sync would bring back what that one has mended.
        let is_latest = |b: &LoadProgress| self.state.is_none_or(|s| s.source_read_at <= b.source_read_at);
        let begun = begun.filter(|b| b.shape == shape(self.table) && is_latest(b));
        let resumed = begun.is_some();
        let mut load = begun.unwrap_or_else(|| self.anew());
        if resumed {
            info!(table = %self.table.name, rows = load.rows, "going on with a load that was interrupted");
        }
        let mut whole = false;
        if self.lies_in_a_file() && load.last_key.is_empty() {
            let (reading, mut batches) = self.feed(Order::File);
            load.may_have_gaps = true;
            whole = tokio::try_join!(reading, self.take_parts(session, &mut load, &mut batches))?.0.whole;
        }
        if !whole {
            if load.rows == 0 {
                load = self.anew();
            } else if load.may_have_gaps {
                self.fill_gaps(session, &mut load).await?;
            }
            let (reading, mut batches) = self.feed(Order::Key { after: load.last_key.clone() });
            tokio::try_join!(reading, self.take_parts(session, &mut load, &mut batches))?;
        }
        // What left the table while the load lay idle is told by the source's log, where it is followed from the
        // load's beginning on; else by MyISAM's count alone.
        let is_followed = self.mode == SyncMode::Stream && load.log.is_some();
        let is_told = is_followed || self.table.engine == Engine::MyIsam;
        let to_compare = resumed && !is_told;
        if resumed && !self.source.is_alone() {
            // It may be that of another server.
            load.fingerprint = None;
        }
        Ok(SyncOutcome { look_again: resumed, ..self.end(session, load, to_compare).await? })
    }

    fn anew(&self) -> LoadProgress {
        LoadProgress {
            relation: format!("load_{:016x}", fastrand::u64(..)),
            shape: shape(self.table),
            fingerprint: self.table.fingerprint.clone(),
            source_read_at: self.taken_at,
            log: self.log.clone(),
            last_key: Vec::new(),
            rows: 0,
            dates_coerced: 0,
            local_times_coerced: 0,
            texts_coerced: 0,
            rows_quarantined: 0,
            may_have_gaps: false,
        }
    }

    async fn begin(&self, transaction: &Transaction<'_>, load: &LoadProgress) -> Result<()> {
        transaction.begin_load(&self.table.name, load).await?;
        transaction.batch(&self.raw().create(&load.target()), &format!("loading {}", self.table.name)).await
    }

    pub(super) async fn take_parts(
        &self,
        session: &mut Session,
        load: &mut LoadProgress,
        batches: &mut Batches,
    ) -> Result<()> {
        while let Some(first) = batches.recv().await {
            let (seen, since) = (load.rows, Instant::now());
            let (mut bytes, mut refused) = (0, Vec::new());
            let mut next = Some(first);
            // Open while the source is read: nobody else looks at this table.
            let transaction = session.begin().await?;
            // The first part is filled where its table is made: PostgreSQL then need not look at its rows
            // twice, nor write them to its log where `wal_level` is minimal.
            let new = load.rows == 0;
            if new {
                self.begin(&transaction, load).await?;
            }
            let mut filling = self.filling(&transaction, &load.target(), new).await?;
            while let Some(batch) = next {
                bytes += batch.rows.len() as u64;
                load.rows += batch.len();
                load.dates_coerced += batch.coerced.dates;
                load.local_times_coerced += batch.coerced.local_times;
                load.texts_coerced += batch.coerced.texts;
                raise(&mut load.last_key, &batch.highest);
                refused.extend(batch.refused);
                filling.send(batch.rows).await?;
                let full = bytes >= self.config.load_part_bytes || since.elapsed() >= self.config.load_part_time();
                next = if full { None } else { batches.recv().await };
            }
            let by_warehouse = filling.finish().await?;
            load.rows -= by_warehouse.len() as u64;
            refused.extend(by_warehouse);
            load.rows_quarantined += refused.len() as u64;
            if let Some(last) = refused.last().filter(|_| load.rows_quarantined > REFUSED_MAX) {
                return quarantine::too_many(self.table, last);
            }
            let refused: Vec<_> = refused.iter().map(|r| &r.entry).collect();
            transaction.quarantine(&self.table.name, load.source_read_at, &refused).await?;
            transaction.continue_load(&self.table.name, load, seen).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// A load may take long, and autovacuum gather full statistics of its table meanwhile.
    async fn statistics(&self, session: &Session, load: &LoadProgress) -> Result<Statistics> {
        let sql = format!(
            "select exists (select from pg_stat_all_tables where relid = to_regclass({}) and last_autoanalyze is not null)",
            literal(&load.target())
        );
        let is_there = session.query_one(&sql, &[], "asking for statistics").await?.get(0);
        Ok(if is_there { Statistics::There } else { Statistics::of(load.rows) })
    }

    async fn end(&self, session: &mut Session, load: LoadProgress, to_compare: bool) -> Result<SyncOutcome> {
        let (schema, name) = (self.warehouse.raw_schema(), &*self.table.raw_name());
        let replaces = self.replaces(session).await?;
        let position = self.source.logged().await;
        let statistics = self.statistics(session, &load).await?;
        let transaction = session.begin().await?;
        transaction.batch(&self.lock_timeout(), "bounding the wait for locks").await?;
        if load.rows == 0 {
            self.begin(&transaction, &load).await?;
        }
        transaction
            .batch(&self.raw().finish(&load.target(), self.cursor(), statistics), &format!("loading {name}"))
            .await?;
        if replaces {
            let keys = transaction.refused_in(&self.table.name, load.source_read_at).await?;
            let refused: Vec<Bytes> = keys.iter().map(|key| encoded_integers(self.table, key)).collect();
            self.put_in_place(&transaction, &load.target(), &refused, async |t| {
                t.end_load(&self.table.name, &load, schema, name).await
            })
            .await?;
        } else {
            transaction.end_load(&self.table.name, &load, schema, name).await?;
        }
        let found = Found {
            action: Action::Load,
            rows_read: load.rows,
            coerced: Coerced {
                dates: load.dates_coerced,
                local_times: load.local_times_coerced,
                texts: load.texts_coerced,
            },
            // They were set aside with their parts.
            refused: Vec::new(),
            key_max: load.last_key.first().copied(),
            rows_before: None,
            chunks: None,
            position,
            begun: Some(Begun { at: load.source_read_at, fingerprint: load.fingerprint, log: load.log, to_compare }),
        };
        self.save(&transaction, &found, true, found.rows_read).await?;
        transaction.commit().await?;
        let (rows_read, rows_quarantined) = (load.rows + load.rows_quarantined, load.rows_quarantined);
        Ok(SyncOutcome { rows_read, rows_quarantined, ..found.loaded() })
    }
}
