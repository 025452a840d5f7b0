//! The narrow door to the encoder and to the readers of PostgreSQL's COPY, for those who throw anything at
//! them: the targets of `fuzz/` and the property tests.
//!
//! No part of the program goes through here.

use super::encode::{self, Encoder, HEADER, TRAILER};
use crate::{
    domain::{Table, WarehouseType},
    error::Kind,
    source::{Cell, Value},
};
use bytes::BytesMut;

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// It was appended.
    Appended,
    /// It was set aside.
    SetAside,
    /// It failed its table.
    Refused(Kind),
}

/// Encodes one row behind others; nothing is appended but where it says so.
pub fn encode(table: &Table, cells: &[Value], rows: &mut BytesMut) -> Encoded {
    let cells: Vec<Cell<'_>> = cells.iter().map(Cell::from).collect();
    match Encoder::new(table).row(&cells, rows) {
        Ok(None) => Encoded::Appended,
        Ok(Some(_)) => Encoded::SetAside,
        Err(error) => Encoded::Refused(error.kind),
    }
}

/// Encoded rows as a whole COPY stream.
pub fn stream(rows: &[u8]) -> Vec<u8> {
    [HEADER, rows, TRAILER].concat()
}

/// The cells of each row, without their lengths; `None` where the bytes are something else than whole rows.
pub fn read(rows: &[u8]) -> Option<Vec<Vec<&[u8]>>> {
    let mut begin = 0;
    let row = |end: usize| {
        let row = &rows[std::mem::replace(&mut begin, end)..end];
        Some(encode::cells(row)?.into_iter().map(|cell| &row[cell.start + 4..cell.end]).collect())
    };
    encode::ends(rows)?.into_iter().map(row).collect()
}

/// The number in the cell of an integer key.
pub fn read_integer(cell: &[u8], warehouse: WarehouseType) -> Option<i128> {
    encode::decode_integer(cell, warehouse)
}
