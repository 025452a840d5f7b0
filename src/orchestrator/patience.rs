//! Waiting for something that heals by itself: longer and longer, up to a bound, and logged once.

use crate::{error::Error, retry::Backoff};
use std::time::Duration;
use tracing::warn;

/// The bounds of one wait. There is no bound of how often: the daemon outlives every outage.
const BACKOFF: Backoff =
    Backoff { attempts_max: u32::MAX, delay_initial: Duration::from_millis(250), delay_max: Duration::from_secs(5) };

/// The patience of one caller with one outage.
pub(super) struct Patience {
    failures: u32,
    told: String,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { failures: 0, told: String::new() }
    }

    /// Waits; each time longer, up to the bound.
    pub(super) async fn pause(&mut self) {
        self.failures = self.failures.saturating_add(1).min(u32::MAX - 1);
        let delay = BACKOFF.delay(self.failures).expect("attempts are not bounded");
        tokio::time::sleep(delay).await;
    }

    /// Logs the failure, unless the same was logged before, and waits.
    pub(super) async fn after(&mut self, error: &Error, doing: &str) {
        let text = error.to_string();
        if text != self.told {
            warn!(kind = %error.kind, error = text, remedy = error.remedy(), "{doing}");
            self.told = text;
        }
        self.pause().await;
    }
}
