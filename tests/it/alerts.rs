//! The alerts of `deploy/prometheus`: well formed, fired by what they speak of, each with its page.

use amalgam::telemetry::Metrics;
use std::{collections::BTreeSet, fs, path::Path, process::Command};

const RULES: &str = "deploy/prometheus/amalgam.rules.yml";

fn promtool(arguments: &[&str]) -> String {
    let output = Command::new("promtool").args(arguments).output().expect("scripts/prerequisites installs promtool");
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    told
}

fn rules() -> String {
    fs::read_to_string(RULES).expect("the rules are part of the repository")
}

#[test]
fn rules_are_well_formed_and_part_of_the_example() {
    let count = rules().matches("- alert: ").count();
    let told = promtool(&["check", "rules", RULES]);
    assert!(count > 0 && told.contains(&format!("SUCCESS: {count} rules found")), "{told}");
    let told = promtool(&["check", "config", "deploy/prometheus/prometheus.yml"]);
    assert!(told.contains("1 rule files found"), "{told}");
}

#[test]
fn rules_fire_when_they_should_and_not_else() {
    promtool(&["test", "rules", "deploy/prometheus/amalgam.rules.test.yml"]);
}

#[test]
fn every_alert_has_its_severity_and_its_page() {
    for rule in rules().split("- alert: ").skip(1) {
        let name = rule.lines().next().unwrap_or_default();
        assert!(rule.contains("severity: ") && rule.contains("summary: ") && rule.contains("description: "), "{name}");
        let page = rule.split_once("runbook: ").and_then(|(_, rest)| rest.lines().next()).unwrap_or_default();
        assert!(Path::new(page).is_file(), "{name}: {page}");
        assert!(fs::read_to_string(page).expect("it is there").contains(name), "{page} does not name {name}");
    }
}

/// The families that the expressions of the rules speak of are ones that the daemon has.
#[test]
fn rules_speak_of_metrics_that_there_are() {
    let metrics = Metrics::new();
    // A family with labels shows itself only once it has a series.
    metrics.quarantined_rows.with_label_values(&["patient"]).set(1);
    let text = metrics.text();
    let known: BTreeSet<&str> = text.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let rules = rules();
    let expressions = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let spoken: BTreeSet<&str> =
        expressions.flat_map(|e| e.split(word)).filter(|name| name.starts_with("amalgam_")).collect();
    assert!(!spoken.is_empty() && spoken.is_subset(&known), "{:?}", spoken.difference(&known));
}
