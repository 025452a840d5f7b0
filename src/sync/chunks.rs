//! Passes over the chunks of a table that are quiet, and walks along the others.
//!
//! A chunk is a range of keys. Where the source's rows come to the checksum, and the warehouse has the very
//! versions of rows, that were once found equal, they still are. [`super::cutter`] makes them.
//! Guarantee: a chunk that was found equal is written down before the walk is over, so that what was cut off
//! goes on; one that differs is written with its differences, in their transaction.
//! Memory: one record a chunk, of which there are some thousand at most; the rest is that of [`super::reconcile`].

use super::{
    Action, SyncOutcome,
    cutter::{Cut, Cutter},
    drift,
    job::{Found, Job, count},
    raw::{Raw, STAGED},
    reconcile::Walked,
    staging::Staging,
};
use crate::{
    domain::{Deletes, KeyRange, hexadecimal},
    error::{Error, Kind, Result},
    source::{ChecksumReader, is_plain},
    warehouse::{Chunk, RawImage, Session, Transaction},
};
use sha2::{Digest, Sha256};
use tracing::info;

/// How a comparison in chunks went.
pub(super) struct Chunked {
    pub quiet: u64,
    pub walked: u64,
    pub form: String,
    /// Walked chunks with differences, which are not written yet.
    pub differing: Vec<Cut>,
}

/// What was passed over.
#[derive(Default)]
struct Quiet {
    ranges: Vec<KeyRange>,
    rows: u64,
    key_max: Option<i64>,
    compared: u64,
}

impl Job<'_> {
    /// Whether the table is compared in chunks: one integer orders its rows, and they are more than a chunk.
    pub(super) fn is_chunked(&self) -> bool {
        is_plain(self.table) && self.table.rows > self.config.chunk_rows
    }

    /// Compares what is not quiet and writes the difference.
    pub(super) async fn reconcile_by_chunks(&self) -> Result<SyncOutcome> {
        let mut staging = Staging::new(self.warehouse.session().await?, self.raw(), self.config.batch_bytes_max);
        let form = self.form(&self.source.checksum_reader(self.table).await?.form().await?)?;
        let chunks = self.untouched(staging.session(), &form).await?;
        // Not before the warehouse has answered: a snapshot is not to wait for it.
        let mut checksums = self.source.checksum_reader(self.table).await?;
        let quiet = self.pass_over(&mut checksums, chunks).await?;
        let to_walk = KeyRange::between(&quiet.ranges);
        let mut cutter = Cutter::new(self, form, to_walk.clone());
        let walked = if to_walk.is_empty() {
            Walked::default()
        } else {
            let (reading, batches) = self.feed_ranges(checksums, to_walk);
            self.walk_along(reading, batches, Some(&mut staging), Some(&mut cutter)).await?
        };
        staging.refuse(walked.refused);
        let chunks = cutter.finish(staging.session(), &self.table.name, quiet.ranges.len()).await?;
        let (table, differing) = (&self.table.name, chunks.differing.len());
        info!(%table, compared = quiet.compared, quiet = chunks.quiet, walked = chunks.walked, differing, "chunks compared");
        let fed = super::feed::Fed { key_max: walked.fed.key_max.max(quiet.key_max.map(i128::from)), ..walked.fed };
        let found = Found {
            rows_before: Some(quiet.rows + walked.rows_of_warehouse - walked.differences.kept),
            chunks: Some(chunks),
            ..Found::all(Action::Reconcile, fed, Vec::new())
        };
        self.apply(staging, found).await
    }

    /// What the checksums are made of, as a hash: those of another form say nothing.
    fn form(&self, digested: &str) -> Result<String> {
        let shape = serde_json::to_string(&drift::shape(self.table))
            .map_err(|e| Error::new(Kind::Internal, format!("shape of {}: {e}", self.table.name)))?;
        let version = env!("CARGO_PKG_VERSION");
        let hash = Sha256::digest(format!("{version}\n{shape}\n{}\n{digested}", self.deletes));
        Ok(hexadecimal(&hash[..16]))
    }

    /// The chunks of which the warehouse has the very versions of rows.
    async fn untouched(&self, session: &Session, form: &str) -> Result<Vec<Chunk>> {
        if self.every_row {
            return Ok(Vec::new());
        }
        let chunks = session.chunks(&self.table.name, form).await?;
        if chunks.is_empty() {
            return Ok(chunks);
        }
        let ranges: Vec<KeyRange> = chunks.iter().map(|c| c.range).collect();
        let (sql, buckets) = (self.raw().images_by_bucket("true"), Buckets::new(&ranges));
        let rows = session.query(&sql, &[&buckets.bounds], &self.comparing()).await?;
        let images = buckets.images(&rows)?;
        let same = chunks.into_iter().zip(images).filter(|(chunk, image)| image.to_string() == chunk.raw_image);
        Ok(same.map(|(chunk, _)| chunk).collect())
    }

    /// Finds those among them that the source has not changed either.
    async fn pass_over(&self, checksums: &mut ChecksumReader<'_>, chunks: Vec<Chunk>) -> Result<Quiet> {
        let mut quiet = Quiet::default();
        for chunk in chunks {
            quiet.compared += 1;
            let summed = checksums.checksum(chunk.range).await?;
            if summed.checksum.image().as_ref() == Some(&chunk.source_image) {
                quiet.ranges.push(chunk.range);
                quiet.rows += summed.checksum.rows();
                quiet.key_max = quiet.key_max.max(summed.key_max);
            }
        }
        Ok(quiet)
    }

    /// Writes down the chunks whose differences were just written in this transaction.
    pub(super) async fn remember_written(
        &self,
        transaction: &Transaction<'_>,
        raw: &Raw<'_>,
        chunks: &Chunked,
        staged: bool,
        has_refused: bool,
    ) -> Result<()> {
        let mut differing = chunks.differing.clone();
        if staged && !differing.is_empty() {
            let ranges: Vec<KeyRange> = differing.iter().map(|cut| cut.range).collect();
            let is_staged = format!("exists (select from {STAGED} s where {})", raw.same_key("t", "s"));
            let (sql, buckets) = (raw.images_by_bucket(&is_staged), Buckets::new(&ranges));
            let rows = transaction.query(&sql, &[&buckets.bounds], &self.comparing()).await?;
            for (cut, written) in differing.iter_mut().zip(buckets.images(&rows)?) {
                cut.raw.merge(written);
            }
        }
        let mut storable: Vec<Chunk> = differing.iter().filter_map(|cut| cut.chunk(self.deletes)).collect();
        if self.deletes == Deletes::Ignore && has_refused {
            // Counts can't tell which chunk lacks a row, since rows that are kept make up for it.
            storable.clear();
        }
        transaction.remember_chunks(&self.table.name, &chunks.form, &storable).await
    }

    fn comparing(&self) -> String {
        format!("comparing {}", self.table.name)
    }
}

impl Raw<'_> {
    /// Which version of a row it is: of its key, by which transaction. PostgreSQL keeps `xmin` also in rows
    /// that are frozen (PostgreSQL docs, § 24.1.5, "Preventing Transaction ID Wraparound Failures").
    pub(super) fn identity(&self, alias: &str) -> String {
        format!("hashint8extended({alias}.{}::bigint, {alias}.xmin::text::bigint)", self.key()[0])
    }

    /// The images of rows, one a bucket of `$1`: see [`Buckets`].
    fn images_by_bucket(&self, condition: &str) -> String {
        format!(
            "select bucket, count(*), sum(i)::text, bit_xor(i) from \
             (select width_bucket(t.{}::bigint, $1::bigint[]) as bucket, {} as i from {} t where {} and {condition}) rows \
             group by bucket",
            self.key()[0],
            self.identity("t"),
            self.name(),
            self.is_live("t")
        )
    }
}

/// Ranges as PostgreSQL's `width_bucket` takes them: ascending lower bounds, of the ranges and of what lies
/// between them. A key's bucket is the number of bounds that it is not below.
struct Buckets {
    bounds: Vec<i64>,
    /// Each range's bucket.
    of: Vec<usize>,
}

impl Buckets {
    fn new(ranges: &[KeyRange]) -> Self {
        let (mut bounds, mut of) = (Vec::with_capacity(ranges.len() * 2), Vec::with_capacity(ranges.len()));
        for range in ranges {
            if bounds.last() != Some(&range.from) {
                bounds.push(range.from);
            }
            of.push(bounds.len());
            bounds.extend(range.to.checked_add(1));
        }
        Self { bounds, of }
    }

    /// Each range's image, out of what [`Raw::images_by_bucket`] gave.
    fn images(&self, rows: &[crate::warehouse::Row]) -> Result<Vec<RawImage>> {
        let mut images = vec![RawImage::default(); self.bounds.len() + 1];
        for row in rows {
            let unread = || Error::new(Kind::Internal, "an image that is no number");
            let sum = row.get::<_, &str>(2).parse().map_err(|_| unread())?;
            let bucket = usize::try_from(row.get::<_, i32>(0)).map_err(|_| unread())?;
            *images.get_mut(bucket).ok_or_else(unread)? = RawImage::new(count(row.get(1))?, sum, row.get(3));
        }
        Ok(self.of.iter().map(|&bucket| images[bucket]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_has_a_bucket_of_its_own_and_so_has_what_lies_between() {
        let range = |from, to| KeyRange { from, to };
        let buckets = Buckets::new(&[range(i64::MIN, 9), range(10, 19), range(30, 39), range(50, i64::MAX)]);
        assert_eq!(buckets.bounds, [i64::MIN, 10, 20, 30, 40, 50]);
        assert_eq!(buckets.of, [1, 2, 4, 6]);
    }
}
