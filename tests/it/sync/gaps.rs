//! Loads of files whose rows lie in another order than their keys: whole, called off, cut off.

use super::{FULL, PLAIN, assert_equal, in_mode, sync, syncer_with};
use crate::{
    harness::{Bench, Servers, until},
    proxy::{Fault, Proxy},
};
use amalgam::{
    config::Config,
    domain::{BadText, SyncMode, TableName},
    error::Kind,
    sync::{Action, Syncer},
};
use std::time::Duration;
use tokio::task::JoinSet;

/// 9200 rows of which the last 300 lie where others were deleted, the highest key before all others of them.
async fn with_filled_holes(bench: &Bench, key: &str, bytes: u64) {
    let row = |letter: char| format!("select seq div 100, seq, repeat('{letter}', {bytes}), '2020-01-01' from");
    bench
        .source(&format!(
            "create table t (a int, k int, v varchar(1000), \
             ts timestamp not null default current_timestamp on update current_timestamp, primary key ({key})) engine=MyISAM; \
             insert into t {} seq_1_to_9200; delete from t where k between 101 and 400; insert into t {} seq_9201_to_9500;",
            row('x'),
            row('y')
        ))
        .await;
}

/// A syncer that goes by stamps, loads in parts, and compares in chunks of which a comparison would leave a trace.
async fn loading(bench: &Bench, source: Option<&Proxy>, mode: SyncMode, change: impl FnOnce(&mut Config)) -> Syncer {
    syncer_with(bench, |config| {
        (config.sync.batch_bytes_max, config.sync.load_part_bytes) = (20_000, 300_000);
        (config.sync.chunk_rows, config.source.range_rows) = (1000, 1000);
        config.source.port = source.map_or(config.source.port, Proxy::port);
        config.tables.insert("t".to_owned(), in_mode(mode));
        change(config);
    })
    .await
}

/// What a load in parts has committed: its table, rows, and whether their keys did not come in order.
async fn come(bench: &Bench) -> Option<(String, u64, bool)> {
    let sql = "select ('amalgam.' || relation)::regclass::oid, row_count, may_have_gaps and last_key[cardinality(last_key)] = '9500' \
               from amalgam.load where row_count > 0";
    let row = bench.texts(sql).await.pop()?;
    let text = |at: usize| row[at].clone().expect("no column is null");
    Some((text(0), text(1).parse().expect("a count"), text(2) == "t"))
}

/// The table that was filled, with a watermark and without a comparison.
async fn loaded(bench: &Bench) -> String {
    let left = "select count(*) || ' ' || (select watermark is not null from amalgam.table_state) from amalgam.chunk";
    assert_eq!(bench.text(left).await, "0 true", "chunks compared, and a watermark");
    bench.text("select 'raw.t'::regclass::oid").await
}

/// Rows that the source has read of `t` since it was made: in all, and by its key.
async fn read_at_source(bench: &Bench) -> [u64; 2] {
    let of = |statistics| {
        format!(
            "(select coalesce(sum(rows_read), 0) from information_schema.{statistics} where table_schema = database())"
        )
    };
    let sql = format!("select {}, {}", of("table_statistics"), of("index_statistics"));
    let row = bench.source_texts(&sql).await.remove(0);
    [0, 1].map(|at: usize| row[at].as_deref().and_then(|text| text.parse().ok()).expect("a count"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_out_of_key_order_is_read_once_and_not_compared() {
    let bench = Servers::fresh("once").await;
    bench.source("set global userstat = 1;").await;
    with_filled_holes(&bench, "k", 180).await;
    let before = read_at_source(&bench).await;
    let syncer = loading(&bench, None, SyncMode::Append, |_| {}).await;
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.action, outcome.rows_inserted), (Action::Load, 9200));
    loaded(&bench).await;
    let after = read_at_source(&bench).await;
    // Whoever watches for writers asks for one row each time.
    let [all, by_key] = [0, 1].map(|at: usize| after[at] - before[at]);
    assert!((9200..9700).contains(&all) && by_key < 500, "{all} rows were read, {by_key} of them by key");
    assert_eq!(
        bench.text("select watermark ->> 'key' from amalgam.table_state").await,
        "9500",
        "the highest key lies in the middle of the file"
    );
    bench.source("insert into t (a, k, v) values (95, 9501, 'z');").await;
    let next = sync(&syncer, PLAIN).await;
    assert_eq!((next.action, next.rows_read), (Action::Delta, 1));
    assert_equal(&syncer, 9201).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_is_called_off_goes_on_with_what_its_file_s_order_has_left_out() {
    let bench = Servers::fresh("called_off").await;
    with_filled_holes(&bench, "k", 1000).await;
    let proxy = Proxy::before(bench.config().source.port).await;
    let syncer = loading(&bench, Some(&proxy), SyncMode::Merge, |_| {}).await;
    proxy.set(Fault::Delay(Duration::from_millis(10)));
    let mut loading = JoinSet::new();
    let theirs = syncer.clone();
    loading.spawn(async move { sync(&theirs, PLAIN).await });
    until("parts are there", async || come(&bench).await.is_some_and(|(.., descended)| descended)).await;
    bench.source("update t set v = 'edited' where k = 1;").await;
    let (table, rows, _) = come(&bench).await.expect("it is under way");
    assert!(rows < 9200, "all of the file was read");
    proxy.set(Fault::None);
    let outcome = loading.join_next().await.expect("it was begun").expect("it did not panic");
    assert_eq!((outcome.action, outcome.rows_inserted, outcome.rows_updated), (Action::Load, 9200, 0));
    assert_eq!(loaded(&bench).await, table, "what had come was kept");
    assert_eq!(sync(&syncer, PLAIN).await.rows_updated, 1, "what was edited meanwhile is found by its stamp");
    assert_equal(&syncer, 9200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_was_cut_off_keeps_the_rows_that_came_in_any_order() {
    for (is_there, key) in [(false, "k"), (true, "k"), (false, "a, k")] {
        let bench = Servers::fresh("cut_off").await;
        with_filled_holes(&bench, key, 180).await;
        let proxy = Proxy::before(bench.config().source.port).await;
        let syncer = loading(&bench, Some(&proxy), SyncMode::Merge, |_| {}).await;
        if is_there {
            sync(&syncer, PLAIN).await;
        }
        let old = bench.text("select to_regclass('raw.t')::oid::text is not null").await;
        assert_eq!(old == "t", is_there);
        proxy.set(Fault::Close(1_000_000));
        let lost = syncer.sync_table(&TableName::from("t"), FULL).await.expect_err("it is cut off");
        assert_eq!(lost.kind, Kind::SourceLost);
        proxy.set(Fault::None);
        let (table, rows, descended) = come(&bench).await.expect("parts were committed");
        assert!(descended && rows < 9000, "{rows}");
        // Gone, come back and come meanwhile, below the highest key that is in.
        bench
            .source("delete from t where k in (10, 50, 9000); insert into t (a, k, v) values (1, 150, 'z'), (0, 10, 'back');")
            .await;
        let outcome = sync(&syncer, FULL).await;
        let counts = (outcome.rows_inserted, outcome.rows_updated, outcome.rows_deleted);
        assert_eq!((outcome.action, counts), (Action::Load, (9200, 1, 1)));
        assert_eq!(loaded(&bench).await, table, "what had come was kept");
        assert_equal(&syncer, 9199).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_a_load_has_set_aside_is_no_gap() {
    let bench = Servers::fresh("no_gap").await;
    with_filled_holes(&bench, "k", 180).await;
    bench.source("update t set v = concat('a', char(0)), ts = ts where k in (7, 9400, 8999);").await;
    let proxy = Proxy::before(bench.config().source.port).await;
    let syncer =
        loading(&bench, Some(&proxy), SyncMode::Merge, |config| config.source.bad_text = BadText::Quarantine).await;
    proxy.set(Fault::Close(1_000_000));
    syncer.sync_table(&TableName::from("t"), PLAIN).await.expect_err("it is cut off");
    proxy.set(Fault::None);
    assert_eq!(bench.text("select rows_quarantined from amalgam.load").await, "2");
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.action, outcome.rows_inserted, outcome.rows_quarantined), (Action::Load, 9197, 3));
    assert_eq!(bench.text("select count(*) from amalgam.quarantine").await, "3");
}
