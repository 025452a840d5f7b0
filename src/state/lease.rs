//! The writer's lock: one process writes, however many are started.
//!
//! A session-level advisory lock on a connection of its own, so that the server gives it up by itself
//! when the process dies. A holder that is stopped, or that nobody can reach, keeps its session: who gives no
//! sign of life for [`SILENCE_SECONDS_MAX`] is deposed. Each acquisition is counted in `amalgam.writer` and names
//! its holder: who loses the lock and gets it back knows whether another has written in between.
//! Guarantee: once a reign has begun, nothing is written for an earlier one (`amalgam.fence`, docs/adr/0015).

use super::{During, State, within};
use crate::error::{Error, Kind, Result};
use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};
use std::time::Duration;

/// The first key of all locks: "amal".
const KEY: i32 = 0x616d_616c;
/// The second of the writer's.
const WRITER: i32 = 1;
/// The second of the fence's, which each transaction of a reign shares.
const FENCE: i32 = 2;
/// How long a sign of life may take before the lock counts as lost.
const CHECK_SECONDS_MAX: u64 = 5;
/// How long a holder may give no sign of life. Longer than one may take, and the time between two.
const SILENCE_SECONDS_MAX: f64 = 9.0;
/// How often the lock of a session that was ended is asked for, and how long in between.
const LOCK_TRIES_MAX: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(100);
/// How long transactions of an earlier reign are waited for, where their sessions can't be ended.
const FENCE_TIMEOUT: &str = "10s";
/// How long giving it up may take: the server does so by itself where that does not arrive.
const RELEASE_SECONDS_MAX: u64 = 2;

/// The writer's lock, held. Given up when dropped.
#[derive(Debug)]
pub struct Lease {
    connection: PgConnection,
    epoch: i64,
    was_mine: bool,
}

/// What came of asking for the lock.
#[derive(Debug)]
pub enum Acquired {
    /// This process may write.
    Held(Lease),
    /// Another process may; who, in words.
    By(String),
}

impl State {
    /// Asks for the writer's lock. `holder` says who asks, in words, for those who come second.
    /// The schema must have been migrated.
    ///
    /// # Errors
    /// The server fails.
    pub async fn acquire(&self, holder: &str, at: DateTime<Utc>) -> Result<Acquired> {
        let options = self.options.clone().application_name("amalgam writer");
        let mut connection = self.connect(options, "asking for the writer's lock").await?;
        if !lock(&mut connection).await? {
            let (who, is_silent): (String, bool) = sqlx::query_as(include_str!("queries/writer.sql"))
                .bind(SILENCE_SECONDS_MAX)
                .fetch_one(&mut connection)
                .during("asking who holds the writer's lock")
                .await?;
            if !is_silent || depose(&mut connection, WRITER).await? == 0 || !lock_soon(&mut connection).await? {
                return Ok(Acquired::By(who));
            }
        }
        let (epoch, was_mine) = begin_reign(&mut connection, holder, at).await?;
        self.fence.raise(epoch);
        // Signs of life need not outlive the server.
        sqlx::query("set synchronous_commit = off")
            .execute(&mut connection)
            .during("holding the writer's lock")
            .await?;
        Ok(Acquired::Held(Lease { connection, epoch, was_mine }))
    }
}

async fn lock(connection: &mut PgConnection) -> Result<bool> {
    sqlx::query_scalar("select pg_try_advisory_lock($1, $2)")
        .bind(KEY)
        .bind(WRITER)
        .fetch_one(connection)
        .during("asking for the writer's lock")
        .await
}

/// A session that is told to end holds its locks for a moment more.
async fn lock_soon(connection: &mut PgConnection) -> Result<bool> {
    for _ in 0..LOCK_TRIES_MAX {
        if lock(connection).await? {
            return Ok(true);
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Ok(false)
}

/// Ends the sessions that hold a lock; how many.
async fn depose(connection: &mut PgConnection, lock: i32) -> Result<i64> {
    sqlx::query_scalar(include_str!("queries/depose.sql"))
        .bind(lock)
        .fetch_one(connection)
        .during("ending the sessions of a process that gives no sign of life")
        .await
}

/// The number of the reign, and whether the one before was the same holder's.
async fn begin_reign(connection: &mut PgConnection, holder: &str, at: DateTime<Utc>) -> Result<(i64, bool)> {
    let doing = "beginning to write";
    let mut tx = connection.begin().during(doing).await?;
    let was_mine: bool = sqlx::query_scalar("select holder = $1 from amalgam.writer for update")
        .bind(holder)
        .fetch_one(&mut *tx)
        .during(doing)
        .await?;
    if !was_mine {
        // What another left under way is over, and can't be ended by it any more.
        depose(&mut tx, FENCE).await?;
        sqlx::query("select set_config('lock_timeout', $3, true), pg_advisory_xact_lock($1, $2)")
            .bind(KEY)
            .bind(FENCE)
            .bind(FENCE_TIMEOUT)
            .execute(&mut *tx)
            .during(doing)
            .await?;
    }
    let epoch = sqlx::query_scalar(include_str!("queries/acquire.sql"))
        .bind(holder)
        .bind(at)
        .fetch_one(&mut *tx)
        .during(doing)
        .await?;
    tx.commit().during(doing).await?;
    Ok((epoch, was_mine))
}

impl Lease {
    /// One more than at the acquisition before, by whomever.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Whether the holder before was the same: then nobody else wrote in between.
    pub fn was_mine(&self) -> bool {
        self.was_mine
    }

    /// Gives a sign of life, and sees whether the lock is still held.
    ///
    /// # Errors
    /// The connection is gone, and the lock with it; or another reign has begun.
    pub async fn renew(&mut self) -> Result<()> {
        let doing = "holding the writer's lock";
        let answer = sqlx::query("update amalgam.writer set renewed_at = clock_timestamp() where epoch = $1")
            .bind(self.epoch)
            .execute(&mut self.connection);
        let renewed = within(Duration::from_secs(CHECK_SECONDS_MAX), answer, doing).await?;
        match renewed.rows_affected() {
            0 => Err(Error::new(Kind::WriterLost, format!("{doing}: another process has become the writer"))),
            _ => Ok(()),
        }
    }

    /// Gives the lock up at once, for whoever waits.
    ///
    /// Asked for and answered: a connection that is only closed holds the lock until the server notices.
    pub async fn release(mut self) {
        let unlock = sqlx::query("select pg_advisory_unlock($1, $2)").bind(KEY).bind(WRITER);
        let unlocked =
            tokio::time::timeout(Duration::from_secs(RELEASE_SECONDS_MAX), unlock.execute(&mut self.connection));
        // Where the connection is gone, so is the lock.
        if let Ok(Ok(_)) = unlocked.await {
            let _ = self.connection.close().await;
        }
    }
}
