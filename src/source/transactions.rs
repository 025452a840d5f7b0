//! Transactions at the source that have written and not ended.
//!
//! Their rows bear stamps of when they were written, and can be seen only when they are committed: a
//! watermark must not pass them. Seen with the right `PROCESS`; without it, only the overlap helps.

use super::{Source, failure::failure, pool::answered};
use crate::error::{Error, Kind, Result};
use chrono::{DateTime, TimeDelta, Utc};
use mysql_async::{Conn, prelude::Queryable};
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::timeout;
use tracing::warn;

/// The age of the oldest, those included that have yet to write what their statement has locked, or waits to lock:
/// the rows will bear the time at which it began. But for those that their clients have forgotten: a day old, they hold nothing back
/// any longer. InnoDB tells times in the system's zone, whatever the session's is. In the hour
/// that comes twice in autumn, the age may be one hour more than it is, or zero.
const OLDEST: &str = "select cast(max(age) as signed) from \
                      (select timestampdiff(microsecond, trx_started, convert_tz(now(6), '+00:00', 'SYSTEM')) as age \
                       from information_schema.innodb_trx where trx_rows_modified > 0 or trx_tables_locked > 0) writers where age < 86400000000";

/// A server that runs without InnoDB has no such table.
const UNKNOWN_TABLE: u16 = 1109;

/// A statement is stamped with the moment it began, its transaction with one a little later, in whole seconds.
pub(super) const MARGIN: TimeDelta = TimeDelta::seconds(2);

/// InnoDB tells what it has told whoever asked a tenth of a second before, and so for as long as somebody goes on
/// asking (`CACHE_MIN_IDLE_TIME_NS` in its trx0i_s.cc): tables that are looked at in quick succession share an answer.
const ANSWER_LASTS: Duration = Duration::from_millis(150);

/// A right that was missing is asked for again after so long: somebody may have granted it.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(600);

/// Whether the right to see transactions was missing when last asked for.
#[derive(Debug, Default)]
pub(super) struct Denied(Mutex<Option<Instant>>);

/// Before when nothing was written that can't be seen, as it was last told, and when that was.
pub(super) type LastTold = tokio::sync::Mutex<Option<(Instant, DateTime<Utc>)>>;

impl Denied {
    pub(super) fn holds(&self) -> bool {
        let at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        at.is_some_and(|at| at.elapsed() < ASK_AGAIN_AFTER)
    }

    fn note(&self) {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(Instant::now());
        if before.is_none() {
            warn!(
                "the right PROCESS is missing at the source: long transactions are not seen, and rows that they \
                   commit late may arrive with the next comparison only; `amalgam doctor` tells the grant"
            );
        }
    }
}

impl Source {
    /// How long before `taken_at`, the server's time, the oldest transaction began that has written and not ended, or
    /// longer; `None` where there is none, or the right to see it is missing.
    pub(super) async fn oldest_writer(
        &self,
        connection: &mut Conn,
        taken_at: DateTime<Utc>,
    ) -> Result<Option<TimeDelta>> {
        if self.transactions_denied.holds() {
            return Ok(None);
        }
        // Held while the server is asked: who waits here gets the same answer, and must not ask again.
        let silent = |_| Error::new(Kind::SourceLost, "looking for open transactions: somebody waits for the answer");
        let mut last = timeout(self.silence_max, self.transactions_told.lock()).await.map_err(silent)?;
        if let Some((told, settled_at)) = *last
            && told.elapsed() < ANSWER_LASTS
        {
            // Whatever began since bears later stamps.
            return Ok(Some((taken_at - settled_at).max(TimeDelta::zero())));
        }
        match oldest(self.silence_max, connection).await {
            Err(error) if error.kind == Kind::SourceDenied => {
                self.transactions_denied.note();
                Ok(None)
            }
            other => {
                let age = other?;
                *last = Some((Instant::now(), taken_at - age.unwrap_or_default()));
                Ok(age)
            }
        }
    }
}

/// What [`Source::oldest_writer`] asks.
///
/// # Errors
/// [`Kind::SourceDenied`] without the right.
pub(super) async fn oldest(silence_max: Duration, connection: &mut Conn) -> Result<Option<TimeDelta>> {
    let age: Option<Option<i64>> = match answered(silence_max, connection.query_first(OLDEST)).await {
        Err(mysql_async::Error::Server(error)) if error.code == UNKNOWN_TABLE => None,
        asked => asked.map_err(|e| failure(&e, "looking for open transactions"))?,
    };
    Ok(age.flatten().map(|micros| TimeDelta::microseconds(micros.max(0)) + MARGIN))
}
