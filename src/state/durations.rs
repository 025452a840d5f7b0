//! How long work takes, by what the last times took.

use super::{During, State};
use crate::error::Result;
use std::{collections::BTreeMap, time::Duration};

/// What is known of past work: how long it takes.
#[derive(Clone, Debug, Default)]
pub struct Durations(BTreeMap<(String, String), Duration>);

impl Durations {
    /// How long work of that kind on that table or model is expected to take; `None`: it was never done.
    pub fn of(&self, kind: &str, subject: &str) -> Option<Duration> {
        self.0.get(&(kind.to_owned(), subject.to_owned())).copied()
    }
}

impl FromIterator<(String, String, f64)> for Durations {
    fn from_iter<I: IntoIterator<Item = (String, String, f64)>>(known: I) -> Self {
        let duration = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Self(known.into_iter().map(|(kind, subject, seconds)| ((kind, subject), duration(seconds))).collect())
    }
}

impl State {
    /// How long all work takes that was ever done. Written with each success.
    ///
    /// # Errors
    /// The server fails.
    pub async fn durations(&self) -> Result<Durations> {
        let rows: Vec<(String, String, f64)> = sqlx::query_as("select kind, subject, seconds from amalgam.duration")
            .fetch_all(&mut *self.connection().await?)
            .during("reading how long work takes")
            .await?;
        Ok(rows.into_iter().collect())
    }
}
