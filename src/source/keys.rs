//! The keys of a table, without its rows: counted and summed piece by piece, and listed where asked.
//!
//! Reads the index alone. One statement covers so many keys as its time allows, like a range of rows.
//! A key of one integer is summed as it is. Of several, or of one that has no room in 64 bits with a sign,
//! 60 bits of its MD5 are: sums of the columns alone would take (1, 2) and (2, 1) for (1, 1) and (2, 2).

use super::{
    Cell, Source,
    failure::failure,
    identifier::quote,
    key_spread::KeySpread,
    pace::{Bounds, Pace},
    pool::{Lent, answered},
    throttle::Gait,
};
use crate::{
    domain::{KeyRange, Table, WarehouseType},
    error::{Error, Kind, Result},
};
use mysql_async::{
    Row, Value,
    prelude::{FromRow, Queryable},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// What the keys of one piece take at most, about, should they have to be listed.
const KEYS_BYTES: u64 = 4 << 20;
/// What one column of a key takes on its way.
const KEY_BYTES: u64 = 8;
/// A piece has so many keys at least: counting them takes some milliseconds, and the way to the server,
/// which can't be told apart here, may take a hundred.
const KEYS_MIN: u64 = 10_000;

/// So many of the highest keys are looked at first: people delete what they have entered of late.
const HIGHEST: u64 = 10_000;
/// Keys lie close together where one in so many numbers is one.
const SPARSE: u64 = 2;

/// The image of keys that are called `k`.
const IMAGE: &str = "cast(concat_ws(':', count(*), sum(k), cast(bit_xor(k) as signed)) as char)";

/// The keys of one piece of a table, in key order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPiece {
    /// Keys above this one, column by column; empty: from the lowest.
    pub above: Vec<i128>,
    /// Up to this one; empty: to the highest, and beyond.
    pub up_to: Vec<i128>,
    /// Of these those alone whose first column lies within this range.
    pub within: Option<KeyRange>,
    /// Count, sum and exclusive or of the keys, as text: equal where the keys are.
    pub image: String,
}

impl KeyPiece {
    /// The condition that a key of this piece fulfils, in SQL that both servers read alike. `key` are the
    /// columns' quoted names.
    pub fn condition(&self, key: &[String]) -> String {
        let bounds = [beyond(key, &self.above, '>', ""), beyond(key, &self.up_to, '<', "=")];
        let within = self.within.map(|range| range.condition(&key[0]));
        let bounds: Vec<String> = bounds.into_iter().flatten().chain(within).collect();
        if bounds.is_empty() { "true".to_owned() } else { bounds.join(" and ") }
    }
}

/// `(a, b) > (1, 2)`, written so that both servers use the index: `a >= 1 and (a > 1 or a = 1 and b > 2)`.
pub(super) fn beyond(key: &[String], bound: &[i128], order: char, or_equal: &str) -> Option<String> {
    let (last, before) = bound.len().checked_sub(1).map(|last| (last, 0..last))?;
    let innermost = format!("{} {order}{or_equal} {}", key[last], bound[last]);
    if last == 0 {
        return Some(innermost);
    }
    let nested = before.rev().fold(innermost, |inner, at| {
        let (name, value) = (&key[at], bound[at]);
        format!("({name} {order} {value} or {name} = {value} and {inner})")
    });
    Some(format!("{} {order}= {} and {nested}", key[0], bound[0]))
}

/// Whether keys are summed as they are: one integer that both servers count with 64 bits and a sign.
pub fn is_plain(table: &Table) -> bool {
    table.integer_key().is_some_and(|k| !matches!(k.source_type.warehouse(), WarehouseType::Numeric { .. }))
}

/// Goes along the keys of one table, whose primary key is made of integers.
pub struct KeyReader<'t> {
    connection: Lent,
    silence_max: Duration,
    table: &'t Table,
    key: Vec<String>,
    above: Vec<i128>,
    /// Where the way ends; empty: after the last key.
    until: Vec<i128>,
    /// The lowest and the highest key, once asked for.
    ends: Option<(i64, i64)>,
    /// Whether keys lie close together, as far as is known.
    is_dense: bool,
    pace: Pace,
    gait: Gait,
    done: bool,
}

impl Source {
    /// Prepares to go along the keys of a table.
    ///
    /// # Errors
    /// [`Kind::Internal`] where the table has no such key.
    pub async fn key_reader<'t>(&self, table: &'t Table) -> Result<KeyReader<'t>> {
        let key: Vec<String> = table.key_columns().map(|c| quote(&c.name)).collect();
        if !table.has_integer_key() {
            return Err(Error::new(Kind::Internal, "keys are read of tables with one"));
        }
        let key_bytes = KEY_BYTES * key.len() as u64;
        Ok(KeyReader {
            connection: self.connection().await?,
            silence_max: self.silence_max,
            table,
            key,
            above: Vec::new(),
            until: Vec::new(),
            ends: None,
            is_dense: true,
            pace: Pace::new(
                Bounds { rows_min: KEYS_MIN, rows_max: self.range_rows, bytes_max: KEYS_BYTES, time: self.range_time },
                key_bytes,
            ),
            gait: self.gait(),
            done: false,
        })
    }

    /// How many rows a MyISAM table has now, which its server knows.
    pub async fn count(&self, table: &Table) -> Result<u64> {
        let sql = format!("select count(*) from {}", quote(table.name.as_str()));
        let doing = format!("counting the rows of {}", table.name);
        let mut connection = self.connection().await?;
        self.answered(connection.id(), connection.query_first(sql), &doing).await?.ok_or_else(uncounted)
    }
}

impl KeyReader<'_> {
    /// Goes on above a key, wherever it was.
    pub fn go_on_above(&mut self, key: Vec<i128>) {
        self.above = key;
    }

    /// The next keys, one by one and in order, up to this one; none after the last.
    pub async fn list_up_to(&mut self, end: &[i128]) -> Result<Vec<Vec<i128>>> {
        let wait = self.gait.wait();
        self.gait.pause(wait).await?;
        let begun = Instant::now();
        let piece = KeyPiece { above: self.above.clone(), up_to: end.to_vec(), within: None, image: String::new() };
        let (names, table) = (self.key.join(", "), quote(self.table.name.as_str()));
        let (condition, limit) = (piece.condition(&self.key), self.pace.rows());
        let sql = format!("select {names} from {table} where {condition} order by {names} limit {limit}");
        let keys = self.list(&sql).await?;
        let count = keys.len() as u64;
        self.pace.learn(count, self.bytes(count), begun.elapsed());
        self.paid(count, begun);
        if let Some(last) = keys.last() {
            self.above.clone_from(last);
        }
        Ok(keys)
    }

    /// The highest keys, which are left out from then on; `None` where the first piece has them all. To be
    /// asked for first.
    pub async fn highest(&mut self) -> Result<Option<KeyPiece>> {
        let wait = self.gait.wait();
        self.gait.pause(wait).await?;
        let begun = Instant::now();
        let table = quote(self.table.name.as_str());
        let descending: Vec<String> = self.key.iter().map(|k| format!("{k} desc")).collect();
        let (names, order) = (self.key.join(", "), descending.join(", "));
        let Some(above) =
            self.list(&format!("select {names} from {table} order by {order} limit {HIGHEST}, 1")).await?.pop()
        else {
            return Ok(None);
        };
        let mut piece = KeyPiece { above, up_to: Vec::new(), within: None, image: String::new() };
        let count = self.count(&mut piece).await?;
        self.paid(HIGHEST + count, begun);
        self.until.clone_from(&piece.above);
        Ok(Some(piece))
    }

    /// The next piece; `None` after the last.
    pub async fn piece(&mut self) -> Result<Option<KeyPiece>> {
        if self.done {
            return Ok(None);
        }
        let wait = self.gait.wait();
        self.gait.pause(wait).await?;
        let (begun, wanted) = (Instant::now(), self.pace.rows());
        let mut piece = KeyPiece { above: self.above.clone(), up_to: Vec::new(), within: None, image: String::new() };
        let count = match is_plain(self.table) {
            true if self.is_dense => self.count_dense(&mut piece, wanted).await?,
            true => self.count_sparse(&mut piece, wanted).await?,
            false => self.count_mixed(&mut piece, wanted).await?,
        };
        self.pace.learn(count, self.bytes(count), begun.elapsed());
        self.paid(count, begun);
        self.done = piece.up_to == self.until;
        self.above.clone_from(&piece.up_to);
        Ok(Some(piece))
    }

    /// Counts the next keys of one column that lie close together. Where they end is said beforehand: no
    /// more keys than that can be in between, and the server need not set any aside.
    async fn count_dense(&mut self, piece: &mut KeyPiece, wanted: u64) -> Result<u64> {
        let (key, table) = (self.key[0].clone(), quote(self.table.name.as_str()));
        let (lowest, highest) = match self.ends {
            Some(ends) => ends,
            None => {
                let ends = self.ask(format!("select min({key}), max({key}) from {table}")).await?;
                let (lowest, highest): (Option<i64>, Option<i64>) = ends.ok_or_else(uncounted)?;
                // Of no keys, the only piece has no end.
                *self.ends.insert(lowest.zip(highest).unwrap_or_default())
            }
        };
        let above = self.above.first().map_or(i128::from(lowest) - 1, |above| *above);
        let end = above + i128::from(wanted);
        let last = self.until.first().copied().unwrap_or(highest.into());
        piece.up_to = if end < last { vec![end] } else { self.until.clone() };
        let count = self.count(piece).await?;
        self.is_dense = count >= wanted / SPARSE;
        Ok(count)
    }

    /// Counts the next keys of one column, however far apart, and finds where they end.
    async fn count_sparse(&mut self, piece: &mut KeyPiece, wanted: u64) -> Result<u64> {
        piece.up_to.clone_from(&self.until);
        let key = &self.key[0];
        let from = format!("{} where {}", quote(self.table.name.as_str()), piece.condition(&self.key));
        let sql = format!(
            "select count(*), {IMAGE}, max(k) from (select {key} as k from {from} order by {key} limit {wanted}) piece"
        );
        let row: Option<(u64, String, Option<i64>)> = self.ask(sql).await?;
        let (count, image, highest) = row.ok_or_else(uncounted)?;
        piece.image = image;
        if let Some(highest) = highest.filter(|_| count >= wanted) {
            piece.up_to = vec![highest.into()];
        }
        Ok(count)
    }

    /// Finds where the next keys of several columns end, and counts them.
    async fn count_mixed(&mut self, piece: &mut KeyPiece, wanted: u64) -> Result<u64> {
        // The end comes first: keys that come and go meanwhile belong to this piece or to the next.
        let (names, table) = (self.key.join(", "), quote(self.table.name.as_str()));
        piece.up_to.clone_from(&self.until);
        let condition = piece.condition(&self.key);
        let end = format!("select {names} from {table} where {condition} order by {names} limit {}, 1", wanted - 1);
        if let Some(end) = self.list(&end).await?.pop() {
            piece.up_to = end;
        }
        self.count(piece).await
    }

    /// Counts the keys of a piece whose bounds are known.
    async fn count(&mut self, piece: &mut KeyPiece) -> Result<u64> {
        let (number, table) = (self.number(), quote(self.table.name.as_str()));
        let condition = piece.condition(&self.key);
        let sql = format!("select count(*), {IMAGE} from (select {number} as k from {table} where {condition}) piece");
        let (count, image) = self.ask(sql).await?.ok_or_else(uncounted)?;
        piece.image = image;
        Ok(count)
    }

    /// What is summed of a key.
    fn number(&self) -> String {
        if is_plain(self.table) {
            return self.key[0].clone();
        }
        // A number and nothing is a number: no leading zeros, whatever the column is shown with.
        let parts: Vec<String> = self.key.iter().map(|k| format!("{k} + 0")).collect();
        format!("cast(conv(substr(md5(concat_ws(':', {})), 1, 15), 16, 10) as unsigned)", parts.join(", "))
    }

    /// The images of a piece's keys, bucket by bucket; those without keys are not among them.
    pub async fn buckets(&mut self, piece: &KeyPiece, spread: &KeySpread) -> Result<BTreeMap<i64, String>> {
        let wait = self.gait.wait();
        self.gait.pause(wait).await?;
        let begun = Instant::now();
        let piece = KeyPiece { within: Some(spread.all()), ..piece.clone() };
        let sql = format!(
            "select bucket, count(*), {IMAGE} from \
             (select cast({} as signed) as bucket, {} as k from {} where {}) piece group by bucket",
            spread.number(&self.key[0], "div"),
            self.number(),
            quote(self.table.name.as_str()),
            piece.condition(&self.key)
        );
        let asking = self.connection.asking();
        let buckets = answered(self.silence_max, self.connection.query(sql)).await;
        asking.end();
        let buckets: Vec<(i64, u64, String)> = buckets.map_err(|e| failure(&e, &self.doing()))?;
        self.paid(buckets.iter().map(|(_, count, _)| count).sum(), begun);
        Ok(buckets.into_iter().map(|(number, _, image)| (number, image)).collect())
    }

    /// The keys of a piece, in order.
    pub async fn keys(&mut self, piece: &KeyPiece) -> Result<Vec<Vec<i128>>> {
        let wait = self.gait.wait();
        self.gait.pause(wait).await?;
        let begun = Instant::now();
        let (names, table) = (self.key.join(", "), quote(self.table.name.as_str()));
        let condition = piece.condition(&self.key);
        let sql = format!("select {names} from {table} where {condition} order by {names}");
        let keys = self.list(&sql).await?;
        self.paid(keys.len() as u64, begun);
        Ok(keys)
    }

    /// Takes in what a statement has read, and whether it took longer than it was meant to.
    fn paid(&mut self, keys: u64, begun: Instant) {
        let late = self.pace.beyond(begun.elapsed());
        self.gait.learn(keys, self.bytes(keys), late);
    }

    fn bytes(&self, keys: u64) -> u64 {
        keys * KEY_BYTES * self.key.len() as u64
    }

    async fn list(&mut self, sql: &str) -> Result<Vec<Vec<i128>>> {
        let asking = self.connection.asking();
        let rows = answered(self.silence_max, self.connection.exec(sql, ())).await;
        asking.end();
        let rows: Vec<Row> = rows.map_err(|e| failure(&e, &self.doing()))?;
        rows.into_iter().map(|row| row.unwrap().iter().map(integer).collect()).collect()
    }

    async fn ask<R: FromRow + Send + 'static>(&mut self, sql: String) -> Result<Option<R>> {
        let asking = self.connection.asking();
        let row = answered(self.silence_max, self.connection.query_first(sql)).await;
        asking.end();
        row.map_err(|e| failure(&e, &self.doing()))
    }

    fn doing(&self) -> String {
        format!("reading the keys of {}", self.table.name)
    }
}

fn uncounted() -> Error {
    Error::new(Kind::Internal, "a count without a row")
}

fn integer(value: &Value) -> Result<i128> {
    let other = || Error::new(Kind::SourceChanged, "a key no longer holds the integers that discovery found");
    Cell::from(value).integer().ok_or_else(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_bounded_column_by_column() {
        let key = ["a", "b", "c"].map(str::to_owned);
        let piece = KeyPiece { above: vec![1, 2, 3], up_to: vec![4, 5, 6], within: None, image: String::new() };
        assert_eq!(
            piece.condition(&key),
            "a >= 1 and (a > 1 or a = 1 and (b > 2 or b = 2 and c > 3)) and \
             a <= 4 and (a < 4 or a = 4 and (b < 5 or b = 5 and c <= 6))"
        );
        let one = KeyPiece { above: vec![-7], up_to: Vec::new(), within: None, image: String::new() };
        assert_eq!(one.condition(&key[..1]), "a > -7");
        let bucket = KeyPiece { within: Some(KeyRange { from: -6, to: 9 }), ..one };
        assert_eq!(bucket.condition(&key[..1]), "a > -7 and a >= -6 and a <= 9");
        let all = KeyPiece { above: Vec::new(), up_to: Vec::new(), within: None, image: String::new() };
        assert_eq!(all.condition(&key), "true");
    }
}
