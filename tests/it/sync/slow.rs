//! A source that is far, slow, or says nothing any more.

use super::{PLAIN, assert_equal, described, in_mode, sync, syncer_with};
use crate::{
    harness::Servers,
    proxy::{Fault, Proxy},
};
use amalgam::{
    domain::{SyncMode, TableName},
    error::{Error, Kind},
    source::{Order, Reader},
};
use std::time::{Duration, Instant};
use tokio::{task::JoinSet, time::timeout};

const ROWS: u64 = 30_000;
/// What one range has at most.
const RANGE_ROWS: u64 = 1000;
/// By so much every piece comes later, to either side. A range takes two questions, so four of these at least.
const DELAY: Duration = Duration::from_millis(60);

/// The keys of the next range, and how long it was until its first row.
async fn range(reader: &mut Reader<'_>) -> (Vec<String>, Duration) {
    let begun = Instant::now();
    let mut keys = Vec::new();
    let Some(mut range) = reader.range().await.expect("a range") else { return (keys, Duration::ZERO) };
    let mut waited = None;
    while let Some(cells) = range.next().await.expect("a row") {
        waited.get_or_insert_with(|| begun.elapsed());
        keys.push(cells[0].literal());
    }
    (keys, waited.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_becomes_slow_is_asked_for_less_and_more_rarely_and_all_of_it_comes() {
    let bench = Servers::fresh("slow").await;
    let table = "create table t (k int primary key, v varchar(200));";
    bench.source(&format!("{table} insert into t select seq, repeat('x', 200) from seq_1_to_{ROWS}")).await;
    let proxy = Proxy::before(bench.config().source.port).await;
    let mut config = bench.config();
    (config.source.port, config.source.range_rows) = (proxy.port(), RANGE_ROWS);
    let (source, catalog) = described(&config).await;
    let order = Order::Key { after: Vec::new() };
    let mut reader = source.reader(&catalog.tables[0], &order, 8 << 20).await.expect("a reader");
    let mut keys = Vec::new();
    for _ in 0..10 {
        keys.extend(range(&mut reader).await.0);
    }
    assert_eq!(keys.len() as u64, 10 * RANGE_ROWS, "nothing is in its way");
    proxy.set(Fault::Delay(DELAY));
    let mut slow = Vec::new();
    for _ in 0..5 {
        let (more, waited) = range(&mut reader).await;
        slow.push((more.len() as u64, waited));
        keys.extend(more);
    }
    assert_eq!(slow[0].0, RANGE_ROWS, "before it was known");
    assert!(slow[2..].iter().all(|(rows, _)| *rows <= RANGE_ROWS / 3), "{slow:?}");
    // The first slow one was as long as its questions took; before the next ones the source was left alone.
    assert!(slow[1..3].iter().all(|(_, waited)| *waited >= DELAY * 6), "{slow:?}");
    proxy.set(Fault::None);
    loop {
        let (more, _) = range(&mut reader).await;
        if more.is_empty() {
            break;
        }
        keys.extend(more);
    }
    assert!(keys.iter().map(String::as_str).eq((1..=ROWS).map(|k| k.to_string())), "each once, in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_over_a_slow_line_ends_exactly() {
    let bench = Servers::fresh("slow_line").await;
    bench
        .source(
            "create table t (k int primary key, v varchar(200), ts timestamp not null default current_timestamp \
             on update current_timestamp) engine=MyISAM; \
             insert into t select seq, repeat('x', 200), '2024-01-01' from seq_1_to_5000",
        )
        .await;
    let proxy = Proxy::before(bench.config().source.port).await;
    let syncer = syncer_with(&bench, |config| {
        config.source.port = proxy.port();
        config.tables.insert("t".to_owned(), in_mode(SyncMode::Merge));
    })
    .await;
    proxy.set(Fault::Delay(Duration::from_millis(10)));
    assert_eq!(sync(&syncer, PLAIN).await.rows_inserted, 5000);
    bench.source("update t set v = 'edited' where k % 100 = 0; delete from t where k % 1000 = 7").await;
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.rows_updated, outcome.rows_deleted), (50, 5));
    assert_equal(&syncer, 4995).await;
}

/// A connection says nothing any more after so many bytes.
const SILENT_AFTER: [u64; 8] = [0, 60, 200, 500, 1000, 2000, 4000, 10_000];
/// A statement may take a second, a connection another; a few of them one after the other, and a busy machine.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_goes_silent_at_any_point_is_given_up_and_loses_nothing() {
    let mut points = JoinSet::new();
    for bytes in SILENT_AFTER {
        points.spawn(async move {
            let bench = Servers::fresh("silent").await;
            // A delta with deletes asks for everything: the catalog, rows, counts, keys.
            bench
                .source(
                    "create table t (k int primary key, v varchar(200), ts timestamp not null \
                     default current_timestamp on update current_timestamp) engine=MyISAM; \
                     insert into t select seq, repeat('x', 50), '2024-01-01' from seq_1_to_3000",
                )
                .await;
            let proxy = Proxy::before(bench.config().source.port).await;
            let syncer = syncer_with(&bench, |config| {
                config.source.port = proxy.port();
                (config.source.connect_seconds_max, config.source.statement_seconds_max) = (1, 1);
                config.tables.insert("t".to_owned(), in_mode(SyncMode::Merge));
            })
            .await;
            sync(&syncer, PLAIN).await;
            bench.source("update t set v = 'edited' where k = 9; delete from t where k in (5, 2500)").await;
            let t = TableName::from("t");
            proxy.set(Fault::Silence(bytes));
            let asked: [Option<Error>; 3] = [
                given_up(bytes, async { syncer.discover().await.map(drop) }).await,
                given_up(bytes, async { syncer.verify_table(&t).await.map(drop) }).await,
                given_up(bytes, async { syncer.sync_table(&t, PLAIN).await.map(drop) }).await,
            ];
            for error in asked.iter().flatten() {
                let is_silence = matches!(error.kind, Kind::SourceLost | Kind::SourceUnreachable);
                assert!(is_silence, "{bytes}: {error}");
            }
            proxy.set(Fault::None);
            sync(&syncer, PLAIN).await;
            assert_equal(&syncer, 2998).await;
            asked.map(|error| error.map(|error| error.kind))
        });
    }
    let given_up = points.join_all().await;
    for (at, asked) in ["discovery", "a comparison", "a sync"].iter().enumerate() {
        let after = |kind| given_up.iter().filter(|kinds| kinds[at] == Some(kind)).count();
        // Before a connection stands, and while it is asked.
        assert!(after(Kind::SourceUnreachable) > 0 && after(Kind::SourceLost) > 1, "{asked}: {given_up:?}");
    }
}

async fn given_up(bytes: u64, asking: impl Future<Output = Result<(), Error>>) -> Option<Error> {
    let asked = timeout(GIVEN_UP_WITHIN, asking).await;
    asked.unwrap_or_else(|_| panic!("silent after {bytes} bytes, and waited for")).err()
}
