//! Keeps one notifier: what it was told, when it is told next, and its patience with who does not answer.

use super::{Picture, Pictures};
use crate::{
    error::Error,
    notify::{Ledger, Message, Notifier, Undelivered},
    orchestrator::Orchestrator,
    retry::Backoff,
};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};

/// How long a notifier is left alone that failed. It is tried for ever: what it is told then is how things stand.
const BACKOFF: Backoff =
    Backoff { attempts_max: u32::MAX, delay_initial: Duration::from_secs(5), delay_max: Duration::from_secs(300) };

/// One notifier and its ledger.
pub(super) struct Keeper {
    orchestrator: Orchestrator,
    notifier: Notifier,
    ledger: Ledger,
    /// The reign whose memory the ledger is.
    reign: Option<i64>,
    failures: u32,
    not_before: Option<Instant>,
    /// The failure that was logged last.
    logged: String,
}

impl Keeper {
    pub(super) fn new(orchestrator: Orchestrator, notifier: Notifier) -> Self {
        let (ledger, logged) = (Ledger::default(), String::new());
        Self { orchestrator, notifier, ledger, reign: None, failures: 0, not_before: None, logged }
    }

    /// Takes each picture in, until there are no more.
    pub(super) async fn keep(mut self, mut pictures: Pictures) {
        while pictures.changed().await.is_ok() {
            let Some(picture) = pictures.borrow_and_update().clone() else { continue };
            if let Err(error) = self.take(&picture, &pictures).await {
                // It is asked again with the next picture.
                let notifier = self.notifier.name();
                warn!(notifier, kind = %error.kind, %error, "what was told can't be read or remembered");
            }
        }
    }

    async fn take(&mut self, picture: &Picture, pictures: &Pictures) -> Result<(), Error> {
        if let Some(reign) = picture.reign.filter(|reign| self.reign != Some(*reign)) {
            let told = self.orchestrator.state.told(self.notifier.name()).await?;
            self.ledger.forget();
            self.ledger.recall(told);
            self.reign = Some(reign);
        }
        if self.not_before.is_none_or(|moment| moment <= Instant::now()) {
            let (scope, rhythm) = (picture.scope, self.notifier.rhythm());
            if let Some(message) = self.ledger.due(&picture.open, scope, rhythm, self.orchestrator.clock.now()) {
                self.tell(message, pictures).await;
            }
        }
        self.save(picture).await
    }

    async fn tell(&mut self, message: Message, pictures: &Pictures) {
        for part in self.notifier.parts(message) {
            // Told to stop: what is left is told after the next start.
            if pictures.has_changed().is_err() {
                return;
            }
            let sent = self.notifier.send(&part).await;
            let result = if sent.is_ok() { "sent" } else { "failed" };
            self.orchestrator.metrics.notifications.with_label_values(&[self.notifier.name(), result]).inc();
            match sent {
                Ok(_) => {
                    self.ledger.take(&part);
                    self.recover();
                }
                Err(undelivered) => return self.fail(&undelivered),
            }
        }
    }

    fn recover(&mut self) {
        if !self.logged.is_empty() {
            info!(notifier = self.notifier.name(), "messages arrive again");
        }
        (self.failures, self.not_before) = (0, None);
        self.logged.clear();
    }

    fn fail(&mut self, undelivered: &Undelivered) {
        self.failures = self.failures.saturating_add(1).min(u32::MAX - 1);
        let usual = match undelivered.is_refused {
            true => BACKOFF.delay_max,
            false => BACKOFF.delay(self.failures).expect("attempts are not bounded"),
        };
        let delay = undelivered.retry_after.map_or(usual, |asked| asked.max(BACKOFF.delay_initial));
        self.not_before = Some(Instant::now() + delay);
        let text = undelivered.to_string();
        if text != self.logged {
            let (notifier, host) = (self.notifier.name(), self.notifier.host());
            warn!(notifier, host, error = text, "a message did not arrive; it is tried again");
            self.logged = text;
        }
    }

    /// Without the writer's lock, nothing may be written.
    async fn save(&mut self, picture: &Picture) -> Result<(), Error> {
        if picture.reign.is_none() || picture.reign != self.reign {
            return Ok(());
        }
        let Some(told) = self.ledger.unsaved() else { return Ok(()) };
        let saved = self.orchestrator.state.put_told(self.notifier.name(), &told).await;
        if saved.is_err() {
            self.ledger.not_saved();
        }
        saved
    }
}
