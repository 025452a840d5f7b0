//! Compares both sides in full: two streams in key order, through the same encoding.
//!
//! The source's rows go through the encoder; PostgreSQL's own binary COPY gives the same bytes for equal
//! values. Merging the two streams by key, inserts, updates and deletes fall out, exactly.
//! Memory: what [`super::feed`] reads ahead, one row of the warehouse, the staging buffers.

use super::{
    Action, Differences, SyncOutcome,
    batches::Batches,
    cutter::Cutter,
    encode,
    feed::Fed,
    job::{Found, Job},
    quarantine::Refused,
    staging::Staging,
};
use crate::{
    domain::{Deletes, KeyRange, WarehouseType},
    error::{Error, Kind, Result},
    source::Order,
    warehouse::{CopyOut, Session},
};
use bytes::Bytes;
use std::{cmp::Ordering, collections::HashSet};

impl Job<'_> {
    /// Compares everything and writes the difference.
    pub(super) async fn reconcile(&self) -> Result<SyncOutcome> {
        if !self.table.has_integer_key() {
            return self.reconcile_whole().await;
        }
        if self.is_chunked() {
            return self.reconcile_by_chunks().await;
        }
        let mut staging = Staging::new(self.warehouse.session().await?, self.raw(), self.config.batch_bytes_max);
        let walked = self.walk(Some(&mut staging)).await?;
        staging.refuse(walked.refused);
        let found = Found {
            rows_before: Some(walked.rows_of_warehouse - walked.differences.kept),
            ..Found::all(Action::Reconcile, walked.fed, Vec::new())
        };
        self.apply(staging, found).await
    }

    /// Compares the rows of one range of keys and counts the difference.
    pub(super) async fn compare_range(&self, range: KeyRange) -> Result<Differences> {
        let checksums = self.source.checksum_reader(self.table).await?;
        let (reading, batches) = self.feed_ranges(checksums, vec![range]);
        let mut cutter = Cutter::new(self, String::new(), vec![range]);
        Ok(self.walk_along(reading, batches, None, Some(&mut cutter)).await?.differences)
    }

    /// Compares everything and counts the difference.
    pub(super) async fn compare(&self) -> Result<Differences> {
        if !self.table.has_integer_key() {
            return self.compare_whole().await;
        }
        Ok(self.walk(None).await?.differences)
    }

    /// Walks both sides in key order; stages what differs where asked.
    async fn walk(&self, staging: Option<&mut Staging<'_>>) -> Result<Walked> {
        let (reading, batches) = self.feed(Order::Key { after: Vec::new() });
        self.walk_along(reading, batches, staging, None).await
    }

    /// Walks along the rows of both sides that a cutter asks for, or all.
    pub(super) async fn walk_along(
        &self,
        reading: impl Future<Output = Result<Fed>>,
        mut batches: Batches,
        mut staging: Option<&mut Staging<'_>>,
        mut cutter: Option<&mut Cutter>,
    ) -> Result<Walked> {
        let session = self.warehouse.session().await?;
        // Refused by the warehouse the last time: the encoder lets them pass.
        let refused: HashSet<Vec<i128>> = session.refused_keys(&self.table.name).await?;
        let mut walked = Walked::default();
        let mut theirs = self.theirs(&session, cutter.as_ref().map(|c| c.range())).await?;
        let comparing = async {
            while let Some(batch) = batches.recv().await {
                // Read before any row with a higher key: known before the warehouse's rows are gone past.
                walked.refused_keys.extend(batch.refused.iter().map(|row| row.key.clone()));
                walked.refused.extend_from_slice(&batch.refused);
                for (at, (key, row)) in batch.each().enumerate() {
                    while let Some(cutter) = cutter.as_deref_mut().filter(|c| c.is_beyond(key)) {
                        walked.rest(&mut theirs, self.deletes, staging.as_deref_mut(), Some(&mut *cutter)).await?;
                        if !cutter.next_range() {
                            return Err(Error::new(Kind::Internal, "the source gave a row that nobody asked for"));
                        }
                        theirs = self.theirs(&session, Some(cutter.range())).await?;
                    }
                    while theirs.here && theirs.key_now.as_slice() < key {
                        walked.surplus(&theirs, self.deletes, staging.as_deref_mut(), cutter.as_deref_mut()).await?;
                        theirs.advance().await?;
                    }
                    let order = if theirs.here { theirs.key_now.as_slice().cmp(key) } else { Ordering::Greater };
                    let is_equal = order == Ordering::Equal && theirs.is_as(row);
                    if let Some(cutter) = cutter.as_deref_mut() {
                        let identity = if is_equal { Some(theirs.identity()?) } else { None };
                        cutter.row(key, batch.digests.get(at).copied().flatten(), identity);
                    }
                    if !is_equal {
                        match order {
                            Ordering::Equal => walked.differences.different += 1,
                            _ if refused.contains(key) => walked.differences.quarantined += 1,
                            _ => walked.differences.missing += 1,
                        }
                        stage(staging.as_deref_mut(), row).await?;
                    }
                    if order == Ordering::Equal {
                        theirs.advance().await?;
                    }
                }
                if let (Some(staging), Some(cutter)) = (staging.as_deref(), cutter.as_deref_mut()) {
                    cutter.remember_equal(staging.session(), &self.table.name).await?;
                }
            }
            Ok((walked, theirs, staging, cutter))
        };
        let (fed, (mut walked, mut theirs, mut staging, mut cutter)) = tokio::try_join!(reading, comparing)?;
        loop {
            walked.rest(&mut theirs, self.deletes, staging.as_deref_mut(), cutter.as_deref_mut()).await?;
            let Some(cutter) = cutter.as_deref_mut().filter(|c| c.has_next_range()) else { break };
            cutter.next_range();
            theirs = self.theirs(&session, Some(cutter.range())).await?;
        }
        walked.differences.rows = fed.rows;
        walked.differences.quarantined += walked.refused.len() as u64;
        walked.fed = fed;
        Ok(walked)
    }

    /// Begins to read the warehouse's rows, and goes to the first.
    async fn theirs(&self, session: &Session, range: Option<KeyRange>) -> Result<Theirs> {
        // Open while the source is read: a reader's lock, which stops nobody but who would alter the table.
        let mut theirs = Theirs {
            stream: session.copy_out(&self.raw().copy_out(&self.drift, range)).await?,
            key: self.table.key.iter().map(|&k| (k, self.table.columns[k].warehouse())).collect(),
            columns: self.table.columns.len(),
            row: Bytes::new(),
            cells: Vec::new(),
            key_now: Vec::new(),
            here: true,
            rows: 0,
        };
        theirs.advance().await?;
        Ok(theirs)
    }
}

async fn stage(staging: Option<&mut Staging<'_>>, row: &[u8]) -> Result<()> {
    match staging {
        Some(staging) => staging.stage(row).await,
        None => Ok(()),
    }
}

/// What the walk along both sides found.
#[derive(Default)]
pub(super) struct Walked {
    pub differences: Differences,
    pub fed: Fed,
    pub refused: Vec<Refused>,
    refused_keys: HashSet<Vec<i128>>,
    pub rows_of_warehouse: u64,
}

impl Walked {
    /// Takes in a row that only the warehouse has.
    async fn surplus(
        &mut self,
        theirs: &Theirs,
        rule: Deletes,
        staging: Option<&mut Staging<'_>>,
        cutter: Option<&mut Cutter>,
    ) -> Result<()> {
        let is_refused = self.refused_keys.contains(&theirs.key_now);
        let is_kept = rule == Deletes::Ignore && !is_refused;
        if let Some(cutter) = cutter {
            cutter.surplus(if is_kept { Some(theirs.identity()?) } else { None });
        }
        if is_kept {
            self.differences.kept += 1;
            return Ok(());
        }
        self.differences.surplus += 1;
        match staging {
            // An older version of a row that was set aside: its key is staged as such.
            Some(_) if is_refused => Ok(()),
            Some(staging) => staging.delete(theirs.key.iter().map(|&(k, _)| theirs.cell(k))).await,
            None => Ok(()),
        }
    }
}

impl Walked {
    /// Takes in what only the warehouse has from here on.
    async fn rest(
        &mut self,
        theirs: &mut Theirs,
        rule: Deletes,
        mut staging: Option<&mut Staging<'_>>,
        mut cutter: Option<&mut Cutter>,
    ) -> Result<()> {
        while theirs.here {
            self.surplus(theirs, rule, staging.as_deref_mut(), cutter.as_deref_mut()).await?;
            theirs.advance().await?;
        }
        self.rows_of_warehouse += theirs.rows;
        if let Some(cutter) = cutter {
            cutter.end_range();
        }
        Ok(())
    }
}

/// The warehouse's stream and the row it stands at.
struct Theirs {
    stream: CopyOut,
    key: Vec<(usize, WarehouseType)>,
    /// How many cells belong to the row; behind them may be its identity.
    columns: usize,
    row: Bytes,
    /// Where each cell begins, its length included.
    cells: Vec<usize>,
    key_now: Vec<i128>,
    /// Whether there is a row: `false` after the last.
    here: bool,
    rows: u64,
}

impl Theirs {
    /// Goes to the next row.
    async fn advance(&mut self) -> Result<()> {
        // A long row is not kept while the next one comes.
        self.row = Bytes::new();
        let Some(row) = self.stream.next().await? else {
            self.here = false;
            return Ok(());
        };
        self.row = row;
        self.rows += 1;
        if encode::begins(&self.row, &mut self.cells) != Some(self.row.len()) {
            return Err(Error::new(Kind::Internal, "a row of the warehouse is cut short"));
        }
        self.key_now.clear();
        for i in 0..self.key.len() {
            let (column, warehouse) = self.key[i];
            let cell = self.cells.get(column).map(|_| &self.cell(column)[4..]);
            let number = cell.and_then(|cell| encode::decode_integer(cell, warehouse));
            self.key_now
                .push(number.ok_or_else(|| Error::new(Kind::Internal, "a key of the warehouse is no integer"))?);
        }
        Ok(())
    }

    /// Whether it is the same as an encoded row of the source: all behind the count of cells.
    fn is_as(&self, row: &[u8]) -> bool {
        let end = self.cells.get(self.columns).copied().unwrap_or(self.row.len());
        self.row.get(2..end) == row.get(2..)
    }

    /// Which version of the row it is.
    fn identity(&self) -> Result<i64> {
        let cell = self.cells.get(self.columns).map(|_| &self.cell(self.columns)[4..]);
        let bytes = cell.and_then(|cell| cell.try_into().ok());
        bytes.map(i64::from_be_bytes).ok_or_else(|| Error::new(Kind::Internal, "a row came without its identity"))
    }

    /// A cell with its length in front.
    fn cell(&self, column: usize) -> &[u8] {
        let end = self.cells.get(column + 1).copied().unwrap_or(self.row.len());
        &self.row[self.cells[column]..end]
    }
}
