//! What changes at the source, found by each mode, and nothing else written.

use super::{RECONCILE, assert_equal, differences, in_mode, sync, syncer, syncer_in_mode, syncer_with};
use crate::harness::{Servers, until};
use amalgam::{
    domain::{SyncMode, TableName},
    error::Kind,
    sync::{Action, Differences, SyncOptions, SyncOutcome, Syncer},
};

#[tokio::test(flavor = "multi_thread")]
async fn reconciliation_finds_deletes_and_silent_edits_and_rewrites_nothing_else() {
    let bench = Servers::fresh("reconcile").await;
    bench.source("create table t (k int primary key, v varchar(20)) engine=MyISAM; insert into t select seq, seq from seq_1_to_3000;").await;
    let syncer = syncer_with(&bench, |c| c.source.range_rows = 70).await;
    sync(&syncer, SyncOptions::default()).await;
    let before = bench.text("select xmin from raw.t where k = 1").await;
    bench
        .source("delete from t where k in (1500, 3000); update t set v = 'edited' where k = 7; insert into t values (-1, 'new'), (9000, 'new');")
        .await;
    let found = differences(&syncer).await;
    assert_eq!(found, Differences { rows: 3000, missing: 2, different: 1, surplus: 2, ..Differences::default() });
    let outcome = sync(&syncer, RECONCILE).await;
    assert_eq!((outcome.rows_inserted, outcome.rows_updated, outcome.rows_deleted), (2, 1, 2));
    assert_equal(&syncer, 3000).await;
    assert_eq!(bench.text("select xmin from raw.t where k = 1").await, before);
    assert_eq!(bench.text("select row_count from amalgam.table_state").await, "3000");
    let again = sync(&syncer, RECONCILE).await;
    assert!(!again.changed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_finds_deleted_rows_by_their_keys_wherever_they_are() {
    // Keys far apart, close together, and close together with a gap.
    for (mode, name, key) in [
        (SyncMode::Merge, "gone_merge", "cast(seq as signed) * 1000 - 500000"),
        (SyncMode::Append, "gone_append", "cast(seq as signed) * 1000 - 500000"),
        (SyncMode::Merge, "gone_dense", "cast(seq as signed) - 500"),
        (SyncMode::Merge, "gone_gap", "cast(seq as signed) - 500 + (seq > 300) * 1000000"),
    ] {
        let bench = Servers::fresh(name).await;
        bench
            .source(&format!(
                "set sql_mode = 'NO_AUTO_VALUE_ON_ZERO'; \
                 create table t (k int auto_increment primary key, v int, ts timestamp not null default current_timestamp \
                 on update current_timestamp) engine=MyISAM; \
                 insert into t (k, v, ts) select {key}, seq, '2020-01-01' from seq_1_to_1000;"
            ))
            .await;
        let syncer = syncer_with(&bench, |config| {
            config.source.range_rows = 64;
            config.tables.insert("t".to_owned(), in_mode(mode));
        })
        .await;
        sync(&syncer, SyncOptions::default()).await;
        // The lowest, the highest, some in the middle; and new rows above and, only stamped ones, below.
        bench
            .source("delete from t where v in (1, 400, 401, 999, 1000); insert into t (v) values (-1), (-2), (-3);")
            .await;
        let outcome = sync(&syncer, SyncOptions::default()).await;
        assert_eq!((outcome.rows_inserted, outcome.rows_deleted), (3, 5), "{name}");
        // The highest key is how far `append` has come: without it, keys may have begun anew.
        let found_by = if mode == SyncMode::Append { Action::Reconcile } else { Action::Delta };
        assert_eq!(outcome.action, found_by, "{name}");
        assert_equal(&syncer, 998).await;
        bench.source("delete from t").await;
        assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_deleted, 998);
        assert_equal(&syncer, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_finds_deleted_rows_by_keys_of_several_columns_and_above_the_signed_range() {
    let bench = Servers::fresh("gone_pairs").await;
    let stamp = "ts timestamp not null default current_timestamp on update current_timestamp";
    bench
        .source(&format!(
            "create table t (a bigint unsigned, b smallint zerofill, {stamp}, primary key (a, b)) engine=MyISAM; \
             insert into t select 18446744073709551615 - seq div 10, seq % 10, '2020-01-01' from seq_1_to_2000; \
             insert into t values (1, 2, '2020-01-01'), (2, 1, '2020-01-01'); \
             create table u (k bigint unsigned primary key, {stamp}) engine=MyISAM; \
             insert into u select 18446744073709551615 - seq * 9223372036854775, '2020-01-01' from seq_1_to_2000;"
        ))
        .await;
    let syncer = syncer_with(&bench, |config| {
        config.source.range_rows = 2;
        config.tables.extend(["t", "u"].map(|t| (t.to_owned(), in_mode(SyncMode::Merge))));
    })
    .await;
    let sync = async |table: &str| {
        syncer.sync_table(&TableName::from(table), SyncOptions::default()).await.expect("the table is synced")
    };
    for table in ["t", "u"] {
        sync(table).await;
    }
    // Of the first piece, count and both columns' sums stay what they were.
    bench
        .source(
            "delete from t where a in (1, 2) or (a = 18446744073709551600 and b in (0, 9)); insert into t (a, b) values (1, 1), (2, 2);
             delete from u where k % 100 = 40; delete from u order by k limit 1; delete from u order by k desc limit 1;",
        )
        .await;
    let outcome = sync("t").await;
    assert_eq!((outcome.action, outcome.rows_inserted, outcome.rows_deleted), (Action::Delta, 2, 4));
    assert_equal(&syncer, 2000).await;
    let gone = 2000 - bench.source_texts("select k from u").await.len() as u64;
    let outcome = sync("u").await;
    assert_eq!((outcome.action, outcome.rows_deleted), (Action::Delta, gone));
    assert!(gone > 2 && syncer.verify_table(&"u".into()).await.expect("compared").none());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_looked_for_among_the_highest_and_then_from_the_lowest_on() {
    let bench = Servers::fresh("gone_highest").await;
    let stamp = "ts timestamp not null default current_timestamp on update current_timestamp";
    bench
        .source(&format!(
            "create table t (k int primary key, {stamp}) engine=MyISAM; \
             insert into t select seq, '2020-01-01' from seq_1_to_25000; \
             create table u (a int, b int, {stamp}, primary key (a, b)) engine=MyISAM; \
             insert into u select seq div 7, seq % 7, '2020-01-01' from seq_1_to_25000;"
        ))
        .await;
    let syncer = syncer_with(&bench, |config| {
        config.tables.extend(["t", "u"].map(|t| (t.to_owned(), in_mode(SyncMode::Merge))));
    })
    .await;
    let mut rows = 25_000;
    for table in ["t", "u"] {
        syncer.sync_table(&table.into(), SyncOptions::default()).await.expect("the table is loaded");
    }
    // Among the highest alone, below them alone, at their edge, in both.
    for gone in [&[24_990, 25_000][..], &[1, 9_000], &[15_000, 15_001], &[2, 3, 12_000, 24_000]] {
        rows -= gone.len() as u64;
        let list = gone.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        bench.source(&format!("delete from t where k in ({list}); delete from u where a * 7 + b in ({list})")).await;
        for table in ["t", "u"].map(TableName::from) {
            let outcome = syncer.sync_table(&table, SyncOptions::default()).await.expect("the table is synced");
            assert_eq!((outcome.action, outcome.rows_deleted), (Action::Delta, gone.len() as u64), "{table}: {list}");
            let found = syncer.verify_table(&table).await.expect("compared");
            assert!(found.none() && found.rows == rows, "{table}: {list}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_of_more_keys_than_are_listed_at_once_is_found() {
    let bench = Servers::fresh("purged").await;
    let stamp = "ts timestamp not null default current_timestamp on update current_timestamp";
    bench
        .source(&format!(
            "create table t (k bigint primary key, {stamp}) engine=MyISAM; \
             insert into t select seq, '2020-01-01' from seq_1_to_150000; \
             create table u (a int, b int, {stamp}, primary key (a, b)) engine=MyISAM; \
             insert into u select 7, seq, '2020-01-01' from seq_1_to_150000;"
        ))
        .await;
    let syncer = syncer_with(&bench, |config| {
        config.tables.extend(["t", "u"].map(|t| (t.to_owned(), in_mode(SyncMode::Merge))));
    })
    .await;
    for table in ["t", "u"] {
        syncer.sync_table(&table.into(), SyncOptions::default()).await.expect("the table is loaded");
    }
    // Of keys that begin alike, no part can be told from another: all rows are compared.
    bench.source("delete from t where k <= 130000; delete from u where b <= 130000").await;
    for (table, action) in [("t", Action::Delta), ("u", Action::Reconcile)] {
        let table = TableName::from(table);
        let outcome = syncer.sync_table(&table, SyncOptions::default()).await.expect("the table is synced");
        assert_eq!((outcome.action, outcome.rows_deleted), (action, 130_000), "{table}");
        let found = syncer.verify_table(&table).await.expect("compared");
        assert!(found.none() && found.rows == 20_000, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_writes_no_more_rows_than_have_changed() {
    let bench = Servers::fresh("clean").await;
    bench.source("create table t (k int primary key, v int) engine=MyISAM; insert into t select seq, seq from seq_1_to_5000;").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench
        .source("update t set v = -1 where k % 500 = 0; delete from t where k < 8; insert into t values (9000, 1);")
        .await;
    sync(&syncer, SyncOptions::default()).await;
    // PostgreSQL tells what was written a moment later, all of a transaction at once.
    let written = "select n_tup_ins || ' ' || n_tup_upd || ' ' || n_tup_del || ' ' || n_dead_tup from pg_stat_user_tables \
                   where schemaname = 'raw' and relname = 't'";
    until("the rows written are the rows changed", async || bench.text(written).await == "5001 10 7 17").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn merge_reads_all_rows_that_share_a_stamp_at_a_ranges_edge() {
    let bench = Servers::fresh("merge").await;
    bench
        .source(
            "create table t (k int primary key, v int, s timestamp not null default current_timestamp() on update current_timestamp(), key (s)) engine=MyISAM;
             insert into t select seq, 0, '2024-01-01 00:00:00' from seq_1_to_500;",
        )
        .await;
    let syncer = syncer_with(&bench, |c| {
        c.source.range_rows = 7;
        c.tables.insert("t".to_owned(), in_mode(SyncMode::Merge));
    })
    .await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("update t set v = 1 where k % 2 = 0; insert into t (k, v) values (1000, 5);").await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_inserted, outcome.rows_updated), (Action::Delta, 1, 250));
    assert_equal(&syncer, 501).await;
    let again = sync(&syncer, SyncOptions::default()).await;
    assert_eq!(again.rows_inserted + again.rows_updated, 0, "rows read again within the overlap are not written again");
}

#[tokio::test(flavor = "multi_thread")]
async fn append_reads_only_above_the_last_key() {
    let bench = Servers::fresh("append").await;
    bench.source("create table t (k bigint auto_increment primary key, v int) engine=MyISAM; insert into t (v) select seq from seq_1_to_100;").await;
    let syncer = syncer_in_mode(&bench, SyncMode::Append).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("insert into t (v) values (1), (2), (3);").await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_read, outcome.rows_inserted), (Action::Delta, 3, 3));
    assert_equal(&syncer, 103).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_of_a_table_without_key_are_kept_exactly() {
    let bench = Servers::fresh("keyless").await;
    bench.source("create table t (a int, b varchar(10)) engine=MyISAM; insert into t values (1,'x'),(1,'x'),(1,'x'),(2,null),(null,'');").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("delete from t where a = 1 limit 1; insert into t values (2, null), (3, 'y'); delete from t where a is null;").await;
    assert_eq!(
        differences(&syncer).await,
        Differences { rows: 5, missing: 2, different: 0, surplus: 2, ..Differences::default() }
    );
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.rows_inserted, outcome.rows_deleted), (2, 2));
    assert_equal(&syncer, 5).await;
    assert_eq!(bench.text("select count(*) from raw.t where a = 1").await, "2");
    bench.source("delete from t;").await;
    sync(&syncer, SyncOptions::default()).await;
    assert_equal(&syncer, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_text_and_of_several_columns_are_kept_in_step() {
    let bench = Servers::fresh("keys").await;
    bench
        .source(
            "create table t (a bigint unsigned, b int, v int, primary key (a, b)); insert into t values (18446744073709551615, 1, 1), (10000, 2, 2), (0, 3, 3);
             create table u (k varchar(20) character set latin1 primary key, v int); insert into u values ('é', 1), ('Z', 2), ('a', 3);",
        )
        .await;
    let syncer = syncer_with(&bench, |c| c.source.range_rows = 1).await;
    sync(&syncer, SyncOptions::default()).await;
    let u = TableName::from("u");
    syncer.sync_table(&u, SyncOptions::default()).await.expect("loaded");
    bench.source("update t set v = 9 where b = 2; delete from t where b = 3; update u set v = 9 where k = 'é'; delete from u where k = 'a';").await;
    let outcome = sync(&syncer, RECONCILE).await;
    assert_eq!((outcome.rows_updated, outcome.rows_deleted), (1, 1));
    assert_equal(&syncer, 2).await;
    syncer.sync_table(&u, RECONCILE).await.expect("reconciled");
    assert!(syncer.verify_table(&u).await.expect("compared").none());
    assert_eq!(bench.text("select v from raw.u where k = 'é'").await, "9");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_table_is_skipped_and_a_later_write_is_not_missed() {
    let bench = Servers::fresh("skip").await;
    bench.source("create table t (k int primary key, v int) engine=MyISAM; insert into t values (1, 1);").await;
    let syncer = syncer(&bench).await;
    // The first sync may fall into the second of the last write, and then proves nothing.
    crate::harness::until("the table's last write lies far enough back", || async {
        sync(&syncer, SyncOptions::default()).await.action == Action::Skip
    })
    .await;
    bench.source("update t set v = 2;").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_updated, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_comes_after_a_higher_one_is_found_where_the_engine_allows_that() {
    let bench = Servers::fresh("latekey").await;
    bench.source("create table t (k int primary key, v int) engine=InnoDB; insert into t values (1, 1), (5, 5);").await;
    let syncer = syncer_in_mode(&bench, SyncMode::Append).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("insert into t values (3, 3), (6, 6);").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_inserted, 2);
    assert_equal(&syncer, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_emptied_and_filled_again_is_compared_as_a_whole() {
    let bench = Servers::fresh("refilled").await;
    bench.source("create table t (k bigint auto_increment primary key, v int) engine=MyISAM; insert into t (v) select seq from seq_1_to_100;").await;
    let syncer = syncer_in_mode(&bench, SyncMode::Append).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("truncate t; insert into t (v) select -seq from seq_1_to_50;").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.action, Action::Reconcile);
    assert_equal(&syncer, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_is_exchanged_is_not_missed() {
    let bench = Servers::fresh("exchanged").await;
    bench
        .source(
            "create table t (k int primary key) engine=InnoDB partition by range (k) (partition p0 values less than (10), partition p1 values less than maxvalue);
             create table other (k int primary key) engine=InnoDB; insert into t values (1), (20); insert into other values (2);",
        )
        .await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("alter table t exchange partition p0 with table other;").await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.rows_inserted, outcome.rows_deleted), (1, 1));
    assert_equal(&syncer, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_of_one_stamp_come_in_ranges_of_some_size() {
    let bench = Servers::fresh("onestamp").await;
    bench
        .source(
            "create table t (k int auto_increment primary key, v varchar(100), ts timestamp not null default current_timestamp \
             on update current_timestamp) engine=MyISAM; insert into t (v) select md5(seq) from seq_1_to_60000;",
        )
        .await;
    // Without an index on the stamp every range sorts what is left: a range of few rows would never end.
    let syncer = syncer_with(&bench, |config| config.source.range_milliseconds = 1).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("update t set v = 'edited';").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_updated, 60_000);
    assert_equal(&syncer, 60_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_begin_anew_are_read_from_their_new_beginning() {
    let bench = Servers::fresh("anew").await;
    bench.source("create table t (k bigint auto_increment primary key, v int) engine=MyISAM; insert into t (v) select seq from seq_1_to_100;").await;
    let syncer = syncer_in_mode(&bench, SyncMode::Append).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("truncate t; insert into t (v) values (1), (2);").await;
    sync(&syncer, RECONCILE).await;
    bench.source("insert into t (v) values (3);").await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_inserted), (Action::Delta, 1));
    assert_equal(&syncer, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_changes_nothing_and_says_what_was_never_synced() {
    let bench = Servers::fresh("looking").await;
    bench.source("create table t (k int primary key); insert into t values (1);").await;
    let plan = bench.amalgam().args(["plan"]).output().await.expect("the program starts");
    let told = String::from_utf8_lossy(&plan.stdout).into_owned() + &String::from_utf8_lossy(&plan.stderr);
    assert!(plan.status.success() && told.contains("never loaded"), "{told}");
    let verify = bench.amalgam().args(["verify"]).output().await.expect("the program starts");
    let (out, err) = (String::from_utf8_lossy(&verify.stdout), String::from_utf8_lossy(&verify.stderr));
    assert_eq!(verify.status.code(), Some(1));
    assert!(out.contains("1 table could not be compared") && err.contains("remedy: run `amalgam sync`"), "{out}{err}");
    assert_eq!(bench.text("select to_regnamespace('amalgam') is null").await, "t");
    let repair = bench.amalgam().args(["verify", "--repair"]).output().await.expect("the program starts");
    assert!(repair.status.success());
    assert_eq!(bench.text("select count(*) from raw.t").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_comes_late_is_refused_and_leaves_nothing() {
    let bench = Servers::fresh("late").await;
    bench.source("create table t (k int primary key); insert into t values (1);").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("insert into t values (2);").await;
    let (one, other) = tokio::join!(sync_result(&syncer), sync_result(&syncer));
    let refused = [one, other].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert!(refused.iter().all(|e| e.kind == Kind::WarehouseConflict), "{refused:?}");
    assert!(refused.len() < 2, "one of them writes");
    assert_equal(&syncer, 2).await;
}

async fn sync_result(syncer: &Syncer) -> amalgam::error::Result<SyncOutcome> {
    syncer.sync_table(&TableName::from("t"), RECONCILE).await
}
