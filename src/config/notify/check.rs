//! What is wrong with those who are told.

use super::{MailTls, Notify, NotifyKind};
use crate::config::{
    HEARTBEAT, Problem,
    problem::{not_empty, within},
    tls::{TlsMode, check_authority},
};
use lettre::message::Mailbox;

/// What is wrong with them, each by itself and all together.
pub(in crate::config) fn check(notifiers: &[Notify]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, notify) in notifiers.iter().enumerate() {
        problems.extend(notify.check(index));
        if notifiers[..index].iter().any(|other| other.name == notify.name) {
            problems.push(Problem::new(
                format!("notify.{index}.name"),
                format!("a notifier \"{}\" stands above already", notify.name),
                "give each notifier a name of its own",
            ));
        }
    }
    problems
}

impl Notify {
    fn check(&self, index: usize) -> Vec<Problem> {
        let section = format!("notify.{index}");
        let key = |field: &str| format!("{section}.{field}");
        let mut problems = Vec::new();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let is_name = |name: &str| !name.is_empty() && name.len() <= 63 && name.chars().all(plain);
        for (field, name) in [("name", &self.name), ("job", &self.job)] {
            if !is_name(name) {
                let remedy = "give a name of up to 63 letters, digits, - and _, such as on-call";
                problems.push(Problem::new(key(field), format!("is \"{name}\""), remedy));
            }
        }
        if self.name == HEARTBEAT {
            problems.push(Problem::new(key("name"), "is the heartbeat's own", "give another name"));
        }
        within(&mut problems, &key("group_wait_seconds"), self.group_wait_seconds, 0..=3600);
        within(&mut problems, &key("repeat_hours"), self.repeat_hours, 1..=168);
        problems.extend(check_authority(&section, TlsMode::VerifyFull, self.tls_ca_file.as_deref()));
        problems.extend(self.unsuited(&key));
        match self.kind {
            NotifyKind::Email => self.check_mail(&key, &mut problems),
            _ => {
                if let Err(cause) = self.address() {
                    let remedy = "write it as http://… or https://…, best into a file of its own: url_file";
                    problems.push(Problem::new(key("url"), cause, remedy));
                }
                if self.kind == NotifyKind::Pagerduty && self.token.is_empty() {
                    let remedy = "give the integration key of a service's Events API v2, best in token_file";
                    problems.push(Problem::new(key("token"), "is not given", remedy));
                }
            }
        }
        problems
    }

    /// What its kind makes no use of.
    fn unsuited(&self, key: &impl Fn(&str) -> String) -> Vec<Problem> {
        let of_mail = [
            ("host", !self.host.is_empty()),
            ("port", self.port.is_some()),
            ("tls", self.tls != MailTls::default()),
            ("user", !self.user.is_empty()),
            ("password", !self.password.is_empty()),
            ("from", !self.from.is_empty()),
            ("to", !self.to.is_empty()),
        ];
        let of_http = [("url", !self.url.is_empty()), ("token", !self.token.is_empty())];
        let (given, cause): (&[_], _) = match self.kind {
            NotifyKind::Email => (&of_http, "is given, but mail has none"),
            NotifyKind::Slack => {
                let token = [("token", !self.token.is_empty())];
                return unsuited(&of_mail, "is given, but only mail has it", key)
                    .chain(unsuited(&token, "is given, but Slack's secret is its URL", key))
                    .collect();
            }
            _ => (&of_mail, "is given, but only mail has it"),
        };
        unsuited(given, cause, key).collect()
    }

    fn check_mail(&self, key: &impl Fn(&str) -> String, problems: &mut Vec<Problem>) {
        not_empty(problems, &key("host"), &self.host, "name the mail server");
        let example = "give an address, such as Amalgam <amalgam@clinic.example>";
        if self.from.parse::<Mailbox>().is_err() {
            problems.push(Problem::new(key("from"), format!("is \"{}\"", self.from), example));
        }
        if self.to.is_empty() {
            problems.push(Problem::new(key("to"), "names nobody", "write [\"office@clinic.example\"]"));
        }
        for address in self.to.iter().filter(|address| address.parse::<Mailbox>().is_err()) {
            problems.push(Problem::new(key("to"), format!("holds \"{address}\""), example));
        }
        let is_here = matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "::1");
        if self.tls == MailTls::None && !self.password.is_empty() && !is_here {
            let cause = "is none, which would show the password to the network";
            problems.push(Problem::new(key("tls"), cause, "set it to starttls or implicit"));
        }
        if self.user.is_empty() != self.password.is_empty() {
            let (missing, given) = if self.user.is_empty() { ("user", "password") } else { ("password", "user") };
            problems.push(Problem::new(key(missing), format!("is not given, but {given} is"), "give both, or neither"));
        }
    }
}

fn unsuited(
    given: &[(&'static str, bool)],
    cause: &'static str,
    key: &impl Fn(&str) -> String,
) -> impl Iterator<Item = Problem> {
    let keys: Vec<String> = given.iter().filter(|(_, is_given)| *is_given).map(|(field, _)| key(field)).collect();
    keys.into_iter().map(move |key| Problem::new(key, cause, "take it away, or correct the kind"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notify(json: serde_json::Value) -> Notify {
        serde_json::from_value(json).expect("a notifier")
    }

    fn keys(json: serde_json::Value) -> Vec<String> {
        check(&[notify(json)]).into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn one_of_each_kind_is_good() {
        let mail = serde_json::json!({ "name": "a", "kind": "email", "host": "mail.clinic.example", "user": "amalgam",
            "password": "p", "from": "Amalgam <amalgam@clinic.example>", "to": ["office@clinic.example"] });
        for good in [
            serde_json::json!({ "name": "a", "kind": "webhook", "url": "http://127.0.0.1:9/x", "token": "t" }),
            serde_json::json!({ "name": "a", "kind": "slack", "url": "https://hooks.slack.example/services/x" }),
            serde_json::json!({ "name": "a", "kind": "pagerduty", "token": "key" }),
            serde_json::json!({ "name": "a", "kind": "alertmanager", "url": "http://127.0.0.1:9093" }),
            mail,
        ] {
            assert_eq!(keys(good.clone()), Vec::<String>::new(), "{good}");
        }
    }

    #[test]
    fn what_is_missing_or_of_no_use_is_told_by_key() {
        for (bad, wrong) in [
            (serde_json::json!({ "name": "", "kind": "slack", "url": "https://x" }), vec!["notify.0.name"]),
            (serde_json::json!({ "name": HEARTBEAT, "kind": "slack", "url": "https://x" }), vec!["notify.0.name"]),
            (serde_json::json!({ "name": "a", "kind": "slack" }), vec!["notify.0.url"]),
            (serde_json::json!({ "name": "a", "kind": "webhook", "url": "ftp://x" }), vec!["notify.0.url"]),
            (serde_json::json!({ "name": "a", "kind": "pagerduty" }), vec!["notify.0.token"]),
            (
                serde_json::json!({ "name": "a", "kind": "slack", "url": "https://x", "to": ["b@c"], "token": "t" }),
                vec!["notify.0.to", "notify.0.token"],
            ),
            (
                serde_json::json!({ "name": "a", "kind": "email", "url": "https://x" }),
                vec!["notify.0.url", "notify.0.host", "notify.0.from", "notify.0.to"],
            ),
            (
                serde_json::json!({ "name": "a", "kind": "email", "host": "h", "from": "a@b.c", "to": ["nobody"],
                    "tls": "none", "password": "p" }),
                vec!["notify.0.to", "notify.0.tls", "notify.0.user"],
            ),
            (
                serde_json::json!({ "name": "a", "kind": "slack", "url": "https://x", "repeat_hours": 0 }),
                vec!["notify.0.repeat_hours"],
            ),
        ] {
            assert_eq!(keys(bad.clone()), wrong, "{bad}");
        }
        let twice = notify(serde_json::json!({ "name": "a", "kind": "slack", "url": "https://x" }));
        assert_eq!(check(&[twice.clone(), twice])[0].key, "notify.1.name");
    }

    #[test]
    fn no_problem_quotes_an_address() {
        let secret =
            notify(serde_json::json!({ "name": "a", "kind": "slack", "url": "hooks.slack.com/services/hunter2" }));
        let told = check(&[secret]).iter().map(ToString::to_string).collect::<String>();
        assert!(told.contains("notify.0.url") && !told.contains("hunter2"), "{told}");
    }
}
