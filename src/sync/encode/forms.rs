//! The binary forms of uuids, addresses and geometries.
//!
//! Pure. Each function appends one cell, length first, as PostgreSQL's `…_send` function for the type
//! writes it, and is `false` where what came is no value of the type: then nothing is appended.

use super::put_fixed;
use bytes::{BufMut, BytesMut};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Marks a geometry type as followed by an SRID: PostGIS manual, `ST_AsEWKB`.
const EWKB_HAS_SRID: u32 = 0x2000_0000;
/// Address families on PostgreSQL's wire: `PGSQL_AF_INET` and `PGSQL_AF_INET6`, whatever the platform's are.
const FAMILY_INET4: u8 = 2;
const FAMILY_INET6: u8 = 3;

/// MariaDB's geometry is 4 bytes of SRID, lowest first, then WKB (MariaDB KB, "Well-Known Binary (WKB)
/// Format"). Without an SRID the WKB stays as it is; else it becomes EWKB, so that the SRID isn't lost.
pub(super) fn put_geometry(stored: &[u8], out: &mut BytesMut) -> bool {
    let Some((srid, [order, kind @ ..])) = stored.split_first_chunk::<4>() else { return false };
    let Some((kind, rest)) = kind.split_first_chunk::<4>() else { return false };
    let Ok(length) = i32::try_from(stored.len()) else { return false };
    let srid = u32::from_le_bytes(*srid);
    if srid == 0 {
        out.put_i32(length - 4);
        out.put_slice(&stored[4..]);
        return true;
    }
    out.put_i32(length);
    out.put_u8(*order);
    // 0: highest byte first, 1: lowest first (OGC 06-103r4 § 8.2.3).
    if *order == 0 {
        out.put_u32(u32::from_be_bytes(*kind) | EWKB_HAS_SRID);
        out.put_u32(srid);
    } else {
        out.put_u32_le(u32::from_le_bytes(*kind) | EWKB_HAS_SRID);
        out.put_u32_le(srid);
    }
    out.put_slice(rest);
    true
}

/// `uuid_send`: the 16 bytes of 32 hex digits, hyphens passed over.
pub(super) fn put_uuid(text: &[u8], out: &mut BytesMut) -> bool {
    let mut digits = text.iter().filter(|b| **b != b'-').map(|b| char::from(*b).to_digit(16));
    let mut number = 0u128;
    for _ in 0..32 {
        let Some(Some(digit)) = digits.next() else { return false };
        number = number << 4 | u128::from(digit);
    }
    if digits.next().is_some() {
        return false;
    }
    put_fixed(number.to_be_bytes(), out);
    true
}

/// `inet_send`: family, bits of the mask, whether it is a `cidr`, length, address.
pub(super) fn put_inet4(text: &[u8], out: &mut BytesMut) -> bool {
    let Some(address) = parsed::<Ipv4Addr>(text) else { return false };
    out.put_i32(8);
    out.put_slice(&[FAMILY_INET4, 32, 0, 4]);
    out.put_slice(&address.octets());
    true
}

/// Likewise; an IPv4 address mapped into IPv6 stays one of IPv6.
pub(super) fn put_inet6(text: &[u8], out: &mut BytesMut) -> bool {
    let Some(address) = parsed::<Ipv6Addr>(text) else { return false };
    out.put_i32(20);
    out.put_slice(&[FAMILY_INET6, 128, 0, 16]);
    out.put_slice(&address.octets());
    true
}

fn parsed<A: std::str::FromStr>(text: &[u8]) -> Option<A> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(form: fn(&[u8], &mut BytesMut) -> bool, value: &[u8]) -> Option<Vec<u8>> {
        let mut out = BytesMut::new();
        let is_value = form(value, &mut out);
        assert!(is_value || out.is_empty(), "nothing is appended for what is no value");
        is_value.then(|| out.to_vec())
    }

    #[test]
    fn a_geometry_keeps_its_srid() {
        let point = |srid: u32, order: u8| [&srid.to_le_bytes()[..], &[order, 1, 0, 0, 0, 7, 7]].concat();
        assert_eq!(put(put_geometry, &point(0, 1)).expect("a point"), [0, 0, 0, 7, 1, 1, 0, 0, 0, 7, 7]);
        assert_eq!(
            put(put_geometry, &point(4326, 1)).expect("a point"),
            [0, 0, 0, 11, 1, 1, 0, 0, 0x20, 0xe6, 0x10, 0, 0, 7, 7]
        );
        assert_eq!(
            put(put_geometry, &[0xe6, 0x10, 0, 0, 0, 0, 0, 0, 1]).expect("highest first"),
            [0, 0, 0, 9, 0, 0x20, 0, 0, 1, 0, 0, 0x10, 0xe6]
        );
        assert_eq!(put(put_geometry, &[0, 0, 0, 0, 1, 1, 0, 0]), None);
    }

    #[test]
    fn what_is_no_uuid_or_address_is_told_apart() {
        let uuid = put(put_uuid, b"123e4567-e89b-12d3-a456-426655440000").expect("a uuid");
        assert_eq!(uuid[..8], [0, 0, 0, 16, 0x12, 0x3e, 0x45, 0x67]);
        for wrong in
            [&b"123e4567"[..], b"123e4567-e89b-12d3-a456-4266554400001", b"g23e4567-e89b-12d3-a456-426655440000"]
        {
            assert_eq!(put(put_uuid, wrong), None);
        }
        assert_eq!(put(put_inet4, b"192.168.0.1").expect("an address"), [0, 0, 0, 8, 2, 32, 0, 4, 192, 168, 0, 1]);
        assert_eq!(put(put_inet6, b"::ffff:192.168.0.1").expect("an address")[4..8], [3, 128, 0, 16]);
        assert_eq!(put(put_inet4, b"::1"), None);
        assert_eq!(put(put_inet6, b"1.2.3.4"), None);
    }
}
