//! The one way to ask for the time.
//!
//! `clippy.toml` bans the wall clock everywhere else, so that whatever depends on time is handed a
//! [`Clock`] and can be tested at any moment.

use chrono::{DateTime, Utc};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// A source of the present time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Microseconds since the epoch; `None` follows the system's clock.
    manual: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// Follows the system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// Stands still at `now` until [`Clock::set`].
    pub fn manual(now: DateTime<Utc>) -> Self {
        Self { manual: Some(Arc::new(AtomicI64::new(now.timestamp_micros()))) }
    }

    /// Moves a manual clock; every clone follows. Does nothing to a system clock.
    pub fn set(&self, now: DateTime<Utc>) {
        if let Some(manual) = &self.manual {
            manual.store(now.timestamp_micros(), Ordering::SeqCst);
        }
    }

    /// The present time.
    pub fn now(&self) -> DateTime<Utc> {
        match &self.manual {
            Some(manual) => DateTime::from_timestamp_micros(manual.load(Ordering::SeqCst))
                .expect("a manual clock is only ever set from a valid time"),
            None =>
            {
                #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
                Utc::now()
            }
        }
    }
}
