//! The writer's lock: one process writes, however many are started.
//!
//! A session-level advisory lock on a connection of its own, so that the server gives it up by itself
//! when the process dies. Each acquisition is counted in `amalgam.writer` and names its holder: who loses the
//! lock and gets it back knows whether another has written in between.

use super::{During, State, within};
use crate::error::Result;
use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};
use std::time::Duration;

/// The lock's two keys: "amal", and the writer's.
const LOCK: (i32, i32) = (0x616d_616c, 1);
/// How long a sign of life may take before the lock counts as lost.
const CHECK_SECONDS_MAX: u64 = 5;
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
        let doing = "asking for the writer's lock";
        let options = self.options.clone().application_name("amalgam writer");
        let mut connection = self.connect(options, doing).await?;
        let mine: bool = sqlx::query_scalar("select pg_try_advisory_lock($1, $2)")
            .bind(LOCK.0)
            .bind(LOCK.1)
            .fetch_one(&mut connection)
            .during(doing)
            .await?;
        if !mine {
            let who: String = sqlx::query_scalar(
                "select holder || ', since ' || coalesce(to_char(acquired_at, 'YYYY-MM-DD HH24:MI:SS \"UTC\"'), 'a moment ago') from amalgam.writer",
            )
            .fetch_one(&mut connection)
            .during(doing).await?;
            return Ok(Acquired::By(who));
        }
        let (epoch, was_mine) = sqlx::query_as(include_str!("queries/acquire.sql"))
            .bind(holder)
            .bind(at)
            .fetch_one(&mut connection)
            .during(doing)
            .await?;
        Ok(Acquired::Held(Lease { connection, epoch, was_mine }))
    }
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

    /// Sees whether the lock is still held.
    ///
    /// # Errors
    /// The connection is gone, and the lock with it.
    pub async fn check(&mut self) -> Result<()> {
        let doing = "holding the writer's lock";
        let answer = sqlx::query("select 1").execute(&mut self.connection);
        within(Duration::from_secs(CHECK_SECONDS_MAX), answer, doing).await.map(drop)
    }

    /// Gives the lock up at once, for whoever waits.
    ///
    /// Asked for and answered: a connection that is only closed holds the lock until the server notices.
    pub async fn release(mut self) {
        let unlock = sqlx::query("select pg_advisory_unlock($1, $2)").bind(LOCK.0).bind(LOCK.1);
        let unlocked =
            tokio::time::timeout(Duration::from_secs(RELEASE_SECONDS_MAX), unlock.execute(&mut self.connection));
        // Where the connection is gone, so is the lock.
        if let Ok(Ok(_)) = unlocked.await {
            let _ = self.connection.close().await;
        }
    }
}
