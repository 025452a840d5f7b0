//! How far a table's sync has come.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A typed cursor into one table. A stamp is never compared with a key, nor with a wall clock other
/// than the source's.
///
/// Set by `sync/`, written by `warehouse/` in the transaction of the rows it covers; lasts until the
/// table is loaded again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watermark {
    /// `merge`: every row with a stamp before this moment of the source's clock, in UTC, has been read.
    Stamp(DateTime<Utc>),
    /// `append`: every row with a key up to this one has been read. The key as its decimal text.
    Key(i128),
    /// `stream`: all that the source had logged up to this place of its binary log has been taken in.
    Log(LogPosition),
}

/// A place between two transactions of a server's binary log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPosition {
    /// The file's name.
    pub file: String,
    /// Bytes of the file before it.
    pub offset: u64,
    /// When the file was begun, in seconds of the Unix epoch by the server's clock: a log that was begun anew has
    /// files of the same names.
    pub begun: u32,
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

impl Watermark {
    /// The later of two watermarks of one kind; a watermark never moves back. Of two kinds, `next`:
    /// the mode has changed.
    pub fn advance(current: Option<&Self>, next: Self) -> Self {
        match (current, &next) {
            (Some(Self::Stamp(a)), Self::Stamp(b)) if a > b => Self::Stamp(*a),
            (Some(Self::Key(a)), Self::Key(b)) if a > b => Self::Key(*a),
            _ => next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watermark_never_moves_back() {
        let at = |s| DateTime::from_timestamp(s, 0).expect("a small number of seconds is a valid time");
        assert_eq!(Watermark::advance(Some(&Watermark::Key(9)), Watermark::Key(3)), Watermark::Key(9));
        assert_eq!(
            Watermark::advance(Some(&Watermark::Stamp(at(9))), Watermark::Stamp(at(3))),
            Watermark::Stamp(at(9))
        );
        assert_eq!(Watermark::advance(None, Watermark::Key(3)), Watermark::Key(3));
    }

    #[test]
    fn a_change_of_mode_takes_the_new_kind() {
        let stamp = Watermark::Stamp(DateTime::from_timestamp(9, 0).expect("valid"));
        assert_eq!(Watermark::advance(Some(&stamp), Watermark::Key(3)), Watermark::Key(3));
    }
}
