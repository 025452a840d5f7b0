//! Copies rows into the warehouse, and finds those that it refuses.
//!
//! What the encoder lets pass, PostgreSQL may still refuse: a row of hundreds of columns that fits no page.
//! One such row fails the whole COPY; then its rows are copied in halves until each refused row stands
//! alone and is set aside. Bound: two COPYs for each halving of each refused row, of which there are at
//! most [`REFUSED_MAX`].

use super::{
    encode,
    quarantine::{self, REFUSED_MAX, Refused},
};
use crate::{
    domain::Table,
    error::{Error, Kind, Result},
    warehouse::{CopyIn, Session, Transaction},
};
use bytes::Bytes;

/// Rows on their way into a table within a transaction.
pub(super) enum Filling<'a> {
    /// As one stream; one refused row fails it.
    Stream(CopyIn),
    /// Batch by batch, refused rows set aside.
    Sift { transaction: &'a Transaction<'a>, sql: String, table: &'a Table, refused: Vec<Refused> },
}

impl<'a> Filling<'a> {
    /// Begins the one stream.
    pub(super) async fn stream(transaction: &Transaction<'_>, sql: &str) -> Result<Self> {
        let mut copy = transaction.copy_in(sql).await?;
        copy.send(Bytes::from_static(encode::HEADER)).await?;
        Ok(Self::Stream(copy))
    }

    /// Begins to sift.
    pub(super) fn sift(transaction: &'a Transaction<'a>, sql: String, table: &'a Table) -> Self {
        Self::Sift { transaction, sql, table, refused: Vec::new() }
    }

    /// Takes encoded rows in.
    pub(super) async fn send(&mut self, rows: Bytes) -> Result<()> {
        match self {
            Self::Stream(copy) => copy.send(rows).await,
            Self::Sift { transaction, sql, table, refused } => {
                sift(&Within::Transaction(transaction), sql, table, &rows, refused).await
            }
        }
    }

    /// Ends; the rows that the warehouse refused.
    pub(super) async fn finish(self) -> Result<Vec<Refused>> {
        match self {
            Self::Stream(mut copy) => {
                copy.send(Bytes::from_static(encode::TRAILER)).await?;
                copy.finish().await.map(|_| Vec::new())
            }
            Self::Sift { refused, .. } => Ok(refused),
        }
    }
}

/// Copies rows outside of any transaction, refused ones set aside.
pub(super) async fn copy(session: &Session, sql: &str, table: &Table, rows: &Bytes) -> Result<Vec<Refused>> {
    let mut refused = Vec::new();
    sift(&Within::Session(session), sql, table, rows, &mut refused).await?;
    Ok(refused)
}

/// Sends encoded rows as one whole stream.
pub(super) async fn whole(mut copy: CopyIn, rows: Vec<Bytes>) -> Result<()> {
    copy.send(Bytes::from_static(encode::HEADER)).await?;
    for rows in rows {
        copy.send(rows).await?;
    }
    copy.send(Bytes::from_static(encode::TRAILER)).await?;
    copy.finish().await.map(|_| ())
}

/// Where a COPY that fails takes nothing else with it.
enum Within<'a> {
    Session(&'a Session),
    Transaction(&'a Transaction<'a>),
}

impl Within<'_> {
    async fn copy(&self, sql: &str, rows: Bytes) -> Result<()> {
        let doing = "copying into the warehouse";
        if let Self::Transaction(transaction) = self {
            transaction.batch("savepoint sift", doing).await?;
        }
        let copied = async {
            let copy = match self {
                Self::Session(session) => session.copy_in(sql).await?,
                Self::Transaction(transaction) => transaction.copy_in(sql).await?,
            };
            whole(copy, vec![rows]).await
        }
        .await;
        if let Self::Transaction(transaction) = self {
            let back = if copied.is_err() { "rollback to savepoint sift; " } else { "" };
            transaction.batch(&format!("{back}release savepoint sift"), doing).await?;
        }
        copied
    }
}

async fn sift(within: &Within<'_>, sql: &str, table: &Table, rows: &Bytes, refused: &mut Vec<Refused>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let ends =
        encode::ends(rows).ok_or_else(|| Error::new(Kind::Internal, "a batch holds something else than whole rows"))?;
    let begin = |row: usize| row.checked_sub(1).map_or(0, |before| ends[before]);
    // Halves that are still to be copied, the next one last.
    let mut todo = vec![(0, ends.len())];
    while let Some((from, to)) = todo.pop() {
        let piece = rows.slice(begin(from)..ends[to - 1]);
        match within.copy(sql, piece.clone()).await {
            Ok(()) => {}
            Err(error) if error.kind != Kind::WarehouseRefused => return Err(error),
            Err(error) if to - from == 1 => {
                refused.push(Refused::by_warehouse(table, &piece, &error)?);
                if refused.len() as u64 > REFUSED_MAX {
                    return quarantine::too_many(table, &refused[refused.len() - 1]);
                }
            }
            Err(_) => {
                let half = from + (to - from) / 2;
                todo.extend([(half, to), (from, half)]);
            }
        }
    }
    Ok(())
}
