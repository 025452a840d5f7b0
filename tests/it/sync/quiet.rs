//! Quiet hours: where a reading ends, and where it goes on.

use super::{RECONCILE, assert_equal, in_mode, sync};
use crate::{
    harness::{self, Bench, Servers, WAITS_FOR_READER, until},
    proxy::{Fault, Proxy},
};
use amalgam::{
    config::Config,
    domain::{Clock, SyncMode, TableName},
    error::{Error, Kind},
    source::{Order, Source},
    sync::{Action, SyncOptions, Syncer},
};
use std::sync::Arc;
use tokio::task::JoinSet;

/// A configuration with quiet hours at noon in Chicago, which is 17:00 UTC in summer.
fn with_lunch(bench: &Bench) -> Config {
    let mut config = bench.config();
    config.source.keep_quiet(&["12:00-13:30"], "America/Chicago").expect("a window");
    config
}

fn set(clock: &Clock, time: &str) {
    clock.set(format!("2026-06-01T{time}Z").parse().expect("a time"));
}

fn before_lunch() -> Clock {
    let clock = Clock::manual(chrono::DateTime::UNIX_EPOCH);
    set(&clock, "16:59:59");
    clock
}

async fn syncer(config: Config, clock: &Clock) -> Syncer {
    harness::syncer(config, clock, &Arc::default()).await
}

fn assert_quiet(error: &Error) {
    assert_eq!(error.kind, Kind::SourceQuiet, "{error}");
    assert!(error.to_string().contains("quiet hours last until 13:30 (America/Chicago)"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_ends_at_the_next_range() {
    let bench = Servers::fresh("quiet_range").await;
    bench.source("create table t (k int primary key); insert into t select seq from seq_1_to_20000;").await;
    let (mut config, clock) = (with_lunch(&bench), before_lunch());
    config.source.range_rows = 10_000;
    let source = Source::new(&config.source).expect("the settings are right").by_clock(clock.clone());
    let catalog = source.describe(None, |_| true).await.expect("described");
    let order = Order::Key { after: Vec::new() };
    let mut rows = source.reader(&catalog.tables[0], &order, 1 << 20).await.expect("a reader");
    let mut keys = source.key_reader(&catalog.tables[0]).await.expect("a reader of keys");
    let mut sums = source.checksum_reader(&catalog.tables[0]).await.expect("a reader of checksums");
    let mut range = rows.range().await.expect("it is not quiet yet").expect("there are rows");
    let mut seen = 0;
    set(&clock, "17:00:00");
    while range.next().await.expect("what has begun goes on").is_some() {
        seen += 1;
    }
    drop(range);
    assert!((1..20_000).contains(&seen), "{seen}");
    let all = amalgam::domain::KeyRange { from: 1, to: 20_000 };
    assert_quiet(&rows.range().await.err().expect("it is quiet"));
    assert_quiet(&keys.piece().await.expect_err("it is quiet"));
    assert_quiet(&sums.checksum(all).await.expect_err("it is quiet"));
    // Looking around is no reading.
    source.describe(None, |_| true).await.expect("described");
    set(&clock, "18:30:00");
    let mut range = rows.range().await.expect("it is over").expect("there are more rows");
    assert!(range.next().await.expect("a row").is_some());
    assert!(keys.piece().await.expect("it is over").is_some());
    assert_eq!(sums.checksum(all).await.expect("it is over").checksum.rows(), 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_goes_on_after_quiet_hours_from_its_last_part() {
    let bench = Servers::fresh("quiet_load").await;
    bench
        .source(
            "create table t (k int primary key, v varchar(200), ts timestamp not null default current_timestamp on update current_timestamp); \
             insert into t select seq, repeat('x', 150), '2020-01-01' from seq_1_to_3000;",
        )
        .await;
    let (mut config, clock) = (with_lunch(&bench), before_lunch());
    (config.source.range_rows, config.sync.batch_bytes_max, config.sync.load_part_bytes) = (100, 10_000, 20_000);
    config.tables.insert("t".to_owned(), in_mode(SyncMode::Merge));
    let fast = syncer(config.clone(), &clock).await;
    config.source.rows_per_second_max = 500;
    let slow = syncer(config, &clock).await;
    let mut loading = JoinSet::new();
    loading.spawn(async move { slow.sync_table(&TableName::from("t"), SyncOptions::default()).await });
    let come = "select coalesce(sum(row_count), 0) from amalgam.load";
    until("a part is committed", async || bench.text(come).await != "0").await;
    set(&clock, "17:00:00");
    let ended = loading.join_next().await.expect("it was begun").expect("it did not panic");
    assert_quiet(&ended.expect_err("quiet hours have begun"));
    let rows: u64 = bench.text(come).await.parse().expect("a count");
    assert!((1..3000).contains(&rows), "{rows}");
    assert_quiet(&fast.sync_table(&TableName::from("t"), SyncOptions::default()).await.expect_err("it is quiet"));
    // What was read is not read again: this edit, which leaves no stamp, is not seen.
    bench.source("update t set v = 'silent', ts = ts where k = 1;").await;
    set(&clock, "18:30:00");
    let outcome = sync(&fast, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_inserted), (Action::Load, 3000));
    assert_eq!(bench.text("select v = 'silent' from raw.t where k = 1").await, "f");
    assert_eq!(sync(&fast, RECONCILE).await.rows_updated, 1);
    assert_equal(&fast, 3000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_reads_a_whole_file_is_called_off() {
    let bench = Servers::fresh("quiet_file").await;
    bench
        .source(
            "create table t (k int primary key, v varchar(1000)) engine=MyISAM; \
             insert into t select seq, repeat('x', 1000) from seq_1_to_60000;",
        )
        .await;
    let (mut config, clock) = (with_lunch(&bench), before_lunch());
    let proxy = Proxy::before(config.warehouse.port).await;
    config.warehouse.port = proxy.port();
    let syncer = syncer(config, &clock).await;
    proxy.set(Fault::Silence(8_000_000));
    let mut loading = JoinSet::new();
    loading.spawn(async move { syncer.sync_table(&TableName::from("t"), SyncOptions::default()).await });
    bench.until_session("the server waits for the reader", WAITS_FOR_READER).await;
    set(&clock, "17:00:00");
    until("the statement is called off", async || bench.sessions(WAITS_FOR_READER).await.is_empty()).await;
    loading.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_table_is_in_step_within_quiet_hours_too() {
    let bench = Servers::fresh("quiet_unchanged").await;
    bench.source("create table t (k int primary key) engine=MyISAM; insert into t values (1);").await;
    let clock = before_lunch();
    let syncer = syncer(with_lunch(&bench), &clock).await;
    until("the table is believed unchanged", async || {
        sync(&syncer, SyncOptions::default()).await.action == Action::Skip
    })
    .await;
    set(&clock, "17:00:00");
    assert_eq!(sync(&syncer, SyncOptions::default()).await.action, Action::Skip);
    assert_quiet(&syncer.verify_table(&TableName::from("t")).await.expect_err("it is quiet"));
}
