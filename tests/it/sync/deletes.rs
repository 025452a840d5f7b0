//! Rows that the source has deleted: taken away, kept with a stamp, kept as they are.

use super::{FULL, RECONCILE, assert_equal, differences, in_mode, sync, syncer_with};
use crate::harness::{Bench, Servers};
use amalgam::{
    config::TableOverride,
    domain::{Deletes, SyncMode},
    sync::{Action, Differences, SyncOptions, Syncer},
};

const PLAIN: SyncOptions = SyncOptions { full: false, reconcile: false, every_row: false };

/// A syncer by whose rule rows of `t` go or stay.
async fn syncer_by(bench: &Bench, deletes: Deletes, mode: Option<SyncMode>) -> Syncer {
    syncer_with(bench, |config| {
        let by_hand = mode.map_or_else(TableOverride::default, in_mode);
        config.tables.insert("T".to_owned(), TableOverride { deletes: Some(deletes), ..by_hand });
    })
    .await
}

/// Key, value, and whether the row is stamped, of every row of `t`.
async fn rows(bench: &Bench) -> String {
    bench
        .text("select string_agg(concat_ws(' ', k, v, case when _deleted_at is not null then 'gone' end), ', ' order by k, v, _deleted_at nulls first) from raw.t")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soft_deleted_row_is_stamped_once_and_comes_back_unstamped() {
    // By comparing all, by keys in a delta, by keys of text, and without a key.
    for (name, columns, mode, back) in [
        ("soft_all", "k int primary key, v int", None, "1 10, 2 20, 3 31"),
        (
            "soft_delta",
            "k int primary key, v int, ts timestamp not null default current_timestamp on update current_timestamp",
            Some(SyncMode::Merge),
            "1 10, 2 20, 3 31",
        ),
        ("soft_text", "k varchar(9) primary key, v int", None, "1 10, 2 20, 3 31"),
        // Its own edit is another row.
        ("soft_keyless", "k int, v int", None, "1 10, 2 20, 3 30 gone, 3 31"),
    ] {
        let bench = Servers::fresh(name).await;
        bench
            .source(&format!(
                "create table t ({columns}) engine=MyISAM; insert into t (k, v) values (1, 10), (2, 20), (3, 30);"
            ))
            .await;
        let syncer = syncer_by(&bench, Deletes::Soft, mode).await;
        sync(&syncer, PLAIN).await;
        assert_eq!(rows(&bench).await, "1 10, 2 20, 3 30", "{name}: the column is there from the first load on");
        bench.source("delete from t where k in (2, 3);").await;
        assert_eq!(sync(&syncer, PLAIN).await.rows_deleted, 2, "{name}");
        assert_eq!(rows(&bench).await, "1 10, 2 20 gone, 3 30 gone", "{name}");
        assert_equal(&syncer, 1).await;
        let since = bench.text("select max(_deleted_at) from raw.t").await;
        let again = sync(&syncer, RECONCILE).await;
        assert!(!again.changed(), "{name}: {again:?}");
        assert_eq!(bench.text("select max(_deleted_at) from raw.t").await, since, "{name}");
        bench.source("insert into t (k, v) values (2, 20), (3, 31);").await;
        let outcome = sync(&syncer, PLAIN).await;
        assert_eq!((outcome.rows_inserted, outcome.rows_updated), (2, 0), "{name}: what is back is new");
        assert_eq!(rows(&bench).await, back, "{name}");
        assert_equal(&syncer, 3).await;
        assert_eq!(bench.text("select row_count from amalgam.table_state").await, "3", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_text_that_is_edited_is_no_deleted_row() {
    for (name, rule) in [("edit_soft", Deletes::Soft), ("edit_ignore", Deletes::Ignore)] {
        let bench = Servers::fresh(name).await;
        bench
            .source("create table t (k varchar(9) primary key, v int); insert into t values ('a', 1), ('b', 2);")
            .await;
        let syncer = syncer_by(&bench, rule, None).await;
        sync(&syncer, PLAIN).await;
        bench.source("update t set v = 9 where k = 'a';").await;
        sync(&syncer, RECONCILE).await;
        assert_eq!(bench.text("select string_agg(k || v, ' ' order by k) from raw.t").await, "a9 b2", "{name}");
        assert_equal(&syncer, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ignored_delete_leaves_the_row_and_is_counted_apart() {
    for (name, columns, mode) in [
        ("ignore_all", "k int primary key, v int", None),
        ("ignore_append", "k int auto_increment primary key, v int", Some(SyncMode::Append)),
        ("ignore_text", "k varchar(9) primary key, v int", None),
        ("ignore_keyless", "k int, v int", None),
    ] {
        let bench = Servers::fresh(name).await;
        bench
            .source(&format!(
                "create table t ({columns}) engine=MyISAM; insert into t values (1, 10), (2, 20), (3, 30);"
            ))
            .await;
        let syncer = syncer_by(&bench, Deletes::Ignore, mode).await;
        sync(&syncer, PLAIN).await;
        // The source has fewer rows than the warehouse from here on: no reason to look for them each time.
        bench.source("delete from t where k in (1, 2); insert into t values (4, 40);").await;
        let outcome = sync(&syncer, PLAIN).await;
        assert_eq!((outcome.rows_inserted, outcome.rows_deleted), (1, 0), "{name}");
        let found = differences(&syncer).await;
        assert!(found.none(), "{name}: {found:?}");
        assert_eq!(found, Differences { rows: 2, kept: 2, ..Differences::default() }, "{name}");
        if mode == Some(SyncMode::Append) {
            assert_eq!(outcome.action, Action::Delta);
            bench.source("insert into t values (5, 50);").await;
            assert_eq!(sync(&syncer, PLAIN).await.rows_read, 1, "a delta reads no more than what is new");
        }
        let kept = bench.text("select count(*) from raw.t").await;
        assert_eq!(sync(&syncer, FULL).await.action, Action::Load, "{name}");
        assert_eq!(bench.text("select count(*) from raw.t").await, kept, "{name}: a load keeps them too");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_keeps_soft_deleted_rows_and_stamps_those_that_went_since() {
    for (name, columns) in [("load_key", "k int primary key, v int"), ("load_keyless", "k int, v int")] {
        let bench = Servers::fresh(name).await;
        bench.source(&format!("create table t ({columns}); insert into t values (1, 10), (2, 20), (3, 30);")).await;
        let syncer = syncer_by(&bench, Deletes::Soft, None).await;
        sync(&syncer, PLAIN).await;
        bench.warehouse("create view public.seen as select k, _deleted_at from raw.t").await;
        bench.source("delete from t where k = 1;").await;
        sync(&syncer, RECONCILE).await;
        let since = bench.text("select _deleted_at from raw.t where k = 1").await;
        bench.source("delete from t where k = 2;").await;
        assert_eq!(sync(&syncer, FULL).await.action, Action::Load);
        assert_eq!(rows(&bench).await, "1 10 gone, 2 20 gone, 3 30", "{name}");
        assert_eq!(bench.text("select _deleted_at from raw.t where k = 1").await, since, "{name}");
        assert_equal(&syncer, 1).await;
        // Another type, and another column: what is kept goes along as far as it fits.
        bench.source("alter table t modify v varchar(20), add column w int; update t set v = 'text';").await;
        assert_eq!(sync(&syncer, PLAIN).await.action, Action::Load, "{name}");
        assert_eq!(rows(&bench).await, "1 10 gone, 2 20 gone, 3 text", "{name}");
        assert_eq!(bench.text("select count(*) from public.seen where _deleted_at is null").await, "1", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_rule_counts_from_the_next_sync_on_and_loads_nothing() {
    let bench = Servers::fresh("rules").await;
    bench
        .source("create table t (k int primary key, v int); insert into t select seq, seq * 10 from seq_1_to_5;")
        .await;
    let by = async |deletes| sync(&syncer_by(&bench, deletes, None).await, PLAIN).await;
    let kept = "select string_agg(k::text, ' ' order by k) from raw.t";
    let mut actions = vec![by(Deletes::Hard).await.action];
    bench.source("delete from t where k = 1;").await;
    actions.push(by(Deletes::Ignore).await.action);
    assert_eq!(bench.text(kept).await, "1 2 3 4 5");
    // What was kept without a word is found, and stamped.
    actions.push(by(Deletes::Soft).await.action);
    assert_eq!(rows(&bench).await, "1 10 gone, 2 20, 3 30, 4 40, 5 50");
    bench.source("delete from t where k = 2;").await;
    actions.push(by(Deletes::Soft).await.action);
    // It is back before anybody looks: it is not taken away with the others.
    bench.source("insert into t values (2, 21);").await;
    actions.push(by(Deletes::Hard).await.action);
    assert_eq!(rows(&bench).await, "2 21, 3 30, 4 40, 5 50");
    assert_equal(&syncer_by(&bench, Deletes::Hard, None).await, 4).await;
    bench.source("delete from t where k = 3;").await;
    actions.push(by(Deletes::Hard).await.action);
    assert_eq!(bench.text(kept).await, "2 4 5");
    let compared = std::iter::repeat_n(Action::Reconcile, actions.len() - 1);
    assert!(actions.iter().copied().eq(std::iter::once(Action::Load).chain(compared)), "{actions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_row_goes_along_though_its_key_is_another_type_and_a_column_is_gone() {
    let bench = Servers::fresh("soft_retyped").await;
    bench
        .source("create table t (k int primary key, v int, w int); insert into t values (1, 10, 100), (2, 20, 200);")
        .await;
    let syncer = syncer_by(&bench, Deletes::Soft, None).await;
    sync(&syncer, PLAIN).await;
    bench.source("alter table t drop column w; delete from t where k = 2;").await;
    sync(&syncer, PLAIN).await;
    bench.source("alter table t modify k bigint;").await;
    assert_eq!(sync(&syncer, FULL).await.action, Action::Load);
    assert_eq!(rows(&bench).await, "1 10, 2 20 gone");
    assert_equal(&syncer, 1).await;
}
