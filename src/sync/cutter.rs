//! Cuts what a comparison walks along into chunks, and tells those that differ from those that don't.
//!
//! What is kept of a chunk came with the very rows that were compared. One that was found equal is written
//! down at once; one that differs is handed on, to be written with its differences.

use super::{chunks::Chunked, job::Job};
use crate::{
    domain::{Deletes, KeyRange, TableName},
    error::Result,
    source::{Checksum, Digest},
    warehouse::{Chunk, RawImage, Session},
};
use std::collections::VecDeque;

/// A larger table has longer chunks instead of more.
const CHUNKS_MAX: u64 = 4096;
/// So many equal chunks are written down at a time.
const REMEMBERED_AT_ONCE: usize = 16;

/// A chunk that was walked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub range: KeyRange,
    source: Checksum,
    /// Rows of the warehouse, but for those that are to be written.
    pub raw: RawImage,
    differs: bool,
}

impl Cut {
    /// As it is written down; `None` where it must be walked again: a row has no digest, or has no place in
    /// the warehouse.
    pub(super) fn chunk(&self, deletes: Deletes) -> Option<Chunk> {
        let is_whole = deletes == Deletes::Ignore || self.source.rows() == self.raw.rows();
        let source_image = self.source.image().filter(|_| is_whole)?;
        Some(Chunk { range: self.range, source_image, raw_image: self.raw.to_string() })
    }
}

/// Cuts what is walked into chunks.
pub(super) struct Cutter {
    /// Ranges to be walked; the first is under way.
    ranges: VecDeque<KeyRange>,
    rows_max: u64,
    deletes: Deletes,
    form: String,
    /// Where the chunk under way begins; `None`: the range is at its end.
    from: Option<i64>,
    source: Checksum,
    raw: RawImage,
    differs: bool,
    equal: Vec<Chunk>,
    differing: Vec<Cut>,
    walked: u64,
}

impl Cutter {
    pub(super) fn new(job: &Job<'_>, form: String, ranges: Vec<KeyRange>) -> Self {
        Self {
            from: ranges.first().map(|r| r.from),
            ranges: ranges.into(),
            rows_max: job.config.chunk_rows.max(job.table.rows / CHUNKS_MAX),
            deletes: job.deletes,
            form,
            source: Checksum::default(),
            raw: RawImage::default(),
            differs: false,
            equal: Vec::new(),
            differing: Vec::new(),
            walked: 0,
        }
    }

    /// The range under way.
    pub(super) fn range(&self) -> KeyRange {
        self.ranges.front().copied().unwrap_or(KeyRange::ALL)
    }

    /// Whether a key lies behind the range under way.
    pub(super) fn is_beyond(&self, key: &[i128]) -> bool {
        key.first().is_some_and(|&key| key > self.range().to.into())
    }

    /// Whether there is a range behind the one under way.
    pub(super) fn has_next_range(&self) -> bool {
        self.ranges.len() > 1
    }

    /// Goes to the next range; `false` where there is none.
    pub(super) fn next_range(&mut self) -> bool {
        self.ranges.pop_front();
        self.from = self.ranges.front().map(|r| r.from);
        self.from.is_some()
    }

    /// Takes in a row of the source, and the identity of the warehouse's where that is equal.
    pub(super) fn row(&mut self, key: &[i128], digest: Option<Digest>, equal: Option<i64>) {
        self.source.add(digest);
        match equal {
            Some(identity) => self.raw.add(identity),
            None => self.differs = true,
        }
        if self.source.rows() >= self.rows_max
            && let Some(to) = key.first().and_then(|&key| i64::try_from(key).ok())
        {
            self.cut(to);
        }
    }

    /// Takes in a row that only the warehouse has, with its identity where it is kept.
    pub(super) fn surplus(&mut self, kept: Option<i64>) {
        match kept {
            Some(identity) => self.raw.add(identity),
            None => self.differs = true,
        }
    }

    /// Ends the range under way.
    pub(super) fn end_range(&mut self) {
        self.cut(self.range().to);
    }

    fn cut(&mut self, to: i64) {
        let Some(from) = self.from else { return };
        let (source, raw) = (std::mem::take(&mut self.source), std::mem::take(&mut self.raw));
        let cut = Cut { range: KeyRange { from, to }, source, raw, differs: std::mem::take(&mut self.differs) };
        self.from = to.checked_add(1).filter(|&from| from <= self.range().to);
        self.walked += 1;
        if cut.differs {
            self.differing.push(cut);
        } else {
            self.equal.extend(cut.chunk(self.deletes));
        }
    }

    /// Writes down what was found equal, as soon as it is worth a statement.
    pub(super) async fn remember_equal(&mut self, session: &Session, table: &TableName) -> Result<()> {
        if self.equal.len() >= REMEMBERED_AT_ONCE {
            session.remember_chunks(table, &self.form, &std::mem::take(&mut self.equal)).await?;
        }
        Ok(())
    }

    /// Writes down the rest of what was found equal.
    pub(super) async fn finish(self, session: &Session, table: &TableName, quiet: usize) -> Result<Chunked> {
        session.remember_chunks(table, &self.form, &self.equal).await?;
        Ok(Chunked { quiet: quiet as u64, walked: self.walked, form: self.form, differing: self.differing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_with_a_row_that_has_no_twin_is_walked_again() {
        let mut source = Checksum::default();
        source.add(Some([1, 2]));
        let mut raw = RawImage::default();
        let cut = |source, raw| Cut { range: KeyRange::ALL, source, raw, differs: false };
        assert_eq!(cut(source, raw).chunk(Deletes::Hard), None);
        raw.add(7);
        assert!(cut(source, raw).chunk(Deletes::Hard).is_some());
        raw.add(8);
        assert_eq!(cut(source, raw).chunk(Deletes::Soft), None);
        assert!(cut(source, raw).chunk(Deletes::Ignore).is_some());
        source.add(None);
        assert_eq!(cut(source, raw).chunk(Deletes::Ignore), None);
    }
}
