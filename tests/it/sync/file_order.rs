//! Loads that read rows as they lie in a MyISAM file, and step aside for whoever waits.

use super::{FULL, PLAIN, assert_equal, described, sync, syncer_with};
use crate::{
    harness::{Bench, Servers, WAITS_FOR_READER, WAITS_FOR_TABLE, start, until},
    proxy::{Fault, Proxy},
};
use amalgam::{
    demo::servers::Kind as Server,
    domain::TableName,
    error::Kind,
    source::Order,
    sync::{Action, Syncer},
};
use tokio::task::JoinSet;

const PARTS: u64 = 300_000;

/// A syncer that loads in parts of so many bytes, through a proxy where one is given.
async fn loading_in(bench: &Bench, part_bytes: u64, source: Option<&Proxy>, warehouse: Option<&Proxy>) -> Syncer {
    syncer_with(bench, |config| {
        (config.sync.batch_bytes_max, config.sync.load_part_bytes) = (20_000, part_bytes);
        config.source.port = source.map_or(config.source.port, Proxy::port);
        config.warehouse.port = warehouse.map_or(config.warehouse.port, Proxy::port);
    })
    .await
}

/// Rows that the server still sends when a reader has had the first.
const MORE_THAN_A_SOCKET_HOLDS: &str = "create table t (k int primary key, v varchar(1000)) engine=MyISAM; \
                                        insert into t select seq, repeat('x', 1000) from seq_1_to_20000;";

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_fill_holes_in_the_file_come_like_all_others() {
    let bench = Servers::fresh("holes").await;
    bench
        .source(
            "create table t (k int primary key, v varchar(200)) engine=MyISAM; \
             insert into t select seq, repeat('x', 180) from seq_1_to_9000; delete from t where k % 3 = 0; \
             insert into t select seq, repeat('y', 170) from seq_9001_to_11000;",
        )
        .await;
    for part_bytes in [PARTS, u64::MAX] {
        let syncer = loading_in(&bench, part_bytes, None, None).await;
        let outcome = sync(&syncer, FULL).await;
        assert_eq!((outcome.action, outcome.rows_inserted), (Action::Load, 8000));
        assert_equal(&syncer, 8000).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_behind_the_point_where_a_load_was_cut_off_is_not_missed() {
    let bench = Servers::fresh("behind").await;
    bench
        .source(
            "create table t (k int primary key, v varchar(200)) engine=MyISAM; \
             insert into t select seq, repeat('x', 180) from seq_1001_to_11000; \
             insert into t select seq, repeat('y', 180) from seq_1_to_1000;",
        )
        .await;
    let proxy = Proxy::before(bench.config().source.port).await;
    let syncer = loading_in(&bench, PARTS, Some(&proxy), None).await;
    proxy.set(Fault::Close(1_200_000));
    let lost = syncer.sync_table(&TableName::from("t"), PLAIN).await.expect_err("it is cut off");
    assert_eq!(lost.kind, Kind::SourceLost);
    proxy.set(Fault::None);
    let come = bench.text("select row_count || ' ' || may_have_gaps from amalgam.load").await;
    assert!(come.ends_with(" true") && !come.starts_with("0 "), "committed, with gaps: {come}");
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.action, outcome.rows_inserted), (Action::Load, 11_000));
    assert_equal(&syncer, 11_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_does_not_wait_for_a_load_that_waits_for_the_warehouse() {
    let bench = Servers::fresh("writer").await;
    bench
        .source(
            "create table t (k int primary key, v varchar(1000)) engine=MyISAM; \
             insert into t select seq, repeat('x', 1000) from seq_1_to_60000;",
        )
        .await;
    for part_bytes in [u64::MAX, 5_000_000] {
        let proxy = Proxy::before(bench.config().warehouse.port).await;
        let syncer = loading_in(&bench, part_bytes, None, Some(&proxy)).await;
        proxy.set(Fault::Silence(8_000_000));
        let mut loading = JoinSet::new();
        loading.spawn(async move { syncer.sync_table(&TableName::from("t"), FULL).await });
        bench.until_session("the server waits for the reader", WAITS_FOR_READER).await;
        bench.source("set statement lock_wait_timeout = 20 for update t set v = 'edited' where k = 1;").await;
        loading.shutdown().await;
        proxy.set(Fault::None);
        let syncer = loading_in(&bench, part_bytes, None, None).await;
        sync(&syncer, PLAIN).await;
        assert_equal(&syncer, 60_000).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_of_a_table_that_is_locked_already_waits_for_it_in_ranges() {
    let bench = Servers::fresh("locked").await;
    bench
        .source(
            "create table t (k int primary key, v varchar(1000)) engine=MyISAM; \
             insert into t select seq, repeat('x', 1000) from seq_1_to_3000;",
        )
        .await;
    let syncer = loading_in(&bench, u64::MAX, None, None).await;
    let held = bench.lock_source("t").await;
    let mut loading = JoinSet::new();
    loading.spawn(async move { sync(&syncer, PLAIN).await });
    let range_waits = format!("{WAITS_FOR_TABLE} and info like '%order by%'");
    bench.until_session("a range waits for the table", &range_waits).await;
    drop(held);
    let outcome = loading.join_next().await.expect("it was begun").expect("it did not panic");
    assert_eq!((outcome.action, outcome.rows_inserted), (Action::Load, 3000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_not_used_again_after_its_reader() {
    let bench = Servers::fresh("used_once").await;
    bench.source(MORE_THAN_A_SOCKET_HOLDS).await;
    let (source, catalog) = described(&bench.config()).await;
    let table = &catalog.tables[0];
    let reading = async || bench.sessions("state = 'Writing to net'").await.pop();
    let mut reader = source.reader(table, &Order::File, 1 << 20).await.expect("a reader");
    let mut range = reader.range().await.expect("a range").expect("rows");
    range.next().await.expect("a row");
    // It waits for the reader, and between two rows for nothing.
    let id = std::cell::RefCell::new(None);
    until("the server waits for the reader", async || {
        id.replace(reading().await);
        id.borrow().is_some()
    })
    .await;
    let id = id.take().expect("it was seen");
    // Given up: whatever calls the statement off may come late, and must not meet another one there.
    drop(reader);
    until("it is closed", async || bench.sessions(&format!("id = {id}")).await.is_empty()).await;
    // Neither is one whose reader has come to its end.
    let mut reader = source.reader(table, &Order::File, 1 << 20).await.expect("a reader");
    while let Some(mut range) = reader.range().await.expect("a range") {
        while range.next().await.expect("a row").is_some() {}
    }
    assert!(reader.is_whole());
    drop(reader);
    until("all are closed", async || bench.sessions("true").await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_was_given_up_is_called_off_before_the_program_ends() {
    // Of its own: who else kills a statement there would be counted.
    let server = start(Server::MariaDb, "closing");
    let bench = Servers::fresh_at("closing", &server).await;
    bench.source(MORE_THAN_A_SOCKET_HOLDS).await;
    let (source, catalog) = described(&bench.config()).await;
    let mut reader = source.reader(&catalog.tables[0], &Order::File, 1 << 20).await.expect("a reader");
    reader.range().await.expect("a range").expect("rows").next().await.expect("a row");
    drop(reader);
    source.close().await;
    assert_eq!(bench.source_texts("show global status like 'Com_kill'").await[0][1].as_deref(), Some("1"));
}
