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
        tokio::time::sleep(self.next_delay()).await;
    }

    /// What was waited for is there: the next outage begins afresh, and is logged.
    pub(super) fn reset(&mut self) {
        *self = Self::new();
    }

    fn next_delay(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1).min(u32::MAX - 1);
        BACKOFF.delay(self.failures).expect("attempts are not bounded")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_grows_up_to_its_bound_and_begins_afresh_after_a_success() {
        let mut patience = Patience::new();
        let delays: Vec<_> = (0..20).map(|_| patience.next_delay()).collect();
        assert!(delays.iter().all(|d| *d <= BACKOFF.delay_max) && delays[19] >= BACKOFF.delay_max / 2);
        patience.reset();
        assert!(patience.next_delay() <= BACKOFF.delay_initial && patience.told.is_empty());
    }
}
