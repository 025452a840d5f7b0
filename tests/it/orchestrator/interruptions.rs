//! What survives which death.

use super::*;

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

const PATIENT_HAS_COME: &str = "select count(*) from amalgam.task where subject = 'patient' and state = 'succeeded'";

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_which_the_daemon_dies_again_and_again_fails_and_the_others_go_on() {
    let bench = Servers::fresh("deaths").await;
    bench.source(PRACTICE).await;
    let more = "[[schedule]]\nname = \"hourly\"\ncron = \"0 * * * *\"\n\n";
    let held = bench.lock_source("payment").await;
    let mut daemon = Daemon::start(&bench, more).await;
    until("it is taken up", || async {
        bench.text("select to_regclass('amalgam.schedule') is not null").await == "t"
            && bench.text("select count(*) from amalgam.schedule").await == "1"
    })
    .await;
    bench.warehouse("update amalgam.schedule set queued_fire_at = now(), queued_by = 'hand'").await;
    // One that is told to stop leaves nothing to be counted.
    for (attempt, signal) in ["KILL", "KILL", "TERM", "KILL"].iter().enumerate() {
        let begun = format!(
            "select count(*) = {} and bool_or(a.state = 'running') from amalgam.attempt a \
             join amalgam.task t using (task_id) where subject = 'payment'",
            attempt + 1
        );
        until(&format!("attempt {} is under way", attempt + 1), || async { bench.text(&begun).await == "t" }).await;
        // A table that is read when the daemon dies is under the same suspicion, however quick it is.
        until("the other table has come", || async { bench.text(PATIENT_HAS_COME).await == "1" }).await;
        daemon.signal(signal);
        daemon.child.wait().await.expect("it ends");
        daemon = Daemon::start(&bench, more).await;
    }
    until("the run ends", || async { bench.text("select state from amalgam.run").await != "running" }).await;
    let told = "select string_agg(concat_ws(' ', subject, state, error_kind), ', ' order by subject) \
                from amalgam.task where kind = 'sync'";
    assert_eq!(bench.text(told).await, "patient succeeded, payment failed process_died");
    let attempts = "select string_agg(concat_ws(' ', a.state, a.error_kind), ', ' order by number) \
                    from amalgam.attempt a join amalgam.task t using (task_id) where subject = 'payment'";
    let died = "interrupted process_died";
    assert_eq!(bench.text(attempts).await, format!("{died}, {died}, interrupted, failed process_died"));
    // The next fire tries again, and whatever it was may be over.
    drop(held);
    bench.warehouse("update amalgam.schedule set queued_fire_at = now(), queued_by = 'hand'").await;
    until("the next run ends well", || async {
        bench.text("select count(*) from amalgam.run where state = 'succeeded'").await == "1"
    })
    .await;
    assert_eq!(bench.text("select count(*) from raw.payment").await, "2");
}
