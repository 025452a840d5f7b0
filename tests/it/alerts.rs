//! The alerts of `deploy/prometheus`: well formed, fired by what they speak of, each with its page.

use amalgam::telemetry::Metrics;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

const RULES: &str = "deploy/prometheus/amalgam.rules.yml";

/// Their cases; those of the second look back for days and are asked less often.
const CASES: [&str; 2] = ["deploy/prometheus/amalgam.rules.test.yml", "deploy/prometheus/amalgam.rules.days.test.yml"];

/// What each page has to say, in this order.
const SECTIONS: [&str; 5] = ["## What it means", "## How bad it is", "## Look at", "## Do", "## Wake somebody"];

fn promtool(arguments: &[&str]) -> String {
    let output = Command::new("promtool").args(arguments).output().expect("scripts/prerequisites installs promtool");
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    told
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every rule of every group.
fn rules() -> Vec<Value> {
    let groups = yaml(RULES)["groups"].as_array().cloned().expect("there are groups");
    groups.iter().flat_map(|group| group["rules"].as_array().cloned().expect("a group has rules")).collect()
}

/// Those that alert, with their names.
fn alerts() -> Vec<(String, Value)> {
    let named = |rule: Value| Some((rule["alert"].as_str()?.to_owned(), rule));
    rules().into_iter().filter_map(named).collect()
}

/// The file of an alert's page: `AmalgamSourceDown` has source-down.md.
fn page_of(alert: &str) -> String {
    let name = alert.strip_prefix("Amalgam").unwrap_or_else(|| panic!("{alert} is not named after Amalgam"));
    let mut page = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !page.is_empty() {
            page.push('-');
        }
        page.push(letter.to_ascii_lowercase());
    }
    format!("docs/runbooks/{page}.md")
}

#[test]
fn rules_are_well_formed_and_part_of_the_example() {
    let told = promtool(&["check", "rules", RULES]);
    assert!(told.contains(&format!("SUCCESS: {} rules found", rules().len())), "{told}");
    let told = promtool(&["check", "config", "deploy/prometheus/prometheus.yml"]);
    assert!(told.contains("1 rule files found"), "{told}");
}

/// What docs/monitoring.md tells for links gives rules that Prometheus takes, each with an address.
#[test]
fn pages_of_alerts_become_links_as_the_page_says() {
    let page = read("docs/monitoring.md");
    let command = page.lines().find(|line| line.starts_with("sed -i ")).expect("the page has it");
    let script = command.split('\'').nth(1).expect("the script is quoted");
    let output = Command::new("sed").args([script, RULES]).output().expect("sed is there");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("linked.rules.yml").display().to_string();
    fs::write(&file, &output.stdout).expect("a file can be written");
    promtool(&["check", "rules", &file]);
    let links = String::from_utf8_lossy(&output.stdout).matches(" runbook_url: https://").count();
    assert_eq!(links, alerts().len());
}

#[test]
fn rules_fire_when_they_should_and_not_else() {
    promtool(&["test", "rules", CASES[0]]);
}

#[test]
fn rules_that_look_back_for_days_fire_when_they_should_and_not_else() {
    promtool(&["test", "rules", CASES[1]]);
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let mut cases: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    for file in CASES {
        for test in yaml(file)["tests"].as_array().expect("there are tests") {
            for case in test["alert_rule_test"].as_array().expect("a test asks for alerts") {
                let alert = case["alertname"].as_str().expect("it is named").to_owned();
                let fires = !case["exp_alerts"].as_array().expect("it says what it expects").is_empty();
                let known = cases.entry(alert).or_default();
                *known = (known.0 || fires, known.1 || !fires);
            }
        }
    }
    for (name, _) in alerts() {
        // The watchdog is never silent: that is what it is for.
        let wanted = (true, name != "AmalgamWatchdog");
        assert_eq!(cases.remove(&name).unwrap_or_default(), wanted, "{name}: fires, is silent");
        // An alert of two severities has two rules.
        cases.insert(name, wanted);
    }
    let known: BTreeSet<String> = alerts().into_iter().map(|(name, _)| name).collect();
    assert_eq!(cases.into_keys().collect::<BTreeSet<_>>(), known);
}

#[test]
fn every_alert_has_its_severity_and_its_page() {
    let mut pages = BTreeSet::new();
    for (name, rule) in alerts() {
        let severity = rule["labels"]["severity"].as_str().unwrap_or_default();
        assert!(["critical", "warning", "info", "none"].contains(&severity), "{name}: {severity}");
        let annotation = |key: &str| rule["annotations"][key].as_str().unwrap_or_default().to_owned();
        assert!(!annotation("summary").is_empty() && annotation("description").ends_with('.'), "{name}");
        let page = annotation("runbook");
        assert_eq!(page, page_of(&name));
        let text = read(&page);
        assert!(text.contains(&format!("Alert `{name}`, severity ")) && text.contains(severity), "{page}");
        let places: Vec<Option<usize>> = SECTIONS.iter().map(|section| text.find(section)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{page}: {places:?}");
        pages.insert(page);
    }
    let there = fs::read_dir("docs/runbooks").expect("pages are part of the repository");
    let there: BTreeSet<String> =
        there.map(|entry| entry.expect("it can be listed").path().display().to_string()).collect();
    assert_eq!(there, pages, "a page without an alert, or the other way round");
}

/// The families that the expressions of the rules speak of are ones that the daemon has, or that a rule records.
#[test]
fn rules_speak_of_metrics_that_there_are() {
    let rules = rules();
    let recorded: BTreeSet<&str> = rules.iter().filter_map(|rule| rule["record"].as_str()).collect();
    let families: BTreeSet<&str> = Metrics::FAMILIES.iter().map(|family| family.name).collect();
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':');
    let mut spoken = BTreeSet::new();
    for rule in &rules {
        let expression = rule["expr"].as_str().expect("a rule has an expression");
        let names = expression.split(word).filter(|name| name.starts_with("amalgam_") || name.starts_with("job:"));
        spoken.extend(names.map(str::to_owned));
    }
    for name in &spoken {
        assert!(families.contains(name.as_str()) || recorded.contains(name.as_str()), "{name}");
    }
    assert!(spoken.len() > 25);
    for record in recorded {
        assert!(spoken.contains(record), "nobody alerts by {record}");
    }
}

/// The commands that the pages tell people to type are ones that there are, with their flags.
#[test]
fn what_pages_say_to_type_is_understood() {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let mut asked = 0;
    for (name, _) in alerts() {
        let page = page_of(&name);
        let text = read(&page);
        let lines = text.lines().filter(|line| line.starts_with("amalgam "));
        let quoted = text.split('`').skip(1).step_by(2).filter(|quoted| quoted.starts_with("amalgam "));
        for typed in lines.chain(quoted) {
            let typed = typed.split(['#', '|']).next().unwrap_or_default();
            let words: Vec<&str> = typed.split_whitespace().skip(1).collect();
            let is_verb = |word: &&&str| word.chars().all(|c| c.is_ascii_lowercase());
            let verbs: Vec<&str> = words.iter().take_while(is_verb).copied().collect();
            let help = known.entry(verbs.join(" ")).or_insert_with(|| {
                let mut command = Command::new(env!("CARGO_BIN_EXE_amalgam"));
                let output = command.args(&verbs).arg("--help").output().expect("the program starts");
                assert!(output.status.success(), "{page}: {typed}");
                String::from_utf8_lossy(&output.stdout).into_owned()
            });
            for flag in words.iter().filter(|word| word.starts_with('-')) {
                assert!(help.contains(flag), "{page}: {typed}: {flag}");
            }
            asked += 1;
        }
    }
    assert!(asked > 40, "{asked}");
}
