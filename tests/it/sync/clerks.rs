//! The practice writes while its tables are read: whatever a sync has not seen comes with the next one, though no
//! comparison is made.

use super::{PLAIN, assert_equal, differences, gentle::passed, in_mode, sync, syncer_with};
use crate::harness::{Bench, Servers, until};
use amalgam::{
    domain::{SyncMode, TableName},
    sync::{Action, Differences, Syncer},
};
use mysql_async::prelude::Queryable;
use tokio::task::JoinSet;

/// Who writes at once, and how often.
const CLERKS: u64 = 3;
const STATEMENTS: u32 = 60;

const WAYS: [(SyncMode, &str); 4] = [
    (SyncMode::Merge, "MyISAM"),
    (SyncMode::Merge, "InnoDB"),
    (SyncMode::Append, "MyISAM"),
    (SyncMode::Append, "InnoDB"),
];

/// A table with a hundred rows, loaded.
async fn loaded(name: &str, mode: SyncMode, engine: &str) -> (Bench, Syncer) {
    let bench = Servers::fresh(name).await;
    bench
        .source(&format!(
            "create table t (k int auto_increment primary key, v bigint, \
             ts timestamp not null default current_timestamp on update current_timestamp, key (ts)) engine={engine}; \
             insert into t (v, ts) select seq, '2024-01-01' from seq_1_to_100"
        ))
        .await;
    let syncer = syncer_with(&bench, |config| {
        config.warehouse.lock_seconds_max = 60;
        // A second is what a stamp is rounded down to, and no statement here takes another.
        config.sync.overlap_seconds = 2;
        config.source.range_rows = 7;
        config.tables.insert("t".to_owned(), in_mode(mode));
    })
    .await;
    assert_eq!(sync(&syncer, PLAIN).await.action, Action::Load);
    (bench, syncer)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_between_the_read_and_the_commit_comes_with_the_next_sync() {
    let mut ways = JoinSet::new();
    for (mode, engine) in WAYS {
        ways.spawn(async move {
            let (bench, syncer) = loaded("meanwhile", mode, engine).await;
            bench.source("insert into t (v) values (-1), (-2)").await;
            let (mut holder, _driven) = bench.client().await;
            let held = holder.transaction().await.expect("a transaction begins");
            held.batch_execute("lock table raw.t in share row exclusive mode").await.expect("the table is there");
            let mut syncing = JoinSet::new();
            let waiting = syncer.clone();
            syncing.spawn(async move { waiting.sync_table(&TableName::from("t"), PLAIN).await });
            until("all is read, and the commit waits", async || {
                let waits = "select count(*) from pg_stat_activity where datname = current_database() \
                             and application_name = 'amalgam' and wait_event_type = 'Lock'";
                bench.text(waits).await == "1"
            })
            .await;
            bench.source("insert into t (v) values (-3), (-4)").await;
            if mode == SyncMode::Merge {
                bench.source("update t set v = v + 1000 where k = 50").await;
            }
            // By the clock of the commit, that is long past.
            passed(&bench, 4).await;
            held.rollback().await.expect("it is rolled back");
            let first = syncing.join_next().await.expect("it was begun").expect("it did not panic").expect("synced");
            assert_eq!((first.action, first.rows_inserted), (Action::Delta, 2), "{mode} {engine}");
            let second = sync(&syncer, PLAIN).await;
            assert_eq!((second.action, second.rows_inserted), (Action::Delta, 2), "{mode} {engine}");
            assert_equal(&syncer, 104).await;
        });
    }
    ways.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_clerks_write_during_many_syncs_has_come_after_the_last() {
    let mut ways = JoinSet::new();
    for (mode, engine) in WAYS {
        ways.spawn(async move {
            let (bench, syncer) = loaded("clerks", mode, engine).await;
            let mut clerks = JoinSet::new();
            for seed in 0..CLERKS {
                let mut connection = bench.at_source().await;
                clerks.spawn(async move {
                    let mut random = fastrand::Rng::with_seed(seed);
                    for _ in 0..STATEMENTS {
                        // Where two clerks stand in each other's way, one is told to begin anew.
                        let _ = connection.query_drop(statement(&mut random, mode)).await;
                    }
                    let _ = connection.query_drop("commit").await;
                });
            }
            let mut syncs = 0;
            while clerks.try_join_next().is_none_or(|ended| ended.is_ok()) && !clerks.is_empty() {
                assert!(matches!(sync(&syncer, PLAIN).await.action, Action::Delta | Action::Skip), "{mode} {engine}");
                syncs += 1;
            }
            clerks.join_all().await;
            assert!(syncs > 2, "{mode} {engine}: {syncs}");
            sync(&syncer, PLAIN).await;
            let rows: u64 = bench.source_texts("select count(*) from t").await[0][0]
                .as_deref()
                .and_then(|n| n.parse().ok())
                .expect("a count");
            assert!(rows > 200, "{mode} {engine}: {rows}");
            let found = differences(&syncer).await;
            assert_eq!(found, Differences { rows, ..Differences::default() }, "{mode} {engine}, {syncs} syncs");
        });
    }
    ways.join_all().await;
}

/// An InnoDB table, and a sync of it that makes no comparison.
async fn stamped(name: &str) -> (Bench, Syncer) {
    let (bench, syncer) = loaded(name, SyncMode::Merge, "InnoDB").await;
    // Once with a row of its own, so that what follows is read from a watermark on.
    bench.source("insert into t (v) values (-1)").await;
    sync(&syncer, PLAIN).await;
    (bench, syncer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_seen_however_often_it_is_asked_for() {
    let (bench, syncer) = stamped("asked_often").await;
    let mut clerk = bench.at_source().await;
    let begun = passed(&bench, 0).await;
    let (mut has_written, mut seconds) = (false, 0);
    // InnoDB tells anew only whoever lets a tenth of a second pass.
    while seconds < 6 {
        sync(&syncer, PLAIN).await;
        bench.source("insert into t (v) values (-2)").await;
        seconds = passed(&bench, 0).await - begun;
        if seconds > 1 && !has_written {
            clerk.query_drop("start transaction").await.expect("begun");
            clerk.query_drop("insert into t (v) values (-3)").await.expect("written");
            has_written = true;
        }
    }
    sync(&syncer, PLAIN).await;
    clerk.query_drop("commit").await.expect("committed");
    sync(&syncer, PLAIN).await;
    assert!(differences(&syncer).await.none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_waited_for_another_has_an_old_stamp_and_comes_all_the_same() {
    let (bench, syncer) = stamped("waited").await;
    let mut first = bench.at_source().await;
    first.query_drop("start transaction").await.expect("begun");
    first.query_drop("select v from t where k = 50 for update").await.expect("it is there");
    let mut second = bench.at_source().await;
    let mut waiting = JoinSet::new();
    waiting.spawn(async move { second.query_drop("update t set v = v + 1000 where k = 50").await });
    bench.until_session("the edit waits", "info like 'update t%' and time_ms > 4500").await;
    bench.source("insert into t (v) values (-2)").await;
    assert_eq!(sync(&syncer, PLAIN).await.rows_inserted, 1);
    first.query_drop("rollback").await.expect("rolled back");
    waiting.join_next().await.expect("it was begun").expect("it did not panic").expect("it is edited");
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.action, outcome.rows_updated), (Action::Delta, 1));
    assert!(differences(&syncer).await.none());
}

/// What a clerk does next. A statement's rows bear the time of its beginning, and are seen at its end.
fn statement(random: &mut fastrand::Rng, mode: SyncMode) -> String {
    let (key, rows) = (random.u32(1..300), random.u32(1..4));
    match random.u8(0..8) {
        0..=3 => format!("insert into t (v) select sleep(0.02) + seq from seq_1_to_{rows}"),
        4..=5 if mode == SyncMode::Merge => format!("update t set v = v + 1 + sleep(0.02) where k = {key}"),
        6 => "commit".to_owned(),
        _ => "begin".to_owned(),
    }
}
