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
    /// When it is due; `None` when its expression never comes true again.
    pub next_fire_at: Option<DateTime<Utc>>,
    /// When it last fired.
    pub last_fire_at: Option<DateTime<Utc>>,
    /// A fire that waits for the end of the last run.
    pub queued_fire_at: Option<DateTime<Utc>>,
    /// Whether its fires are let go.
    pub paused: bool,
}

/// What happens to a fire that is due.
#[derive(Clone, Debug)]
pub enum Fire {
    /// A run begins.
    Run(NewRun),
    /// It waits until the last run has ended.
    Queue,
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
        next_fire_at: Option<DateTime<Utc>>,
    ) -> Result<()> {
        sqlx::query(include_str!("queries/put_schedule.sql"))
            .bind(name.as_str())
            .bind(cron)
            .bind(timezone)
            .bind(next_fire_at)
            .execute(&mut *self.connection().await?)
            .during("writing a schedule")
            .await?;
        Ok(())
    }

    /// Forgets the schedules that the configuration no longer names; how many.
    ///
    /// # Errors
    /// The server fails.
    pub async fn keep_schedules(&self, names: &[String]) -> Result<u64> {
        let done = sqlx::query("delete from amalgam.schedule where name <> all($1)")
            .bind(names)
            .execute(&mut *self.connection().await?)
            .during("forgetting schedules")
            .await?;
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
        let mut tx = self.begin("firing a schedule").await?;
        let mine = sqlx::query(include_str!("queries/fire.sql"))
            .bind(name.as_str())
            .bind(due)
            .bind(next)
            .bind(matches!(fire, Fire::Queue))
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

    /// Begins the run of a fire that waited. `None` when none waits any more.
    ///
    /// # Errors
    /// The server fails.
    pub async fn fire_queued(&self, name: &ScheduleName, new: &NewRun) -> Result<Option<RunId>> {
        let mut tx = self.begin("firing a schedule").await?;
        let mine = sqlx::query(
            "update amalgam.schedule set queued_fire_at = null, last_fire_at = $2 where name = $1 and queued_fire_at = $2",
        )
        .bind(name.as_str())
        .bind(new.fire_at)
        .execute(&mut *tx)
        .during("firing a schedule").await?
        .rows_affected();
        let run = if mine == 1 { Self::insert_run(&mut tx, new).await? } else { None };
        tx.commit().during("firing a schedule").await?;
        Ok(run)
    }
}
