//! The keys of a table, without its rows: counted and summed piece by piece, and listed where asked.
//!
//! Reads the index alone. One statement covers so many keys as its time allows, like a range of rows.

use super::{
    Source,
    failure::failure,
    pace::{Bounds, Pace},
    read::quote,
};
use crate::{
    domain::Table,
    error::{Error, Kind, Result},
};
use mysql_async::{Conn, Value, prelude::Queryable};
use std::time::Instant;

/// What the keys of one piece take at most, about, should they have to be listed.
const KEYS_BYTES: u64 = 4 << 20;
/// What one key takes on its way.
const KEY_BYTES: u64 = 8;
/// A piece has so many keys at least: counting them takes some milliseconds, and the way to the server,
/// which can't be told apart here, may take a hundred.
const KEYS_MIN: u64 = 10_000;

/// The keys of one piece of a table, in key order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPiece {
    /// Keys above this one; `None`: from the lowest.
    pub above: Option<i64>,
    /// Up to this one; `None`: to the highest, and beyond.
    pub up_to: Option<i64>,
    /// Count, sum and exclusive or of the keys, as text: equal where the keys are.
    pub image: String,
}

impl KeyPiece {
    /// The condition that a key of this piece fulfils, in SQL that both servers read alike. `key` is the
    /// column's quoted name.
    pub fn condition(&self, key: &str) -> String {
        let bounds = [self.above.map(|k| format!("{key} > {k}")), self.up_to.map(|k| format!("{key} <= {k}"))];
        let bounds: Vec<String> = bounds.into_iter().flatten().collect();
        if bounds.is_empty() { "true".to_owned() } else { bounds.join(" and ") }
    }
}

/// Goes along the keys of one table, whose primary key is one integer that fits 64 bits with a sign.
pub struct KeyReader<'t> {
    connection: Conn,
    table: &'t Table,
    key: String,
    above: Option<i64>,
    pace: Pace,
    done: bool,
}

impl Source {
    /// Prepares to go along the keys of a table.
    ///
    /// # Errors
    /// [`Kind::Internal`] where the table has no such key.
    pub async fn key_reader<'t>(&self, table: &'t Table) -> Result<KeyReader<'t>> {
        let key = table.integer_key().ok_or_else(|| Error::new(Kind::Internal, "keys are read of tables with one"))?;
        Ok(KeyReader {
            connection: self.connection().await?,
            table,
            key: quote(&key.name),
            above: None,
            pace: Pace::new(
                Bounds { rows_min: KEYS_MIN, rows_max: self.range_rows, bytes_max: KEYS_BYTES, time: self.range_time },
                KEY_BYTES,
            ),
            done: false,
        })
    }
}

impl KeyReader<'_> {
    /// The next piece; `None` after the last, which goes up to no bound.
    pub async fn piece(&mut self) -> Result<Option<KeyPiece>> {
        if self.done {
            return Ok(None);
        }
        let (key, wanted) = (&self.key, self.pace.rows());
        let (condition, parameters) = self.from();
        let sql = format!(
            "select count(*), cast(concat_ws(':', count(*), sum(k), cast(bit_xor(k) as signed)) as char), max(k) from \
             (select {key} as k from {}{condition} order by {key} limit {wanted}) piece",
            quote(self.table.name.as_str())
        );
        let begun = Instant::now();
        let row: Option<(u64, String, Option<i64>)> =
            self.connection.exec_first(sql, parameters).await.map_err(|e| failure(&e, &self.doing()))?;
        let (count, image, highest) = row.ok_or_else(|| Error::new(Kind::Internal, "a count without a row"))?;
        self.pace.learn(count, count * KEY_BYTES, begun.elapsed());
        self.done = count < wanted;
        let up_to = if self.done { None } else { highest };
        let piece = KeyPiece { above: self.above, up_to, image };
        self.above = highest;
        Ok(Some(piece))
    }

    /// The keys of a piece, in order.
    pub async fn keys(&mut self, piece: &KeyPiece) -> Result<Vec<i64>> {
        let (key, table) = (&self.key, quote(self.table.name.as_str()));
        let sql = format!("select {key} from {table} where {} order by {key}", piece.condition(key));
        self.connection.exec(sql, ()).await.map_err(|e| failure(&e, &self.doing()))
    }

    fn from(&self) -> (String, Vec<Value>) {
        match self.above {
            Some(above) => (format!(" where {} > ?", self.key), vec![Value::Int(above)]),
            None => (String::new(), Vec::new()),
        }
    }

    fn doing(&self) -> String {
        format!("reading the keys of {}", self.table.name)
    }
}
