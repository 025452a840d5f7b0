//! Compares both sides in full: two streams in key order, through the same encoding.
//!
//! The source's rows go through the encoder; PostgreSQL's own binary COPY gives the same bytes for equal
//! values. Merging the two streams by key, inserts, updates and deletes fall out, exactly.
//! Memory: what [`super::feed`] reads ahead, one row of the warehouse, the staging buffers.

use super::{
    Action, SyncOutcome, encode,
    feed::{Ends, Fed},
    job::{Found, Job},
    plan,
    quarantine::Refused,
    staging::Staging,
};
use crate::{
    domain::{Deletes, WarehouseType},
    error::{Error, Kind, Result},
    source::Order,
    warehouse::CopyOut,
};
use bytes::Bytes;
use serde::Serialize;
use std::{cmp::Ordering, collections::HashSet};

/// How two sides differ, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Rows of the source.
    pub rows: u64,
    /// Rows that only the source has.
    pub missing: u64,
    /// Rows of one key that differ in some value.
    pub different: u64,
    /// Rows that only the warehouse has.
    pub surplus: u64,
    /// Rows of the source that have no place in the warehouse; no difference.
    pub quarantined: u64,
    /// Rows that only the warehouse has, where the rule is to keep them as they are.
    pub kept: u64,
}

impl Differences {
    /// Whether both sides are equal, value for value, but for what is kept by rule.
    pub fn none(self) -> bool {
        self.missing + self.different + self.surplus == 0
    }
}

impl Job<'_> {
    /// Compares everything and writes the difference.
    pub(super) async fn reconcile(&self) -> Result<SyncOutcome> {
        if !plan::has_integer_key(self.table) {
            return self.reconcile_whole().await;
        }
        let mut staging = Staging::new(self.warehouse.session().await?, self.raw(), self.config.batch_bytes_max);
        let walked = self.walk(Some(&mut staging)).await?;
        let found = Found {
            rows_before: Some(walked.rows_of_warehouse - walked.differences.kept),
            ..Found::all(Action::Reconcile, walked.fed, walked.refused)
        };
        self.apply(staging, found).await
    }

    /// Compares everything and counts the difference.
    pub(super) async fn compare(&self) -> Result<Differences> {
        if !plan::has_integer_key(self.table) {
            return self.compare_whole().await;
        }
        Ok(self.walk(None).await?.differences)
    }

    /// Walks both sides in key order; stages what differs where asked.
    async fn walk(&self, mut staging: Option<&mut Staging<'_>>) -> Result<Walked> {
        let session = self.warehouse.session().await?;
        // Refused by the warehouse the last time: the encoder lets them pass.
        let refused: HashSet<Vec<i128>> = session.refused_keys(&self.table.name).await?;
        // Open while the source is read: a reader's lock, which stops nobody but who would alter the table.
        let mut theirs = Theirs {
            stream: session.copy_out(&self.raw().copy_out(&self.drift)).await?,
            key: self.table.key.iter().map(|&k| (k, self.table.columns[k].warehouse())).collect(),
            row: Bytes::new(),
            cells: Vec::new(),
            key_now: Vec::new(),
            rows: 0,
        };
        let (reading, mut batches) = self.feed(Order::Key { after: Vec::new() }, Ends::WithTheTable);
        let comparing = async {
            let mut walked = Walked::default();
            let mut here = theirs.advance().await?;
            while let Some(batch) = batches.recv().await {
                walked.refused.extend_from_slice(&batch.refused);
                for (key, row) in batch.each() {
                    while here && theirs.key_now.as_slice() < key {
                        walked.surplus(&theirs, self.deletes, staging.as_deref_mut()).await?;
                        here = theirs.advance().await?;
                    }
                    let order = if here { theirs.key_now.as_slice().cmp(key) } else { Ordering::Greater };
                    if order != Ordering::Equal {
                        match refused.contains(key) {
                            true => walked.differences.quarantined += 1,
                            false => walked.differences.missing += 1,
                        }
                        stage(staging.as_deref_mut(), row).await?;
                        continue;
                    }
                    if theirs.row != row {
                        walked.differences.different += 1;
                        stage(staging.as_deref_mut(), row).await?;
                    }
                    here = theirs.advance().await?;
                }
            }
            Ok((walked, here))
        };
        let (fed, (mut walked, mut here)) = tokio::try_join!(reading, comparing)?;
        while here {
            walked.surplus(&theirs, self.deletes, staging.as_deref_mut()).await?;
            here = theirs.advance().await?;
        }
        walked.differences.rows = fed.rows;
        walked.differences.quarantined += walked.refused.len() as u64;
        walked.fed = fed;
        walked.rows_of_warehouse = theirs.rows;
        Ok(walked)
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
struct Walked {
    differences: Differences,
    fed: Fed,
    refused: Vec<Refused>,
    rows_of_warehouse: u64,
}

impl Walked {
    async fn surplus(&mut self, theirs: &Theirs, rule: Deletes, staging: Option<&mut Staging<'_>>) -> Result<()> {
        if rule == Deletes::Ignore {
            self.differences.kept += 1;
            return Ok(());
        }
        self.differences.surplus += 1;
        match staging {
            Some(staging) => staging.delete(theirs.key.iter().map(|&(k, _)| theirs.cell(k))).await,
            None => Ok(()),
        }
    }
}

/// The warehouse's stream and the row it stands at.
struct Theirs {
    stream: CopyOut,
    key: Vec<(usize, WarehouseType)>,
    row: Bytes,
    /// Where each cell begins, its length included.
    cells: Vec<usize>,
    key_now: Vec<i128>,
    rows: u64,
}

impl Theirs {
    /// Goes to the next row; `false` after the last.
    async fn advance(&mut self) -> Result<bool> {
        let Some(row) = self.stream.next().await? else { return Ok(false) };
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
        Ok(true)
    }

    /// A cell with its length in front.
    fn cell(&self, column: usize) -> &[u8] {
        let end = self.cells.get(column + 1).copied().unwrap_or(self.row.len());
        &self.row[self.cells[column]..end]
    }
}
