//! Reads what a load in the order of the file has left out, because it was called off or cut off.
//!
//! Rows may lie in the file in any order: which are in, their keys alone tell. Both sides list theirs in order,
//! the source out of its index, up to the highest that is in; the rows of those that only the source has are read.
//! Where none is in for longer than one list is, nothing is listed: all rows there are read.
//! Guarantee: no row that is in is read again. Cut off, it is done again for what is missing then.
//! Memory: one row of keys of the warehouse, a range of them of the source, and at most as many as are missing of
//! [`MISSING_MAX`] rows.

use super::{encode, job::Job};
use crate::{
    domain::WarehouseType,
    error::{Error, Kind, Result},
    source::Missing,
    warehouse::{CopyOut, LoadProgress, Session},
};
use std::{collections::BTreeSet, ops::Bound::Excluded};
use tracing::info;

/// So many rows, about, are found missing before they are read: keys and rows take turns, because a table has one
/// connection for itself.
const MISSING_MAX: u64 = 100_000;

impl Job<'_> {
    /// Reads the rows with keys up to the highest that is in and that are not in themselves.
    pub(super) async fn fill_gaps(&self, session: &mut Session, load: &mut LoadProgress) -> Result<()> {
        let (rows, highest) = (load.rows, load.last_key.clone());
        let transaction = session.begin().await?;
        // Neither are rows missing that were set aside.
        let refused = transaction.refused_in(&self.table.name, load.source_read_at).await?.into_iter().collect();
        transaction.commit().await?;
        let beside = self.warehouse.session().await?;
        // Open while the source is read: a reader's lock, on a table that is nobody else's to see.
        let mut here = KeysHere::begin(beside.copy_out(&self.raw().copy_out_keys(&load.target())).await?, self).await?;
        let mut above = Vec::new();
        loop {
            let (missing, is_end) = self.missing(&mut here, &refused, above, &highest).await?;
            above = missing.last().to_vec();
            if missing.rows() > 0 {
                let (reading, mut batches) = self.feed_missing(missing);
                tokio::try_join!(reading, self.take_parts(session, load, &mut batches))?;
            }
            if is_end {
                break;
            }
        }
        load.may_have_gaps = false;
        info!(table = %self.table.name, rows, missing = load.rows - rows, "what the file's order had left out was read by key");
        Ok(())
    }

    /// The next keys that only the source has, and whether these are the last.
    async fn missing(
        &self,
        here: &mut KeysHere,
        refused: &BTreeSet<Vec<i128>>,
        above: Vec<i128>,
        highest: &[i128],
    ) -> Result<(Missing, bool)> {
        let mut reader = self.source.key_reader(self.table).await?;
        reader.go_on_above(above.clone());
        let mut missing = Missing::above(above);
        while missing.rows() < MISSING_MAX {
            let listed = reader.list_up_to(highest).await?;
            let Some((first, count)) = listed.first().map(|key| (key.clone(), listed.len())) else {
                return Ok((missing, true));
            };
            for key in listed {
                // Gone from the source, and said all the same: it might come again before its stretch is read.
                while let Some(gone) = here.now.take_if(|now| *now < key) {
                    missing.take(gone, true);
                    here.advance().await?;
                }
                let is_here = here.now.as_ref() == Some(&key);
                if is_here {
                    here.advance().await?;
                }
                let is_there = is_here || refused.contains(&key);
                missing.take(key, is_there);
            }
            if let ([first], &[last], Some([next])) = (&first[..], missing.last(), here.now.as_deref()) {
                let (span, gap) = (last - first, next - last);
                let has_refused = || refused.range((Excluded(vec![last]), Excluded(vec![*next]))).next().is_some();
                if span > 0 && gap > span && !has_refused() {
                    let rows = u64::try_from(count as i128 * gap / span).unwrap_or(u64::MAX);
                    missing.take_all(vec![next - 1], rows);
                    reader.go_on_above(vec![next - 1]);
                }
            }
        }
        Ok((missing, false))
    }
}

/// The keys that are in, in order.
struct KeysHere {
    stream: CopyOut,
    key: Vec<WarehouseType>,
    /// `None` after the last.
    now: Option<Vec<i128>>,
}

impl KeysHere {
    async fn begin(stream: CopyOut, job: &Job<'_>) -> Result<Self> {
        let key = job.table.key_columns().map(|column| column.warehouse()).collect();
        let mut here = Self { stream, key, now: None };
        here.advance().await?;
        Ok(here)
    }

    async fn advance(&mut self) -> Result<()> {
        self.now = match self.stream.next().await? {
            Some(row) => Some(integers(&row, &self.key)?),
            None => None,
        };
        Ok(())
    }
}

fn integers(row: &[u8], key: &[WarehouseType]) -> Result<Vec<i128>> {
    let cells = encode::cells(row).filter(|cells| cells.len() == key.len());
    let parts =
        cells.iter().flatten().zip(key).map(|(cell, &of)| encode::decode_integer(&row[cell.start + 4..cell.end], of));
    let integers: Option<Vec<i128>> = parts.collect();
    integers
        .filter(|_| cells.is_some())
        .ok_or_else(|| Error::new(Kind::Internal, "a key of the warehouse is no integer"))
}
