//! Rows that come into sight behind the watermark, where the source counts its rows exactly.

use super::{PLAIN, STAMPED, assert_equal, in_mode, sync, syncer_in_mode, syncer_with};
use crate::harness::{Servers, until};
use amalgam::{
    config::TableOverride,
    domain::{BadText, Deletes, SyncMode},
    sync::Action,
};
use mysql_async::prelude::Queryable;
use tokio::task::JoinSet;

/// Rows that stand there before.
const ROWS: &str = "insert into t (k, v) select seq, seq from seq_1_to_1000;";

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_long_concurrent_insert_are_found_when_they_come_into_sight() {
    for (name, rule, engine) in [
        ("late_hard", Deletes::Hard, "MyISAM"),
        ("late_soft", Deletes::Soft, "MyISAM"),
        ("late_ignore", Deletes::Ignore, "MyISAM"),
        ("late_aria", Deletes::Hard, "Aria"),
    ] {
        let bench = Servers::fresh(name).await;
        bench.source(&format!("{} {ROWS}", STAMPED.replace("MyISAM", engine))).await;
        let syncer = syncer_with(&bench, |config| {
            let by_hand = TableOverride { deletes: Some(rule), ..in_mode(SyncMode::Merge) };
            config.tables.insert("t".to_owned(), by_hand);
        })
        .await;
        sync(&syncer, PLAIN).await;
        // As though it had begun two hours ago: all its rows bear that stamp, and it waits at its gate.
        let gate = format!("gate of {}", bench.database());
        let mut keeper = bench.at_source().await;
        let _: Option<i64> = keeper.query_first(format!("select get_lock('{gate}', 30)")).await.expect("it is free");
        let mut writer = bench.at_source().await;
        writer.query_drop("set timestamp = unix_timestamp() - 7200").await.expect("a clock can be set");
        let insert = format!(
            "insert into t (k, v) select 1000 + seq, if(seq > 40, get_lock('{gate}', 30), seq) from seq_1_to_80"
        );
        let mut writing = JoinSet::new();
        writing.spawn(async move { writer.query_drop(insert).await });
        until("the insert waits", || async {
            let waiting =
                "select 1 from information_schema.processlist where info like 'insert into t%' and state = 'User lock'";
            !bench.source_texts(&format!("{waiting} and db = database()")).await.is_empty()
        })
        .await;
        let outcome = sync(&syncer, PLAIN).await;
        assert_eq!((outcome.action, outcome.rows_inserted), (Action::Delta, 0), "{name}: no row is in sight");
        keeper.query_drop(format!("do release_lock('{gate}')")).await.expect("it is released");
        writing.join_next().await.expect("it was begun").expect("it ends").expect("it is written");
        let outcome = sync(&syncer, PLAIN).await;
        assert_eq!((outcome.action, outcome.rows_inserted), (Action::Reconcile, 80), "{name}");
        assert_equal(&syncer, 1080).await;
        bench.source("insert into t (k, v) values (2001, 0);").await;
        assert_eq!(sync(&syncer, PLAIN).await.action, Action::Delta, "{name}: nothing is missing any more");
        assert_equal(&syncer, 1081).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_rows_come_below_the_last_key_is_compared() {
    let bench = Servers::fresh("late_log").await;
    bench
        .source("create table t (k int auto_increment primary key, v int) engine=MyISAM; insert into t select seq * 10, 1 from seq_1_to_100;")
        .await;
    let syncer = syncer_in_mode(&bench, SyncMode::Append).await;
    sync(&syncer, PLAIN).await;
    bench.source("insert into t values (5, 1), (2000, 1);").await;
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.action, outcome.rows_inserted), (Action::Reconcile, 2));
    assert_equal(&syncer, 102).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_table_of_which_nothing_is_missed_is_not_compared() {
    let bench = Servers::fresh("late_never").await;
    let table = STAMPED.replace("v int", "v varchar(20) character set latin1");
    bench.source(&format!("{table} {ROWS}")).await;
    let syncer = syncer_with(&bench, |config| {
        config.source.bad_text = BadText::Quarantine;
        config.tables.insert("t".to_owned(), in_mode(SyncMode::Merge));
    })
    .await;
    sync(&syncer, PLAIN).await;
    for change in [
        "insert into t (k, v) select 1000 + seq, seq from seq_1_to_50;",
        "insert into t (k, v) values (2000, 'x\\0');",
        "insert into t (k, v) values (2001, 'x\\0'), (2002, 'good');",
        "update t set v = 'y\\0' where k = 1;",
        "update t set v = 'good' where k in (1, 2000);",
        "delete from t where k in (2, 2002);",
        "insert into t (k, v) values (2, 'back');",
        "delete from t where k = 3; insert into t (k, v) values (3000, 'x\\0');",
    ] {
        bench.source(change).await;
        assert_eq!(sync(&syncer, PLAIN).await.action, Action::Delta, "{change}");
    }
    assert_eq!(super::differences(&syncer).await.quarantined, 2);
}
