//! What the protocol's packets and the binary log's events are both made of: MariaDB KB, "Protocol Data Types".
//!
//! Each function takes from the front of what is left; `None` where that is too short.

/// So many bytes as they are.
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*bytes)
}

/// The same, of a number that is known only now.
pub(super) fn split<'p>(rest: &mut &'p [u8], bytes: usize) -> Option<&'p [u8]> {
    let (front, behind) = rest.split_at_checked(bytes)?;
    *rest = behind;
    Some(front)
}

/// A count of one byte, or one that tells how many follow.
pub(super) fn length(rest: &mut &[u8]) -> Option<usize> {
    let [first] = take(rest)?;
    match first {
        0..=250 => Some(first.into()),
        0xfc => take(rest).map(|n| u16::from_le_bytes(n).into()),
        0xfd => take(rest).map(|[a, b, c]| usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16),
        0xfe => usize::try_from(u64::from_le_bytes(take(rest)?)).ok(),
        _ => None,
    }
}
