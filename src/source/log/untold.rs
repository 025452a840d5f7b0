//! Why the log does not tell which rows have changed. The table is compared then: dearer, and as exact.

use std::fmt;

/// Why the log does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untold {
    /// The server keeps no log, or is no MariaDB.
    NotLogged,
    /// `binlog_format` is not `ROW`.
    NotByRow,
    /// The user may not read the log.
    Denied,
    /// A foreign key changes rows of the table by itself, which InnoDB does not log.
    Cascades,
    /// The server no longer has the log from there on.
    Gone,
    /// The file is another one of the same name.
    BegunAnew,
    /// A statement names the table: it was altered, emptied, restored, or changed by a session without `ROW`.
    Statement,
    /// The table was in use all the while: what is logged of it may not be seen yet.
    Unsettled,
    /// A transaction of two phases: logged when it was prepared, and seen when it was committed.
    TwoPhases,
    /// The server says that it has lost events.
    Incident,
    /// More rows have changed than are worth being read by key.
    TooMany,
    /// An event is compressed, or of a kind or form that is not known.
    NotUnderstood,
}

impl Untold {
    /// Whether somebody has to do something about it.
    pub fn is_a_fault(self) -> bool {
        !matches!(self, Self::Statement | Self::Unsettled | Self::TwoPhases | Self::TooMany)
    }
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotLogged => "the source keeps no binary log that can be followed: set log_bin (MariaDB)",
            Self::NotByRow => "the source does not log rows: set binlog_format to ROW",
            Self::Denied => "the source's user may not read the binary log: grant it REPLICATION SLAVE",
            Self::Cascades => {
                "a foreign key of the table cascades, and the server does not log that: choose another mode"
            }
            Self::Gone => {
                "the source no longer has its binary log from there on: keep it longer (binlog_expire_logs_seconds)"
            }
            Self::BegunAnew => "the source's binary log was begun anew",
            Self::Statement => "a statement in the binary log names the table",
            Self::Unsettled => "the table was in use all the while, so what is logged of it may not be seen yet",
            Self::TwoPhases => "the binary log holds a transaction of two phases",
            Self::Incident => "the source has noted that events are missing from its binary log",
            Self::TooMany => "more rows have changed than are worth being read by key",
            Self::NotUnderstood => "the binary log holds what is not understood: compressed, or of a newer kind",
        })
    }
}
