//! Whether the source is to be left alone now.
//!
//! Guarantee: within quiet hours no range of a table and no piece of the log is begun, and a first load's statement
//! as long as a table is called off. A table without a usable key is read by one that runs to its end. What looks at information_schema alone goes on.

use super::Source;
use crate::{
    config,
    domain::{Clock, QuietHours},
    error::{Error, Kind, Result},
};
use chrono::{DateTime, Utc};
use std::sync::Arc;

/// The quiet hours, and the clock they are told by. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Quiet {
    hours: Arc<QuietHours>,
    clock: Clock,
}

impl Quiet {
    /// As configured, by the system's clock.
    pub(super) fn new(config: &config::Source) -> Self {
        Self { hours: Arc::new(config.quiet().clone()), clock: Clock::system() }
    }

    /// When they are over; `None` outside of them.
    pub(super) fn until(&self) -> Option<DateTime<Utc>> {
        self.hours.until(self.clock.now())
    }

    /// Refuses to go on within them.
    ///
    /// # Errors
    /// [`Kind::SourceQuiet`], which says until when.
    pub(super) fn heed(&self) -> Result<()> {
        match self.until() {
            None => Ok(()),
            Some(end) => {
                let end = self.hours.told(end);
                Err(Error::new(Kind::SourceQuiet, format!("the source's quiet hours last until {end}")))
            }
        }
    }
}

impl Source {
    /// Tells quiet hours by a clock.
    #[must_use]
    pub fn by_clock(self, clock: Clock) -> Self {
        self.with(|server| server.quiet.clock = clock.clone())
    }

    /// When the quiet hours are over that it is in; `None` outside of them.
    pub fn quiet_until(&self) -> Option<DateTime<Utc>> {
        self.quiet.until()
    }

    /// Refuses to begin a reading within quiet hours.
    ///
    /// # Errors
    /// [`Kind::SourceQuiet`], which says until when.
    pub fn heed_quiet_hours(&self) -> Result<()> {
        self.quiet.heed()
    }
}
