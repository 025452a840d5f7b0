//! Rows to be written and keys to be deleted, staged in the session's own temporary tables.
//!
//! Staged outside of any transaction, so that no lock is held while the source is read; gone when the
//! connection ends or is taken from the pool again. Memory: two buffers of `batch_bytes_max`, one
//! row, and what is kept of [`REFUSED_MAX`] rows that were set aside.

use super::{
    batches::{Batch, Batches},
    encode,
    job::count,
    quarantine::{self, REFUSED_MAX, Refused},
    raw::{GONE, REFUSED, Raw},
    sift,
};
use crate::{
    domain::{Column, Table, TableName},
    error::Result,
    warehouse::Session,
};
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::BTreeMap;

/// Stages rows and keys of one table.
pub(super) struct Staging<'a> {
    session: Session,
    raw: Raw<'a>,
    batch_bytes_max: usize,
    staged: BytesMut,
    gone: BytesMut,
    made: bool,
    /// Rows that came with the batches and were set aside, or that the warehouse refused.
    refused: Vec<Refused>,
}

impl<'a> Staging<'a> {
    /// Prepares; no table is made before the first row.
    pub(super) fn new(session: Session, raw: Raw<'a>, batch_bytes_max: usize) -> Self {
        let (staged, gone) = (BytesMut::new(), BytesMut::new());
        Self { session, raw, batch_bytes_max, staged, gone, made: false, refused: Vec::new() }
    }

    /// The session that the tables belong to.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Stages all batches, to the last.
    pub(super) async fn take(&mut self, batches: &mut Batches) -> Result<()> {
        self.take_and(batches, |_| {}).await
    }

    /// The same, and tells of each.
    pub(super) async fn take_and(&mut self, batches: &mut Batches, mut tell: impl FnMut(&Batch)) -> Result<()> {
        while let Some(batch) = batches.recv().await {
            tell(&batch);
            self.refused.extend(batch.refused);
            if batch.rows.len() >= self.batch_bytes_max {
                self.flush_rows().await?;
                self.flush(batch.rows).await?;
            } else {
                self.stage(&batch.rows).await?;
            }
        }
        Ok(())
    }

    /// Stages rows that are encoded already.
    pub(super) async fn stage(&mut self, rows: &[u8]) -> Result<()> {
        self.staged.put_slice(rows);
        if self.staged.len() >= self.batch_bytes_max { self.flush_rows().await } else { Ok(()) }
    }

    /// Stages a key to be deleted: its cells as COPY has them, lengths included.
    pub(super) async fn delete<'k>(&mut self, cells: impl ExactSizeIterator<Item = &'k [u8]>) -> Result<()> {
        self.gone.put_i16(i16::try_from(cells.len()).expect("a key has at most 64 columns"));
        cells.for_each(|cell| self.gone.put_slice(cell));
        if self.gone.len() >= self.batch_bytes_max { self.flush_keys().await } else { Ok(()) }
    }

    /// Stages a key of integers to be deleted.
    pub(super) async fn delete_key(&mut self, key: &[i128], of: &Table) -> Result<()> {
        let cell = |(&part, column): (&i128, &Column)| {
            let mut cell = BytesMut::new();
            encode::put_integer(part, column.warehouse(), &mut cell);
            cell
        };
        let cells: Vec<BytesMut> = key.iter().zip(of.key_columns()).map(cell).collect();
        self.delete(cells.iter().map(|cell| &cell[..])).await
    }

    /// Takes in rows that were set aside on another way.
    pub(super) fn refuse(&mut self, refused: Vec<Refused>) {
        self.refused.extend(refused);
    }

    /// The rows that were set aside on the way here. Stages their keys: an older version of such a row would
    /// stand there as if it were true.
    pub(super) async fn set_aside(&mut self) -> Result<Vec<Refused>> {
        self.flush_rows().await?;
        let refused = std::mem::take(&mut self.refused);
        if !refused.is_empty() && !self.raw.key().is_empty() {
            self.make().await?;
            let copy = self.session.copy_in(&self.raw.copy_in_keys(REFUSED)).await?;
            sift::whole(copy, refused.iter().map(|row| row.encoded_key.clone()).collect()).await?;
        }
        Ok(refused)
    }

    /// How many of the rows staged so far have keys that are new to the raw table.
    pub(super) async fn count_new(&mut self) -> Result<u64> {
        self.flush_rows().await?;
        if !self.made {
            return Ok(0);
        }
        let row = self.session.query_one(&self.raw.count_new(), &[], "counting new rows").await?;
        count(row.get(0))
    }

    /// How many of the rows staged so far may be back that the raw table keeps as deleted ones: they look like edits.
    /// `counted` are those of its rows that are not kept.
    pub(super) async fn count_back(&mut self, counted: u64) -> Result<u64> {
        self.flush_rows().await?;
        if !self.made {
            return Ok(0);
        }
        let row = self.session.query_one(&self.raw.count_known(), &[], "counting rows that may be back").await?;
        Ok(count(row.get(0))?.min(count(row.get(1))?.saturating_sub(counted)))
    }

    /// How many of the rows set aside so far were neither in quarantine before nor have an older version in the raw
    /// table. Keys of integers only.
    pub(super) async fn count_refused_anew(&mut self, table: &TableName) -> Result<u64> {
        self.flush_rows().await?;
        let mut anew: BTreeMap<&str, &[i128]> =
            self.refused.iter().map(|row| (row.entry.row_key.as_str(), &row.key[..])).collect();
        if anew.is_empty() {
            return Ok(0);
        }
        let known = self.session.quarantined_among(table, &anew.keys().copied().collect::<Vec<_>>()).await?;
        anew.retain(|key, _| !known.contains(*key));
        let keys: Vec<&[i128]> = anew.into_values().collect();
        if keys.is_empty() {
            return Ok(0);
        }
        let row = self.session.query_one(&self.raw.count_keys(&keys), &[], "counting rows to be set aside").await?;
        Ok(keys.len() as u64 - count(row.get(0))?)
    }

    /// How many of the rows staged so far were set aside.
    pub(super) fn refused_now(&self) -> u64 {
        self.refused.len() as u64
    }

    /// Makes the tables even if nothing is staged: a whole table that became empty.
    pub(super) async fn make(&mut self) -> Result<()> {
        if !self.made {
            self.session.batch(&self.raw.create_staging(), "making staging tables").await?;
            self.made = true;
        }
        Ok(())
    }

    async fn flush_rows(&mut self) -> Result<()> {
        if self.staged.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.staged);
        self.flush(rows.freeze()).await
    }

    async fn flush(&mut self, rows: Bytes) -> Result<()> {
        self.make().await?;
        let sql = self.raw.copy_in_staged();
        self.refused.extend(sift::copy(&self.session, &sql, self.raw.table(), &rows).await?);
        match self.refused.last() {
            Some(last) if self.refused_now() > REFUSED_MAX => quarantine::too_many(self.raw.table(), last),
            _ => Ok(()),
        }
    }

    async fn flush_keys(&mut self) -> Result<()> {
        if self.gone.is_empty() {
            return Ok(());
        }
        self.make().await?;
        let (sql, keys) = (self.raw.copy_in_keys(GONE), std::mem::take(&mut self.gone));
        sift::whole(self.session.copy_in(&sql).await?, vec![keys.freeze()]).await
    }

    /// The session, and whether anything is staged in it.
    pub(super) async fn finish(mut self) -> Result<(Session, bool)> {
        self.flush_rows().await?;
        self.flush_keys().await?;
        Ok((self.session, self.made))
    }
}
