//! One vocabulary: what the daemon tells by itself is named as in the rules of Prometheus.

use amalgam::domain::Alert;
use chrono::TimeDelta;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

fn yaml(path: &str) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The alerting rules by name: an alert of two severities has two.
fn rules() -> BTreeMap<String, Vec<Value>> {
    let mut rules: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for group in list(&yaml("deploy/prometheus/amalgam.rules.yml")["groups"]) {
        for rule in list(&group["rules"]).iter().filter(|rule| rule["alert"].is_string()) {
            rules.entry(text(&rule["alert"])).or_default().push(rule.clone());
        }
    }
    rules
}

#[test]
fn what_the_daemon_tells_has_the_name_severity_and_page_of_a_rule() {
    let rules = rules();
    for alert in Alert::ALL {
        let of_name = rules.get(&alert.rule()).unwrap_or_else(|| panic!("there is no rule {}", alert.rule()));
        let mut severities = of_name.iter().map(|rule| text(&rule["labels"]["severity"]));
        assert!(severities.any(|severity| severity == alert.severity().as_str()), "{alert:?}");
        for rule in of_name {
            assert_eq!(text(&rule["annotations"]["runbook"]), alert.runbook());
            let labels = text(&rule["annotations"]["summary"]);
            let label = alert.label();
            assert!(label.is_empty() || labels.contains(&format!("$labels.{label}")), "{alert:?}: {labels}");
        }
    }
}

/// The seconds of a duration of Prometheus in one unit; none at all are nought.
fn seconds(duration: &Value) -> i64 {
    let text = text(duration);
    let unit = match text.chars().last() {
        None => return 0,
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        Some(_) => panic!("{text}"),
    };
    text[..text.len() - 1].parse::<i64>().unwrap_or_else(|error| panic!("{text}: {error}")) * unit
}

#[test]
fn what_the_daemon_tells_is_measured_as_the_rules_measure_it() {
    let rules = rules();
    for alert in Alert::ALL {
        for rule in &rules[&alert.rule()] {
            assert_eq!(alert.hold().num_seconds(), seconds(&rule["for"]), "{alert:?}");
        }
    }
    let minutes = |time: TimeDelta| format!("[{}m]", time.num_minutes());
    for (alert, severity, measure) in [
        (Alert::RunsFailing, "warning", format!(">= {}", Alert::RUN_FAILURES)),
        (Alert::TableFailing, "warning", format!(">= {}", Alert::TABLE_FAILURES)),
        (Alert::ScheduleMissed, "critical", format!("> {}", Alert::MISSED.num_seconds())),
        (Alert::RunStuck, "critical", format!("> {}\n", Alert::STUCK.num_seconds())),
        (Alert::RunStuck, "critical", format!("amalgam_tasks_total{}", minutes(Alert::IDLE))),
        (Alert::RunStuck, "critical", format!("bytes:increase{}m", Alert::IDLE.num_minutes())),
        (Alert::WarehouseFull, "critical", minutes(Alert::FULL)),
        (Alert::QuarantineGrows, "critical", format!("> {}\n", Alert::SET_ASIDE_LATELY)),
        (Alert::SchemaDrift, "info", format!("[{}h]", Alert::CHANGED.num_hours())),
        (Alert::CertificateExpires, "warning", format!("< {} * 86400", Alert::EXPIRES.num_days())),
        (Alert::CertificateExpires, "critical", format!("< {} * 86400", Alert::EXPIRES_SOON.num_days())),
    ] {
        let is_it = |rule: &&Value| rule["labels"]["severity"] == severity;
        let rule = rules[&alert.rule()].iter().find(is_it).expect("there is one of that severity");
        let expression = text(&rule["expr"]) + "\n";
        assert!(expression.contains(&measure), "{alert:?}: {measure} is not in {expression}");
    }
}

#[test]
fn the_page_lists_what_is_told_and_what_is_left_to_prometheus() {
    let page = fs::read_to_string("docs/notifications.md").expect("the page is part of the repository");
    let told: BTreeSet<String> = Alert::ALL.iter().map(|alert| alert.rule()).collect();
    let listed = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    let listed: BTreeSet<String> = page.lines().filter_map(listed).filter(|name| name.starts_with("Amalgam")).collect();
    assert_eq!(listed, told);
    let left = page.lines().find(|line| line.starts_with("For Prometheus alone")).expect("the page says what is left");
    for name in rules().into_keys() {
        assert_ne!(left.contains(&format!("`{name}`")), told.contains(&name), "{name}");
    }
}

/// As in the example for Alertmanager, as far as the daemon knows both.
#[test]
fn causes_silence_the_same_consequences_as_in_the_example_for_alertmanager() {
    let names = |matchers: &Value| -> Vec<Alert> {
        let all = list(matchers).iter().map(text).collect::<String>();
        let Some(names) = all.strip_prefix("alertname") else { return Vec::new() };
        let names = names.trim_start_matches(['=', '~']).trim_matches('"');
        names.split('|').filter_map(|name| Alert::parse(name.strip_prefix("Amalgam")?)).collect()
    };
    let mut expected: BTreeMap<Alert, BTreeSet<Alert>> = BTreeMap::new();
    for rule in list(&yaml("deploy/alertmanager/alertmanager.yml")["inhibit_rules"]) {
        for cause in names(&rule["source_matchers"]) {
            expected.entry(cause).or_default().extend(names(&rule["target_matchers"]));
        }
    }
    assert!(expected.len() >= 5, "{expected:?}");
    for alert in Alert::ALL {
        let silenced: BTreeSet<Alert> = alert.silences().iter().copied().collect();
        assert_eq!(silenced, expected.remove(alert).unwrap_or_default(), "{alert:?}");
    }
}
