//! Whole tables: beside their readers, and in parts.

use super::{FULL, RECONCILE, assert_equal, in_mode, sync, syncer_in_mode, syncer_with};
use crate::{
    harness::{Bench, Servers},
    proxy::{Fault, Proxy},
};
use amalgam::{
    domain::{SyncMode, TableName},
    error::Kind,
    sync::{Action, SyncOptions, Syncer},
};

/// Reads through a proxy, in ranges and parts of some thousand bytes.
async fn syncer_in_parts(bench: &Bench, proxy: &Proxy) -> Syncer {
    syncer_with(bench, |config| {
        config.source.port = proxy.port();
        config.source.range_rows = 100;
        config.sync.batch_bytes_max = 10_000;
        config.sync.load_part_bytes = 50_000;
        config.tables.insert("t".to_owned(), in_mode(SyncMode::Merge));
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_load_replaces_the_table_beside_its_readers() {
    let bench = Servers::fresh("full").await;
    bench.source("create table t (k int primary key, s timestamp not null default current_timestamp() on update current_timestamp()); insert into t (k) values (1), (2);").await;
    let syncer = syncer_in_mode(&bench, SyncMode::Merge).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.warehouse("create view public.seen as select k from raw.t; delete from raw.t where k = 1;").await;
    for _ in 0..2 {
        assert_eq!(sync(&syncer, FULL).await.action, Action::Load);
    }
    assert_eq!(bench.text("select count(*) from public.seen").await, "2");
    assert_eq!(bench.text("select count(*) from pg_indexes where tablename = 't' and schemaname = 'raw'").await, "2");
    assert_eq!(bench.text("select count(*) from pg_class where relname like '%amalgam_new%'").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_load_that_was_cut_off_goes_on_where_it_was() {
    let bench = Servers::fresh("parts").await;
    bench
        .source(
            "create table t (a int, b int, v varchar(200), ts timestamp not null default current_timestamp on update current_timestamp, \
             primary key (a, b)) engine=MyISAM; insert into t select seq div 100, seq % 100, repeat('x', 150), '2020-01-01' from seq_1_to_5000;",
        )
        .await;
    let proxy = Proxy::before(bench.config().source.port).await;
    let syncer = syncer_in_parts(&bench, &proxy).await;
    proxy.set(Fault::Close(400_000));
    let lost = syncer.sync_table(&TableName::from("t"), SyncOptions::default()).await.expect_err("it is cut off");
    assert_eq!(lost.kind, Kind::SourceLost);
    proxy.set(Fault::None);
    let come = bench.text("select row_count from amalgam.load").await.parse::<u64>().expect("a count");
    assert!((500..4900).contains(&come), "{come} rows were committed");
    assert_eq!(bench.text("select to_regclass('raw.t') is null").await, "t");
    // What was read is not read again; an edit that is stamped is found from the load's beginning on.
    bench
        .source(
            "update t set v = 'silent', ts = ts where a = 0 and b = 1; update t set v = 'told' where a = 0 and b = 2;",
        )
        .await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_inserted), (Action::Load, 5000));
    assert_eq!(outcome.rows_updated, 1, "what changed meanwhile comes with it");
    assert_eq!(bench.text("select string_agg(v, ' ') from raw.t where v in ('silent', 'told')").await, "told");
    assert_eq!(
        bench.text("select count(*) || ' ' || (to_regclass('raw.t') is null)::text from amalgam.load").await,
        "0 false"
    );
    assert_eq!(sync(&syncer, RECONCILE).await.rows_updated, 1);
    assert_equal(&syncer, 5000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_a_later_sync_has_overtaken_begins_anew() {
    let bench = Servers::fresh("overtaken").await;
    bench
        .source(
            "create table t (k int primary key, v varchar(200), ts timestamp not null default current_timestamp on update current_timestamp) \
             engine=MyISAM; insert into t select seq, repeat('x', 150), '2020-01-01' from seq_1_to_5000;",
        )
        .await;
    let proxy = Proxy::before(bench.config().source.port).await;
    let syncer = syncer_in_parts(&bench, &proxy).await;
    sync(&syncer, SyncOptions::default()).await;
    proxy.set(Fault::Close(400_000));
    syncer.sync_table(&TableName::from("t"), FULL).await.expect_err("it is cut off");
    proxy.set(Fault::None);
    assert_eq!(bench.text("select count(*) from amalgam.load where row_count >= 500").await, "1");
    bench.source("update t set v = 'silent', ts = ts where k = 1").await;
    assert_eq!(sync(&syncer, RECONCILE).await.rows_updated, 1);
    assert_eq!(sync(&syncer, FULL).await.action, Action::Load);
    assert_equal(&syncer, 5000).await;
    assert_eq!(bench.text("select count(*) from amalgam.load").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_go_while_a_load_lies_idle_are_gone_after_it() {
    for engine in ["MyISAM", "InnoDB"] {
        let bench = Servers::fresh("idle").await;
        bench
            .source(&format!(
                "create table t (k int primary key, v varchar(200), ts timestamp not null default current_timestamp on update current_timestamp) \
                 engine={engine}; insert into t select seq, repeat('x', 150), '2020-01-01' from seq_1_to_3000;"
            ))
            .await;
        let proxy = Proxy::before(bench.config().source.port).await;
        let syncer = syncer_with(&bench, |config| {
            (config.source.port, config.source.range_rows) = (proxy.port(), 100);
            (config.sync.batch_bytes_max, config.sync.load_part_bytes) = (10_000, 50_000);
            let merge = in_mode(SyncMode::Merge);
            config.tables.insert("t".to_owned(), merge);
        })
        .await;
        proxy.set(Fault::Close(300_000));
        syncer.sync_table(&TableName::from("t"), SyncOptions::default()).await.expect_err("it is cut off");
        proxy.set(Fault::None);
        bench.source("delete from t where k between 100 and 199;").await;
        sync(&syncer, SyncOptions::default()).await;
        assert_equal(&syncer, 2900).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_load_begins_anew_where_the_table_has_changed_its_shape() {
    let bench = Servers::fresh("reshaped").await;
    bench.source("create table t (k int primary key, v varchar(200)); insert into t select seq, repeat('x', 150) from seq_1_to_3000;").await;
    let proxy = Proxy::before(bench.config().source.port).await;
    let syncer = syncer_with(&bench, |config| {
        config.source.port = proxy.port();
        config.source.range_rows = 100;
        (config.sync.batch_bytes_max, config.sync.load_part_bytes) = (10_000, 50_000);
    })
    .await;
    proxy.set(Fault::Close(300_000));
    syncer.sync_table(&TableName::from("t"), SyncOptions::default()).await.expect_err("it is cut off");
    proxy.set(Fault::None);
    bench.source("alter table t add column w int default 7;").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_read, 3000);
    assert_equal(&syncer, 3000).await;
    let left = "select count(*) from pg_tables where schemaname = 'amalgam' and tablename ~ '^load_'";
    assert_eq!(bench.text(left).await, "0");
}
