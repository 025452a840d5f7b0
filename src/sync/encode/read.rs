//! Reads what PostgreSQL's binary COPY holds: rows, their cells, integer keys.
//!
//! Pure. Guarantee: whatever the bytes are, it comes to an end and does not panic; what the encoder wrote is
//! read as it was written.

use crate::domain::WarehouseType;
use std::ops::Range;

/// Notes where each cell of the row at the beginning of these bytes begins, its length included, and tells
/// where the row ends; `None` where the bytes end before the row does.
pub(in crate::sync) fn begins(row: &[u8], begins: &mut Vec<usize>) -> Option<usize> {
    begins.clear();
    let (count, _) = row.split_first_chunk::<2>()?;
    let mut at = 2;
    for _ in 0..u16::try_from(i16::from_be_bytes(*count)).ok()? {
        let length = i32::from_be_bytes(*row.get(at..)?.first_chunk::<4>()?);
        begins.push(at);
        // -1 is null: no bytes follow.
        at += 4 + if length == -1 { 0 } else { usize::try_from(length).ok()? };
    }
    (at <= row.len()).then_some(at)
}

/// Where the cells of the row at the beginning of these bytes lie, lengths included; `None` where the bytes
/// end before the row does.
pub(in crate::sync) fn cells(row: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut at = Vec::new();
    let end = begins(row, &mut at)?;
    let ends = at.iter().skip(1).copied().chain([end]);
    Some(at.iter().copied().zip(ends).map(|(begin, end)| begin..end).collect())
}

/// Where each row ends; `None` where the bytes are something else than whole rows.
pub(in crate::sync) fn ends(rows: &[u8]) -> Option<Vec<usize>> {
    let (mut ends, mut cells, mut at) = (Vec::new(), Vec::new(), 0);
    while at < rows.len() {
        at += begins(&rows[at..], &mut cells)?;
        ends.push(at);
    }
    Some(ends)
}

/// The number in an encoded cell of an integer key, without its length; `None` where it holds none.
pub(in crate::sync) fn decode_integer(bytes: &[u8], warehouse: WarehouseType) -> Option<i128> {
    match warehouse {
        WarehouseType::Int2 => bytes.try_into().ok().map(i16::from_be_bytes).map(i128::from),
        WarehouseType::Int4 => bytes.try_into().ok().map(i32::from_be_bytes).map(i128::from),
        WarehouseType::Int8 => bytes.try_into().ok().map(i64::from_be_bytes).map(i128::from),
        WarehouseType::Numeric { scale: 0, .. } => decode_numeric(bytes),
        _ => None,
    }
}

/// The whole number that `numeric_send` has written.
fn decode_numeric(bytes: &[u8]) -> Option<i128> {
    let mut words = bytes.chunks_exact(2).map(|b| i16::from_be_bytes([b[0], b[1]]));
    let (count, weight, sign) = (words.next()?, words.next()?, words.next()?);
    let _scale = words.next()?;
    if words.len() != usize::try_from(count).ok()? {
        return None;
    }
    let mut number = 0i128;
    for group in words {
        let group = i128::from(group);
        number = number.checked_mul(10_000)?.checked_add(group).filter(|_| (0..10_000).contains(&group))?;
    }
    // Below 0 there is a fraction.
    let shift = u32::try_from(i32::from(weight) + 1 - i32::from(count)).ok()?;
    let number = if number == 0 { 0 } else { number.checked_mul(10_000i128.checked_pow(shift)?)? };
    match sign {
        0 => Some(number),
        0x4000 => Some(-number),
        // Neither a NaN nor an infinity is a key.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::encode::number::put_integer;
    use bytes::BytesMut;
    use proptest::prelude::*;

    const ALL: [WarehouseType; 4] = [
        WarehouseType::Int2,
        WarehouseType::Int4,
        WarehouseType::Int8,
        WarehouseType::Numeric { precision: 20, scale: 0 },
    ];

    proptest! {
        #[test]
        fn a_key_is_read_back_as_it_was_written(key: i64, unsigned: u64, zeros in 0u32..5) {
            let round = i128::from(unsigned / 10_000u64.pow(zeros) * 10_000u64.pow(zeros));
            for warehouse in ALL {
                for number in [i128::from(key), round, -round, round % 30_000, 0] {
                    let mut out = BytesMut::new();
                    if put_integer(number, warehouse, &mut out) {
                        prop_assert_eq!(decode_integer(&out[4..], warehouse), Some(number));
                    }
                }
            }
        }

        #[test]
        fn no_bytes_are_too_odd_to_be_read(bytes: Vec<u8>, words: Vec<i16>) {
            let words: Vec<u8> = words.iter().flat_map(|w| w.to_be_bytes()).collect();
            for bytes in [bytes, words] {
                if let Some(found) = ends(&bytes) {
                    prop_assert_eq!(found.last().copied().unwrap_or(0), bytes.len());
                }
                if let Some(found) = cells(&bytes) {
                    prop_assert!(found.windows(2).all(|w| w[0].end == w[1].start && w[0].len() >= 4));
                }
                for warehouse in ALL {
                    decode_integer(&bytes, warehouse);
                }
            }
        }
    }

    #[test]
    fn rows_are_told_apart_by_their_cells() {
        let one = [0, 2, 0, 0, 0, 1, 7, 255, 255, 255, 255];
        assert_eq!(ends(&[one, one].concat()), Some(vec![11, 22]));
        assert_eq!(cells(&one), Some(vec![2..7, 7..11]));
        assert_eq!(ends(&[0, 0, 0, 1, 0, 0, 0, 0]), Some(vec![2, 8]), "the first has no cells");
        assert_eq!(ends(&one[..9]), None);
        assert_eq!(ends(&[0, 1, 255, 255, 255, 254]), None, "a length below null's");
    }

    #[test]
    fn what_is_no_whole_number_is_no_key() {
        let numeric = |words: &[i16]| decode_numeric(&words.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<_>>());
        assert_eq!(numeric(&[1, 1, 0, 0, 12]), Some(120_000));
        assert_eq!(numeric(&[1, 0, 0x4000, 0, 12]), Some(-12));
        for wrong in [&[1, -1, 0, 0, 12][..], &[1, i16::MAX, 0, 0, 12], &[1, 0, -0x4000, 0, 12], &[2, 1, 0, 0, 1]] {
            assert_eq!(numeric(wrong), None);
        }
    }
}
