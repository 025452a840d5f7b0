//! Why a table was compared instead of following the log: told, counted, and only where it must be.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn each_reason_is_counted_by_its_word_and_the_log_is_followed_again() {
    let logged = Logged::new("stream_reasons").await;
    let table = "create table t (k int primary key, v int) engine=InnoDB; insert into t values (1, 1), (2, 2)";
    logged.bench.source(table).await;
    let (syncer, metrics) = logged.counting().await;
    sync(&syncer, PLAIN).await;
    for (deed, undoing, reason) in [
        ("set global binlog_format = 'MIXED'", "set global binlog_format = 'ROW'", Untold::NotByRow),
        ("set global gtid_slave_pos = '7-9-1'", "set global gtid_slave_pos = ''", Untold::NotPassedOn),
        (
            "revoke replication slave on *.* from reader@'%'",
            "grant replication slave on *.* to reader@'%'",
            Untold::Denied,
        ),
        ("alter table t add column w int default 3", "do 0", Untold::Altered),
        ("rename table t to u, u to t", "do 0", Untold::Statement),
        ("xa start 'x'; update t set v = 9; xa end 'x'; xa prepare 'x'; xa commit 'x'", "do 0", Untold::TwoPhases),
    ] {
        logged.bench.source(&format!("{deed}; update t set v = v + 1 where k = 1")).await;
        let outcome = sync(&syncer, PLAIN).await;
        assert_eq!((outcome.action, outcome.untold), (Action::Reconcile, Some(reason)), "{deed}");
        assert_eq!(metrics.log_not_followed.with_label_values(&[reason.as_str()]).get(), 1, "{deed}");
        assert_eq!(logged.bench.text("select not_followed from amalgam.table_state").await, reason.as_str());
        logged.as_root(undoing).await;
        // From where on isn't known after some of them.
        logged.bench.source("update t set v = v + 1 where k = 1").await;
        sync(&syncer, PLAIN).await;
        logged.bench.source("update t set v = v + 1 where k = 2").await;
        assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Delta, [1, 0, 1, 0]), "{deed}");
        assert_eq!(logged.bench.text("select not_followed is null from amalgam.table_state").await, "t", "{deed}");
        assert_equal(&syncer, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_leaves_databases_out_is_not_followed() {
    let logged = Logged::with("stream_left_out", &["--binlog-ignore-db=elsewhere"]).await;
    logged.bench.source("create table t (k int primary key, v int); insert into t values (1, 1), (2, 2)").await;
    let (syncer, _) = logged.counting().await;
    sync(&syncer, PLAIN).await;
    // Of what is done from within that database, nothing is logged.
    let (mine, there) = (logged.bench.database(), "create database elsewhere; use elsewhere");
    logged.as_root(&format!("{there}; truncate {mine}.t; insert into {mine}.t values (3, 3)")).await;
    assert_eq!(sync(&syncer, PLAIN).await.untold, Some(Untold::LeftOut));
    assert_equal(&syncer, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_tables_of_other_databases_has_nothing_compared() {
    let logged = Logged::new("stream_others").await;
    logged.bench.source("create table t (k int primary key, v int); insert into t values (1, 1), (2, 2)").await;
    let (syncer, metrics) = logged.counting().await;
    sync(&syncer, PLAIN).await;
    logged.bench.source("update t set v = 2 where k = 1").await;
    logged
        .as_root(
            "create database elsewhere; create table elsewhere.t (k int); insert into elsewhere.t values (1); \
             alter table elsewhere.t add v int; use elsewhere; truncate t; drop table t; drop database elsewhere",
        )
        .await;
    assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Delta, [1, 0, 1, 0]));
    assert_eq!(not_followed(&metrics), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_table_was_compared_stands_in_the_log_in_status_and_in_history() {
    let logged = Logged::new("stream_status").await;
    logged.bench.source("create table t (k int primary key, v int); insert into t values (1, 1), (2, 2)").await;
    let amalgam = async |arguments: &[&str]| {
        let mut command = logged.bench.amalgam_with("[tables.t]\nmode = \"stream\"");
        let output = command.args(["--log-filter", "warn"]).args(arguments).output().await.expect("it ends");
        let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        told
    };
    let run = async |statement: &str| {
        logged.bench.source(statement).await;
        amalgam(&["run"]).await
    };
    let denied = "the source's user may not read the binary log: grant it REPLICATION SLAVE";
    run("update t set v = 2 where k = 1").await;
    assert!(!amalgam(&["status"]).await.contains("binary log"));
    logged.as_root("revoke replication slave on *.* from reader@'%'").await;
    let told = run("update t set v = 3 where k = 1").await;
    assert!(told.contains("the log does not tell what has changed") && told.contains(denied), "{told}");
    let told = amalgam(&["status"]).await;
    assert!(told.contains("table t did not follow the binary log ") && told.contains(denied), "{told}");
    let told = amalgam(&["status", "--format", "json"]).await;
    assert!(told.contains("\"reason\": \"denied\""), "{told}");
    let last = logged.bench.text("select max(run_id) from amalgam.run").await;
    let told = amalgam(&["history", &last]).await;
    assert!(told.contains(&format!("the binary log was not followed: {denied}")), "{told}");
    logged.as_root("grant replication slave on *.* to reader@'%'").await;
    run("update t set v = 4 where k = 1").await;
    run("update t set v = 5 where k = 1").await;
    assert!(!amalgam(&["status"]).await.contains("binary log"));
}
