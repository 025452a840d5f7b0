//! From the wire into a COPY buffer, without a struct of its own in between.
//!
//! From the cells of the source's rows. The form is PostgreSQL's binary COPY
//! format: PostgreSQL docs, COPY § "Binary Format"; the form of each type is that of its `…_send`
//! function, so that what PostgreSQL gives back for an equal value has equal bytes.
//! Guarantee: every value arrives exact, or is replaced by rule and counted in [`Coerced`].

mod forms;
mod number;
mod read;
mod text;
mod time;

pub(super) use number::put_integer;
pub(super) use read::{begins, cells, decode_integer, ends};

use super::quarantine::Reason;
use crate::{
    domain::{BadText, Column, Mapping, SourceType, Table, WarehouseType},
    error::{Error, Kind, Result},
    source::Cell,
    warehouse::CopyIn,
};
use bytes::{BufMut, BytesMut};
use forms::{put_geometry, put_inet4, put_inet6, put_uuid};
use number::{put_bits, put_boolean, put_number, put_numeric};
use text::{put_bytes, put_text};
use time::{days, put_day, span, time_of_day};

pub(super) const HEADER: &[u8; 19] = CopyIn::HEADER;
pub(super) const TRAILER: &[u8; 2] = CopyIn::TRAILER;

/// Values replaced by rule because PostgreSQL can't hold them, since the encoder was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Coerced {
    /// Zero, partial and impossible dates, which became null.
    pub dates: u64,
    /// Local times that their zone leaves out or has twice, for which one instant was chosen.
    pub local_times: u64,
    /// Texts with NUL or invalid UTF-8, which got U+FFFD in their place.
    pub texts: u64,
}

impl std::ops::AddAssign for Coerced {
    fn add_assign(&mut self, more: Self) {
        self.dates += more.dates;
        self.local_times += more.local_times;
        self.texts += more.texts;
    }
}

/// Encodes the rows of one table.
pub(super) struct Encoder {
    table: String,
    columns: Vec<Way>,
    /// What was replaced so far.
    pub coerced: Coerced,
}

/// A column's way into the warehouse.
struct Way {
    name: String,
    source: SourceType,
    warehouse: WarehouseType,
    mapping: Option<Mapping>,
    bad_text: BadText,
}

/// Why a cell was not encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unfit {
    /// It is not of the type that discovery found.
    OtherType,
    /// Its value has no place in the warehouse.
    Value(Reason),
}

impl Encoder {
    /// For rows of this table.
    pub(super) fn new(table: &Table) -> Self {
        let way = |(at, c): (usize, &Column)| Way {
            name: c.name.clone(),
            source: c.source_type,
            warehouse: c.warehouse(),
            mapping: c.rule.mapping,
            bad_text: match c.rule.bad_text {
                // Replaced, two keys may become one.
                BadText::Replace if table.key.contains(&at) => BadText::Quarantine,
                chosen => chosen,
            },
        };
        let columns = table.columns.iter().enumerate().map(way).collect();
        Self { table: table.name.to_string(), columns, coerced: Coerced::default() }
    }

    /// Appends one row; or nothing, and tells the column and why, where the row is to be set aside.
    ///
    /// # Errors
    /// [`Kind::SourceChanged`] where a cell does not have its column's type; [`Kind::RowsRefused`] where the
    /// configuration wants no row set aside.
    pub(super) fn row(&mut self, cells: &[Cell<'_>], out: &mut BytesMut) -> Result<Option<(&str, Reason)>> {
        let (begin, coerced) = (out.len(), self.coerced);
        if cells.len() != self.columns.len() {
            let told = format!("table {} no longer has the columns that discovery found", self.table);
            return Err(Error::new(Kind::SourceChanged, told));
        }
        out.put_i16(i16::try_from(cells.len()).expect("a table has fewer than 4096 columns"));
        for (&cell, way) in cells.iter().zip(&self.columns) {
            let Err(unfit) = put(cell, way, &mut self.coerced, out) else { continue };
            out.truncate(begin);
            self.coerced = coerced;
            let refused = |kind, why: &str| Err(Error::new(kind, format!("column {}.{} {why}", self.table, way.name)));
            return match unfit {
                Unfit::OtherType => refused(Kind::SourceChanged, "no longer has the type that discovery found"),
                Unfit::Value(Reason::BadText) if way.bad_text == BadText::Fail => {
                    refused(Kind::RowsRefused, Reason::BadText.words())
                }
                Unfit::Value(reason) => Ok(Some((&way.name, reason))),
            };
        }
        Ok(None)
    }
}

/// The length that COPY has in front of a null: PostgreSQL docs, COPY § "Tuples".
const NULL: i32 = -1;

fn put_null(out: &mut BytesMut) {
    out.extend_from_slice(&NULL.to_be_bytes());
}

/// Appends a cell of so many bytes. In one write, of a length that the compiler knows: a table has cells by
/// the million, and two calls for each are felt.
fn put_fixed<const N: usize>(value: [u8; N], out: &mut BytesMut) {
    const LENGTH: usize = size_of::<i32>();
    let mut cell = [0; LENGTH + size_of::<i128>()];
    cell[..LENGTH].copy_from_slice(&i32::try_from(N).expect("a value of fixed width is short").to_be_bytes());
    cell[LENGTH..LENGTH + N].copy_from_slice(&value);
    out.extend_from_slice(&cell[..LENGTH + N]);
}

/// Appends one cell.
fn put(cell: Cell<'_>, way: &Way, coerced: &mut Coerced, out: &mut BytesMut) -> Result<(), Unfit> {
    let is_type = match (cell, way.warehouse) {
        (Cell::Null, _) => {
            put_null(out);
            true
        }
        // Most cells of a practice, without the way over 128 bits.
        (Cell::Int(n), WarehouseType::Int8) => {
            put_fixed(n.to_be_bytes(), out);
            true
        }
        (Cell::Int(n), warehouse) => return put_whole(i128::from(n), warehouse, out),
        (Cell::UInt(n), warehouse) => return put_whole(i128::from(n), warehouse, out),
        (Cell::Double(x), WarehouseType::Float8) => {
            put_fixed(x.to_be_bytes(), out);
            true
        }
        (Cell::Float(x), WarehouseType::Float4) => {
            put_fixed(x.to_be_bytes(), out);
            true
        }
        (Cell::Bytes(bytes), _) => return put_text_or_bytes(bytes, way, coerced, out),
        (
            Cell::Date(y, m, d, h, mi, s, us),
            WarehouseType::Date | WarehouseType::Timestamp | WarehouseType::TimestampTz,
        ) => {
            let time = time_of_day(h, mi, s, us);
            time.is_some_and(|time| put_day(days(y, m, d), time, way, coerced, out))
        }
        (Cell::Time(negative, d, h, m, s, us), WarehouseType::Interval) => {
            let Some(micros) = span(d, h, m, s, us) else { return Err(Unfit::OtherType) };
            let micros = if negative { -micros } else { micros };
            // Behind the microseconds: no days, no months.
            put_fixed((i128::from(micros) << 64).to_be_bytes(), out);
            true
        }
        _ => false,
    };
    if is_type { Ok(()) } else { Err(Unfit::OtherType) }
}

/// Appends what comes as bytes: texts, decimals, bits, and all that the server writes as text.
fn put_text_or_bytes(bytes: &[u8], way: &Way, coerced: &mut Coerced, out: &mut BytesMut) -> Result<(), Unfit> {
    let is_type = match way.warehouse {
        WarehouseType::Text => return put_text(bytes, way.bad_text, coerced, out),
        WarehouseType::Bytea if way.source == SourceType::Geometry && way.mapping.is_none() => put_geometry(bytes, out),
        WarehouseType::Bytea => {
            put_bytes(bytes, out);
            true
        }
        WarehouseType::Numeric { precision, scale } => {
            put_numeric(bytes, usize::from(precision.saturating_sub(scale)), u16::from(scale), out)
        }
        WarehouseType::Number if put_number(bytes, out) => true,
        WarehouseType::Number => return Err(Unfit::Value(Reason::NoNumber)),
        WarehouseType::Bit { width } => put_bits(bytes, width, out),
        WarehouseType::Boolean if bytes.len() <= size_of::<u64>() => {
            return put_whole(bytes.iter().fold(0, |n, b| n << 8 | i128::from(*b)), way.warehouse, out);
        }
        WarehouseType::Uuid => put_uuid(bytes, out),
        WarehouseType::Inet if way.source == SourceType::Inet4 => put_inet4(bytes, out),
        WarehouseType::Inet => put_inet6(bytes, out),
        _ => false,
    };
    if is_type { Ok(()) } else { Err(Unfit::OtherType) }
}

/// Appends an integer of the source.
fn put_whole(n: i128, warehouse: WarehouseType, out: &mut BytesMut) -> Result<(), Unfit> {
    match warehouse {
        WarehouseType::Boolean if !put_boolean(n, out) => Err(Unfit::Value(Reason::NoBoolean)),
        WarehouseType::Text => {
            put_bytes(n.to_string().as_bytes(), out);
            Ok(())
        }
        WarehouseType::Boolean => Ok(()),
        WarehouseType::Number if put_number(n.to_string().as_bytes(), out) => Ok(()),
        _ if put_integer(n, warehouse, out) => Ok(()),
        _ => Err(Unfit::OtherType),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Engine, Rule};

    fn way(source: SourceType) -> Way {
        let (mapping, bad_text) = (None, BadText::Replace);
        Way { name: "c".to_owned(), source, warehouse: source.warehouse(), mapping, bad_text }
    }

    fn encoded(cell: Cell<'_>, source: SourceType) -> (Vec<u8>, Coerced) {
        let (mut out, mut coerced) = (BytesMut::new(), Coerced::default());
        put(cell, &way(source), &mut coerced, &mut out).expect("the cell is of the type");
        (out.to_vec(), coerced)
    }

    fn table(declared: &str, rule: Rule) -> Table {
        let column = Column { rule, ..Column::new("PayAmt", declared) };
        Table {
            name: "payment".into(),
            engine: Engine::MyIsam,
            columns: vec![column],
            key: Vec::new(),
            rows: 0,
            data_bytes: 0,
            fingerprint: None,
            made_at: None,
        }
    }

    #[test]
    fn zero_and_partial_dates_become_null_and_are_counted() {
        for cell in [
            Cell::Date(0, 0, 0, 0, 0, 0, 0),
            Cell::Date(2022, 11, 0, 0, 0, 0, 0),
            Cell::Date(2022, 0, 3, 0, 0, 0, 0),
            Cell::Date(2023, 2, 29, 0, 0, 0, 0),
        ] {
            assert_eq!(
                encoded(cell, SourceType::Date),
                ((-1i32).to_be_bytes().to_vec(), Coerced { dates: 1, ..Coerced::default() })
            );
        }
        assert_eq!(encoded(Cell::Date(1, 1, 1, 0, 0, 0, 0), SourceType::Date).1, Coerced::default());
    }

    #[test]
    fn a_cell_of_another_type_is_refused() {
        let error = Encoder::new(&table("double", Rule::default()))
            .row(&[Cell::Bytes(b"12")], &mut BytesMut::new())
            .expect_err("a text is no double");
        assert_eq!(error.kind, Kind::SourceChanged);
    }

    #[test]
    fn a_row_that_is_set_aside_leaves_nothing_behind() {
        let rule = Rule { mapping: None, bad_text: BadText::Quarantine };
        let (mut encoder, mut out) = (Encoder::new(&table("text", rule)), BytesMut::from(&b"before"[..]));
        let refused = encoder.row(&[Cell::Bytes(&[0])], &mut out).expect("it is set aside");
        assert_eq!(refused, Some(("PayAmt", Reason::BadText)));
        assert_eq!((&out[..], encoder.coerced), (&b"before"[..], Coerced::default()));
        let rule = Rule { mapping: None, bad_text: BadText::Fail };
        let mut encoder = Encoder::new(&table("text", rule));
        let error = encoder.row(&[Cell::Bytes(&[0])], &mut out).expect_err("the configuration says so");
        assert_eq!(error.to_string(), "column payment.PayAmt holds a text with NUL or invalid UTF-8");
        assert_eq!(error.kind, Kind::RowsRefused);
    }
}
