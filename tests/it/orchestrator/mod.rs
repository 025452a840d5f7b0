//! Runs on real servers: the way of a payment into a mart, what a failure means for the others, and
//! what survives which death.

mod events;
mod fires;
mod giving_up;
mod interruptions;
mod limits;
mod maintenance;
mod month;
mod operations;
mod outage;
mod planning;
mod quiet;
mod resume;
mod vitals;

use crate::{
    daemon::{Daemon, STOP_MAX},
    harness::{Bench, Servers, WAITS_FOR_TABLE, start, until, until_within},
};
use amalgam::{
    config::Config,
    demo::servers::Kind as Server,
    domain::{Clock, RunState, TaskKind},
    error::Kind,
    orchestrator::{ModelAction, Orchestrator, RunRequest, Stop},
    state::{NewRun, NewTask, Plan},
    telemetry::Metrics,
    warehouse::Warehouse,
};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

pub(crate) const PRACTICE: &str = "
create table patient (PatNum bigint primary key auto_increment, LName varchar(100), DateTStamp timestamp default current_timestamp on update current_timestamp) engine=MyISAM;
create table payment (PayNum bigint primary key auto_increment, PatNum bigint, PayAmt double, SecDateTEdit timestamp default current_timestamp on update current_timestamp) engine=MyISAM;
insert into patient (LName) values ('a'), ('b');
insert into payment (PatNum, PayAmt) values (1, 100), (2, 20.5)";

const STG_PAYMENT: &str = r#"select "PayNum" as payment_id, "PayAmt" as amount from {{ source('od', 'payment') }}"#;

/// Two chains without anything in common: payments, and patients.
fn write_project(bench: &Bench) {
    let write = |file: &str, text: &str| {
        let path = bench.files().join("project").join(file);
        std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder can be made");
        std::fs::write(path, text).expect("a file can be written");
    };
    write("dbt_project.yml", "name: p\nmodels:\n  p:\n    +materialized: table\n    +schema: marts\n");
    write(
        "models/sources.yml",
        "sources:\n  - name: od\n    schema: raw\n    tables:\n      - name: payment\n      - name: patient\n",
    );
    write("models/stg_payment.sql", STG_PAYMENT);
    write("models/collections.sql", "select sum(amount) as total from {{ ref('stg_payment') }}");
    write("models/patients.sql", "select count(*) as n from {{ source('od', 'patient') }}");
}

/// The only value of a relation; `None` before it is there.
async fn value(bench: &Bench, column: &str, relation: &str) -> Option<String> {
    if bench.text(&format!("select count(to_regclass('{relation}'))")).await == "0" {
        return None;
    }
    bench.texts(&format!("select {column} from {relation}")).await.into_iter().flatten().next().flatten()
}

/// Where the mart of collections lies: found, so that the rule of schema names stays the models' own.
async fn relation(bench: &Bench, name: &str) -> String {
    let sql = format!("select quote_ident(schemaname) || '.{name}' from pg_tables where tablename = '{name}'");
    bench.texts(&sql).await.into_iter().flatten().next().flatten().unwrap_or_else(|| format!("marts.{name}"))
}

async fn until_value(bench: &Bench, column: &str, name: &str, wanted: &str) {
    until(&format!("{name} shows {wanted}"), || async {
        value(bench, column, &relation(bench, name).await).await.as_deref() == Some(wanted)
    })
    .await;
}

fn models_section(bench: &Bench) -> String {
    format!("[models]\nproject_dir = \"{}\"\n\n", bench.files().join("project").display())
}

async fn status(bench: &Bench, more: &str) -> serde_json::Value {
    let output = bench.amalgam_with(more).args(["--format", "json", "status"]).output().await.expect("it ends");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_stands_in_the_mart_after_the_next_tick_of_a_one_minute_schedule() {
    let bench = Servers::fresh("minute").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let more = models_section(&bench) + "[[schedule]]\nname = \"every-minute\"\ncron = \"* * * * *\"\n";
    let loaded = bench.amalgam_with(&more).args(["--log-filter", "warn", "run"]).output().await.expect("it ends");
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    assert_eq!(value(&bench, "total", &relation(&bench, "collections").await).await.as_deref(), Some("120.5"));
    let daemon = Daemon::start(&bench, &more).await;
    daemon.until_status("/readyz", 200).await;
    bench.source("insert into payment (PatNum, PayAmt) values (1, 50)").await;
    let next_minute = Duration::from_secs(90);
    until_within(next_minute, "the payment stands in the mart", || async {
        value(&bench, "total", &relation(&bench, "collections").await).await.as_deref() == Some("170.5")
    })
    .await;
    // It was the tick that did it: a full minute, and no run before it.
    let fired = "select count(*) || ' ' || bool_and(extract(second from fire_at) = 0) from amalgam.run where schedule = 'every-minute'";
    assert_eq!(bench.text(fired).await, "1 true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_model_keeps_its_last_good_version_and_everything_not_below_it_goes_on() {
    let bench = Servers::fresh("tick").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let more = models_section(&bench) + "[[schedule]]\nname = \"often\"\ncron = \"*/2 * * * * *\"\n";
    let mut daemon = Daemon::start(&bench, &more).await;
    until_value(&bench, "total", "collections", "120.5").await;

    bench.source("insert into payment (PatNum, PayAmt) values (1, 50)").await;
    until_value(&bench, "total", "collections", "170.5").await;

    let model = bench.files().join("project/models/stg_payment.sql");
    std::fs::write(&model, "select no_such_column from {{ source('od', 'payment') }}").expect("a file can be written");
    bench
        .source("insert into payment (PatNum, PayAmt) values (1, 1000); insert into patient (LName) values ('c')")
        .await;
    until_value(&bench, "n", "patients", "3").await;
    until("the metrics tell of it", || async {
        daemon.get("/metrics").await.is_some_and(|(_, m)| m.contains("amalgam_model_failing{model=\"stg_payment\"} 1"))
    })
    .await;
    assert_eq!(value(&bench, "total", &relation(&bench, "collections").await).await.as_deref(), Some("170.5"));
    let skipped = "select distinct error from amalgam.task where state = 'skipped' and subject like '%collections'";
    assert!(bench.text(skipped).await.starts_with("model stg_payment failed: "));

    let told = status(&bench, &more).await;
    assert_eq!((told["models_failing"].as_u64(), told["tables_failing"].as_u64()), (Some(1), Some(0)), "{told:#}");
    let failing = &told["subjects"].as_array().expect("a list").iter().find(|s| s["name"] == "stg_payment");
    let failing = failing.expect("the broken model is told of");
    assert_eq!(failing["error_kind"], "model_sql");
    assert!(failing["good_at"].is_string() && failing["remedy"].as_str().is_some_and(|r| !r.is_empty()));

    let logged = |daemon: &mut Daemon| {
        let of_it = |l: &&serde_json::Value| l["model"] == "stg_payment" && l["level"] == "error";
        daemon.log().iter().find(of_it).cloned()
    };
    until("the log tells of it", || {
        let found = logged(&mut daemon).is_some();
        async move { found }
    })
    .await;
    let line = logged(&mut daemon).expect("it was there a line above");
    assert!(line["run"].is_i64() && line["task"].is_i64() && line["remedy"].is_string(), "{line:#}");
    assert_eq!(line["schedule"], "often");

    std::fs::write(&model, STG_PAYMENT).expect("a file can be written");
    until_value(&bench, "total", "collections", "1170.5").await;
    until("nothing fails any more", || async { status(&bench, &more).await["models_failing"] == 0 }).await;
    daemon.signal("TERM");
    assert!(daemon.child.wait().await.expect("it ends").success());
    // That one moment has two runs, the schema itself refuses; and no moment beside the timetable has one.
    let off = "select count(*) from amalgam.run where fire_at <> date_bin('2 seconds', fire_at, 'epoch')";
    assert_eq!(bench.text(off).await, "0");
}

fn config(bench: &Bench) -> Config {
    let mut config = bench.config();
    config.models.project_dir = Some(bench.files().join("project"));
    config
}

pub(crate) fn orchestrator(config: Config) -> Orchestrator {
    Orchestrator::new(Arc::new(config), Clock::system(), Arc::new(Metrics::new())).expect("a good configuration")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_practice_has_no_tasks_at_all() {
    let bench = Servers::fresh("quiet").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let orchestrator = orchestrator(config(&bench));
    let first = orchestrator.run_once(RunRequest::default(), Stop::default()).await.expect("it runs");
    assert_eq!(first.state, RunState::Succeeded);
    // A write in the very second of the look may hide another: a table is believed unchanged a moment later.
    until("a run finds nothing to do", || async {
        let run = orchestrator.run_once(RunRequest::default(), Stop::default()).await.expect("it runs");
        assert_eq!(run.state, RunState::Succeeded);
        let record = orchestrator.state().run_record(run.run).await.expect("it is there").expect("it is there");
        record.tasks == 0 && record.tables_unchanged == 2
    })
    .await;
    let tables = orchestrator.state().table_health().await.expect("it is there");
    let checked = bench.text("select checked_at from amalgam.unchanged").await;
    assert!(
        tables.iter().all(|t| t.fresh_at.is_some_and(|at| at.to_rfc3339()[..19].replace('T', " ") == checked[..19]))
    );
}

/// Holds a table of the warehouse, so that whoever writes to it waits.
pub(crate) async fn hold(config: &Config, table: &str, until: CancellationToken) {
    let mut config = config.warehouse.clone();
    config.connections_max = 1;
    let warehouse = Warehouse::new(&config).expect("a pool needs no server");
    let mut session = warehouse.session().await.expect("the warehouse answers");
    let transaction = session.begin().await.expect("a transaction begins");
    let sql = format!("lock table {table} in access exclusive mode");
    transaction.batch(&sql, "holding a table").await.expect("nobody else holds it");
    until.cancelled().await;
}

pub(crate) async fn is_under_way(bench: &Bench, subject: &str) -> bool {
    let sql = format!("select count(*) from amalgam.task where subject = '{subject}' and state = 'running'");
    bench.text(&sql).await == "1"
}
