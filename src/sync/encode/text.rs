//! The binary forms of texts and bytes.

use super::{Coerced, Reason, Unfit};
use crate::domain::BadText;
use bytes::BytesMut;

/// Bytes as they are.
pub(super) fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    let length = i32::try_from(bytes.len()).expect("max_allowed_packet bounds a cell to 1 GiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// PostgreSQL's text holds no NUL and only valid UTF-8; U+FFFD takes the place of what it can't hold, where
/// configuration lets it.
pub(super) fn put_text(
    bytes: &[u8],
    bad_text: BadText,
    coerced: &mut Coerced,
    out: &mut BytesMut,
) -> Result<(), Unfit> {
    if !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok() {
        put_bytes(bytes, out);
    } else if bad_text == BadText::Replace {
        let replaced = String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}");
        // U+FFFD takes three bytes: what was as long as a cell may be is no cell any more.
        if i32::try_from(replaced.len()).is_err() {
            return Err(Unfit::Value(Reason::BadText));
        }
        coerced.texts += 1;
        put_bytes(replaced.as_bytes(), out);
    } else {
        return Err(Unfit::Value(Reason::BadText));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_postgresql_cannot_hold_is_replaced_and_counted() {
        let (mut out, mut coerced) = (BytesMut::new(), Coerced::default());
        put_text(b"a\0\xffb", BadText::Replace, &mut coerced, &mut out).expect("it is replaced");
        assert_eq!(&out[4..], "a\u{fffd}\u{fffd}b".as_bytes());
        assert_eq!(coerced, Coerced { texts: 1, ..Coerced::default() });
    }
}
