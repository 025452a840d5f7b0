//! Why a replica is not read, and what can be done about it.

use crate::error::Error;
use std::{fmt, time::Duration};

/// Why a replica is not read.
#[derive(Debug)]
pub enum Refusal {
    /// It does not answer as it should.
    Failed(Error),
    /// Its user may not see how replication goes.
    Denied(String),
    /// It replicates from nobody, or from another server.
    OfAnother,
    /// The thread that receives, or the one that applies, does not run.
    Stopped(&'static str),
    /// Some tables are left out.
    Filtered,
    /// It is behind; for so long, where that is known.
    Behind(Option<Duration>),
    /// The primary has no log, or one without MariaDB's positions.
    NothingLogged,
    /// The primary logs statements, also where that loses the order.
    StatementsLogged,
    /// The right to see others' statements at the primary is missing.
    PrimaryUnseen,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "{error}"),
            Self::Denied(account) => write!(f, "{account} may not see how its replication goes"),
            Self::OfAnother => f.write_str("it does not replicate from the server in [source]"),
            Self::Stopped(thread) => write!(f, "its {thread} thread does not run"),
            Self::Filtered => f.write_str("its replication leaves tables out"),
            Self::Behind(Some(lag)) => write!(f, "it is {} s behind", lag.as_secs()),
            Self::Behind(None) => f.write_str("nobody knows how far it is behind"),
            Self::NothingLogged => f.write_str("the primary has no binlog with MariaDB's transaction ids"),
            Self::StatementsLogged => f.write_str("the primary's binlog_format is STATEMENT"),
            Self::PrimaryUnseen => f.write_str("long statements at the primary are not seen"),
        }
    }
}

impl Refusal {
    /// What the operator can do.
    pub fn remedy(&self) -> String {
        match self {
            Self::Failed(error) => {
                return format!("of the replica, so in [source.replica] where it says [source]: {}", error.remedy());
            }
            Self::Denied(account) => {
                return format!(
                    "on the replica: GRANT SLAVE MONITOR ON *.* TO {account} (before MariaDB 10.5.9: REPLICATION CLIENT)"
                );
            }
            Self::OfAnother => "see SHOW ALL SLAVES STATUS there: Master_Server_Id must be the server_id of [source]",
            Self::Stopped(_) => "START SLAVE on the replica; SHOW ALL SLAVES STATUS tells why it stopped",
            Self::Filtered => "take replicate_do_…, replicate_ignore_… and replicate_wild_… out of its configuration",
            Self::Behind(_) => "nothing, if it catches up; else raise source.replica.lag_seconds_max",
            Self::NothingLogged => "enable log_bin on the primary; a server of MySQL's can't be used with a replica",
            Self::StatementsLogged => "SET GLOBAL binlog_format = 'MIXED' on the primary, and in its configuration",
            Self::PrimaryUnseen => "GRANT PROCESS ON *.* to the user of [source], on the primary",
        }
        .to_owned()
    }
}
