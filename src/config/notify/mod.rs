//! `[[notify]]`: who is told of what, besides Prometheus.

mod check;

use super::{Secret, address::http_address};
use crate::domain::Severity;
use ::url::Url;
pub(super) use check::check;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What PagerDuty takes events at.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

/// Somebody who is told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// Its name; unique.
    pub name: String,
    /// What takes the messages.
    pub kind: NotifyKind,
    /// How the practice is called in messages: the job of the Prometheus rules.
    #[serde(default = "job")]
    pub job: String,
    /// The least severe that is told.
    #[serde(default)]
    pub severity: Severity,
    /// How long the first change waits for others, to be one message with them.
    #[serde(default = "group_wait")]
    pub group_wait_seconds: u32,
    /// After how long what is still open is told again.
    #[serde(default = "repeat")]
    pub repeat_hours: u32,
    /// Where messages are sent to. A secret: who knows it may post there.
    #[serde(default)]
    pub url: Secret,
    /// A file that holds the URL.
    #[serde(default)]
    pub url_file: Option<PathBuf>,
    /// Sent as a bearer token; PagerDuty's integration key.
    #[serde(default)]
    pub token: Secret,
    /// A file that holds the token.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Authorities that are trusted instead of the system's, in PEM.
    #[serde(default)]
    pub tls_ca_file: Option<PathBuf>,
    /// The mail server.
    #[serde(default)]
    pub host: String,
    /// Its port; by default that of `tls`.
    #[serde(default)]
    pub port: Option<u16>,
    /// How its connection is encrypted.
    #[serde(default)]
    pub tls: MailTls,
    /// Whom it lets send.
    #[serde(default)]
    pub user: String,
    /// Their password.
    #[serde(default)]
    pub password: Secret,
    /// A file that holds the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The sender's address.
    #[serde(default)]
    pub from: String,
    /// The receivers' addresses.
    #[serde(default)]
    pub to: Vec<String>,
}

/// What takes messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyKind {
    /// Any program that takes JSON by HTTP.
    #[default]
    Webhook,
    /// Slack, and what takes its messages: an incoming webhook.
    Slack,
    /// PagerDuty: Events API v2.
    Pagerduty,
    /// Alertmanager: API v2.
    Alertmanager,
    /// Mail, by SMTP.
    Email,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// Begun in plain text, and refused where it can't be encrypted.
    #[default]
    Starttls,
    /// From the first byte.
    Implicit,
    /// Not at all: for a server on the same machine.
    None,
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: NotifyKind::default(),
            job: job(),
            severity: Severity::default(),
            group_wait_seconds: group_wait(),
            repeat_hours: repeat(),
            url: Secret::default(),
            url_file: None,
            token: Secret::default(),
            token_file: None,
            tls_ca_file: None,
            host: String::new(),
            port: None,
            tls: MailTls::default(),
            user: String::new(),
            password: Secret::default(),
            password_file: None,
            from: String::new(),
            to: Vec::new(),
        }
    }
}

fn job() -> String {
    "amalgam".to_owned()
}

fn group_wait() -> u32 {
    30
}

fn repeat() -> u32 {
    4
}

impl Notify {
    /// Its secrets, by key.
    pub(super) fn secrets(&mut self) -> [(&'static str, &mut Secret); 3] {
        [("url", &mut self.url), ("token", &mut self.token), ("password", &mut self.password)]
    }

    /// The secrets in which another one differs, by key.
    pub(super) fn changed_secrets(&self, other: &Self) -> impl Iterator<Item = &'static str> {
        let pairs = [
            ("url", self.url != other.url),
            ("token", self.token != other.token),
            ("password", self.password != other.password),
        ];
        pairs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key)
    }

    /// Where messages are sent to by HTTP; else why that is no address, without a word of it.
    pub fn address(&self) -> Result<Url, &'static str> {
        let text = match (self.kind, self.url.reveal()) {
            (NotifyKind::Pagerduty, "") => PAGERDUTY,
            (_, text) => text,
        };
        let mut url = http_address(text)?;
        if self.kind == NotifyKind::Alertmanager {
            let path = format!("{}/api/v2/alerts", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        Ok(url)
    }

    /// The mail server's port.
    pub fn mail_port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            MailTls::Starttls => 587,
            MailTls::Implicit => 465,
            MailTls::None => 25,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alertmanager_is_named_by_its_base_and_pagerduty_by_nothing() {
        let address = |kind: &str, url: &str| {
            let json = serde_json::json!({ "name": "a", "kind": kind, "url": url, "token": "t" });
            serde_json::from_value::<Notify>(json).expect("a notifier").address().expect("an address").to_string()
        };
        assert_eq!(address("alertmanager", "http://am:9093"), "http://am:9093/api/v2/alerts");
        assert_eq!(address("alertmanager", "http://am/prefix/"), "http://am/prefix/api/v2/alerts");
        assert_eq!(address("pagerduty", ""), PAGERDUTY);
    }
}
