//! docs/metrics.md says what the program tells: its tables are written from the declarations themselves.

use crate::pages;
use amalgam::{
    domain::{ChangeKind, RunState, TaskKind, TaskState, unusual::Unusual},
    error::Kind,
    models::TestStatus,
    source::Untold,
    telemetry::{Family, Metrics},
};
use std::fmt::Write;

const PAGE: &str = "docs/metrics.md";

/// A practice of OpenDental's, as the bars of this project have it.
const TABLES: usize = 446;
const MODELS: usize = 160;
const SCHEDULES: usize = 10;
const NOTIFIERS: usize = 5;
/// More are no fault of the tables: whoever adds a family looks at what it costs.
const SERIES_MAX: usize = 5500;

fn families() -> String {
    let mut text =
        "| name | kind | unit | labels | what it tells | who sets it, and when |\n|---|---|---|---|---|---|\n"
            .to_owned();
    let mut row = |cells: [&str; 6]| writeln!(text, "| {} |", cells.join(" | ")).expect("a string takes everything");
    for family in Metrics::FAMILIES {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let name = format!("`{}`", family.name);
        row([&name, family.kind, family.unit(), &labels.join(", "), family.help, family.set]);
    }
    for family in Metrics::new().registry.gather().iter().filter(|f| f.name().starts_with("process_")) {
        let kind = if family.name().ends_with("_total") { "counter" } else { "gauge" };
        let unit = ["seconds", "bytes"].into_iter().find(|unit| family.name().contains(unit)).unwrap_or_default();
        row([&format!("`{}`", family.name()), kind, unit, "", family.help(), "at each scrape, from Linux"]);
    }
    text
}

/// How many values a label of a family can have.
fn values(family: &Family, label: &str) -> usize {
    match (family.name, label) {
        (_, "table") => TABLES,
        (_, "model") => MODELS,
        // A run may also begin by hand.
        (name, "schedule") if name.starts_with("amalgam_run") => SCHEDULES + 1,
        (_, "schedule") => SCHEDULES,
        ("amalgam_runs_total", "state") => RunState::ALL.len() - 1,
        ("amalgam_tasks_total", "state") => TaskState::ALL.len() - 2,
        ("amalgam_connections", "state") => 2,
        (_, "pool") => 4,
        (_, "peer") => 3,
        ("amalgam_failures_total", "kind") => Kind::ALL.len(),
        (_, "kind") => TaskKind::ALL.len(),
        // date, local_time, text
        (_, "rule") => 3,
        ("amalgam_run_last_rows", "operation") => 4,
        (_, "operation") => 3,
        // quiet, walked
        (_, "outcome") => 2,
        (_, "reason") => Untold::ALL.len(),
        (_, "change") => ChangeKind::ALL.len(),
        ("amalgam_http_requests_total", "status") => 4,
        (_, "status") => TestStatus::ALL.len(),
        (_, "what") => Unusual::ALL.len(),
        // Of one source.
        (_, "replica") | (_, "version") => 1,
        // With the heartbeat.
        (_, "notifier") => NOTIFIERS + 1,
        // sent, failed
        (_, "result") => 2,
        // With those that no route knows.
        (_, "path") => 6,
        (name, label) => panic!("how many values has {label} of {name}?"),
    }
}

fn most(family: &Family) -> usize {
    family.labels.iter().map(|label| values(family, label)).product::<usize>() * family.series_each()
}

fn series() -> (usize, String) {
    let of_process = Metrics::new().registry.gather().iter().filter(|f| f.name().starts_with("process_")).count();
    let sum = |by: &str| -> usize {
        let by_label = Metrics::FAMILIES.iter().filter(|family| family.labels.contains(&by));
        by_label.map(most).sum()
    };
    let all = Metrics::FAMILIES.iter().map(most).sum::<usize>() + of_process;
    let (tables, models, schedules) = (sum("table"), sum("model"), sum("schedule"));
    let by_table = Metrics::FAMILIES.iter().filter(|family| family.labels.contains(&"table")).count();
    let coerced = Metrics::FAMILIES.iter().find(|f| f.name == "amalgam_values_coerced_total").map_or(0, most);
    let text = format!(
        "With {TABLES} tables, {MODELS} models and {SCHEDULES} schedules, all at once and each label with every value \
         it can have, **{all} series at most**:\n\n\
         | by | series at most |\n|---|---|\n\
         | table, in {by_table} families | {tables} |\n| model | {models} |\n| schedule | {schedules} |\n\
         | everything else | {} |\n\n\
         `amalgam_values_coerced_total` ({coerced} of them) and `amalgam_quarantined_rows` ({TABLES}) have series only of \
         tables where there is something to tell, so that a healthy practice has about {}.\n",
        all - tables - models - schedules,
        (all - coerced - TABLES) / 100 * 100,
    );
    (all, text)
}

#[test]
fn the_page_of_metrics_says_what_the_program_tells() {
    pages::hold(PAGE, &[("families", families()), ("series", series().1)]);
}

#[test]
fn a_large_practice_has_a_bounded_number_of_series() {
    let (all, _) = series();
    assert!(all <= SERIES_MAX, "{all} series with {TABLES} tables, {MODELS} models and {SCHEDULES} schedules");
}
