//! Rows that can't be represented in the warehouse: set aside with key and reason, never with a value.
//!
//! A refused row is not in the raw table: an older version of it is taken away, so that nothing untrue
//! stands there; whatever becomes of rows that the source has deleted, because this is none of them. It is
//! tried again whenever it is read: when it is edited, when its table's rules or columns change, and with
//! each comparison.
//! Memory: at most [`REFUSED_MAX`] rows of a sync; with more of them the rule is wrong, not the rows.

use super::encode;
use crate::{
    domain::{Column, Table, hexadecimal},
    error::{Error, Kind, Result},
    source::Cell,
    warehouse::Quarantined,
};
use bytes::{BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};

/// So many rows of one sync are set aside.
pub(super) const REFUSED_MAX: u64 = 10_000;
/// Bytes of a key's hash that are kept.
const HASH_BYTES: usize = 16;

/// Why a value has no place in the warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// A text with NUL or invalid UTF-8.
    BadText,
    /// Neither 0 nor 1 where a truth value is wanted.
    NoBoolean,
    /// Something else than a number where one is wanted.
    NoNumber,
}

impl Reason {
    /// In words, after "column x".
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::BadText => "holds a text with NUL or invalid UTF-8",
            Self::NoBoolean => "is to be boolean and holds neither 0 nor 1",
            Self::NoNumber => "is to be numeric and holds no number",
        }
    }
}

/// A row that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Its key, where that is of integers.
    pub key: Vec<i128>,
    /// Its key as a row of COPY: see [`encoded_key`].
    pub encoded_key: Bytes,
    /// What is kept of it.
    pub entry: Quarantined,
}

impl Refused {
    /// Sets a row aside.
    pub(super) fn new(table: &Table, cells: &[Cell<'_>], column: &str, reason: Reason) -> Self {
        let key = if table.has_integer_key() {
            table.key.iter().filter_map(|&at| cells[at].integer()).collect()
        } else {
            Vec::new()
        };
        let encoded_key = encoded_key(table, cells);
        let row_key = match (key.is_empty(), table.key.is_empty()) {
            (false, _) => told(&key),
            (true, false) if !encoded_key.is_empty() => hash(std::iter::once(&encoded_key)),
            (true, false) => hash(table.key.iter().map(|&at| cells[at].literal())),
            (true, true) => hash(cells.iter().map(|cell| cell.literal())),
        };
        let (column, reason) = (Some(column.to_owned()), reason.words().to_owned());
        Self { key, encoded_key, entry: Quarantined { row_key, column, reason } }
    }

    /// Sets an encoded row aside that the warehouse has refused as a whole.
    pub(super) fn by_warehouse(table: &Table, row: &[u8], error: &Error) -> Result<Self> {
        let cells = encode::cells(row).ok_or_else(|| Error::new(Kind::Internal, "a refused row is cut short"))?;
        let parts = || table.key.iter().map(|&at| &row[cells[at].clone()]);
        let key: Vec<i128> = if table.has_integer_key() {
            parts()
                .zip(table.key_columns())
                .filter_map(|(c, of)| encode::decode_integer(&c[4..], of.warehouse()))
                .collect()
        } else {
            Vec::new()
        };
        let mut encoded_key = begun_key(table);
        parts().for_each(|part| encoded_key.put_slice(part));
        let row_key = match (key.is_empty(), table.key.is_empty()) {
            (false, _) => told(&key),
            (true, false) => hash(std::iter::once(&encoded_key)),
            (true, true) => hash(std::iter::once(row)),
        };
        let entry = Quarantined { row_key, column: None, reason: format!("the row as a whole: {error}") };
        Ok(Self { key, encoded_key: encoded_key.freeze(), entry })
    }
}

/// The key of a row, as a row of COPY. Empty where it has no place in the warehouse itself: then no older
/// version is there either.
fn encoded_key(table: &Table, cells: &[Cell<'_>]) -> Bytes {
    let key_alone = Table {
        name: table.name.clone(),
        engine: table.engine.clone(),
        columns: table.key_columns().cloned().collect(),
        key: (0..table.key.len()).collect(),
        rows: 0,
        data_bytes: 0,
        fingerprint: None,
        made_at: None,
    };
    let cells: Vec<Cell<'_>> = table.key.iter().map(|&at| cells[at]).collect();
    let mut encoded = BytesMut::new();
    // What it says has been said of the row.
    let _ = encode::Encoder::new(&key_alone).row(&cells, &mut encoded);
    encoded.freeze()
}

/// A key of integers, as a row of COPY.
pub(super) fn encoded_integers(table: &Table, key: &[i128]) -> Bytes {
    let mut encoded = begun_key(table);
    for (&part, of) in key.iter().zip(table.key_columns().map(Column::warehouse)) {
        encode::put_integer(part, of, &mut encoded);
    }
    encoded.freeze()
}

fn begun_key(table: &Table) -> BytesMut {
    let mut encoded = BytesMut::new();
    encoded.put_i16(i16::try_from(table.key.len()).expect("a key has at most 64 columns"));
    encoded
}

/// A key of integers.
fn told(key: &[i128]) -> String {
    key.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// A key that may be a person's name is told by its hash; a row without a key, by that of all its values.
fn hash<V: AsRef<[u8]>>(values: impl Iterator<Item = V>) -> String {
    let mut hash = Sha256::new();
    for value in values {
        hash.update(value);
        hash.update([0]);
    }
    format!("sha256:{}", hexadecimal(&hash.finalize()[..HASH_BYTES]))
}

/// The failure of a table in which more rows are refused than are worth setting aside one by one.
pub(super) fn too_many(table: &Table, last: &Refused) -> Result<()> {
    Err(Error::new(
        Kind::RowsRefused,
        format!(
            "more than {REFUSED_MAX} rows of {} have no place in the warehouse, the last of them because {}{}",
            table.name,
            last.entry.column.as_ref().map_or(String::new(), |column| format!("column {column} ")),
            last.entry.reason
        ),
    ))
}
