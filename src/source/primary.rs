//! Where the primary stands, asked before its replica is read in its place.

use super::{Source, position::Position, refusal::Refusal, transactions::MARGIN};
use crate::error::{Error, Kind, Result};
use chrono::{DateTime, TimeDelta, Utc};
use mysql_async::{Conn, Row, prelude::Queryable};

/// How long the longest statement has been running. What it writes bears the stamp of its beginning, and a
/// replica gets it when it has ended. Who waits, or serves replicas, writes nothing.
const STATEMENT: &str = "select cast(max(time_ms) as signed) from information_schema.processlist \
                         where id <> connection_id() and time_ms < 86400000 and command not in \
                         ('Sleep', 'Daemon', 'Binlog Dump', 'Slave_IO', 'Slave_SQL', 'Slave_worker')";

const LOG: &str = "select cast(@@global.gtid_binlog_pos as char), cast(@@global.binlog_format as char), \
                   cast(@@global.server_id as unsigned)";

/// Where the primary stood.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    /// Its clock.
    pub(super) taken_at: DateTime<Utc>,
    /// Whatever comes into its log behind `position` bears no earlier stamp.
    pub(super) settled_at: DateTime<Utc>,
    pub(super) position: Position,
    pub(super) server_id: u64,
}

impl Source {
    /// Asks where the server stands; in this order, so that what ended in between is in the log.
    ///
    /// # Errors
    /// The server doesn't answer. Where it can't serve as a primary, that is the answer.
    pub(super) async fn moment(&self) -> Result<Result<Moment, Refusal>> {
        let mut connection = self.connection().await?;
        let taken_at = self.time(&mut connection).await?;
        let writer = self.oldest_writer(&mut connection, taken_at).await?.unwrap_or(MARGIN);
        if self.transactions_denied.holds() {
            return Ok(Err(Refusal::PrimaryUnseen));
        }
        let statement: Option<Option<i64>> =
            self.answered(connection.id(), connection.query_first(STATEMENT), "looking for long statements").await?;
        let statement = TimeDelta::milliseconds(statement.flatten().unwrap_or(0).max(0)) + MARGIN;
        Ok(self.log(&mut connection).await?.map(|(position, server_id)| Moment {
            taken_at,
            settled_at: taken_at - writer.max(statement),
            position,
            server_id,
        }))
    }

    /// The position of the log: all that could be seen before is in it. `None` where it isn't known, or nobody
    /// will ask.
    pub async fn logged(&self) -> Option<String> {
        self.replica.as_ref()?;
        let mut connection = self.connection().await.ok()?;
        let (position, _) = self.log(&mut connection).await.ok()?.ok()?;
        Some(position.to_string())
    }

    /// Position and number of the server.
    async fn log(&self, connection: &mut Conn) -> Result<Result<(Position, u64), Refusal>> {
        let (id, asked) = (connection.id(), connection.query_first(LOG));
        let row: Row = match self.answered(id, asked, "asking the source for its log").await {
            Ok(Some(row)) => row,
            // MySQL has no such variable.
            Ok(None) => return Ok(Err(Refusal::NothingLogged)),
            Err(Error { kind: Kind::SourceQuery, .. }) => return Ok(Err(Refusal::NothingLogged)),
            Err(error) => return Err(error),
        };
        let text = |at: usize| row.get_opt::<String, usize>(at).and_then(std::result::Result::ok).unwrap_or_default();
        let number = row.get_opt::<u64, usize>(2).and_then(std::result::Result::ok).unwrap_or_default();
        Ok(match Position::parse(&text(0)) {
            None => Err(Refusal::NothingLogged),
            // Written to a MyISAM table within a transaction, a row can be seen long before it is logged.
            Some(_) if text(1) == "STATEMENT" => Err(Refusal::StatementsLogged),
            Some(position) => Ok((position, number)),
        })
    }
}
