//! A run by hand that a signal calls off: before it begins, and in the middle.

use crate::{
    harness::{Servers, until},
    orchestrator::{PRACTICE, hold, is_under_way, orchestrator},
};
use amalgam::warehouse::Warehouse;
use std::{process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

fn terminate(run: &Child) {
    let id = run.id().expect("it runs").to_string();
    assert!(std::process::Command::new("kill").arg(id).status().expect("kill is there").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_to_begin_is_called_off_by_a_signal() {
    let bench = Servers::fresh("before").await;
    let orchestrator = orchestrator(bench.config());
    orchestrator.state().migrate().await.expect("the schema can be made");
    let release = CancellationToken::new();
    let config = bench.config();
    let stopping = async {
        let mut command = bench.amalgam();
        command.args(["--log-filter", "off", "run"]).stderr(Stdio::piped());
        let waiting = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'amalgam writer' and wait_event_type = 'Lock'";
        until("the table is held", || async {
            bench.text("select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted and relation = 'amalgam.writer'::regclass").await == "1"
        })
        .await;
        let run = command.spawn().expect("it starts");
        until("the run waits to begin", || async { bench.text(waiting).await == "1" }).await;
        terminate(&run);
        let ended = timeout(Duration::from_secs(5), run.wait_with_output()).await;
        let output = ended.expect("it ends in time").expect("it ends");
        release.cancel();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && told.contains("called off before it began"), "{told}");
    };
    tokio::join!(hold(&config, "amalgam.writer", release.clone()), stopping);
    assert_eq!(bench.text("select count(*) from amalgam.run").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_may_end_when_a_run_is_called_off() {
    let bench = Servers::fresh("called_off").await;
    bench.source(PRACTICE).await;
    let first = bench.amalgam().args(["--log-filter", "warn", "run"]).output().await.expect("it ends");
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    bench.source("insert into payment (PatNum, PayAmt) values (2, 7)").await;
    let release = CancellationToken::new();
    let config = bench.config();
    let stopping = async {
        until("the table is held", || async {
            bench.text("select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted and relation = 'raw.payment'::regclass").await == "1"
        })
        .await;
        let mut command = bench.amalgam();
        command.args(["--log-format", "json", "--log-filter", "info", "run"]).stderr(Stdio::piped());
        let mut run = command.spawn().expect("it starts");
        let stderr = run.stderr.take().expect("it is piped");
        let mut lines = BufReader::new(stderr).lines();
        until("the table is under way", || is_under_way(&bench, "payment")).await;
        terminate(&run);
        while !lines.next_line().await.expect("its log can be read").expect("it says so").contains("stopping") {}
        release.cancel();
        run.wait().await.expect("it ends");
    };
    tokio::join!(hold(&config, "raw.payment", release.clone()), stopping);
    let attempt = "select a.state from amalgam.attempt a join amalgam.task using (task_id) where subject = 'payment' and run_id = (select max(run_id) from amalgam.run)";
    assert_eq!(bench.text(attempt).await, "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_given_up_ends_at_the_warehouse_too() {
    let bench = Servers::fresh("given_up").await;
    let warehouse = Warehouse::new(&bench.config().warehouse).expect("a pool needs no server");
    let sleepers = "select count(*) from pg_stat_activity where datname = current_database() and query = 'select pg_sleep(600)' and state = 'active'";
    let mut session = warehouse.session().await.expect("the server answers");
    let transaction = session.begin().await.expect("it can begin");
    tokio::select! {
        ended = transaction.batch("select pg_sleep(600)", "sleeping") => panic!("it sleeps for minutes: {ended:?}"),
        () = until("it sleeps", || async { bench.text(sleepers).await == "1" }) => {}
    }
    drop(transaction);
    drop(session);
    until("it has ended", || async { bench.text(sleepers).await == "0" }).await;
    // One that has come to its end goes back to the pool.
    let session = warehouse.session().await.expect("the server answers");
    session.batch("select 1", "asking").await.expect("it answers");
    drop(session);
    let (open, idle, _) = warehouse.pool_sizes();
    assert_eq!((open, idle), (1, 1));
}
