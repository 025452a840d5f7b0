//! Who is told of what is wrong, besides Prometheus: webhooks, Slack, PagerDuty, Alertmanager, mail.
//!
//! Owns what was told to whom ([`Ledger`]), how messages look, and sending them. What is wrong, and when it is
//! told, belongs to `orchestrator/`. docs/adr/0018.
//! Guarantee: a send takes a bounded time, and neither an error nor a message holds a secret or a value.

mod ledger;
mod mail;
mod message;
mod post;
mod shape;

pub use ledger::{Ledger, Rhythm, Scope};
pub use message::{Entry, Message};

use crate::{
    config::{self, NotifyKind},
    domain::{Alert, AlertKey, Severity},
    error::{Error, Kind, Result},
};
use chrono::{DateTime, TimeDelta, Utc};
use mail::Mail;
use post::Post;
use std::time::Duration;

/// How often Alertmanager is told all that is open, as Prometheus does it.
const ALERTMANAGER_SECONDS: i64 = 60;

/// One who is told.
#[derive(Debug)]
pub struct Notifier {
    name: String,
    job: String,
    rhythm: Rhythm,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Post(NotifyKind, Post),
    Mail(Box<Mail>),
}

/// Why a message did not arrive, in words without a secret.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Undelivered {
    text: String,
    /// What the other side said besides; it may quote what it was sent.
    pub answer: String,
    /// When the other side asks to be tried again.
    pub retry_after: Option<Duration>,
    /// Whether it is no use to try again soon: it was understood, and refused.
    pub is_refused: bool,
}

impl Undelivered {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), answer: String::new(), retry_after: None, is_refused: false }
    }
}

/// The first cause of an error: one around it may name the whole address.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error.source();
    while let Some(below) = cause.and_then(std::error::Error::source) {
        cause = Some(below);
    }
    cause.map_or_else(|| "no cause is known".to_owned(), ToString::to_string)
}

impl Notifier {
    /// One by its configuration. Connects to nothing yet.
    ///
    /// # Errors
    /// No authority can be read that vouches for the other side.
    pub fn new(config: &config::Notify) -> Result<Self> {
        let wrong = |cause: String| Error::new(Kind::Config, format!("notifier {}: {cause}", config.name));
        let way = match config.kind {
            NotifyKind::Email => Way::Mail(Box::new(Mail::new(config).map_err(wrong)?)),
            kind => {
                let address = config.address().map_err(|cause| wrong(format!("its url {cause}")))?;
                let post = Post::new(address, config.token.clone(), config.tls_ca_file.as_deref()).map_err(wrong)?;
                Way::Post(kind, post)
            }
        };
        let seconds = |seconds: u32| TimeDelta::seconds(seconds.into());
        let rhythm = match config.kind {
            NotifyKind::Alertmanager => Rhythm {
                severity: config.severity,
                group_wait: TimeDelta::zero(),
                repeat: TimeDelta::seconds(ALERTMANAGER_SECONDS),
                silences: false,
            },
            _ => Rhythm {
                severity: config.severity,
                group_wait: seconds(config.group_wait_seconds),
                repeat: TimeDelta::hours(config.repeat_hours.into()),
                silences: true,
            },
        };
        Ok(Self { name: config.name.clone(), job: config.job.clone(), rhythm, way })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When and of what it is told.
    pub fn rhythm(&self) -> Rhythm {
        self.rhythm
    }

    /// The host that takes its messages.
    pub fn host(&self) -> &str {
        match &self.way {
            Way::Post(_, post) => post.host(),
            Way::Mail(mail) => mail.host(),
        }
    }

    /// The message in as many parts as it takes at once.
    pub fn parts(&self, message: Message) -> Vec<Message> {
        match self.way {
            Way::Post(NotifyKind::Pagerduty, _) => message.singly(),
            _ => vec![message],
        }
    }

    /// Sends one part, and says in a few words what the other side answered.
    ///
    /// # Errors
    /// It did not arrive, or was refused.
    pub async fn send(&self, part: &Message) -> std::result::Result<String, Undelivered> {
        let (kind, post) = match &self.way {
            Way::Mail(mail) => return mail.send(&part.title(&self.job), part.text()).await,
            Way::Post(kind, post) => (kind, post),
        };
        let body = match kind {
            NotifyKind::Slack => shape::slack(&self.job, part),
            NotifyKind::Pagerduty => shape::pagerduty(&self.job, post.token(), part),
            NotifyKind::Alertmanager => shape::alertmanager(&self.job, part),
            NotifyKind::Webhook | NotifyKind::Email => shape::webhook(&self.job, part),
        };
        // PagerDuty's token stands in the event.
        post.send(&body, *kind != NotifyKind::Pagerduty).await
    }

    /// Two messages to try it with: that something is so, and that it is over.
    pub fn trial(at: DateTime<Utc>) -> [Message; 2] {
        let entry = Entry {
            key: AlertKey::new(Alert::ModelFailing, "a-test-by-hand"),
            severity: Severity::Warning,
            since: at,
            description: "This is a test: nothing is wrong.".to_owned(),
            is_repeated: false,
        };
        let over = Entry { description: String::new(), ..entry.clone() };
        [
            Message { firing: vec![entry], resolved: Vec::new(), at },
            Message { firing: Vec::new(), resolved: vec![over], at },
        ]
    }
}

/// A sign of life, fetched by HTTP.
#[derive(Debug)]
pub struct Heartbeat(Post);

impl Heartbeat {
    /// One by its configuration; `None` where none is wanted.
    ///
    /// # Errors
    /// This system has no authority that vouches for the other side.
    pub fn new(config: &config::Heartbeat) -> Result<Option<Self>> {
        let Some(address) = config.address() else { return Ok(None) };
        let post = Post::new(address, config::Secret::default(), None)
            .map_err(|cause| Error::new(Kind::Config, format!("heartbeat: {cause}")))?;
        Ok(Some(Self(post)))
    }

    /// The host that hears it.
    pub fn host(&self) -> &str {
        self.0.host()
    }

    /// Beats once.
    ///
    /// # Errors
    /// It was not heard.
    pub async fn beat(&self) -> std::result::Result<String, Undelivered> {
        self.0.fetch().await
    }
}
