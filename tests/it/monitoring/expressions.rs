//! Every expression of the dashboards and of the rules, asked of a Prometheus that scrapes a daemon which has
//! something to tell in every family.

use super::{Prometheus, RULES, dashboards, list, read, text};
use crate::{
    daemon::Daemon,
    faults::{set, tls_servers},
    harness::{Bench, until, until_within},
};
use amalgam::telemetry::Metrics;
use std::{cell::RefCell, collections::BTreeSet, time::Duration};

/// The daemon has to run, Prometheus to scrape it some times, and the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// One of everything: a date that becomes null, a row for the quarantine, models that are published and one that
/// fails, tests that pass and one that warns.
const SOURCE: &str = "create table patient (PatNum bigint primary key, Birthdate date, IsHidden tinyint); \
    insert into patient values (1, '0000-00-00', 0), (2, '2000-01-01', 5); \
    create table payment (PayNum int primary key, PatNum bigint); insert into payment values (1, null); \
    create table slow (id int primary key); insert into slow values (1)";

const PROPERTIES: &str = "sources: [{name: od, schema: raw, tables: [{name: payment}]}]\n\
    models: [{name: pay, columns: [{name: id, data_tests: [unique]}, \
    {name: patient, data_tests: [{not_null: {config: {severity: warn}}}]}]}]\n";

fn configured(bench: &Bench) -> String {
    let project = bench.files().join("project");
    std::fs::create_dir_all(project.join("models")).expect("a folder can be made");
    for (file, text) in [
        ("dbt_project.yml", "name: p\n"),
        ("models/properties.yml", PROPERTIES),
        ("models/pay.sql", "select \"PayNum\" as id, \"PatNum\" as patient from {{ source('od', 'payment') }}"),
        ("models/broken.sql", "select no_such_column"),
    ] {
        std::fs::write(project.join(file), text).expect("a file can be written");
    }
    // By another name, the source is a replica that is none: it is asked, and not read.
    let port = bench.config().source.port;
    format!(
        "[source.replica]\nhost = \"localhost\"\nport = {port}\n\n[models]\nproject_dir = {project:?}\n\n\
         [[sync.types]]\ncolumns = \"patient.Is*\"\nas = \"boolean\"\n\n\
         [[schedule]]\nname = \"often\"\ncron = \"* * * * * *\"\nselect = [\"patient\", \"payment\", \"pay\"]\n\n\
         [[schedule]]\nname = \"failing\"\ncron = \"*/2 * * * * *\"\nselect = [\"broken\"]\n\n\
         [[schedule]]\nname = \"long\"\ncron = \"* * * * * *\"\nselect = [\"slow\"]\n"
    )
}

/// The expressions of all panels, as Grafana would ask them when everything is chosen.
fn of_panels() -> Vec<String> {
    let mut expressions = Vec::new();
    for (_, dashboard) in dashboards() {
        for target in list(&dashboard, "panels").iter().flat_map(|panel| list(panel, "targets")) {
            let expression = text(target, "expr").replace("$__rate_interval", "10s").replace("$__range", "5m");
            let variables = ["job", "instance", "schedule", "table"];
            let chosen = variables.iter().fold(expression, |e, name| e.replace(&format!("\"${name}\""), "\".*\""));
            assert!(!chosen.contains('$'), "a variable that this test does not know: {chosen}");
            expressions.push(chosen);
        }
    }
    expressions
}

/// The selectors within an expression: names of metrics, with what stands in braces behind them.
fn selectors(expression: &str) -> Vec<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_word) {
        let length = rest[start..].find(|c| !is_word(c)).unwrap_or(rest.len() - start);
        let (word, behind) = rest[start..].split_at(length);
        let braces = if behind.starts_with('{') { behind.find('}').map_or(0, |end| end + 1) } else { 0 };
        if word == "up" || ["amalgam_", "job:"].iter().any(|begin| word.starts_with(begin)) {
            found.push(format!("{word}{}", &behind[..braces]));
        }
        rest = &behind[braces..];
    }
    found
}

#[test]
fn selectors_are_found_with_their_braces_and_nothing_else() {
    let expression =
        "sum by (job, up_to) (rate(amalgam_a_total{kind=\"x\"}[5m])) > 1 and job:b:c5m unless up{x=~\"(y)\"} == 0";
    assert_eq!(selectors(expression), ["amalgam_a_total{kind=\"x\"}", "job:b:c5m", "up{x=~\"(y)\"}"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_expression_of_panels_and_rules_brings_data_from_a_daemon() {
    let certificates = tempfile::tempdir().expect("a temporary folder can be made");
    let folder = certificates.path().to_owned();
    let (mariadb, postgres) =
        tokio::task::spawn_blocking(move || tls_servers(&folder)).await.expect("the servers start");
    let bench = Bench::on(&mariadb, &postgres).await;
    bench.source(SOURCE).await;
    // A run that lasts: its table is locked by somebody who works on it.
    let _at_work = bench.lock_source("slow").await;
    // Nobody answers at port 1: what is counted need not arrive.
    let told = "[[notify]]\nname = \"chat\"\nkind = \"slack\"\nurl = \"http://127.0.0.1:1\"\n";
    let more = format!("{}\n{told}", configured(&bench));
    let daemon = Daemon::start_as(&bench, &more, |command| {
        command.args(set(&[("source.tls", "require"), ("warehouse.tls", "require")]));
    })
    .await;
    let prometheus = Prometheus::start(bench.files(), daemon.address, &read(RULES), None).await;

    let shown = |name: &str, kind: &str| format!("{name}{}", if kind == "histogram" { "_bucket" } else { "" });
    let families: Vec<String> = Metrics::FAMILIES.iter().map(|family| shown(family.name, family.kind)).collect();
    bring(&prometheus, &families, "families").await;
    bring(&prometheus, &of_panels(), "panels").await;

    let ok = |rules: &[serde_json::Value]| !rules.is_empty() && rules.iter().all(|rule| rule["health"] == "ok");
    let rules = RefCell::new(Vec::new());
    until("every rule was evaluated without an error", || async {
        let Some(told) = prometheus.0.ask("/api/v1/rules").await else { return false };
        let all: Vec<_> =
            list(&told["data"], "groups").iter().flat_map(|group| list(group, "rules")).cloned().collect();
        rules.replace(all);
        ok(&rules.borrow())
    })
    .await;
    let rules = rules.into_inner();
    let inner: BTreeSet<String> = rules.iter().flat_map(|rule| selectors(text(rule, "query"))).collect();
    assert!(rules.len() > 30 && inner.len() > 20, "{inner:?}");
    bring(&prometheus, &inner.into_iter().collect::<Vec<_>>(), "rules").await;
}

/// Waits until each of the expressions brings something.
async fn bring(prometheus: &Prometheus, expressions: &[String], of: &str) {
    let silent = RefCell::new(Vec::new());
    let asked = until_within(PATIENCE, of, || async {
        silent.replace(prometheus.silent(expressions).await);
        silent.borrow().is_empty()
    });
    if tokio::time::timeout(PATIENCE - Duration::from_secs(5), asked).await.is_err() {
        panic!("of {of}: {:#?}", silent.borrow());
    }
}
