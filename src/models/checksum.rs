//! SHA-256 of several texts, each with its length in front so that no two lists look alike.

use crate::domain::hexadecimal;
use md5::Md5;
use sha2::{Digest, Sha256};

/// The digest in hexadecimal.
pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hexadecimal(&hasher.finalize())
}

/// SHA-256 of one text alone, in hexadecimal.
pub(super) fn plain(text: &str) -> String {
    hexadecimal(&Sha256::digest(text))
}

/// MD5 of a text, in hexadecimal: what dbt makes names of.
pub(super) fn md5(text: &str) -> String {
    hexadecimal(&Md5::digest(text))
}
