//! Messages as JSON, in the shapes that each kind of receiver takes. docs/notifications.md shows them.
//!
//! Slack docs, "Sending messages using incoming webhooks"; PagerDuty docs, "Send an alert event" (Events API v2);
//! Alertmanager's OpenAPI, `postableAlerts`.

use super::message::{Entry, Message, time};
use crate::domain::Severity;
use chrono::TimeDelta;
use serde_json::{Map, Value, json};

/// How long Alertmanager holds an alert to be open that it hears no more of: four of our sends and a minute.
const HELD_SECONDS: i64 = 300;
/// Slack cuts texts off that are longer than 40,000 characters.
const SLACK_CHARACTERS_MAX: usize = 30_000;

/// Our own: everything that is known.
pub(super) fn webhook(job: &str, message: &Message) -> Value {
    let alert = |status: &str, entry: &Entry| {
        json!({
            "status": status,
            "alert": entry.key.alert.rule(),
            "severity": entry.severity.as_str(),
            "labels": labels(job, entry),
            "since": time(entry.since),
            "repeated": entry.is_repeated,
            "summary": entry.key.summary(),
            "description": entry.description,
            "runbook": entry.key.alert.runbook(),
        })
    };
    let firing = message.firing.iter().map(|entry| alert("firing", entry));
    let resolved = message.resolved.iter().map(|entry| alert("resolved", entry));
    json!({
        "version": 1,
        "job": job,
        "sent_at": time(message.at),
        "status": if message.firing.is_empty() { "resolved" } else { "firing" },
        "title": message.title(job),
        "alerts": firing.chain(resolved).collect::<Vec<_>>(),
    })
}

/// One text, which phones show too.
pub(super) fn slack(job: &str, message: &Message) -> Value {
    let sign = match message.firing.iter().map(|entry| entry.severity).max() {
        Some(Severity::Critical) => ":red_circle:",
        Some(Severity::Warning) => ":large_orange_circle:",
        Some(Severity::Info) => ":large_blue_circle:",
        None => ":white_check_mark:",
    };
    let text = format!("{sign} *{}*\n{}", escaped(&message.title(job)), escaped(&message.text()));
    json!({ "text": text.chars().take(SLACK_CHARACTERS_MAX).collect::<String>() })
}

/// What Slack takes for a link, a mention or an entity.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// One event; the message holds one alert.
pub(super) fn pagerduty(job: &str, routing_key: &str, message: &Message) -> Value {
    let (action, entry) = match (message.firing.first(), message.resolved.first()) {
        (Some(entry), _) => ("trigger", entry),
        (None, Some(entry)) => ("resolve", entry),
        (None, None) => return Value::Null,
    };
    let key = &entry.key;
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": action,
        // The same over restarts, and from both of two daemons.
        "dedup_key": format!("{job}/{}/{}", key.alert.rule(), key.subject),
    });
    if action == "trigger" {
        event["payload"] = json!({
            "summary": message.title(job),
            "source": job,
            "severity": entry.severity.as_str(),
            "timestamp": time(entry.since),
            "component": key.subject,
            "class": key.alert.rule(),
            "custom_details": { "description": entry.description, "runbook": key.alert.runbook() },
        });
    }
    event
}

/// As Prometheus sends them.
pub(super) fn alertmanager(job: &str, message: &Message) -> Value {
    let alert = |entry: &Entry, ends| {
        json!({
            "labels": labels(job, entry),
            "annotations": {
                "summary": entry.key.summary(),
                "description": entry.description,
                "runbook": entry.key.alert.runbook(),
            },
            "startsAt": time(entry.since),
            "endsAt": time(ends),
        })
    };
    let held = message.at + TimeDelta::seconds(HELD_SECONDS);
    let firing = message.firing.iter().map(|entry| alert(entry, held));
    firing.chain(message.resolved.iter().map(|entry| alert(entry, message.at))).collect()
}

/// The labels that the rules give it.
fn labels(job: &str, entry: &Entry) -> Map<String, Value> {
    let alert = entry.key.alert;
    let mut labels = Map::new();
    let mut put = |name: &str, value: &str| labels.insert(name.to_owned(), value.into());
    put("alertname", &alert.rule());
    put("job", job);
    put("severity", entry.severity.as_str());
    if !alert.label().is_empty() {
        put(alert.label(), &entry.key.subject);
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::{super::message::tests::message, *};

    fn shown(value: &Value) -> String {
        serde_json::to_string_pretty(value).expect("it is JSON")
    }

    /// The page shows just what is sent.
    #[test]
    fn the_page_shows_the_shapes_as_they_are_sent() {
        let page = include_str!("../../docs/notifications.md");
        let message = message();
        let [firing, resolved] = message.singly().try_into().expect("two alerts");
        for shape in [
            webhook("amalgam", &message),
            slack("amalgam", &message),
            pagerduty("amalgam", "the token", &firing),
            pagerduty("amalgam", "the token", &resolved),
            alertmanager("amalgam", &message),
        ] {
            assert!(page.contains(&shown(&shape)), "docs/notifications.md lacks\n{}", shown(&shape));
        }
    }

    #[test]
    fn what_slack_would_read_as_a_mention_is_a_text() {
        assert_eq!(escaped("<!channel> & co"), "&lt;!channel&gt; &amp; co");
    }
}
