//! The binary forms of integers, decimals, bits and truth values.
//!
//! Pure. Each function appends one cell, length first, as PostgreSQL's `…_send` function for the type
//! writes it, and is `false` where what came is no value of the type: then nothing is appended.

use super::put_fixed;
use crate::domain::WarehouseType;
use bytes::{BufMut, BytesMut};

/// A number has so many digits at most, written out: the shortest decimal of a double has 325.
const DIGITS_MAX: usize = 1000;
/// MariaDB's widest bit column.
const BITS_MAX: u8 = 64;

/// Appends an integer as the warehouse's type has it; `false` where it does not fit.
pub(in crate::sync) fn put_integer(n: i128, warehouse: WarehouseType, out: &mut BytesMut) -> bool {
    match warehouse {
        WarehouseType::Int2 => i16::try_from(n).map(|n| put_fixed(n.to_be_bytes(), out)),
        WarehouseType::Int4 => i32::try_from(n).map(|n| put_fixed(n.to_be_bytes(), out)),
        WarehouseType::Int8 => i64::try_from(n).map(|n| put_fixed(n.to_be_bytes(), out)),
        WarehouseType::Numeric { precision, scale: 0 } => {
            return put_numeric(n.to_string().as_bytes(), usize::from(precision), 0, out);
        }
        _ => return false,
    }
    .is_ok()
}

/// `boolsend`: one byte.
pub(super) fn put_boolean(number: i128, out: &mut BytesMut) -> bool {
    if !matches!(number, 0 | 1) {
        return false;
    }
    put_fixed([u8::from(number == 1)], out);
    true
}

/// A `numeric` of any scale from a number's text, with or without an exponent.
pub(super) fn put_number(text: &[u8], out: &mut BytesMut) -> bool {
    let Some(plain) = std::str::from_utf8(text).ok().and_then(|text| written_out(text.trim_ascii())) else {
        return false;
    };
    let scale = plain.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    u16::try_from(scale).is_ok_and(|scale| put_numeric(plain.as_bytes(), DIGITS_MAX, scale, out))
}

/// `-1.5e3` -> `-1500`; `None` where it is no number.
fn written_out(text: &str) -> Option<String> {
    let (negative, number) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i16>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let exponent = usize::from(exponent.unsigned_abs());
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || digits.len() + exponent > DIGITS_MAX {
        return None;
    }
    let plain = if number.contains("e-") || number.contains("E-") {
        let digits = format!("{digits:0>width$}", width = fraction.len() + exponent + 1);
        let point = digits.len() - fraction.len() - exponent;
        format!("{}.{}", &digits[..point], &digits[point..])
    } else if exponent >= fraction.len() {
        format!("{digits:0<width$}", width = whole.len() + exponent)
    } else {
        let point = whole.len() + exponent;
        format!("{}.{}", &digits[..point], &digits[point..])
    };
    Some(if negative { format!("-{plain}") } else { plain })
}

/// MariaDB's bits come as a number in big-endian bytes, PostgreSQL's begin at the highest bit.
pub(super) fn put_bits(bytes: &[u8], width: u8, out: &mut BytesMut) -> bool {
    let length = usize::from(width).div_ceil(8);
    if width > BITS_MAX || bytes.len() != length {
        return false;
    }
    let number = bytes.iter().fold(0u128, |n, b| n << 8 | u128::from(*b));
    if number >> width != 0 {
        return false;
    }
    let number = number << (length * 8 - usize::from(width));
    out.put_i32(4 + i32::try_from(length).expect("a bit column has at most 64 bits"));
    out.put_i32(i32::from(width));
    out.put_slice(&number.to_be_bytes()[16 - length..]);
    true
}

/// `numeric_send`: groups of four decimal digits from the point outwards, without leading or trailing
/// zero groups; the weight is that of the first group. `whole_max` digits stand before the point at most.
pub(super) fn put_numeric(text: &[u8], whole_max: usize, scale: u16, out: &mut BytesMut) -> bool {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let point = digits.iter().position(|b| *b == b'.').unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..point], digits.get(point + 1..).unwrap_or_default());
    let Ok(scale_sent) = i16::try_from(scale) else { return false };
    if whole.is_empty() && fraction.is_empty() {
        return false;
    }
    let zeros = whole.iter().take_while(|b| **b == b'0').count();
    let whole = &whole[zeros..];
    if whole.len() > whole_max.min(DIGITS_MAX)
        || fraction.len() > DIGITS_MAX
        || !whole.iter().chain(fraction).all(u8::is_ascii_digit)
        || fraction.len() > usize::from(scale)
    {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_as_numeric_send_groups_them() {
        let groups = |text: &str, scale| {
            let mut out = BytesMut::new();
            assert!(put_numeric(text.as_bytes(), 18, scale, &mut out), "{text}");
            out[4..].chunks(2).map(|b| i16::from_be_bytes([b[0], b[1]])).collect::<Vec<_>>()
        };
        assert_eq!(groups("0.00", 2), [0, 0, 0, 2]);
        assert_eq!(groups("-12345.60", 2), [3, 1, 0x4000, 2, 1, 2345, 6000]);
        assert_eq!(groups("0.0001", 4), [1, -1, 0, 4, 1]);
        assert_eq!(groups("00010000", 0), [1, 1, 0, 0, 1]);
        assert_eq!(groups("-0.00000012", 8), [1, -2, 0x4000, 8, 12]);
    }

    #[test]
    fn what_is_no_number_of_its_column_is_told_apart() {
        for wrong in ["", "-", ".", "12345", "1.234", "1e3", "NaN", " 1", "1..2", "--1"] {
            let mut out = BytesMut::new();
            assert!(!put_numeric(wrong.as_bytes(), 4, 2, &mut out), "{wrong}");
            assert!(out.is_empty());
        }
        let long = "1".repeat(200_000);
        assert!(!put_number(long.as_bytes(), &mut BytesMut::new()));
        assert!(!put_numeric(long.as_bytes(), usize::MAX, 0, &mut BytesMut::new()));
    }

    #[test]
    fn numbers_are_written_out() {
        for (text, plain) in [
            ("0", "0"),
            ("-12.50", "-12.50"),
            ("+7", "7"),
            ("1e3", "1000"),
            ("1.5e3", "1500"),
            ("1.2345e2", "123.45"),
            ("-5e-3", "-0.005"),
            ("12.5e-1", "1.25"),
            ("1e-1", "0.1"),
        ] {
            assert_eq!(written_out(text).as_deref(), Some(plain), "{text}");
        }
        for wrong in ["", "-", ".", "1e", "e5", "1.2.3", "0x10", "1e1000", "--1", "NaN", "1 2"] {
            assert_eq!(written_out(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn bits_begin_at_the_highest() {
        let mut out = BytesMut::new();
        assert!(put_bits(&[0b0000_0101], 3, &mut out));
        assert_eq!(out[..], [0, 0, 0, 5, 0, 0, 0, 3, 0b1010_0000]);
        // A bit beyond the width is not lost without a word.
        assert!(!put_bits(&[0b0000_1101], 3, &mut out));
        assert!(!put_bits(&[0; 32], 255, &mut out));
    }
}
