//! From the wire into a COPY buffer, without a struct of its own in between.
//!
//! The one place besides `source/` that sees the driver's values. The form is PostgreSQL's binary COPY
//! format: PostgreSQL docs, COPY § "Binary Format"; the form of each type is that of its `…_send`
//! function, so that what PostgreSQL gives back for an equal value has equal bytes.
//! Guarantee: every value arrives exact, or is replaced by rule and counted in [`Coerced`].

use super::{
    forms::{put_boolean, put_geometry, put_inet4, put_inet6, put_number, put_uuid, put_zoned},
    quarantine::Reason,
};
use crate::{
    domain::{BadText, Column, Mapping, SourceType, Table, WarehouseType},
    error::{Error, Kind, Result},
    source::Value,
};
use bytes::{BufMut, BytesMut};

/// Begins every COPY stream: signature, flags, no extension.
pub(super) const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Ends every COPY stream.
pub(super) const TRAILER: &[u8; 2] = b"\xff\xff";

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// From 1970-01-01 to PostgreSQL's epoch, 2000-01-01.
pub(super) const EPOCH_DAYS: i64 = 10_957;

/// Values replaced by rule because PostgreSQL can't hold them, since the encoder was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Coerced {
    /// Zero, partial and impossible dates, which became null; local times that their zone leaves out or has
    /// twice, for which one instant was chosen.
    pub dates: u64,
    /// Texts with NUL or invalid UTF-8, which got U+FFFD in their place.
    pub texts: u64,
}

impl std::ops::AddAssign for Coerced {
    fn add_assign(&mut self, more: Self) {
        self.dates += more.dates;
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
    pub(super) fn row(&mut self, cells: &[Value], out: &mut BytesMut) -> Result<Option<(&str, Reason)>> {
        let (begin, coerced) = (out.len(), self.coerced);
        let count = i16::try_from(cells.len()).expect("a table has fewer than 4096 columns");
        out.put_i16(count);
        for (cell, way) in cells.iter().zip(&self.columns) {
            match put(cell, way, &mut self.coerced, out) {
                Ok(()) => {}
                Err(Unfit::OtherType) => {
                    return Err(Error::new(
                        Kind::SourceChanged,
                        format!("column {}.{} no longer has the type that discovery found", self.table, way.name),
                    ));
                }
                Err(Unfit::Value(Reason::BadText)) if way.bad_text == BadText::Fail => {
                    return Err(Error::new(
                        Kind::RowsRefused,
                        format!("column {}.{} {}", self.table, way.name, Reason::BadText.words()),
                    ));
                }
                Err(Unfit::Value(reason)) => {
                    out.truncate(begin);
                    self.coerced = coerced;
                    return Ok(Some((&way.name, reason)));
                }
            }
        }
        Ok(None)
    }
}

/// Appends one cell.
fn put(cell: &Value, way: &Way, coerced: &mut Coerced, out: &mut BytesMut) -> Result<(), Unfit> {
    let is_type = match (cell, way.warehouse) {
        (Value::NULL, _) => {
            out.put_i32(-1);
            true
        }
        (Value::Int(n), warehouse) => return put_whole(i128::from(*n), warehouse, out),
        (Value::UInt(n), warehouse) => return put_whole(i128::from(*n), warehouse, out),
        (Value::Double(x), WarehouseType::Float8) => {
            out.put_i32(8);
            out.put_f64(*x);
            true
        }
        (Value::Float(x), WarehouseType::Float4) => {
            out.put_i32(4);
            out.put_f32(*x);
            true
        }
        (Value::Bytes(bytes), _) => return put_text_or_bytes(bytes, way, coerced, out),
        (
            Value::Date(y, m, d, h, mi, s, us),
            WarehouseType::Date | WarehouseType::Timestamp | WarehouseType::TimestampTz,
        ) => {
            let time = micros(i64::from(*h), *mi, *s, *us);
            put_day(days(*y, *m, *d), time, way, coerced, out);
            true
        }
        (Value::Time(negative, d, h, m, s, us), WarehouseType::Interval) => {
            let micros = micros(i64::from(*d) * 24 + i64::from(*h), *m, *s, *us);
            out.put_i32(16);
            out.put_i64(if *negative { -micros } else { micros });
            out.put_i64(0);
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
        WarehouseType::Numeric { scale, .. } => put_numeric(bytes, u16::from(scale), out),
        WarehouseType::Number if put_number(bytes, out) => true,
        WarehouseType::Number => return Err(Unfit::Value(Reason::NoNumber)),
        WarehouseType::Bit { width } => put_bits(bytes, width, out),
        WarehouseType::Boolean => {
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

/// Appends a day, or a moment of it; null where there is no such day.
fn put_day(day: Option<i64>, micros: i64, way: &Way, coerced: &mut Coerced, out: &mut BytesMut) {
    match (day, way.mapping) {
        (None, _) => {
            coerced.dates += 1;
            out.put_i32(-1);
        }
        (Some(day), Some(Mapping::TimestampTz(zone))) => {
            let is_certain = put_zoned(day * MICROS_PER_DAY + micros, zone, out);
            coerced.dates += u64::from(!is_certain);
        }
        (Some(day), _) if way.source == SourceType::Date => {
            out.put_i32(4);
            out.put_i32(i32::try_from(day).expect("a year up to 9999 is below 3 million days"));
        }
        (Some(day), _) => {
            out.put_i32(8);
            out.put_i64(day * MICROS_PER_DAY + micros);
        }
    }
}

/// Appends an integer as the warehouse's type has it; `false` where it does not fit.
pub(super) fn put_integer(n: i128, warehouse: WarehouseType, out: &mut BytesMut) -> bool {
    match warehouse {
        WarehouseType::Int2 => i16::try_from(n).map(|n| {
            out.put_i32(2);
            out.put_i16(n);
        }),
        WarehouseType::Int4 => i32::try_from(n).map(|n| {
            out.put_i32(4);
            out.put_i32(n);
        }),
        WarehouseType::Int8 => i64::try_from(n).map(|n| {
            out.put_i32(8);
            out.put_i64(n);
        }),
        WarehouseType::Numeric { scale: 0, .. } => return put_numeric(n.to_string().as_bytes(), 0, out),
        _ => return false,
    }
    .is_ok()
}

/// Where the cells of the encoded row at the beginning of these bytes lie, lengths included; `None` where the
/// bytes end before the row does.
pub(super) fn cells(row: &[u8]) -> Option<Vec<std::ops::Range<usize>>> {
    let (count, _) = row.split_first_chunk::<2>()?;
    let mut at = 2;
    let mut next = || {
        let length = i32::from_be_bytes(*row.get(at..)?.first_chunk::<4>()?);
        let begin = at;
        // -1 is null: no bytes follow.
        at += 4 + usize::try_from(length).unwrap_or(0);
        (at <= row.len()).then_some(begin..at)
    };
    (0..i16::from_be_bytes(*count)).map(|_| next()).collect()
}

/// The number in an integer cell.
pub(super) fn integer(cell: &Value) -> Option<i128> {
    match cell {
        Value::Int(n) => Some(i128::from(*n)),
        Value::UInt(n) => Some(i128::from(*n)),
        _ => None,
    }
}

/// The number in an encoded cell of an integer key, without its length.
pub(super) fn decode_integer(bytes: &[u8], warehouse: WarehouseType) -> Option<i128> {
    match warehouse {
        WarehouseType::Int2 => bytes.try_into().ok().map(i16::from_be_bytes).map(i128::from),
        WarehouseType::Int4 => bytes.try_into().ok().map(i32::from_be_bytes).map(i128::from),
        WarehouseType::Int8 => bytes.try_into().ok().map(i64::from_be_bytes).map(i128::from),
        WarehouseType::Numeric { scale: 0, .. } => {
            let mut words = bytes.chunks_exact(2).map(|b| i16::from_be_bytes([b[0], b[1]]));
            let (count, weight) = (words.next()?, words.next()?);
            let groups = words.skip(2).take(usize::try_from(count).ok()?);
            let number = groups.fold(0i128, |n, group| n * 10_000 + i128::from(group));
            let shift = u32::try_from((weight + 1 - count).max(0)).ok()?;
            Some(number * 10_000i128.pow(shift))
        }
        _ => None,
    }
}

fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    out.put_i32(i32::try_from(bytes.len()).expect("max_allowed_packet bounds a cell to 1 GiB"));
    out.put_slice(bytes);
}

/// PostgreSQL's text holds no NUL and only valid UTF-8; U+FFFD takes the place of what it can't hold, where
/// configuration lets it.
fn put_text(bytes: &[u8], bad_text: BadText, coerced: &mut Coerced, out: &mut BytesMut) -> Result<(), Unfit> {
    if !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok() {
        put_bytes(bytes, out);
    } else if bad_text == BadText::Replace {
        coerced.texts += 1;
        put_bytes(String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}").as_bytes(), out);
    } else {
        return Err(Unfit::Value(Reason::BadText));
    }
    Ok(())
}

/// MariaDB's bits come as a number in big-endian bytes, PostgreSQL's begin at the highest bit.
fn put_bits(bytes: &[u8], width: u8, out: &mut BytesMut) -> bool {
    let length = usize::from(width).div_ceil(8);
    if bytes.len() != length {
        return false;
    }
    let number = bytes.iter().fold(0u128, |n, b| n << 8 | u128::from(*b)) << (length * 8 - usize::from(width));
    out.put_i32(4 + i32::try_from(length).expect("a bit column has at most 64 bits"));
    out.put_i32(i32::from(width));
    out.put_slice(&number.to_be_bytes()[16 - length..]);
    true
}

/// `numeric_send`: groups of four decimal digits from the point outwards, without leading or trailing
/// zero groups; the weight is that of the first group.
pub(super) fn put_numeric(text: &[u8], scale: u16, out: &mut BytesMut) -> bool {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let point = digits.iter().position(|b| *b == b'.').unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..point], digits.get(point + 1..).unwrap_or_default());
    let Ok(scale_sent) = i16::try_from(scale) else { return false };
    if !whole.iter().chain(fraction).all(u8::is_ascii_digit) || fraction.len() > usize::from(scale) {
        return false;
    }
    let digit = |at: isize| -> i16 {
        let byte =
            if at < 0 { whole.get(whole.len().wrapping_add_signed(at)) } else { fraction.get(at.unsigned_abs()) };
        byte.map_or(0, |b| i16::from(b - b'0'))
    };
    let group = |n: isize| (0..4).fold(0i16, |sum, at| sum * 10 + digit(n * 4 + at));
    let before = isize::try_from(whole.len().div_ceil(4)).expect("a number has at most 1000 digits");
    let after = isize::try_from(fraction.len().div_ceil(4)).expect("a number has at most 1000 digits");
    let first = (-before..after).find(|n| group(*n) != 0);
    let last = (-before..after).rev().find(|n| group(*n) != 0);
    let groups = first.zip(last).map_or(0..0, |(first, last)| first..last + 1);
    let count = i16::try_from(groups.len()).expect("a number has at most 1000 digits");
    let weight = i16::try_from(-groups.start - 1).expect("a number has at most 1000 digits");
    out.put_i32(8 + 2 * i32::from(count));
    out.put_i16(count);
    out.put_i16(if count == 0 { 0 } else { weight });
    out.put_u16(if negative && count > 0 { 0x4000 } else { 0 });
    out.put_i16(scale_sent);
    groups.for_each(|n| out.put_i16(group(n)));
    true
}

fn micros(hours: i64, minutes: u8, seconds: u8, micros: u32) -> i64 {
    ((hours * 60 + i64::from(minutes)) * 60 + i64::from(seconds)) * MICROS_PER_SECOND + i64::from(micros)
}

/// Days from 2000-01-01 in the proleptic Gregorian calendar; `None` where there is no such day.
/// Formula: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
fn days(year: u16, month: u8, day: u8) -> Option<i64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u8::from(leap),
        _ => return None,
    };
    if year == 0 || day == 0 || day > length {
        return None;
    }
    let (y, m) =
        if month <= 2 { (i64::from(year) - 1, i64::from(month) + 9) } else { (i64::from(year), i64::from(month) - 3) };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * m + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468 - EPOCH_DAYS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Engine, Rule};
    use chrono::NaiveDate;
    use proptest::prelude::*;

    fn way(source: SourceType) -> Way {
        let (mapping, bad_text) = (None, BadText::Replace);
        Way { name: "c".to_owned(), source, warehouse: source.warehouse(), mapping, bad_text }
    }

    fn encoded(cell: &Value, source: SourceType) -> (Vec<u8>, Coerced) {
        let (mut out, mut coerced) = (BytesMut::new(), Coerced::default());
        put(cell, &way(source), &mut coerced, &mut out).expect("the cell is of the type");
        (out.to_vec(), coerced)
    }

    fn table(declared: &str, rule: Rule) -> Table {
        let column = Column {
            name: "PayAmt".to_owned(),
            declared: declared.to_owned(),
            source_type: SourceType::parse(declared),
            nullable: false,
            stamps_edits: false,
            auto_increment: false,
            rule,
        };
        Table {
            name: "payment".into(),
            engine: Engine::MyIsam,
            columns: vec![column],
            key: Vec::new(),
            rows: 0,
            data_bytes: 0,
            fingerprint: None,
        }
    }

    #[test]
    fn zero_and_partial_dates_become_null_and_are_counted() {
        for cell in [
            Value::Date(0, 0, 0, 0, 0, 0, 0),
            Value::Date(2022, 11, 0, 0, 0, 0, 0),
            Value::Date(2022, 0, 3, 0, 0, 0, 0),
            Value::Date(2023, 2, 29, 0, 0, 0, 0),
        ] {
            assert_eq!(
                encoded(&cell, SourceType::Date),
                ((-1i32).to_be_bytes().to_vec(), Coerced { dates: 1, texts: 0 })
            );
        }
        assert_eq!(encoded(&Value::Date(1, 1, 1, 0, 0, 0, 0), SourceType::Date).1, Coerced::default());
    }

    #[test]
    fn text_that_postgresql_cannot_hold_is_replaced_and_counted() {
        let (bytes, coerced) = encoded(&Value::Bytes(b"a\0\xffb".to_vec()), SourceType::Text);
        assert_eq!(&bytes[4..], "a\u{fffd}\u{fffd}b".as_bytes());
        assert_eq!(coerced.texts, 1);
    }

    #[test]
    fn numbers_are_grouped_as_numeric_send_groups_them() {
        let decimal = |scale| SourceType::Decimal { precision: 20, scale };
        let groups = |text: &str, scale| {
            let (bytes, _) = encoded(&Value::Bytes(text.as_bytes().to_vec()), decimal(scale));
            bytes[4..].chunks(2).map(|b| i16::from_be_bytes([b[0], b[1]])).collect::<Vec<_>>()
        };
        assert_eq!(groups("0.00", 2), [0, 0, 0, 2]);
        assert_eq!(groups("-12345.60", 2), [3, 1, 0x4000, 2, 1, 2345, 6000]);
        assert_eq!(groups("0.0001", 4), [1, -1, 0, 4, 1]);
        assert_eq!(groups("10000", 0), [1, 1, 0, 0, 1]);
        assert_eq!(groups("-0.00000012", 8), [1, -2, 0x4000, 8, 12]);
    }

    proptest! {
        #[test]
        fn an_unsigned_key_is_read_back_as_it_was_written(key: u64, zeros in 0u32..5) {
            let key = key / 10_000u64.pow(zeros) * 10_000u64.pow(zeros);
            let unsigned = SourceType::BigInt { unsigned: true };
            let (bytes, _) = encoded(&Value::UInt(key), unsigned);
            prop_assert_eq!(decode_integer(&bytes[4..], unsigned.warehouse()), Some(i128::from(key)));
        }
    }

    #[test]
    fn bits_begin_at_the_highest() {
        let (bytes, _) = encoded(&Value::Bytes(vec![0b0000_0101]), SourceType::Bit { width: 3 });
        assert_eq!(bytes, [0, 0, 0, 5, 0, 0, 0, 3, 0b1010_0000]);
    }

    #[test]
    fn a_cell_of_another_type_is_refused() {
        let error = Encoder::new(&table("double", Rule::default()))
            .row(&[Value::Bytes(b"12".to_vec())], &mut BytesMut::new())
            .expect_err("a text is no double");
        assert_eq!(error.kind, Kind::SourceChanged);
    }

    #[test]
    fn a_row_that_is_set_aside_leaves_nothing_behind() {
        let rule = Rule { mapping: None, bad_text: BadText::Quarantine };
        let (mut encoder, mut out) = (Encoder::new(&table("text", rule)), BytesMut::from(&b"before"[..]));
        let refused = encoder.row(&[Value::Bytes(vec![0])], &mut out).expect("it is set aside");
        assert_eq!(refused, Some(("PayAmt", Reason::BadText)));
        assert_eq!((&out[..], encoder.coerced), (&b"before"[..], Coerced::default()));
        let rule = Rule { mapping: None, bad_text: BadText::Fail };
        let mut encoder = Encoder::new(&table("text", rule));
        let error = encoder.row(&[Value::Bytes(vec![0])], &mut out).expect_err("the configuration says so");
        assert_eq!(error.to_string(), "column payment.PayAmt holds a text with NUL or invalid UTF-8");
        assert_eq!(error.kind, Kind::RowsRefused);
    }

    proptest! {
        #[test]
        fn days_agree_with_chrono(year in 1u16..=9999, month in 0u8..=13, day in 0u8..=32) {
            let epoch = NaiveDate::from_ymd_opt(2000, 1, 1).expect("a valid date");
            let expected = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into()).map(|d| (d - epoch).num_days());
            prop_assert_eq!(days(year, month, day), expected);
        }
    }
}
