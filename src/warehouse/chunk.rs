//! What the chunks of a table came to when both sides were last found equal, in `amalgam.chunk`.
//!
//! A chunk says: source rows of this checksum are, in the warehouse, just these versions of rows. That
//! stays true whatever happens to either side; so it may be written at any time, and needs no transaction.

use super::{Session, Transaction};
use crate::{
    domain::{KeyRange, TableName},
    error::Result,
};
use std::fmt;

/// Which versions of rows the warehouse has: each row's key and the transaction that wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawImage {
    rows: u64,
    sum: i128,
    xor: i64,
}

impl RawImage {
    /// Of rows that were summed up.
    pub fn new(rows: u64, sum: i128, xor: i64) -> Self {
        Self { rows, sum, xor }
    }

    /// Takes a row in.
    pub fn add(&mut self, identity: i64) {
        self.merge(Self { rows: 1, sum: identity.into(), xor: identity });
    }

    /// Takes other rows in.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.sum += other.sum;
        self.xor ^= other.xor;
    }

    /// How many rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

impl fmt::Display for RawImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.rows, self.sum, self.xor)
    }
}

/// The rows of a range of keys, found equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its keys.
    pub range: KeyRange,
    /// What the source's rows come to.
    pub source_image: String,
    /// Which rows the warehouse has for them.
    pub raw_image: String,
}

impl Session {
    /// The chunks of a table whose checksums are of this form, in key order; none of them overlap.
    pub async fn chunks(&self, table: &TableName, form: &str) -> Result<Vec<Chunk>> {
        let sql = include_str!("queries/chunks.sql");
        let rows = self.query(sql, &[&table.as_str(), &form], "reading what chunks came to").await?;
        let mut chunks: Vec<Chunk> = Vec::with_capacity(rows.len());
        for row in rows {
            let range = KeyRange { from: row.get(0), to: row.get(1) };
            // Two processes may have written at once.
            if chunks.last().is_none_or(|before| before.range.to < range.from) {
                chunks.push(Chunk { range, source_image: row.get(2), raw_image: row.get(3) });
            }
        }
        Ok(chunks)
    }
}

macro_rules! remember {
    ($($type:ty),+) => { $(
        impl $type {
            /// Writes chunks down, in the place of all that had keys in common with them.
            pub async fn remember_chunks(&self, table: &TableName, form: &str, chunks: &[Chunk]) -> Result<()> {
                if chunks.is_empty() {
                    return Ok(());
                }
                let doing = "writing what chunks came to";
                let from: Vec<i64> = chunks.iter().map(|c| c.range.from).collect();
                let to: Vec<i64> = chunks.iter().map(|c| c.range.to).collect();
                let sources: Vec<&str> = chunks.iter().map(|c| c.source_image.as_str()).collect();
                let raws: Vec<&str> = chunks.iter().map(|c| c.raw_image.as_str()).collect();
                self.execute(include_str!("queries/forget_chunks.sql"), &[&table.as_str(), &from, &to], doing).await?;
                let parameters: [&(dyn super::ToSql + Sync); 6] = [&table.as_str(), &form, &from, &to, &sources, &raws];
                self.execute(include_str!("queries/remember_chunks.sql"), &parameters, doing).await.map(|_| ())
            }
        }
    )+ };
}

remember!(Session, Transaction<'_>);
