//! Why the log does not tell which rows have changed. The table is compared then: dearer, and as exact.

use serde::{Serialize, Serializer};
use std::fmt;

/// Declares the reasons, and the word of each for metrics and the database.
macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident = $word:literal,)+) => {
        /// Why the log does not tell. Kept with the table until the next sync that writes its state.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Untold { $($(#[$doc])* $reason),+ }

        impl Untold {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$reason),+];

            /// The word used in metrics and the database.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$reason => $word),+ }
            }
        }
    };
}

reasons! {
    /// The server keeps no log, or is no MariaDB.
    NotLogged = "not_logged",
    /// `binlog_format` is not `ROW`.
    NotByRow = "not_by_row",
    /// The server leaves databases out of its log.
    LeftOut = "left_out",
    /// The server is a replica itself, and does not log what it gets as one.
    NotPassedOn = "not_passed_on",
    /// The user may not read the log.
    Denied = "denied",
    /// A foreign key changes rows of the table by itself, which InnoDB does not log.
    Cascades = "cascades",
    /// Rows were changed through a MERGE table, or may have been, and are not logged as this table's.
    Merged = "merged",
    /// The server no longer has the log from there on.
    Gone = "gone",
    /// The file is another one of the same name.
    BegunAnew = "begun_anew",
    /// The server died while it wrote: what of it was lost is not logged, nor need all be there that is.
    Died = "died",
    /// A statement names the table: it was altered, emptied or restored. Or a session without `ROW` changed rows,
    /// which may be those of any table.
    Statement = "statement",
    /// The table was in use all the while: what is logged of it may not be seen yet.
    Unsettled = "unsettled",
    /// A transaction of two phases: logged when it was prepared, and seen when it was committed.
    TwoPhases = "two_phases",
    /// The server says that it has lost events.
    Incident = "incident",
    /// More rows have changed than are worth being read by key.
    TooMany = "too_many",
    /// More has been logged since, of whatever tables, than comparing this one would cost.
    TooLong = "too_long",
    /// An event is compressed, or of a kind or form that is not known.
    NotUnderstood = "not_understood",
    /// It isn't asked, because the table has another shape now. Set by `sync/`.
    Altered = "altered",
    /// It isn't known from where on. Set by `sync/`.
    NoPlace = "no_place",
}

impl Untold {
    /// The reason of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
    }

    /// Whether somebody has to do something about it.
    pub fn is_a_fault(self) -> bool {
        match self {
            Self::NotLogged
            | Self::NotByRow
            | Self::LeftOut
            | Self::NotPassedOn
            | Self::Denied
            | Self::Cascades
            | Self::Merged
            | Self::Gone
            | Self::BegunAnew
            | Self::Incident
            | Self::NotUnderstood => true,
            Self::Died
            | Self::Statement
            | Self::Unsettled
            | Self::TwoPhases
            | Self::TooMany
            | Self::TooLong
            | Self::Altered
            | Self::NoPlace => false,
        }
    }
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotLogged => "the source keeps no binary log that can be followed: set log_bin (MariaDB)",
            Self::NotByRow => "the source does not log rows: set binlog_format to ROW",
            Self::LeftOut => {
                "the source leaves databases out of its binary log: unset binlog_do_db and binlog_ignore_db"
            }
            Self::NotPassedOn => {
                "the source is a replica itself, and does not log what it gets as one: set log_slave_updates"
            }
            Self::Denied => "the source's user may not read the binary log: grant it REPLICATION SLAVE",
            Self::Cascades => {
                "a foreign key of the table cascades, and the server does not log that: choose another mode"
            }
            Self::Merged => {
                "rows were written through a MERGE table, which logs them under its own name: \
                 write to the tables of its union, or choose another mode"
            }
            Self::Gone => {
                "the source no longer has its binary log from there on: keep it longer (binlog_expire_logs_seconds)"
            }
            Self::BegunAnew => "the source's binary log was begun anew",
            Self::Died => "the source died while it wrote its binary log, and what it lost then is not logged",
            Self::Statement => "a statement in the binary log names the table, or changed rows without logging them",
            Self::Unsettled => "the table was in use all the while, so what is logged of it may not be seen yet",
            Self::TwoPhases => "the binary log holds a transaction of two phases",
            Self::Incident => "the source has noted that events are missing from its binary log",
            Self::TooMany => "more rows have changed than are worth being read by key",
            Self::TooLong => "more has been logged since than comparing the table would cost",
            Self::NotUnderstood => {
                "the binary log holds what is not understood: compressed (log_bin_compress), or of a newer kind"
            }
            Self::Altered => "the table has another shape now",
            Self::NoPlace => "from where on to follow the binary log was not known",
        })
    }
}

impl Serialize for Untold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Untold::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), Untold::ALL.len());
        assert!(Untold::ALL.iter().all(|reason| Untold::parse(reason.as_str()) == Some(*reason)));
        assert_eq!(Untold::parse(""), None);
    }
}
