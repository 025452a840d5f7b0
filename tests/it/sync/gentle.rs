//! How the source is read: from one snapshot where it has them, no faster than it may, and not past what
//! it has yet to commit.

use super::{PLAIN, Syncer, described, in_mode, sync, syncer_with};
use crate::harness::{Bench, Servers, until};
use amalgam::{
    config::Config,
    domain::{SyncMode, TableName},
    error::Kind,
    source::{Order, Reader, Source},
    sync::Action,
};
use mysql_async::prelude::Queryable;
use std::time::{Duration, Instant};

/// The second column of all rows of the next range.
async fn range(reader: &mut Reader<'_>) -> Vec<String> {
    let mut values = Vec::new();
    let Some(mut range) = reader.range().await.expect("a range") else { return values };
    while let Some(cells) = range.next().await.expect("a row") {
        values.push(cells[1].literal());
    }
    values
}

/// What a reader sees of `t` whose rows are all rewritten after its first range.
async fn seen(name: &str, engine: &str, change: impl FnOnce(&mut Config)) -> Vec<String> {
    let bench = Servers::fresh(name).await;
    bench.source(&format!("create table t (k int primary key, v int) engine={engine}; insert into t values (1, 1), (2, 1), (3, 1), (4, 1);")).await;
    let mut config = bench.config();
    config.source.range_rows = 2;
    config.source.connections_max = 1;
    change(&mut config);
    let (source, catalog) = described(&config).await;
    let order = Order::Key { after: Vec::new() };
    let mut reader = source.reader(&catalog.tables[0], &order, 1 << 20).await.expect("a reader");
    let mut values = range(&mut reader).await;
    bench.source("update t set v = 2;").await;
    for _ in 0..3 {
        values.extend(range(&mut reader).await);
    }
    drop(reader);
    // The same connection, whoever has it next, sees what stands now.
    let mut reader = source.reader(&catalog.tables[0], &order, 1 << 20).await.expect("a reader");
    assert_eq!(range(&mut reader).await, ["2", "2"], "{name}");
    values
}

#[tokio::test(flavor = "multi_thread")]
async fn all_ranges_of_an_innodb_table_come_from_one_snapshot() {
    assert_eq!(seen("snapshot", "InnoDB", |_| {}).await, ["1", "1", "1", "1"]);
    assert_eq!(seen("no_snapshot", "InnoDB", |c| c.source.snapshot_seconds_max = 0).await, ["1", "1", "2", "2"]);
    assert_eq!(seen("no_engine", "MyISAM", |_| {}).await, ["1", "1", "2", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_nobody_reads_on_holds_up_no_alter_table() {
    let bench = Servers::fresh("idle_snapshot").await;
    bench
        .source(
            "create table t (k int primary key, v int) engine=InnoDB; insert into t select seq, 1 from seq_1_to_200;",
        )
        .await;
    let mut config = bench.config();
    (config.source.range_rows, config.source.snapshot_seconds_max) = (100, 1);
    let (source, catalog) = described(&config).await;
    let order = Order::Key { after: Vec::new() };
    let mut reader = source.reader(&catalog.tables[0], &order, 1 << 20).await.expect("a reader");
    assert_eq!(range(&mut reader).await.len(), 100);
    // As when the warehouse hangs: nobody asks for the next range.
    bench.source("set statement lock_wait_timeout = 20 for alter table t add column w int;").await;
    let lost = reader.range().await.err().expect("the server has given it up");
    assert_eq!(lost.kind, Kind::SourceLost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_does_not_outlast_a_long_pause() {
    let bench = Servers::fresh("paused").await;
    bench
        .source(
            "create table t (k int primary key, v int) engine=InnoDB; insert into t select seq, 1 from seq_1_to_200;",
        )
        .await;
    let mut config = bench.config();
    (config.source.range_rows, config.source.snapshot_seconds_max) = (100, 1);
    // A range is paid for with about two seconds.
    config.source.bytes_per_second_max = 800;
    let (source, catalog) = described(&config).await;
    let order = Order::Key { after: Vec::new() };
    let mut reader = source.reader(&catalog.tables[0], &order, 1 << 20).await.expect("a reader");
    assert_eq!(range(&mut reader).await.len(), 100);
    assert_eq!(range(&mut reader).await.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_says_whether_it_is_read_from_one_snapshot() {
    let bench = Servers::fresh("consistency").await;
    bench
        .source("create table t (k int primary key) engine=MyISAM; create table u (k int primary key) engine=InnoDB;")
        .await;
    for command in ["discover", "sync"] {
        let out = bench.amalgam().args([command, "--format", "json"]).output().await.expect("the program starts");
        let rows: serde_json::Value = serde_json::from_slice(&out.stdout).expect("it prints JSON");
        if command == "discover" {
            assert_eq!((&rows[0]["consistency"], &rows[1]["consistency"]), (&"range".into(), &"snapshot".into()));
        }
    }
    let kept =
        "select string_agg(source_table || ' ' || consistency, ', ' order by source_table) from amalgam.table_state";
    assert_eq!(bench.text(kept).await, "t range, u snapshot");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watermark_waits_for_a_transaction_that_has_written_and_not_ended() {
    let bench = Servers::fresh("late_commit").await;
    bench.source("create table t (k int primary key, ts timestamp not null default current_timestamp on update current_timestamp) engine=InnoDB; insert into t (k) values (1);").await;
    let syncer: Syncer = syncer_with(&bench, |config| {
        config.sync.overlap_seconds = 1;
        config.tables.insert("t".to_owned(), in_mode(SyncMode::Merge));
    })
    .await;
    sync(&syncer, PLAIN).await;
    let mut writer = bench.at_source().await;
    writer.query_drop("start transaction").await.expect("begun");
    writer.query_drop("insert into t (k) values (2)").await.expect("written");
    passed(&bench, 5).await;
    bench.source("insert into t (k) values (3);").await;
    assert_eq!(sync(&syncer, PLAIN).await.rows_inserted, 1);
    writer.query_drop("commit").await.expect("committed");
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.action, outcome.rows_inserted), (Action::Delta, 1), "its stamp is older than the last sync");
}

/// Waits until so many seconds have passed at the source. Its time then, in seconds.
pub(super) async fn passed(bench: &Bench, seconds: u64) -> u64 {
    let now = async || {
        let rows = bench.source_texts("select unix_timestamp()").await;
        rows[0][0].as_ref().and_then(|n| n.parse::<u64>().ok()).expect("a number")
    };
    let begun = now().await;
    until("seconds have passed at the source", async || now().await >= begun + seconds).await;
    now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_transactions_goes_by_the_overlap() {
    let bench = Servers::fresh("no_process").await;
    let user = bench.database().to_owned();
    bench.source(&format!("create table t (k int primary key) engine=InnoDB; insert into t values (1); create user '{user}'@'%'; grant select on `{user}`.* to '{user}'@'%'")).await;
    let syncer = syncer_with(&bench, |config| config.source.user.clone_from(&user)).await;
    assert_eq!(sync(&syncer, PLAIN).await.rows_inserted, 1);
    let visit =
        bench.amalgam().args(["--set", &format!("source.user={user}"), "doctor"]).output().await.expect("it starts");
    let text = String::from_utf8_lossy(&visit.stdout).into_owned();
    assert!(text.contains("GRANT PROCESS ON *.* TO"), "{text}");
    let visit = bench.amalgam().arg("doctor").output().await.expect("it starts");
    let text = String::from_utf8_lossy(&visit.stdout).into_owned();
    assert!(text.contains("a watermark waits for them"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_by_the_second_is_kept_to() {
    let bench = Servers::fresh("rate").await;
    bench.source("create table t (k int primary key); insert into t select seq from seq_1_to_3000;").await;
    bench.source("create table u (k int primary key, v varchar(100)); insert into u select seq, repeat('v', 100) from seq_1_to_3000;").await;
    for (table, rows_per_second_max, bytes_per_second_max) in [("t", 1000, 0), ("u", 0, 120_000)] {
        let syncer = syncer_with(&bench, |config| {
            (config.source.rows_per_second_max, config.source.bytes_per_second_max) =
                (rows_per_second_max, bytes_per_second_max);
            config.source.range_rows = 500;
        })
        .await;
        let begun = Instant::now();
        let outcome = syncer.sync_table(&table.into(), PLAIN).await.expect("synced");
        assert_eq!(outcome.rows_inserted, 3000);
        // A second's worth may come at once, and the last range is paid by whoever comes next.
        assert!(begun.elapsed() >= Duration::from_millis(900), "{table}: {:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_synced_at_once_wait_for_each_other_where_connections_are_few() {
    const TABLES: u64 = 4;
    let bench = Servers::fresh("few").await;
    for n in 1..=TABLES {
        bench.source(&format!("create table t{n} (k int primary key, v varchar(100)); insert into t{n} select seq, repeat('v', 100) from seq_1_to_1500;")).await;
    }
    let syncer = syncer_with(&bench, |config| {
        (config.source.connections_max, config.source.range_rows) = (2, 250);
        config.source.rows_per_second_max = 2500;
    })
    .await;
    let mut tables = tokio::task::JoinSet::new();
    for n in 1..=TABLES {
        let syncer = syncer.clone();
        tables.spawn(async move { syncer.sync_table(&TableName::new(format!("t{n}")), PLAIN).await });
    }
    let (mut seen, begun) = (0, Instant::now());
    let mut before: [Vec<String>; 2] = Default::default();
    while !tables.is_empty() {
        // One that was closed is listed until the server has noticed: what counts is listed three times.
        let now = bench.sessions("user = 'reader'").await;
        let standing = now.iter().filter(|id| before.iter().all(|ids| ids.contains(id))).count();
        assert!(standing <= 2, "{standing} connections");
        seen = seen.max(standing);
        before = [std::mem::take(&mut before[1]), now];
        if let Ok(Some(ended)) = tokio::time::timeout(Duration::from_millis(50), tables.join_next()).await {
            let outcome = ended.expect("it did not panic").expect("it had its turn");
            assert_eq!(outcome.rows_inserted, 1500);
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "not within 30 s");
    }
    assert_eq!(seen, 2, "both are used");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_ended_by_the_server_and_the_table_is_synced_later() {
    for engine in ["InnoDB", "MyISAM"] {
        let bench = Servers::fresh("too_long").await;
        bench
            .source(&format!("create table t (k int primary key, v int) engine={engine}; insert into t values (1, 1);"))
            .await;
        let syncer = syncer_with(&bench, |config| config.source.statement_seconds_max = 2).await;
        let front_desk = bench.lock_source("t").await;
        let begun = Instant::now();
        let error = syncer.sync_table(&"t".into(), PLAIN).await.expect_err("somebody holds the table");
        assert_eq!(error.kind, Kind::SourceTimeout, "{engine}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{engine}: {:?}", begun.elapsed());
        front_desk.disconnect().await.expect("a connection can be closed");
        assert_eq!(sync(&syncer, PLAIN).await.rows_inserted, 1, "{engine}");
        let front_desk = bench.lock_source("t").await;
        let error = syncer.verify_table(&"t".into()).await.expect_err("somebody holds the table");
        assert_eq!(error.kind, Kind::SourceTimeout, "{engine}: {error}");
        front_desk.disconnect().await.expect("a connection can be closed");
        super::assert_equal(&syncer, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_connection_is_taken_only_where_no_table_needs_it() {
    let bench = Servers::fresh("spare").await;
    bench.source("create table t (k int primary key) engine=MyISAM; insert into t values (1), (2);").await;
    let mut config = bench.config();
    config.source.connections_max = 4;
    let (source, catalog) = described(&config).await;
    // Two tables at once, and one connection to look around: one is spare.
    let source = source.kept_for(2);
    let reader =
        async |source: &Source| source.reader(&catalog.tables[0], &Order::File, 1 << 20).await.expect("a reader");
    let mut first = reader(&source).await;
    assert_eq!(rows(&mut first).await, 2, "it reads in one statement, watched over");
    let mut second = reader(&source).await;
    assert_eq!((rows(&mut second).await, second.is_whole()), (0, false), "unwatched, it is to be read in ranges");
    assert_eq!((rows(&mut first).await, first.is_whole()), (0, true));
    let mut third = reader(&source).await;
    assert_eq!(rows(&mut third).await, 2, "the first has given it back");
    drop((second, third));
    let mut none_spare = reader(&source.clone().kept_for(3)).await;
    assert_eq!((rows(&mut none_spare).await, none_spare.is_whole()), (0, false));
}

/// How many rows the next range has.
async fn rows(reader: &mut Reader<'_>) -> usize {
    let Some(mut range) = reader.range().await.expect("a range") else { return 0 };
    let mut count = 0;
    while range.next().await.expect("a row").is_some() {
        count += 1;
    }
    count
}
