//! From the wire into a COPY buffer, without a struct of its own in between.
//!
//! The one place besides `source/` that sees the driver's values. The form is PostgreSQL's binary COPY
//! format: PostgreSQL docs, COPY § "Binary Format"; the form of each type is that of its `…_send`
//! function, so that what PostgreSQL gives back for an equal value has equal bytes.
//! Guarantee: every value arrives exact, or is replaced by rule and counted in [`Coerced`].

use super::forms::{put_geometry, put_inet4, put_inet6, put_uuid};
use crate::{
    domain::{Column, SourceType, WarehouseType},
    error::{Error, Kind, Result},
    source::Value,
};
use bytes::{BufMut, BytesMut};

/// Begins every COPY stream: signature, flags, no extension.
pub(super) const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Ends every COPY stream.
pub(super) const TRAILER: &[u8; 2] = b"\xff\xff";

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// From 1970-01-01 to PostgreSQL's epoch, 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;

/// Values replaced by rule because PostgreSQL can't hold them, since the encoder was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Coerced {
    /// Zero, partial and impossible dates, which became null.
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
    columns: Vec<(String, SourceType, WarehouseType)>,
    /// What was replaced so far.
    pub coerced: Coerced,
}

impl Encoder {
    /// For rows with these cells.
    pub(super) fn new(columns: &[Column]) -> Self {
        let columns = columns.iter().map(|c| (c.name.clone(), c.source_type, c.source_type.warehouse())).collect();
        Self { columns, coerced: Coerced::default() }
    }

    /// Appends one row.
    ///
    /// # Errors
    /// [`Kind::SourceChanged`] where a cell does not have its column's type.
    pub(super) fn row(&mut self, cells: &[Value], out: &mut BytesMut) -> Result<()> {
        let count = i16::try_from(cells.len()).expect("a table has fewer than 4096 columns");
        out.put_i16(count);
        for (cell, (name, source, warehouse)) in cells.iter().zip(&self.columns) {
            if !put(cell, *source, *warehouse, &mut self.coerced, out) {
                return Err(Error::new(
                    Kind::SourceChanged,
                    format!("column {name} no longer has the type that discovery found"),
                ));
            }
        }
        Ok(())
    }
}

/// Appends one cell; `false` where it is not of the type.
fn put(cell: &Value, source: SourceType, warehouse: WarehouseType, coerced: &mut Coerced, out: &mut BytesMut) -> bool {
    match (cell, warehouse) {
        (Value::NULL, _) => out.put_i32(-1),
        (Value::Int(n), _) => return put_integer(i128::from(*n), warehouse, out),
        (Value::UInt(n), _) => return put_integer(i128::from(*n), warehouse, out),
        (Value::Double(x), WarehouseType::Float8) => {
            out.put_i32(8);
            out.put_f64(*x);
        }
        (Value::Float(x), WarehouseType::Float4) => {
            out.put_i32(4);
            out.put_f32(*x);
        }
        (Value::Bytes(bytes), WarehouseType::Text) => put_text(bytes, coerced, out),
        (Value::Bytes(bytes), WarehouseType::Bytea) if source == SourceType::Geometry => {
            return put_geometry(bytes, out);
        }
        (Value::Bytes(bytes), WarehouseType::Bytea) => put_bytes(bytes, out),
        (Value::Bytes(bytes), WarehouseType::Numeric { scale, .. }) => return put_numeric(bytes, scale, out),
        (Value::Bytes(bytes), WarehouseType::Bit { width }) => return put_bits(bytes, width, out),
        (Value::Bytes(text), WarehouseType::Uuid) => return put_uuid(text, out),
        (Value::Bytes(text), WarehouseType::Inet) if source == SourceType::Inet4 => return put_inet4(text, out),
        (Value::Bytes(text), WarehouseType::Inet) => return put_inet6(text, out),
        (
            Value::Date(y, m, d, h, mi, s, us),
            WarehouseType::Date | WarehouseType::Timestamp | WarehouseType::TimestampTz,
        ) => {
            let Some(days) = days(*y, *m, *d) else {
                coerced.dates += 1;
                out.put_i32(-1);
                return true;
            };
            if source == SourceType::Date {
                out.put_i32(4);
                out.put_i32(i32::try_from(days).expect("a year up to 9999 is below 3 million days"));
            } else {
                out.put_i32(8);
                out.put_i64(days * MICROS_PER_DAY + micros(i64::from(*h), *mi, *s, *us));
            }
        }
        (Value::Time(negative, d, h, m, s, us), WarehouseType::Interval) => {
            let micros = micros(i64::from(*d) * 24 + i64::from(*h), *m, *s, *us);
            out.put_i32(16);
            out.put_i64(if *negative { -micros } else { micros });
            out.put_i64(0);
        }
        _ => return false,
    }
    true
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

/// PostgreSQL's text holds no NUL and only valid UTF-8; U+FFFD takes the place of what it can't hold.
fn put_text(bytes: &[u8], coerced: &mut Coerced, out: &mut BytesMut) {
    if !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok() {
        return put_bytes(bytes, out);
    }
    coerced.texts += 1;
    put_bytes(String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}").as_bytes(), out);
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
fn put_numeric(text: &[u8], scale: u8, out: &mut BytesMut) -> bool {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let point = digits.iter().position(|b| *b == b'.').unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..point], digits.get(point + 1..).unwrap_or_default());
    if !whole.iter().chain(fraction).all(u8::is_ascii_digit) || fraction.len() > usize::from(scale) {
        return false;
    }
    let digit = |at: isize| -> i16 {
        let byte =
            if at < 0 { whole.get(whole.len().wrapping_add_signed(at)) } else { fraction.get(at.unsigned_abs()) };
        byte.map_or(0, |b| i16::from(b - b'0'))
    };
    let group = |n: isize| (0..4).fold(0i16, |sum, at| sum * 10 + digit(n * 4 + at));
    let before = isize::try_from(whole.len().div_ceil(4)).expect("a decimal has at most 65 digits");
    let after = isize::try_from(fraction.len().div_ceil(4)).expect("a decimal has at most 65 digits");
    let first = (-before..after).find(|n| group(*n) != 0);
    let last = (-before..after).rev().find(|n| group(*n) != 0);
    let groups = first.zip(last).map_or(0..0, |(first, last)| first..last + 1);
    let count = i16::try_from(groups.len()).expect("a decimal has at most 17 groups");
    let weight = i16::try_from(-groups.start - 1).expect("a decimal has at most 17 groups");
    out.put_i32(8 + 2 * i32::from(count));
    out.put_i16(count);
    out.put_i16(if count == 0 { 0 } else { weight });
    out.put_u16(if negative && count > 0 { 0x4000 } else { 0 });
    out.put_i16(i16::from(scale));
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
    use chrono::NaiveDate;
    use proptest::prelude::*;

    fn encoded(cell: &Value, source: SourceType) -> (Vec<u8>, Coerced) {
        let (mut out, mut coerced) = (BytesMut::new(), Coerced::default());
        assert!(put(cell, source, source.warehouse(), &mut coerced, &mut out));
        (out.to_vec(), coerced)
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
        let column = Column {
            name: "PayAmt".to_owned(),
            declared: "double".to_owned(),
            source_type: SourceType::Double,
            nullable: false,
            stamps_edits: false,
            auto_increment: false,
        };
        let error = Encoder::new(&[column])
            .row(&[Value::Bytes(b"12".to_vec())], &mut BytesMut::new())
            .expect_err("a text is no double");
        assert_eq!(error.kind, Kind::SourceChanged);
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
