//! A replica that is read in the primary's place while it keeps up: docs/adr/0011.
//!
//! Before it is read, the primary is asked for the time and for the position of its log, and the replica is
//! waited for until it has applied all up to there: a barrier. What is read behind it is what the primary had
//! at that time, or later; so a watermark is the primary's time, and nothing goes back.
//! Refuses: guessing. Without a barrier the primary is read. `Seconds_Behind_Master` only ever says no: it is
//! 0 as well where the replica has not heard of what it lacks (MariaDB KB, "SHOW REPLICA STATUS").
//! Bounds: who waits, waits for `lag_seconds_max`; a refusal that took long is not asked for again for long.

use super::{Source, position::Position, primary::Moment, refusal::Refusal};
use crate::{
    config,
    domain::{Catalog, TableName},
    error::{Error, Kind, Result},
};
use std::time::{Duration, Instant};
use tokio::{sync::Mutex, time::timeout};
use tracing::{info, warn};

/// What a server may take to answer, besides what it was told to wait.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// A barrier that took less is raised anew for every table; one that took more is good for the bound of the lag.
const QUICK: Duration = Duration::from_secs(1);
/// After a refusal the replica is left alone for so many times as long as that took…
const LEFT_ALONE_TIMES: u32 = 10;
/// …and for so long at most, and where it broke off in the middle.
const LEFT_ALONE_MAX: Duration = Duration::from_secs(60);

/// The replica of a source.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) source: Source,
    pub(super) lag_max: Duration,
    memory: Mutex<Memory>,
}

/// What is known of a replica; held while a barrier is raised: who came before it was begun gets that one.
#[derive(Debug, Default)]
struct Memory {
    barrier: Option<Barrier>,
    left_alone_until: Option<Instant>,
    standing: Standing,
    /// What was last told, so that only a change is.
    told: Option<bool>,
}

/// How a replica does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    /// Whether it is read.
    pub in_use: bool,
    /// How far it was behind when last asked, where that is known.
    pub lag: Option<Duration>,
}

/// The replica has applied all that the primary had logged at a moment.
#[derive(Clone, Debug)]
struct Barrier {
    moment: Moment,
    begun: Instant,
    /// How long it was waited for.
    took: Duration,
}

/// What a replica must have applied, that a table may be read there.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// What the bound of its lag says: the table was last read there.
    Bounded,
    /// What the primary had logged up to that position, when the table was last read from it.
    Position(&'a str),
    /// All that the primary has logged by now.
    Now,
}

/// The server that is to be read.
#[derive(Clone)]
pub struct Chosen {
    /// The server.
    pub source: Source,
    /// How the replica does; `None` where there is none.
    pub standing: Option<Standing>,
    moment: Option<Moment>,
}

impl Barrier {
    /// Whether it serves somebody who asks at a moment.
    fn serves(&self, wanted: Wanted<'_>, asked: Instant, lag_max: Duration) -> bool {
        let recent = self.took >= QUICK && asked.saturating_duration_since(self.begun) < self.took + lag_max;
        let covers = |text| Position::parse(text).is_some_and(|position| self.moment.position.covers(&position));
        self.begun >= asked
            || recent
                && match wanted {
                    Wanted::Bounded => true,
                    Wanted::Position(text) => covers(text),
                    Wanted::Now => false,
                }
    }
}

impl Chosen {
    /// What the server holds, with the times of the primary, which were asked for when it was chosen: see
    /// [`Source::describe`].
    pub async fn describe(&self, only: Option<&[TableName]>, chosen: impl Fn(&str) -> bool) -> Result<Catalog> {
        let Some(Moment { taken_at, settled_at, .. }) = self.moment else {
            return self.source.describe(only, chosen).await;
        };
        let tables = self.source.tables(&mut *self.source.connection().await?, only, chosen).await?;
        Ok(Catalog { taken_at, settled_at, tables })
    }
}

impl Source {
    /// The server to read: the replica, where it has what is wanted; else this one.
    ///
    /// # Errors
    /// This one doesn't answer: without it there is no telling what the replica lacks.
    pub async fn choose(&self, wanted: Wanted<'_>) -> Result<Chosen> {
        let Some(replica) = &self.replica else { return Ok(self.itself()) };
        let asked = Instant::now();
        let mut memory = replica.memory.lock().await;
        if memory.left_alone_until.is_some_and(|until| until > Instant::now()) {
            return Ok(self.chosen(Some(memory.standing)));
        }
        if !memory.barrier.as_ref().is_some_and(|barrier| barrier.serves(wanted, asked, replica.lag_max)) {
            let begun = Instant::now();
            match replica.raise(self).await? {
                Ok(barrier) => memory.accept(replica, barrier),
                Err(refusal) => {
                    memory.refuse(replica, &refusal, (begun.elapsed() * LEFT_ALONE_TIMES).min(LEFT_ALONE_MAX));
                }
            }
        }
        let standing = Some(memory.standing);
        Ok(match &memory.barrier {
            Some(Barrier { moment, .. }) => {
                Chosen { source: replica.source.clone(), standing, moment: Some(moment.clone()) }
            }
            None => self.chosen(standing),
        })
    }

    /// This server, whatever its replica does.
    pub fn itself(&self) -> Chosen {
        self.chosen(None)
    }

    /// Whether no other server is ever read in its place, nor it in the place of another.
    pub fn is_alone(&self) -> bool {
        self.replica.is_none() && !self.is_replica
    }

    fn chosen(&self, standing: Option<Standing>) -> Chosen {
        Chosen { source: self.clone(), standing, moment: None }
    }

    /// This server, whatever its replica does, for what could not be read from `other`; `None` where the
    /// failure is not that of a replica.
    pub async fn instead_of(&self, other: &Self, error: &Error) -> Option<Chosen> {
        let replica = self.replica.as_ref().filter(|_| other.is_replica() && is_the_servers(error.kind))?;
        let mut memory = replica.memory.lock().await;
        if is_the_connections(error.kind) {
            memory.refuse(replica, &Refusal::Failed(Error::new(error.kind, error.to_string())), LEFT_ALONE_MAX);
        } else {
            warn!(replica = replica.source.place, kind = %error.kind, %error, "a replica could not be read; the primary is");
        }
        Some(self.chosen(Some(memory.standing)))
    }

    /// What a replica must have applied to be read, after a table was read from a server of that name, which
    /// stood there.
    pub fn wanted<'s>(&self, server: Option<&str>, position: Option<&'s str>) -> Wanted<'s> {
        let replica = self.replica.as_ref().and_then(|r| r.source.name());
        match position {
            _ if server.is_some() && server == replica => Wanted::Bounded,
            Some(position) if server.is_none() => Wanted::Position(position),
            _ => Wanted::Now,
        }
    }

    /// Looks at the replica as if it were to be read now; `None` where there is none.
    ///
    /// # Errors
    /// This server doesn't answer.
    pub async fn examine_replica(&self) -> Result<Option<(String, Result<Duration, Refusal>)>> {
        let Some(replica) = &self.replica else { return Ok(None) };
        let raised = replica.raise(self).await?;
        Ok(Some((replica.source.place.clone(), raised.map(|barrier| barrier.took))))
    }

    /// What a table's state calls this server; `None`: it is the primary.
    pub fn name(&self) -> Option<&str> {
        self.is_replica.then_some(self.place.as_str())
    }

    /// Whether this is a replica.
    pub fn is_replica(&self) -> bool {
        self.is_replica
    }

    /// The name of the replica, where there is one.
    pub fn replica_name(&self) -> Option<&str> {
        self.replica.as_ref().and_then(|replica| replica.source.name())
    }
}

impl Memory {
    fn accept(&mut self, replica: &Replica, barrier: Barrier) {
        self.standing = Standing { in_use: true, lag: Some(barrier.took) };
        self.barrier = Some(barrier);
        if self.told.replace(true) != Some(true) {
            info!(replica = replica.source.place, "reading from the replica");
        }
    }

    fn refuse(&mut self, replica: &Replica, refusal: &Refusal, time: Duration) {
        let lag = if let Refusal::Behind(lag) = refusal { *lag } else { None };
        self.standing = Standing { in_use: false, lag };
        self.barrier = None;
        self.left_alone_until = Some(Instant::now() + time);
        if self.told.replace(false) != Some(false) {
            let remedy = refusal.remedy();
            warn!(replica = replica.source.place, reason = %refusal, remedy, "reading from the primary");
        }
    }
}

impl Replica {
    pub(super) fn new(source: Source, config: &config::Replica) -> Self {
        Self { source, lag_max: Duration::from_secs(config.lag_seconds_max), memory: Mutex::default() }
    }

    /// Waits until the replica has what the primary has now.
    async fn raise(&self, primary: &Source) -> Result<Result<Barrier, Refusal>> {
        let begun = Instant::now();
        // The servers keep to bounds of their own; one that has gone silent keeps to none.
        let Ok(moment) = timeout(ANSWER_WITHIN, primary.moment()).await else {
            return Err(Error::new(Kind::SourceLost, "the source was asked where it stands and does not answer"));
        };
        let moment = match moment? {
            Ok(moment) => moment,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let since = Instant::now();
        Ok(match timeout(self.lag_max + ANSWER_WITHIN, self.follow(&moment)).await {
            Ok(followed) => followed.map(|()| Barrier { moment, begun, took: since.elapsed() }),
            Err(_) => Err(Refusal::Behind(None)),
        })
    }
}

/// Whether another server of the same data may do better.
fn is_the_servers(kind: Kind) -> bool {
    is_the_connections(kind)
        || matches!(
            kind,
            Kind::SourceDenied | Kind::SourceTimeout | Kind::SourceCrashed | Kind::SourceChanged | Kind::SourceQuery
        )
}

/// Whether nothing else would fare better there.
fn is_the_connections(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::SourceUnreachable
            | Kind::SourceFull
            | Kind::SourceAuth
            | Kind::SourceTls
            | Kind::SourceDatabaseMissing
            | Kind::SourceLost
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Utc};

    fn barrier(position: &str, begun: Instant, took: Duration) -> Barrier {
        let at = DateTime::<Utc>::UNIX_EPOCH;
        let position = Position::parse(position).expect("it is a position");
        Barrier { moment: Moment { taken_at: at, settled_at: at, position, server_id: 1 }, begun, took }
    }

    #[test]
    fn a_barrier_that_was_slow_to_raise_serves_later_tables_that_need_no_more_than_it_has() {
        let (begun, lag_max) = (Instant::now(), Duration::from_secs(30));
        let slow = barrier("0-1-10", begun, Duration::from_secs(9));
        let asked = begun + Duration::from_secs(20);
        assert!(slow.serves(Wanted::Bounded, asked, lag_max));
        assert!(slow.serves(Wanted::Position("0-1-10"), asked, lag_max));
        assert!(!slow.serves(Wanted::Position("0-1-11"), asked, lag_max));
        assert!(!slow.serves(Wanted::Position("garbled"), asked, lag_max));
        assert!(!slow.serves(Wanted::Now, asked, lag_max));
        assert!(!slow.serves(Wanted::Bounded, begun + Duration::from_secs(40), lag_max));
    }

    #[test]
    fn a_quick_one_serves_only_who_asked_before_it_was_begun() {
        let (asked, lag_max) = (Instant::now(), Duration::from_secs(30));
        let quick = barrier("0-1-10", asked + Duration::from_millis(1), Duration::from_millis(2));
        assert!(quick.serves(Wanted::Now, asked, lag_max));
        assert!(!quick.serves(Wanted::Bounded, asked + Duration::from_millis(5), lag_max));
    }
}
