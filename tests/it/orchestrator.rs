//! Runs on real servers: the way of a payment into a mart, what a failure means for the others, and
//! what survives which death.

use crate::{
    daemon::Daemon,
    harness::{Bench, Servers, start, until, until_within},
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
    let doubled = "select count(*) from (select 1 from amalgam.run group by schedule, fire_at having count(*) > 1) d";
    assert_eq!(bench.text(doubled).await, "0");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_after_kill_9() {
    let bench = Servers::fresh("kill9").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let more = models_section(&bench);
    let first = bench.amalgam_with(&more).args(["--log-filter", "warn", "run"]).output().await.expect("it ends");
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    bench.source("insert into payment (PatNum, PayAmt) values (2, 7)").await;

    let release = CancellationToken::new();
    let config = config(&bench);
    let holding = hold(&config, "raw.payment", release.clone());
    let killing = async {
        // The lock is taken when the other future waits; a read of the table then blocks.
        until("the table is held", || async {
            bench.text("select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted and relation = 'raw.payment'::regclass").await == "1"
        })
        .await;
        let mut second = bench.amalgam_with(&more).args(["--log-filter", "warn", "run"]).spawn().expect("it starts");
        until("the table is under way", || is_under_way(&bench, "payment")).await;
        second.kill().await.expect("it can be killed");
        release.cancel();
    };
    tokio::join!(holding, killing);

    assert_eq!(bench.text("select string_agg(state, ' ' order by run_id) from amalgam.run").await, "succeeded running");
    // The run that was killed was planned before this.
    bench.source("insert into payment (PatNum, PayAmt) values (2, 100)").await;
    let third = bench.amalgam_with(&more).args(["--log-filter", "warn", "run"]).output().await.expect("it ends");
    assert!(third.status.success(), "{}", String::from_utf8_lossy(&third.stderr));
    assert_eq!(
        bench.text("select string_agg(state, ' ' order by run_id) from amalgam.run").await,
        "succeeded succeeded succeeded"
    );
    let killed = "run_id = (select run_id from amalgam.run order by run_id offset 1 limit 1)";
    let attempts = format!(
        "select string_agg(a.state, ' ' order by a.number) from amalgam.attempt a join amalgam.task using (task_id) where subject = 'payment' and {killed}"
    );
    assert_eq!(bench.text(&attempts).await, "interrupted succeeded");
    let failures = format!("select failures from amalgam.task where subject = 'payment' and {killed}");
    assert_eq!(bench.text(&failures).await, "0");
    assert_eq!(value(&bench, "total", &relation(&bench, "collections").await).await.as_deref(), Some("227.5"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_that_dies_in_the_middle_of_a_run_only_delays_it() {
    let (mariadb, mut postgres) = tokio::task::spawn_blocking(|| {
        (start(Server::MariaDb, "delay-source"), start(Server::PostgreSql, "delay-warehouse"))
    })
    .await
    .expect("the servers start");
    let bench = Bench::on(&mariadb, &postgres).await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let config = config(&bench);
    let orchestrator = orchestrator(config.clone());
    let run = async |o: &Orchestrator| o.run_once(RunRequest::default(), Stop::default()).await.expect("it runs");
    assert_eq!(run(&orchestrator).await.state, RunState::Succeeded);
    bench.source("insert into payment (PatNum, PayAmt) values (2, 7)").await;

    let release = CancellationToken::new();
    let dying = async {
        until("the table is held", || async {
            bench.text("select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted and relation = 'raw.payment'::regclass").await == "1"
        })
        .await;
        let ran = run(&orchestrator);
        let killing = async {
            until("the table is under way", || is_under_way(&bench, "payment")).await;
            postgres.kill().expect("it dies");
            release.cancel();
            until("the loss of the lock is noticed", || async { orchestrator.metrics().writer.get() == 0 }).await;
            postgres.start_again().expect("it starts again");
        };
        tokio::join!(ran, killing).0
    };
    let (ended, ()) = tokio::join!(dying, hold(&config, "raw.payment", release.clone()));
    assert_eq!(ended.state, RunState::Succeeded);
    assert_eq!(value(&bench, "total", &relation(&bench, "collections").await).await.as_deref(), Some("127.5"));
    assert_eq!(bench.text("select count(*) from amalgam.run where state = 'running'").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_runs_what_it_names_and_history_tells_of_it() {
    let bench = Servers::fresh("selection").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let more = models_section(&bench);
    let run = async |arguments: &[&str]| {
        let mut command = bench.amalgam_with(&more);
        let output =
            command.args(["--format", "json", "--log-filter", "off"]).args(arguments).output().await.expect("it ends");
        (
            output.status.code(),
            serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, told, error) = run(&["run", "--select", "+patients"]).await;
    assert_eq!(code, Some(0), "{error}");
    let subjects: Vec<_> = told["tasks"].as_array().expect("a list").iter().map(|t| t["subject"].clone()).collect();
    assert_eq!(subjects, ["patient", "model.p.patients"]);
    assert_eq!(value(&bench, "n", &relation(&bench, "patients").await).await.as_deref(), Some("2"));

    let (code, _, error) = run(&["run", "--select", "pateint"]).await;
    assert_eq!(code, Some(1));
    let (_, runs, _) = run(&["history"]).await;
    assert_eq!(runs[0]["state"], "failed", "{error}");
    assert!(runs[0]["error"].as_str().is_some_and(|e| e.contains("pateint")), "{runs:#}");
    let (_, one, _) = run(&["history", "1"]).await;
    assert_eq!(one["tasks"][0]["attempts"][0]["state"], "succeeded");
    let (code, _, error) = run(&["history", "99"]).await;
    assert_eq!(code, Some(2));
    assert!(error.contains("there is no run 99") && error.contains(Kind::UnknownRun.policy().1), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_can_not_be_read_is_told_and_the_tables_are_synced() {
    let bench = Servers::fresh("unread").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let broken = bench.files().join("project/models/broken.yml");
    std::fs::write(&broken, "models: [").expect("a file can be written");
    let more = models_section(&bench);
    let run = async || {
        let mut command = bench.amalgam_with(&more);
        let output = command.args(["--log-format", "json", "--log-filter", "error", "run"]).output().await;
        let output = output.expect("it ends");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, log) = run().await;
    assert_eq!((code, log.lines().count()), (Some(1), 1), "{log}");
    assert!(log.contains("the models can't be read") && log.contains("broken.yml"), "{log}");
    assert_eq!(bench.text("select count(*) from raw.payment").await, "2");
    let told = status(&bench, &more).await;
    let failing = &told["runs_failing"][0];
    assert_eq!(failing["error_kind"], Kind::ModelProject.as_str(), "{told:#}");
    assert!(failing["error"].as_str().is_some_and(|e| e.contains("broken.yml")), "{told:#}");
    assert_eq!(failing["remedy"], Kind::ModelProject.policy().1);
    let output = bench.amalgam_with(&more).arg("status").output().await.expect("it ends");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("run 1 by hand failed") && shown.contains("broken.yml"), "{shown}");
    let planned = bench.amalgam_with(&more).arg("plan").output().await.expect("it ends");
    assert_eq!(planned.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&planned.stderr).contains("broken.yml"));

    std::fs::remove_file(&broken).expect("it is there");
    assert_eq!(run().await, (Some(0), String::new()));
    assert_eq!(status(&bench, &more).await["runs_failing"], serde_json::json!([]));
    assert_eq!(value(&bench, "total", &relation(&bench, "collections").await).await.as_deref(), Some("120.5"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_goes_on_without_its_project_says_why_its_models_fail() {
    let bench = Servers::fresh("unread_later").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let orchestrator = orchestrator(config(&bench));
    let state = orchestrator.state();
    state.migrate().await.expect("the schema can be made");
    // What a process left that died when it had planned its run.
    let request = serde_json::to_value(RunRequest::default()).expect("a request is JSON");
    let at = orchestrator.clock().now();
    let run = state.begin_run(&NewRun { schedule: None, fire_at: None, request, at }).await.expect("it begins");
    let task = |kind, subject: &str| NewTask { kind, subject: subject.to_owned(), weight: 0 };
    let tasks = vec![task(TaskKind::Sync, "payment"), task(TaskKind::Model, "model.p.stg_payment")];
    state.plan_run(run, &Plan { tasks, ..Plan::default() }, at).await.expect("it is planned");
    std::fs::write(bench.files().join("project/models/broken.yml"), "models: [").expect("a file can be written");

    let ended = orchestrator.run_once(RunRequest::default(), Stop::default()).await.expect("it goes on");
    assert_eq!((ended.run, ended.state), (run, RunState::Failed));
    let tasks = state.task_records(run).await.expect("they are there");
    assert_eq!(tasks[0].state, "succeeded");
    assert!(tasks[1].error.as_deref().is_some_and(|e| e.contains("broken.yml")), "{tasks:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_halts_a_run_is_logged_once() {
    let bench = Servers::fresh("halts").await;
    bench.source(PRACTICE).await;
    let held = bench.lock_source("payment").await;
    let mut command = bench.amalgam_with("");
    command.args(["--log-format", "json", "--log-filter", "error", "--set", "source.user=halted"]);
    command.args(["run", "--select", "payment"]);
    bench.source(&format!("create user 'halted'@'%'; grant select on {}.* to 'halted'@'%'", bench.database())).await;
    let halting = async {
        // It reads by then, and has to connect again once its connection is cut.
        until("a table is waited for", || async {
            let waiting = "select count(*) from information_schema.processlist where user = 'halted' and state like 'Waiting for table%'";
            bench.source_texts(waiting).await[0][0].as_deref() == Some("1")
        })
        .await;
        bench.source("drop user 'halted'@'%'; kill user 'halted'@'%'").await;
    };
    let (output, ()) = tokio::join!(command.output(), halting);
    drop(held);
    let output = output.expect("it ends");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), log.lines().count()), (Some(1), 1), "{log}");
    assert!(log.contains(Kind::SourceAuth.as_str()), "{log}");
    assert_eq!(bench.text("select distinct error_kind from amalgam.run").await, Kind::SourceAuth.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_says_what_a_run_would_do_with_tables_and_models_and_why() {
    let bench = Servers::fresh("outlook").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let orchestrator = orchestrator(config(&bench));
    let outlook = async || orchestrator.outlook(&RunRequest::default()).await.expect("both databases answer");
    let shown = async || -> Vec<(String, ModelAction, String)> {
        let models = outlook().await.models;
        models
            .into_iter()
            .map(|m| (amalgam::orchestrator::short(m.model.as_str()).to_owned(), m.action, m.reason))
            .collect()
    };
    let first = shown().await;
    assert!(
        first.len() == 3 && first.iter().all(|(_, a, r)| *a == ModelAction::Build && r == "never built"),
        "{first:?}"
    );
    assert_eq!(bench.text("select to_regnamespace('amalgam') is null").await, "t", "looking changes nothing");
    assert_eq!(
        orchestrator.run_once(RunRequest::default(), Stop::default()).await.expect("it runs").state,
        RunState::Succeeded
    );
    until("all is up to date", || async {
        orchestrator.run_once(RunRequest::default(), Stop::default()).await.expect("it runs");
        shown().await.iter().all(|(_, action, _)| *action == ModelAction::Skip)
    })
    .await;
    bench.source("insert into payment (PatNum, PayAmt) values (2, 7)").await;
    let below =
        |name: &str, above: &str| (name.to_owned(), ModelAction::BuildIfChanged, format!("{above} may bring changes"));
    let mut models = shown().await;
    models.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        models,
        [
            below("collections", "stg_payment"),
            ("patients".to_owned(), ModelAction::Skip, "inputs unchanged".to_owned()),
            below("stg_payment", "payment"),
        ]
    );

    let command = bench.amalgam_with(&models_section(&bench)).args(["--format", "json", "plan"]).output().await;
    let told: serde_json::Value = serde_json::from_slice(&command.expect("it ends").stdout).expect("it is JSON");
    assert_eq!(told["tables"].as_array().map(Vec::len), Some(1), "{told:#}");
    assert_eq!(
        (&told["tables"][0]["table"], &told["models"][0]["action"]),
        (&"payment".into(), &"build_if_changed".into())
    );
    let command = bench
        .amalgam_with(&models_section(&bench))
        .args(["plan", "patients", "payment"])
        .output()
        .await
        .expect("it ends");
    insta::assert_snapshot!(String::from_utf8_lossy(&command.stdout), @r"
    table    mode     mode reason                               action     reason                 rows
    payment  replace  small (3 rows), so all of it is compared  reconcile  changed at the source     3
    1 table: 1 to do, 0 unchanged

    model     action  reason
    patients  skip    inputs unchanged
    1 model: 0 to do, 1 up to date
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_failed_for_good_is_tried_again_when_something_changes_or_by_hand() {
    let bench = Servers::fresh("held").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let model = bench.files().join("project/models/stg_payment.sql");
    std::fs::write(&model, r#"select 1 / ("PayAmt" - 100)::int as amount from {{ source('od', 'payment') }}"#)
        .expect("a file can be written");
    let more = models_section(&bench) + "[[schedule]]\nname = \"often\"\ncron = \"* * * * * *\"\n";
    let mut daemon = Daemon::start(&bench, &more).await;
    let ended_runs = async || -> u32 {
        bench
            .text("select count(*) from amalgam.task where subject like '%stg_payment' and state = 'failed'")
            .await
            .parse()
            .expect("a number")
    };
    let tried_at =
        async || bench.text("select failed_at from amalgam.model_state where model_id like '%stg_payment'").await;
    let until_runs = async |more: u32| {
        let wanted = ended_runs().await + more;
        until("the schedule has come by", || async { ended_runs().await >= wanted }).await;
    };
    until("it fails", || async {
        bench.text("select to_regclass('amalgam.task') is not null").await == "t" && ended_runs().await > 0
    })
    .await;
    // A write in the very second of the look makes a table be read again, but changes no row.
    let tried = tried_at().await;
    until_runs(3).await;
    assert_eq!(tried_at().await, tried);
    let told = status(&bench, &more).await;
    assert_eq!(told["models_failing"], 1, "{told:#}");
    assert!(
        told["subjects"][0]["error"].as_str().is_some_and(|e| e.contains("nothing it reads has changed since")),
        "{told:#}"
    );

    daemon.signal("TERM");
    assert!(daemon.child.wait().await.expect("it ends").success());
    let before = tried_at().await;
    let by_hand = bench.amalgam_with(&more).args(["--log-filter", "off", "run"]).output().await.expect("it ends");
    assert_eq!(by_hand.status.code(), Some(1));
    assert_ne!(tried_at().await, before, "by hand it is tried");

    let _daemon = Daemon::start(&bench, &more).await;
    let before = tried_at().await;
    bench.source("insert into payment (PatNum, PayAmt) values (1, 7)").await;
    until("it is tried again with the new row", || async { tried_at().await != before }).await;
    std::fs::write(&model, STG_PAYMENT).expect("a file can be written");
    until_value(&bench, "total", "collections", "127.5").await;
    until("nothing fails any more", || async { status(&bench, &more).await["models_failing"] == 0 }).await;
}
