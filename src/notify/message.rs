//! A message as it is meant, and how people read it.
//!
//! Guarantee: it holds names, counts, times and kinds of failures, and no values.

use crate::domain::{AlertKey, Severity, Told};
use chrono::{DateTime, SecondsFormat, Utc};
use std::fmt::Write;

/// Alerts that people are shown in one message; more are counted.
const LINES_MAX: usize = 25;

/// What one notifier is told at once.
#[derive(Clone, Debug)]
pub struct Message {
    /// What is so.
    pub firing: Vec<Entry>,
    /// What is over.
    pub resolved: Vec<Entry>,
    /// When it was put together.
    pub at: DateTime<Utc>,
}

/// One alert of a message.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What.
    pub key: AlertKey,
    /// How bad.
    pub severity: Severity,
    /// Since when.
    pub since: DateTime<Utc>,
    /// More about it; empty where it is over.
    pub description: String,
    /// Whether it was told before.
    pub is_repeated: bool,
}

impl Entry {
    /// What was told is over.
    pub(super) fn over(told: &Told) -> Self {
        let (key, severity, since) = (told.key.clone(), told.severity, told.since);
        Self { key, severity, since, description: String::new(), is_repeated: false }
    }
}

impl Message {
    /// A message for each alert: for who takes one at a time.
    pub(super) fn singly(&self) -> Vec<Self> {
        let one = |firing, resolved| Self { firing, resolved, at: self.at };
        let firing = self.firing.iter().map(|entry| one(vec![entry.clone()], Vec::new()));
        firing.chain(self.resolved.iter().map(|entry| one(Vec::new(), vec![entry.clone()]))).collect()
    }

    /// One line: how many of what, and of which practice.
    pub(super) fn title(&self, job: &str) -> String {
        let worst = self.firing.iter().map(|entry| entry.severity).max();
        let what = match (self.firing.as_slice(), self.resolved.as_slice()) {
            ([one], []) | ([], [one]) => one.key.summary(),
            (firing, []) => format!("{} alerts", firing.len()),
            ([], resolved) => format!("{} alerts are over", resolved.len()),
            (firing, resolved) => format!("{} open, {} over", firing.len(), resolved.len()),
        };
        match worst {
            Some(severity) => format!("[{job}] {}: {what}", severity.as_str()),
            None => format!("[{job}] resolved: {what}"),
        }
    }

    /// A line or two for each alert, the worst first.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut firing: Vec<&Entry> = self.firing.iter().collect();
        firing.sort_by_key(|entry| std::cmp::Reverse(entry.severity));
        let mut line = |words: std::fmt::Arguments<'_>| writeln!(text, "{words}").expect("a string takes everything");
        for entry in firing.iter().take(LINES_MAX) {
            let still = if entry.is_repeated { ", still" } else { "" };
            line(format_args!(
                "{}{still}: {} (since {})",
                entry.severity.as_str(),
                entry.key.summary(),
                time(entry.since)
            ));
            line(format_args!("    {} {}", entry.description, entry.key.alert.runbook()));
        }
        for entry in self.resolved.iter().take(LINES_MAX) {
            line(format_args!("resolved: {} (since {})", entry.key.summary(), time(entry.since)));
        }
        let left = firing.len().saturating_sub(LINES_MAX) + self.resolved.len().saturating_sub(LINES_MAX);
        if left > 0 {
            line(format_args!("and {left} more: amalgam status"));
        }
        text
    }
}

/// A moment, for people and machines.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::Alert;

    /// Something that is so, and something that is over.
    pub(in crate::notify) fn message() -> Message {
        let at = |seconds: i64| DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time");
        let entry = |alert: Alert, subject: &str, description: &str| Entry {
            key: AlertKey::new(alert, subject),
            severity: alert.severity(),
            since: at(0),
            description: description.to_owned(),
            is_repeated: false,
        };
        Message {
            firing: vec![entry(Alert::TableFailing, "payment", "Its sync failed in 3 runs in a row (source_timeout).")],
            resolved: vec![entry(Alert::SourceDown, "", "")],
            at: at(60),
        }
    }

    #[test]
    fn people_read_what_is_so_since_when_what_is_over_and_where_to_read_on() {
        let message = message();
        assert_eq!(message.title("amalgam-north"), "[amalgam-north] warning: 1 open, 1 over");
        insta::assert_snapshot!(message.text(), @r"
        warning: Table payment can't be kept in step (since 2027-01-15T08:00:00Z)
            Its sync failed in 3 runs in a row (source_timeout). docs/runbooks/table-failing.md
        resolved: The practice's database does not answer (since 2027-01-15T08:00:00Z)
        ");
        let titles: Vec<String> = message.singly().iter().map(|one| one.title("amalgam")).collect();
        assert_eq!(
            titles,
            [
                "[amalgam] warning: Table payment can't be kept in step",
                "[amalgam] resolved: The practice's database does not answer"
            ]
        );
    }

    #[test]
    fn what_is_too_much_to_read_is_counted() {
        let mut message = message();
        message.firing = vec![message.firing[0].clone(); 400];
        let text = message.text();
        assert!(
            text.lines().count() == 2 * LINES_MAX + 2 && text.ends_with("and 375 more: amalgam status\n"),
            "{text}"
        );
    }
}
