//! Schedules: when each is due, and the fires of each, once.

use super::{During, NewRun, State};
use crate::{
    domain::{RunId, ScheduleName},
    error::Result,
};
use chrono::{DateTime, Utc};

/// One schedule as it stands in the control plane.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ScheduleRow {
    /// Its name.
    pub name: String,
    /// Its expression when `next_fire_at` was computed.
    pub cron: String,
    /// Its zone when `next_fire_at` was computed.
    pub timezone: String,
    /// The schedules whose runs, when they end well, start this one.
    pub after: Vec<String>,
    /// When it is due; `None` when its expression never comes true again.
    pub next_fire_at: Option<DateTime<Utc>>,
    /// When it last fired.
    pub last_fire_at: Option<DateTime<Utc>>,
    /// A fire that waits for the end of the last run.
    pub queued_fire_at: Option<DateTime<Utc>>,
    /// What asked for it; `None`: its time.
    pub queued_by: Option<String>,
    /// Its file when last looked at; `None`: never.
    pub seen_file: Option<String>,
    /// The source's tables when last looked at; `None`: never.
    pub seen_change: Option<String>,
    /// Whether its fires are let go.
    pub paused: bool,
}

/// What is looked at for a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Its file.
    File,
    /// The source's tables.
    Change,
}

/// What happens to a fire that is due.
#[derive(Clone, Debug)]
pub enum Fire {
    /// A run begins.
    Run(NewRun),
    /// It waits, as one of this moment, until the last run has ended.
    Queue(DateTime<Utc>),
    /// It is let go.
    Leave,
}

impl State {
    /// Every schedule, by name.
    ///
    /// # Errors
    /// The server fails.
    pub async fn schedules(&self) -> Result<Vec<ScheduleRow>> {
        sqlx::query_as(include_str!("queries/schedules.sql"))
            .fetch_all(&mut *self.connection().await?)
            .during("reading the schedules")
            .await
    }

    /// Writes a schedule that is new or was changed, with the time when it is due.
    ///
    /// # Errors
    /// The server fails.
    pub async fn put_schedule(
        &self,
        name: &ScheduleName,
        cron: &str,
        timezone: &str,
        after: &[String],
        next_fire_at: Option<DateTime<Utc>>,
    ) -> Result<()> {
        let doing = "writing a schedule";
        let mut tx = self.begin(doing).await?;
        sqlx::query(include_str!("queries/put_schedule.sql"))
            .bind(name.as_str())
            .bind(cron)
            .bind(timezone)
            .bind(next_fire_at)
            .bind(after)
            .execute(&mut *tx)
            .during(doing)
            .await?;
        tx.commit().during(doing).await?;
        Ok(())
    }

    /// Forgets the schedules that the configuration no longer names; how many.
    ///
    /// # Errors
    /// The server fails.
    pub async fn keep_schedules(&self, names: &[String]) -> Result<u64> {
        let doing = "forgetting schedules";
        let mut tx = self.begin(doing).await?;
        let done = sqlx::query("delete from amalgam.schedule where name <> all($1)")
            .bind(names)
            .execute(&mut *tx)
            .during(doing)
            .await?;
        tx.commit().during(doing).await?;
        Ok(done.rows_affected())
    }

    /// Lets the fire that was due at `due` happen, and sets the next. The run, where one began.
    ///
    /// `None` with [`Fire::Run`] when the fire has happened already: another process was faster.
    ///
    /// # Errors
    /// The server fails.
    pub async fn fire(
        &self,
        name: &ScheduleName,
        due: DateTime<Utc>,
        next: Option<DateTime<Utc>>,
        fire: &Fire,
    ) -> Result<Option<RunId>> {
        let counts = match fire {
            Fire::Run(new) => new.fire_at.unwrap_or(due),
            Fire::Queue(moment) => *moment,
            Fire::Leave => due,
        };
        let mut tx = self.begin("firing a schedule").await?;
        let mine = sqlx::query(include_str!("queries/fire.sql"))
            .bind(name.as_str())
            .bind(due)
            .bind(next)
            .bind(matches!(fire, Fire::Queue(_)))
            .bind(counts)
            .execute(&mut *tx)
            .during("firing a schedule")
            .await?
            .rows_affected();
        let run = match fire {
            Fire::Run(new) if mine == 1 => Self::insert_run(&mut tx, new).await?,
            _ => None,
        };
        tx.commit().during("firing a schedule").await?;
        Ok(run)
    }

    /// Whether the fire of that moment has begun a run.
    ///
    /// # Errors
    /// The server fails.
    pub async fn has_fired(&self, name: &ScheduleName, at: DateTime<Utc>) -> Result<bool> {
        sqlx::query_scalar("select exists (select from amalgam.run where schedule = $1 and fire_at = $2)")
            .bind(name.as_str())
            .bind(at)
            .fetch_one(&mut *self.connection().await?)
            .during("looking for the run of a fire")
            .await
    }

    /// Begins the run of a fire that waited. `None` when none waits any more.
    ///
    /// # Errors
    /// The server fails.
    pub async fn fire_queued(&self, name: &ScheduleName, new: &NewRun) -> Result<Option<RunId>> {
        let mut tx = self.begin("firing a schedule").await?;
        let mine = sqlx::query(
            "update amalgam.schedule set queued_fire_at = null, queued_by = null, last_fire_at = $2 \
             where name = $1 and queued_fire_at = $2",
        )
        .bind(name.as_str())
        .bind(new.fire_at)
        .execute(&mut *tx)
        .during("firing a schedule")
        .await?
        .rows_affected();
        let run = if mine == 1 { Self::insert_run(&mut tx, new).await? } else { None };
        tx.commit().during("firing a schedule").await?;
        Ok(run)
    }

    /// Remembers what was looked at, and asks for a fire where `by` says what does.
    ///
    /// # Errors
    /// The server fails.
    pub async fn see(
        &self,
        name: &ScheduleName,
        what: Seen,
        sign: &str,
        by: Option<&str>,
        at: DateTime<Utc>,
    ) -> Result<()> {
        let doing = "remembering what was looked at";
        let mut tx = self.begin(doing).await?;
        sqlx::query(include_str!("queries/see.sql"))
            .bind(name.as_str())
            .bind((what == Seen::File).then_some(sign))
            .bind((what == Seen::Change).then_some(sign))
            .bind(by)
            .bind(at)
            .execute(&mut *tx)
            .during(doing)
            .await?;
        tx.commit().during(doing).await
    }

    /// Asks for a fire, on behalf of a person. `false` where there is no such schedule, or it is paused.
    ///
    /// # Errors
    /// The server fails.
    pub async fn ask(&self, name: &ScheduleName, by: &str, at: DateTime<Utc>) -> Result<bool> {
        let done = sqlx::query(include_str!("queries/ask.sql"))
            .bind(name.as_str())
            .bind(at)
            .bind(by)
            .execute(&mut *self.connection().await?)
            .during("asking for a fire")
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Pauses a schedule, or lets it go on. `false` where there is no such schedule.
    ///
    /// # Errors
    /// The server fails.
    pub async fn pause(&self, name: &ScheduleName, paused: bool) -> Result<bool> {
        let done = sqlx::query("update amalgam.schedule set paused = $2 where name = $1")
            .bind(name.as_str())
            .bind(paused)
            .execute(&mut *self.connection().await?)
            .during("pausing a schedule")
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
