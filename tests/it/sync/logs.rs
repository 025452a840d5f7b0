//! Logs, which are read above the last key: that they were emptied is noticed.

use super::{RECONCILE, differences, in_mode, sync, syncer_with};
use crate::harness::{Bench, Servers};
use amalgam::{
    config::TableOverride,
    domain::{Deletes, SyncMode},
    sync::{Action, SyncOptions, Syncer},
};
use std::time::Duration;
use tokio::time::timeout;

const PLAIN: SyncOptions = SyncOptions { full: false, reconcile: false, every_row: false };

async fn syncer_by(bench: &Bench, deletes: Deletes) -> Syncer {
    syncer_with(bench, |config| {
        // A delta and its comparison one after the other: never a third connection.
        config.warehouse.connections_max = 2;
        let log = TableOverride { deletes: Some(deletes), ..in_mode(SyncMode::Append) };
        config.tables.insert("t".to_owned(), log);
    })
    .await
}

/// Asserts that the warehouse has the rows of the log of that number, whatever it keeps of others.
async fn assert_in_step(bench: &Bench, syncer: &Syncer, log: u32, told: &str) {
    let found = differences(syncer).await;
    assert!(found.none(), "{told}: {found:?}");
    let there = bench.source_texts("select count(*), coalesce(sum(v), 0) from t").await;
    let here = format!("select count(*)::text, coalesce(sum(v), 0)::text from raw.t where v / 1000 = {log}");
    assert_eq!(there, bench.texts(&here).await, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_emptied_and_began_anew_is_noticed() {
    for engine in ["MyISAM", "InnoDB"] {
        for rule in [Deletes::Hard, Deletes::Soft, Deletes::Ignore] {
            let told = format!("{engine} {rule}");
            let bench = Servers::fresh("anew").await;
            bench
                .source(&format!(
                    "create table t (k int auto_increment primary key, v int) engine={engine}; \
                     insert into t (v) select 1000 + seq from seq_1_to_20;"
                ))
                .await;
            let syncer = syncer_by(&bench, rule).await;
            sync(&syncer, PLAIN).await;
            // It stays below the watermark; it has come to it; it has passed it; it is empty.
            for (log, rows) in [(2, 5), (3, 5), (4, 90), (5, 0), (6, 7)] {
                bench.source("truncate table t; alter table t auto_increment = 1;").await;
                bench.source(&format!("insert into t (v) select {log}000 + seq from seq_1_to_90 limit {rows};")).await;
                let syncing = timeout(Duration::from_secs(30), sync(&syncer, PLAIN));
                let outcome = syncing.await.expect("it does not wait for a connection of its own");
                assert_in_step(&bench, &syncer, log, &format!("{told} {log}: {outcome:?}")).await;
            }
            bench.source("insert into t (v) values (6999);").await;
            let outcome = sync(&syncer, PLAIN).await;
            assert_eq!((outcome.action, outcome.rows_inserted + outcome.rows_updated), (Action::Delta, 1), "{told}");
            assert_in_step(&bench, &syncer, 6, &told).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_empty_at_first_is_read_from_its_lowest_key() {
    for engine in ["MyISAM", "InnoDB"] {
        let bench = Servers::fresh("empty_log").await;
        bench.source(&format!("create table t (k bigint auto_increment primary key, v int) engine={engine};")).await;
        let syncer = syncer_by(&bench, Deletes::Hard).await;
        sync(&syncer, PLAIN).await;
        bench.source("insert into t (k, v) values (-9223372036854775808, 1), (-7, 2), (1, 3);").await;
        let outcome = sync(&syncer, PLAIN).await;
        assert_eq!((outcome.action, outcome.rows_inserted), (Action::Delta, 3), "{engine}");
        assert_in_step(&bench, &syncer, 0, engine).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_row_at_the_watermark_is_looked_at_and_not_counted() {
    let bench = Servers::fresh("looked_at").await;
    bench
        .source(
            "create table t (k int auto_increment primary key, d date) engine=MyISAM; \
             set sql_mode = ''; insert into t (d) values ('0000-00-00'), ('0000-00-00');",
        )
        .await;
    let syncer = syncer_by(&bench, Deletes::Hard).await;
    sync(&syncer, PLAIN).await;
    bench.source("insert into t (d) values ('2024-01-01');").await;
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.action, outcome.rows_read, outcome.dates_coerced), (Action::Delta, 1, 0));
    // An edit of it can't be told from another log.
    bench.source("update t set d = '2024-01-02' where k = 3; insert into t (d) values ('2024-01-03');").await;
    assert_eq!(sync(&syncer, PLAIN).await.action, Action::Reconcile);
    assert!(!sync(&syncer, RECONCILE).await.changed());
}
