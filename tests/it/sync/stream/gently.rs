//! The log is read as gently as tables are: no faster, not in quiet hours, and no more of it than is worth it.

use super::*;
use crate::harness;
use amalgam::{domain::Clock, error::Kind as Problem};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Fills the log with so many rows of a megabyte, none of them of table `t`.
async fn write_elsewhere(logged: &Logged, megabytes: u32) {
    let table = "create table if not exists elsewhere (v mediumtext) engine=MyISAM; truncate elsewhere;";
    let fill = format!("insert into elsewhere select repeat('x', 1 << 20) from seq_1_to_{megabytes}");
    logged.bench.source(&format!("{table} {fill}")).await;
}

async fn with_two_rows(name: &str) -> Logged {
    let logged = Logged::new(name).await;
    logged
        .bench
        .source("create table t (k int primary key, v int) engine=InnoDB; insert into t values (1, 1), (2, 2)")
        .await;
    logged
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_the_log_count_for_the_bound_by_the_second() {
    let logged = with_two_rows("stream_rate").await;
    let syncer = syncer_with(&logged.bench, |config| {
        config.tables.insert("t".to_owned(), in_mode(SyncMode::Stream));
        config.source.bytes_per_second_max = 1 << 20;
    })
    .await;
    sync(&syncer, PLAIN).await;
    write_elsewhere(&logged, 3).await;
    logged.bench.source("update t set v = 3 where k = 1").await;
    let begun = Instant::now();
    assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Delta, [1, 0, 1, 0]));
    // A second's worth may come at once.
    assert!(begun.elapsed() >= Duration::from_millis(1900), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_end_the_reading_of_the_log_and_nothing_of_it_is_lost() {
    let logged = with_two_rows("stream_lunch").await;
    let clock = Clock::manual("2026-06-01T16:59:59Z".parse().expect("a time"));
    let mut config = logged.bench.config();
    config.source.keep_quiet(&["12:00-13:30"], "America/Chicago").expect("a window");
    config.source.bytes_per_second_max = 1 << 20;
    config.tables.insert("t".to_owned(), in_mode(SyncMode::Stream));
    let metrics = Arc::new(Metrics::default());
    let syncer = harness::syncer(config, &clock, &metrics).await;
    sync(&syncer, PLAIN).await;
    let before = logged.watermark().await;
    logged.bench.source("update t set v = 3 where k = 1").await;
    write_elsewhere(&logged, 40).await;
    let mut syncing = JoinSet::new();
    let slow = syncer.clone();
    syncing.spawn(async move { slow.sync_table(&TableName::from("t"), PLAIN).await });
    logged.bench.until_session("the log is read", "command = 'Binlog Dump'").await;
    clock.set("2026-06-01T17:00:00Z".parse().expect("a time"));
    let ended = syncing.join_next().await.expect("it was begun").expect("it did not panic");
    assert_eq!(ended.expect_err("it is quiet").kind, Problem::SourceQuiet);
    assert_eq!(logged.watermark().await, before);
    clock.set("2026-06-01T18:30:00Z".parse().expect("a time"));
    let mut config = logged.bench.config();
    config.tables.insert("t".to_owned(), in_mode(SyncMode::Stream));
    let fast = harness::syncer(config, &clock, &metrics).await;
    assert_eq!(told(&sync(&fast, PLAIN).await), (Action::Delta, [1, 0, 1, 0]));
    assert_eq!(not_followed(&metrics), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_compared_where_more_was_logged_than_that_would_cost() {
    let logged = with_two_rows("stream_long").await;
    let (syncer, metrics) = logged.counting().await;
    sync(&syncer, PLAIN).await;
    // In one file how much it is can be known; over several it is found out.
    for (megabytes, files, is_followed) in [(40, 1, true), (70, 1, false), (35, 2, false)] {
        for file in 0..files {
            write_elsewhere(&logged, megabytes).await;
            if file + 1 < files {
                logged.bench.source("flush binary logs").await;
            }
        }
        logged.bench.source("update t set v = v + 1 where k = 1").await;
        let outcome = sync(&syncer, PLAIN).await;
        let (action, untold, read) =
            if is_followed { (Action::Delta, None, 1) } else { (Action::Reconcile, Some(Untold::TooLong), 2) };
        assert_eq!(outcome.untold, untold, "{megabytes} MB in {files} files");
        assert_eq!(told(&outcome), (action, [read, 0, 1, 0]), "{megabytes} MB in {files} files");
        assert_equal(&syncer, 2).await;
        logged.bench.source("update t set v = v + 1 where k = 2").await;
        assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Delta, [1, 0, 1, 0]));
    }
    assert_eq!(not_followed(&metrics), [("too_long", 2)]);
}
