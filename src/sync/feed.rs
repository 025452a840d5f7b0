//! Reads ahead of whoever takes the rows.
//!
//! A statement at the source holds off every writer of a MyISAM table until its last row is fetched, so
//! it must not wait for the warehouse: rows are fetched and encoded as fast as they come, while the
//! batches before them are taken.

use super::{
    batches::{self, BATCHES_WAITING, Batch, Batches, Outlet},
    encode::{Coerced, Encoder},
    job::Job,
    quarantine::{self, REFUSED_MAX, Refused},
};
use crate::{
    domain::{KeyRange, Table},
    error::{Error, Kind, Result},
    source::{self, Cell, Changed, ChecksumReader, Digest, Missing, Order, Reader},
};
use bytes::BytesMut;

/// What was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fed {
    pub rows: u64,
    pub coerced: Coerced,
    /// The highest value of the key's first column, where that is an integer.
    pub key_max: Option<i128>,
    /// Whether that is all. It is, but where [`Order::File`] was called off.
    pub whole: bool,
}

impl Job<'_> {
    /// Begins to read in an order. The future and the taking of the batches belong into one
    /// `tokio::try_join!`: the first to fail ends both.
    pub(super) fn feed(&self, order: Order) -> (impl Future<Output = Result<Fed>>, Batches) {
        let (outlet, batches) = batches::channel(self.config.batch_bytes_max);
        (self.read(order, outlet), batches)
    }

    /// The same within ranges of keys, each row with its digest.
    pub(super) fn feed_ranges<'j>(
        &'j self,
        checksums: ChecksumReader<'j>,
        ranges: Vec<KeyRange>,
    ) -> (impl Future<Output = Result<Fed>>, Batches) {
        let (outlet, batches) = batches::channel(self.config.batch_bytes_max);
        let reading = async move {
            let order = Order::Ranges(ranges);
            let reader = self.source.reader_after(checksums, &order, self.range_bytes()).await?;
            self.read_with(reader, outlet).await
        };
        (reading, batches)
    }

    /// The same of rows that have changed, without digests.
    pub(super) fn feed_changed<'j>(&'j self, changed: Changed<'j>) -> (impl Future<Output = Result<Fed>>, Batches) {
        let (outlet, batches) = batches::channel(self.config.batch_bytes_max);
        let reading = async move {
            let reader = self.source.reader_of(changed, self.range_bytes()).await?;
            self.read_with(reader, outlet).await
        };
        (reading, batches)
    }

    /// The same of rows that the warehouse lacks.
    pub(super) fn feed_missing(&self, missing: Missing) -> (impl Future<Output = Result<Fed>>, Batches) {
        let (outlet, batches) = batches::channel(self.config.batch_bytes_max);
        let reading = async move {
            let reader = self.source.reader_of_missing(self.table, missing, self.range_bytes()).await?;
            self.read_with(reader, outlet).await
        };
        (reading, batches)
    }

    fn range_bytes(&self) -> u64 {
        (self.config.batch_bytes_max * BATCHES_WAITING) as u64
    }

    async fn read(&self, order: Order, outlet: Outlet) -> Result<Fed> {
        let reader = self.source.reader(self.table, &order, self.range_bytes()).await?;
        self.read_with(reader, outlet).await
    }

    async fn read_with(&self, mut reader: Reader<'_>, outlet: Outlet) -> Result<Fed> {
        let called_off = reader.called_off();
        let mut builder = BatchBuilder::new(self.table, self.config.batch_bytes_max);
        while let Some(mut range) = reader.range().await? {
            while let Some(cells) = range.next().await? {
                builder.row(&cells)?;
                if builder.rows.len() >= self.config.batch_bytes_max {
                    range.let_go();
                    tokio::select! {
                        biased;
                        () = called_off.cancelled() => return Ok(builder.fed(false)),
                        sent = outlet.send(builder.take()) => sent?,
                    }
                }
            }
        }
        if !builder.ends.is_empty() || !builder.refused.is_empty() {
            outlet.send(builder.take()).await?;
        }
        Ok(builder.fed(reader.is_whole()))
    }
}

/// The batch that is being filled.
struct BatchBuilder<'t> {
    table: &'t Table,
    batch_bytes_max: usize,
    encoder: Encoder,
    /// Rows set aside in this batch, and in all.
    refused: Vec<Refused>,
    refused_count: u64,
    /// Positions of the key's columns, where all are integers.
    key: Vec<usize>,
    rows: BytesMut,
    ends: Vec<usize>,
    keys: Vec<i128>,
    digests: Vec<Option<Digest>>,
    /// The highest key so far, of rows that were set aside too; empty before the first.
    highest: Vec<i128>,
    /// Rows in all, and what was replaced in the batches before.
    count: u64,
    coerced: Coerced,
}

impl<'t> BatchBuilder<'t> {
    fn new(table: &'t Table, batch_bytes_max: usize) -> Self {
        let key = if table.has_integer_key() { table.key.clone() } else { Vec::new() };
        let (rows, ends, keys) = (BytesMut::new(), Vec::new(), Vec::new());
        Self {
            table,
            batch_bytes_max,
            encoder: Encoder::new(table),
            refused: Vec::new(),
            refused_count: 0,
            key,
            rows,
            ends,
            keys,
            digests: Vec::new(),
            highest: Vec::new(),
            count: 0,
            coerced: Coerced::default(),
        }
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        self.count += 1;
        let (cells, behind) = cells.split_at(self.table.columns.len());
        let refused = self.encoder.row(cells, &mut self.rows)?;
        if let Some(refused) = refused.map(|(column, why)| Refused::new(self.table, cells, column, why)) {
            return self.set_aside(refused);
        }
        self.ends.push(self.rows.len());
        self.digests.extend(behind.first().copied().map(source::digest));
        let key_at = self.keys.len();
        for &column in &self.key {
            let part = cells[column].integer().ok_or_else(|| {
                Error::new(Kind::SourceChanged, "a key no longer holds the integers that discovery found")
            })?;
            self.keys.push(part);
        }
        raise(&mut self.highest, &self.keys[key_at..]);
        Ok(())
    }

    fn fed(self, whole: bool) -> Fed {
        Fed { rows: self.count, coerced: self.coerced, key_max: self.highest.first().copied(), whole }
    }

    fn set_aside(&mut self, refused: Refused) -> Result<()> {
        self.refused_count += 1;
        if self.refused_count > REFUSED_MAX {
            return quarantine::too_many(self.table, &refused);
        }
        raise(&mut self.highest, &refused.key);
        self.refused.push(refused);
        Ok(())
    }

    fn take(&mut self) -> Batch {
        let length = self.rows.len().min(self.batch_bytes_max);
        let rows = self.rows.split().freeze();
        self.rows.reserve(length);
        let coerced = std::mem::take(&mut self.encoder.coerced);
        self.coerced += coerced;
        let (ends, keys) = (std::mem::take(&mut self.ends), std::mem::take(&mut self.keys));
        let digests = std::mem::take(&mut self.digests);
        let refused = std::mem::take(&mut self.refused);
        Batch { rows, ends, keys, digests, coerced, refused, highest: self.highest.clone() }
    }
}

/// Raises the highest key so far to another one, if that is above it.
pub(super) fn raise(highest: &mut Vec<i128>, key: &[i128]) {
    if highest.as_slice() < key {
        highest.clear();
        highest.extend_from_slice(key);
    }
}
