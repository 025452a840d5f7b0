//! Finds rows that are gone from the source, by keys alone.
//!
//! Both servers count and sum the keys of one piece after another, and of a piece that differs those of each
//! bucket; only in buckets that differ are keys looked at one by one. A delta does this whenever the source
//! has fewer rows than there ought to be, and until it has found as many as are missing.
//! Memory: the keys of one piece, from both sides.

use super::{
    job::{Job, count},
    plan,
    staging::Staging,
};
use crate::{
    domain::{Deletes, Engine},
    error::{Error, Kind, Result},
    source::{KeyPiece, KeyReader, KeySpread},
    warehouse::Session,
};
use std::collections::{BTreeMap, HashSet};
use tracing::debug;

/// Where more buckets of a piece differ, the whole piece is listed at once.
const BUCKETS_LISTED_MAX: usize = 8;

impl Job<'_> {
    /// How many rows the source has lost: with what a delta has staged there would be so many more of them
    /// than the source counts. Rows in quarantine are the source's alone; as long as one is there that the
    /// source has deleted since, keys are compared each time, and the next comparison of all rows releases it.
    /// Only MyISAM counts exactly; what other engines lose, a reconciliation finds. Where such rows are kept as
    /// they are, nobody asks.
    pub(super) async fn lost_rows(&self, staging: &mut Staging<'_>) -> Result<u64> {
        let asks =
            self.deletes != Deletes::Ignore && self.table.engine == Engine::MyIsam && plan::has_integer_key(self.table);
        let Some(state) = self.state.filter(|_| asks) else {
            return Ok(0);
        };
        let quarantined = self.warehouse.session().await?.quarantined(&self.table.name).await?;
        let expected = state.row_count.unsigned_abs() + staging.count_new().await? + quarantined;
        // A row that is set aside now may hide one that is gone: better look once too often.
        Ok((expected + staging.refused_now()).saturating_sub(self.table.rows))
    }

    /// Stages the deletion of the rows whose keys the source no longer has, the highest first, until so many
    /// are found as it has lost. How many rows the warehouse has, counted on the way, where that was all of
    /// them.
    pub(super) async fn stage_deletes(&self, staging: &mut Staging<'_>, lost: u64) -> Result<Option<u64>> {
        let session = self.warehouse.session().await?;
        let mut reader = self.source.key_reader(self.table).await?;
        let (mut pieces, mut gone, mut rows) = (0u64, 0, 0);
        let mut next = match reader.highest().await? {
            Some(piece) => Some(piece),
            None => reader.piece().await?,
        };
        while let Some(piece) = next.take_if(|_| gone < lost) {
            pieces += 1;
            let ((here, image), following) = tokio::try_join!(self.count(&session, &piece), reader.piece())?;
            (rows, next) = (rows + here, following);
            if image == piece.image {
                continue;
            }
            for part in self.differing(&session, &mut reader, piece).await? {
                let there: HashSet<Vec<i128>> = reader.keys(&part).await?.into_iter().collect();
                for key in self.keys(&session, &part).await?.into_iter().filter(|k| !there.contains(k)) {
                    staging.delete_key(&key, self.table).await?;
                    gone += 1;
                }
            }
        }
        debug!(table = %self.table.name, pieces, lost, gone, "keys compared");
        Ok(next.is_none().then_some(rows))
    }

    /// The parts of a piece in which both sides differ: few buckets, or the piece itself.
    async fn differing(&self, session: &Session, reader: &mut KeyReader<'_>, piece: KeyPiece) -> Result<Vec<KeyPiece>> {
        // What only the source has is not gone: the warehouse's keys alone are looked for.
        let Some((lowest, highest)) = self.ends(session, &piece).await? else { return Ok(Vec::new()) };
        let Some(spread) = KeySpread::over(lowest, highest) else { return Ok(vec![piece]) };
        let there = reader.buckets(&piece, &spread).await?;
        let here = self.buckets(session, &piece, &spread).await?;
        let differing = here.iter().filter(|(number, image)| there.get(number) != Some(image));
        let parts: Vec<KeyPiece> =
            differing.map(|(&number, _)| KeyPiece { within: Some(spread.bucket(number)), ..piece.clone() }).collect();
        Ok(if parts.len() > BUCKETS_LISTED_MAX { vec![piece] } else { parts })
    }

    async fn ends(&self, session: &Session, piece: &KeyPiece) -> Result<Option<(i128, i128)>> {
        let sql = self.raw().key_ends(piece);
        let row = session.query_one(&sql, &[], &self.reading_keys()).await?;
        let ends = row.get::<_, Option<String>>(0).zip(row.get::<_, Option<String>>(1));
        ends.map(|(lowest, highest)| Ok((number(&lowest)?, number(&highest)?))).transpose()
    }

    async fn buckets(&self, session: &Session, piece: &KeyPiece, spread: &KeySpread) -> Result<BTreeMap<i64, String>> {
        let rows = session.query(&self.raw().key_buckets(piece, spread), &[], &self.reading_keys()).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    fn reading_keys(&self) -> String {
        format!("reading the keys of {}", self.table.name)
    }

    async fn count(&self, session: &Session, piece: &KeyPiece) -> Result<(u64, String)> {
        let sql = self.raw().key_image(piece);
        let row = session.query_one(&sql, &[], &format!("counting the keys of {}", self.table.name)).await?;
        Ok((count(row.get(0))?, row.get(1)))
    }

    async fn keys(&self, session: &Session, piece: &KeyPiece) -> Result<Vec<Vec<i128>>> {
        let rows = session.query(&self.raw().keys(piece), &[], &self.reading_keys()).await?;
        rows.iter().map(|row| row.get::<_, Vec<String>>(0).iter().map(|text| number(text)).collect()).collect()
    }
}

fn number(text: &str) -> Result<i128> {
    text.parse().map_err(|_| Error::new(Kind::Internal, "a key of the warehouse is no integer"))
}
