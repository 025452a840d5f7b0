//! Tables that change their shape, at the source or by hand in the warehouse.

use super::{assert_equal, sync, syncer, syncer_in_mode};
use crate::harness::Servers;
use amalgam::{
    domain::{SyncMode, TableName},
    error::Kind,
    sync::{Action, SyncOptions},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_retyped_column_loads_only_its_table_again_and_views_on_it_survive() {
    let bench = Servers::fresh("retype").await;
    bench.source("create table t (k int primary key, v int, w int); insert into t values (1, 7, 1), (2, 8, 1);").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench
        .warehouse(
            "create schema people; create view people.seen as select k, v from raw.t; create view people.above as select count(*) as n from people.seen;
             comment on table raw.t is 'ours'; create role auditor; grant select on raw.t to auditor; create index people_index on raw.t (w);",
        )
        .await;
    bench.source("alter table t modify v varchar(20); insert into t values (3, 'text', 1);").await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_inserted), (Action::Load, 3));
    assert_equal(&syncer, 3).await;
    assert_eq!(bench.text("select n from people.above").await, "3");
    assert_eq!(bench.text("select v from people.seen where k = 3").await, "text");
    assert_eq!(bench.text("select obj_description('raw.t'::regclass)").await, "ours");
    assert_eq!(bench.text("select has_table_privilege('auditor', 'raw.t', 'select')").await, "t");
    assert_eq!(bench.text("select count(*) from pg_indexes where tablename = 't' and schemaname = 'raw'").await, "2");
    bench.warehouse("drop owned by auditor; drop role auditor;").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_only_the_raw_table_has_go_along_when_it_is_loaded_again() {
    let bench = Servers::fresh("carried").await;
    bench
        .source("create table t (k int primary key, v int, gone int); insert into t values (1, 5, 8), (2, 6, 9);")
        .await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.warehouse("alter table raw.t add column note text; comment on column raw.t.note is 'ours'; update raw.t set note = 'n' || k;").await;
    bench.source("alter table t drop column gone;").await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("alter table t modify v varchar(9); insert into t values (3, 7);").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.action, Action::Load);
    assert_equal(&syncer, 3).await;
    let kept = "select string_agg(concat_ws(' ', k, v, gone, note), ', ' order by k) from raw.t";
    assert_eq!(bench.text(kept).await, "1 5 8 n1, 2 6 9 n2, 3 7");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_added_column_is_added_and_a_dropped_one_kept() {
    let bench = Servers::fresh("columns").await;
    bench.source("create table t (k int primary key, gone int); insert into t values (1, 5), (2, 6);").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("alter table t add column extra varchar(10) not null default 'dflt' after k;").await;
    sync(&syncer, SyncOptions::default()).await;
    assert_equal(&syncer, 2).await;
    assert_eq!(bench.text("select extra from raw.t where k = 2").await, "dflt");
    bench.source("alter table t drop column gone; insert into t values (3, 'x');").await;
    sync(&syncer, SyncOptions::default()).await;
    assert_equal(&syncer, 3).await;
    assert_eq!(bench.text("select gone from raw.t where k = 2").await, "6");
    assert_eq!(bench.text("select gone is null from raw.t where k = 3").await, "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_a_shorter_declaration_cut_are_found_without_a_stamp() {
    let bench = Servers::fresh("shorter").await;
    bench
        .source(
            "set sql_mode = ''; create table t (k int primary key, v varchar(20), ts timestamp not null default current_timestamp \
             on update current_timestamp); insert into t values (1, 'long enough', '2020-01-01'), (2, 'short', '2020-01-01');",
        )
        .await;
    let syncer = syncer_in_mode(&bench, SyncMode::Merge).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("set sql_mode = ''; alter table t modify v varchar(5);").await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_updated), (Action::Reconcile, 1));
    assert_equal(&syncer, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_comes_back_brings_its_own_values() {
    let bench = Servers::fresh("regained").await;
    bench.source("create table t (k int primary key, c int); insert into t values (1, 5), (2, 6);").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("alter table t drop column c;").await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("alter table t add column c varchar(5);").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.action, Action::Load);
    assert_equal(&syncer, 2).await;
    assert_eq!(bench.text("select count(c) from raw.t").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stamp_that_new_rows_do_not_get_is_not_gone_by() {
    let bench = Servers::fresh("halfstamp").await;
    bench
        .source(
            "create table t (k int auto_increment primary key, ts timestamp null on update current_timestamp, v varchar(900)); \
             insert into t (v) select repeat('x', 900) from seq_1_to_11000;",
        )
        .await;
    let catalog = syncer(&bench).await;
    let plans = catalog.plan(None, SyncOptions::default()).await.expect("it is planned");
    assert_eq!(plans[0].mode, SyncMode::Replace, "{}", plans[0].mode_reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_table_that_was_dropped_by_hand_is_loaded_again() {
    let bench = Servers::fresh("dropped").await;
    bench.source("create table t (k int primary key); insert into t values (1);").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.warehouse("drop table raw.t;").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.action, Action::Load);
    assert_equal(&syncer, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_table_that_was_altered_by_hand_is_loaded_again_with_its_views() {
    let bench = Servers::fresh("altered").await;
    bench.source("create table t (k int primary key, v int, w int); insert into t values (1, 5, 6);").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.warehouse("create schema people; create view people.v as select k, w from raw.t;").await;
    for harm in [
        "alter table raw.t drop column v",
        "alter table raw.t alter column v type bigint",
        "alter table raw.t drop column _loaded_at",
        "do $$ begin execute (select format('alter table raw.t drop constraint %I', conname) from pg_constraint where conrelid = 'raw.t'::regclass); end $$",
    ] {
        bench.warehouse(harm).await;
        let refused = syncer.verify_table(&TableName::from("t")).await.expect_err("what was altered can't be compared");
        assert_eq!(refused.kind, Kind::NotSynced, "{harm}");
        assert_eq!(sync(&syncer, SyncOptions::default()).await.action, Action::Load, "{harm}");
        assert_equal(&syncer, 1).await;
    }
    assert_eq!(bench.text("select w from people.v").await, "6");
}
