//! Finds rows that are gone from the source, by keys alone.
//!
//! Both servers count and sum the keys of one piece after another, and of a piece that differs those of each
//! bucket; only in buckets that differ are keys looked at one by one. A delta does this whenever the source
//! has fewer rows than there ought to be, and until it has found as many as are missing.
//! Memory: [`LISTED_MAX`] keys from each side. A piece of which the warehouse has more, as after a purge, is
//! divided until it has fewer.

use super::{
    job::{Job, count},
    staging::Staging,
};
use crate::{
    domain::KeyRange,
    error::{Error, Kind, Result},
    source::{KeyPiece, KeyReader, KeySpread},
    warehouse::Session,
};
use std::collections::{BTreeMap, HashSet};
use tracing::debug;

/// Where more buckets of a piece differ, the piece is listed at once, if it may be.
const BUCKETS_LISTED_MAX: usize = 8;
/// So few keys are listed at once in any case.
const FEW: u64 = 1000;
/// No more are ever listed at once.
const LISTED_MAX: u64 = 100_000;

/// Where keys were found gone.
pub(super) enum Gone {
    /// Staged. How many rows the warehouse has, counted on the way, where that was all of them.
    Staged(Option<u64>),
    /// Not all: keys that can't be divided are too many to be listed.
    TooMany,
}

impl Job<'_> {
    /// Stages the deletion of the rows whose keys the source no longer has, the highest first, until so many
    /// are found as it has lost.
    pub(super) async fn stage_deletes(&self, staging: &mut Staging<'_>, lost: u64) -> Result<Gone> {
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
            let mut differing = if image == piece.image { Vec::new() } else { vec![(piece, here)] };
            while let Some((part, here)) = differing.pop() {
                match self.divided(&session, &mut reader, &part, here).await? {
                    Some(buckets) => differing.extend(buckets),
                    None if here > LISTED_MAX => return Ok(Gone::TooMany),
                    None => gone += self.stage_listed(&session, &mut reader, staging, &part).await?,
                }
            }
        }
        debug!(table = %self.table.name, pieces, lost, gone, "keys compared");
        Ok(Gone::Staged(next.is_none().then_some(rows)))
    }

    /// Lists the keys of a piece on both sides, and stages those that the source lacks; how many.
    async fn stage_listed(
        &self,
        session: &Session,
        reader: &mut KeyReader<'_>,
        staging: &mut Staging<'_>,
        piece: &KeyPiece,
    ) -> Result<u64> {
        let here = self.keys(session, piece).await?;
        let first = || here.iter().filter_map(|key| i64::try_from(*key.first()?).ok());
        // Only among these may one be gone: the source may have many more above them.
        let within = first().min().zip(first().max()).map(|(from, to)| KeyRange { from, to });
        let within = within.filter(|_| first().count() == here.len()).or(piece.within);
        let there: HashSet<Vec<i128>> = reader.keys(&KeyPiece { within, ..piece.clone() }).await?.into_iter().collect();
        let mut gone = 0;
        for key in here.iter().filter(|key| !there.contains(*key)) {
            staging.delete_key(key, self.table).await?;
            gone += 1;
        }
        Ok(gone)
    }

    /// The buckets of a piece in which both sides differ, and how many keys the warehouse has in each. `None`
    /// where the piece is better listed as it is: its keys are few, can't be divided, or differ nearly everywhere.
    /// What only the source has is not gone, and not looked for.
    async fn divided(
        &self,
        session: &Session,
        reader: &mut KeyReader<'_>,
        piece: &KeyPiece,
        here: u64,
    ) -> Result<Option<Vec<(KeyPiece, u64)>>> {
        if here <= FEW {
            return Ok(None);
        }
        let ends = self.ends(session, piece).await?;
        let Some(spread) = ends.and_then(|(lowest, highest)| KeySpread::over(lowest, highest)) else {
            return Ok(None);
        };
        let at_source = reader.buckets(piece, &spread).await?;
        let differing = self.buckets(session, piece, &spread).await?.into_iter();
        let differing = differing.filter(|(number, (_, image))| at_source.get(number) != Some(image));
        let bucket = |number| KeyPiece { within: Some(spread.bucket(number)), ..piece.clone() };
        let buckets: Vec<_> = differing.map(|(number, (count, _))| (bucket(number), count)).collect();
        Ok((buckets.len() <= BUCKETS_LISTED_MAX || here > LISTED_MAX).then_some(buckets))
    }

    async fn ends(&self, session: &Session, piece: &KeyPiece) -> Result<Option<(i128, i128)>> {
        let sql = self.raw().key_ends(piece);
        let row = session.query_one(&sql, &[], &self.reading_keys()).await?;
        let ends = row.get::<_, Option<String>>(0).zip(row.get::<_, Option<String>>(1));
        ends.map(|(lowest, highest)| Ok((number(&lowest)?, number(&highest)?))).transpose()
    }

    async fn buckets(
        &self,
        session: &Session,
        piece: &KeyPiece,
        spread: &KeySpread,
    ) -> Result<BTreeMap<i64, (u64, String)>> {
        let rows = session.query(&self.raw().key_buckets(piece, spread), &[], &self.reading_keys()).await?;
        rows.iter().map(|row| Ok((row.get(0), (count(row.get(1))?, row.get(2))))).collect()
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
