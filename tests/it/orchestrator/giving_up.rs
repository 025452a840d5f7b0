//! What is given up ends at the servers too: a task whose time is up, a run that is called off, a daemon that stops.

use super::*;
use std::collections::BTreeSet;

/// How soon after it was given up. By itself, a server would take 5 s to notice, or until the lock is released.
const CALLED_OFF_MAX: Duration = Duration::from_secs(3);
const ASLEEP: &str = "state = 'active' and btrim(query, chr(10) || ' ') like 'create%pg_sleep(600)%'";
const BLOCKED: &str =
    "state = 'active' and wait_event_type = 'Lock' and btrim(query, chr(10) || ' ') like 'create%public.held%'";

/// A practice and a project of which a table, as long as `_lock` lives, and two models hang.
async fn hanging(bench: &Bench) -> mysql_async::Conn {
    bench.source(PRACTICE).await;
    bench.warehouse("create table hang (id int); insert into hang values (1); create table held (id int)").await;
    let write = |file: &str, text: &str| {
        let path = bench.files().join("project").join(file);
        std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder can be made");
        std::fs::write(path, text).expect("a file can be written");
    };
    write("dbt_project.yml", "name: p\nmodels:\n  p:\n    +materialized: table\n    +schema: marts\n");
    write("models/asleep.sql", "select id, pg_sleep(600)::text as nothing from public.hang");
    write("models/blocked.sql", "select id from public.held");
    bench.lock_source("payment").await
}

/// The sessions of the program that hang: at the source, and at the warehouse.
async fn hung(bench: &Bench) -> BTreeSet<String> {
    let at_source = bench.sessions(&format!("user = 'reader' and {WAITS_FOR_TABLE} and time_ms > 500")).await;
    let sql = format!(
        "select pid::text from pg_stat_activity where datname = current_database() and application_name = 'amalgam' and ({ASLEEP} or {BLOCKED})"
    );
    let at_warehouse = bench.texts(&sql).await.into_iter().flatten().flatten().map(|pid| format!("pid {pid}"));
    at_source.into_iter().chain(at_warehouse).collect()
}

async fn until_hung(bench: &Bench) -> BTreeSet<String> {
    until("a table and both models hang", async || hung(bench).await.len() == 3).await;
    hung(bench).await
}

async fn until_called_off(bench: &Bench, before: &BTreeSet<String>) {
    until_within(CALLED_OFF_MAX, "neither server shows them any more", async || hung(bench).await.is_disjoint(before))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_time_is_up_ends_at_both_servers_and_is_tried_again() {
    let bench = Servers::fresh("time_up").await;
    let lock = hanging(&bench).await;
    let mut config = config(&bench);
    config.sync.timeout_minutes = 1;
    // Nothing else ends them before.
    config.source.statement_seconds_max = 600;
    config.warehouse.lock_seconds_max = 600;
    let orchestrator = orchestrator(config.clone());
    let release = CancellationToken::new();
    let watching = async {
        let before = until_hung(&bench).await;
        // For the next attempt, which may begin as soon as this one has ended: it finds nothing to sleep for.
        bench.warehouse("delete from hang").await;
        let timed_out = "select count(*) from amalgam.attempt where number = 1 and error_kind = 'timeout'";
        until_within(Duration::from_secs(90), "their time is up", async || bench.text(timed_out).await == "3").await;
        until_called_off(&bench, &before).await;
        release.cancel();
        drop(lock);
    };
    let run = orchestrator.run_once(RunRequest::default(), Stop::default());
    let (run, (), ()) = tokio::join!(run, watching, hold(&config, "public.held", release.clone()));
    assert_eq!(run.expect("it runs").state, RunState::Succeeded);
    let tried_again = "select count(*) from amalgam.task where failures = 1 and state = 'succeeded'";
    assert_eq!(bench.text(tried_again).await, "3");
    orchestrator.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_that_is_called_off_was_asking_ends_at_both_servers() {
    let bench = Servers::fresh("run_off").await;
    let lock = hanging(&bench).await;
    let config = config(&bench);
    let orchestrator = orchestrator(config.clone());
    let (release, stop) = (CancellationToken::new(), Stop::default());
    let watching = async {
        let before = until_hung(&bench).await;
        stop.drain.cancel();
        stop.abort.cancel();
        until_called_off(&bench, &before).await;
        release.cancel();
    };
    let run = orchestrator.run_once(RunRequest::default(), stop.clone());
    let (run, (), ()) = tokio::join!(run, watching, hold(&config, "public.held", release.clone()));
    assert_eq!(run.expect("it runs").state, RunState::Cancelled);
    orchestrator.close().await;
    drop(lock);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_daemon_that_stops_was_asking_ends_at_both_servers() {
    let bench = Servers::fresh("stopped").await;
    let lock = hanging(&bench).await;
    let more = models_section(&bench) + "[[schedule]]\nname = \"often\"\ncron = \"*/2 * * * * *\"\n";
    let release = CancellationToken::new();
    let config = config(&bench);
    let watching = async {
        let mut daemon = Daemon::start(&bench, &more).await;
        let before = until_hung(&bench).await;
        daemon.signal("TERM");
        let ended = tokio::time::timeout(STOP_MAX, daemon.child.wait()).await.expect("it ends in time");
        assert!(ended.expect("it ends").success());
        // It waited for that.
        assert!(hung(&bench).await.is_disjoint(&before));
        release.cancel();
    };
    tokio::join!(watching, hold(&config, "public.held", release.clone()));
    drop(lock);
}
