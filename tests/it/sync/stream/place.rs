//! The place of the log: from a load's first beginning on, moved on while nothing changes, lost with a source that died.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_after_a_load_in_parts_has_begun_is_told_whatever_is_cut_off() {
    let logged = Logged::new("stream_cut").await;
    logged
        .bench
        .source(
            "create table t (k int primary key, v varchar(200)) engine=InnoDB; \
             insert into t select seq, repeat('x', 200) from seq_1_to_3000",
        )
        .await;
    let proxy = Proxy::before(logged.server.port()).await;
    let syncer = syncer_with(&logged.bench, |config| {
        config.tables.insert("t".to_owned(), in_mode(SyncMode::Stream));
        config.sync.load_part_bytes = 1;
        config.sync.batch_bytes_max = 1 << 16;
        config.source.port = proxy.port();
    })
    .await;
    assert_eq!(sync(&syncer, PLAIN).await.action, Action::Load);
    let mut cut = 0;
    for bytes in [100, 500, 1500, 3000, 6000, 20_000] {
        logged.bench.source("update t set v = concat(k, repeat('y', 100)) where k % 9 = 3; delete from t where k = (select min(k) from t)").await;
        proxy.set(Fault::Reset(bytes));
        cut += u32::from(syncer.sync_table(&TableName::from("t"), PLAIN).await.is_err());
        proxy.set(Fault::None);
        logged.bench.source(&format!("insert into t values (10000 + {bytes}, 'z')")).await;
        assert_eq!(sync(&syncer, PLAIN).await.action, Action::Delta, "{bytes}");
        assert_equal(&syncer, 3000).await;
    }
    assert!(cut > 2, "{cut}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_goes_on_follows_the_log_from_its_first_beginning() {
    let rows = 3000;
    for engine in ["MyISAM", "InnoDB"] {
        let logged = Logged::new("stream_parts").await;
        // Analyzed, or InnoDB would not yet know that it is large.
        logged
            .bench
            .source(&format!(
                "create table t (k int primary key, v varchar(200)) engine={engine}; \
                 insert into t select seq, repeat('x', 150) from seq_1_to_{rows}; analyze table t"
            ))
            .await;
        let proxy = Proxy::before(logged.server.port()).await;
        let (syncer, metrics) = syncer_that_counts(&logged.bench, |config| {
            (config.source.port, config.source.range_rows) = (proxy.port(), 100);
            (config.sync.batch_bytes_max, config.sync.load_part_bytes) = (10_000, 50_000);
            config.tables.insert("t".to_owned(), in_mode(SyncMode::Stream));
        })
        .await;
        proxy.set(Fault::Close(300_000));
        syncer.sync_table(&TableName::from("t"), PLAIN).await.expect_err("it is cut off");
        proxy.set(Fault::None);
        // Rows that are in already, those that are not yet, and those that go or come behind its back.
        logged
            .bench
            .source(
                "update t set v = 'edited' where k % 10 = 1; delete from t where k % 100 = 0; \
                 insert into t values (-1, 'new'), (20000, 'new'); flush binary logs",
            )
            .await;
        let begun = "select log_position ->> 'file' from amalgam.load";
        assert_eq!(logged.bench.text(begun).await, "binlog.000001", "{engine}");
        assert_eq!(sync(&syncer, PLAIN).await.action, Action::Load, "{engine}");
        assert_equal(&syncer, rows - rows / 100 + 2).await;
        assert_eq!(not_followed(&metrics), [], "{engine}");
        logged.bench.source("delete from t where k = 50").await;
        assert_eq!(told_of(&syncer).await, (Action::Delta, [0, 0, 0, 1]), "{engine}");
    }
}

async fn told_of(syncer: &Syncer) -> (Action, [u64; 4]) {
    told(&sync(syncer, PLAIN).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_place_of_a_quiet_table_moves_on_lest_the_log_be_purged_behind_it() {
    for engine in ["MyISAM", "InnoDB"] {
        let logged = Logged::new("stream_quiet").await;
        let table = format!("create table t (k int primary key, v int) engine={engine};");
        logged.bench.source(&(table + "insert into t values (1, 1), (2, 2)")).await;
        let (syncer, metrics) = logged.counting().await;
        sync(&syncer, PLAIN).await;
        until("the table is quiet", || async { sync(&syncer, PLAIN).await.action == Action::Skip }).await;
        logged.bench.source("flush binary logs").await;
        assert_eq!(sync(&syncer, PLAIN).await.action, Action::Skip, "{engine}");
        assert!(logged.watermark().await.contains("binlog.000001"), "{engine}");
        let an_hour_ago = "update amalgam.table_state set source_read_at = source_read_at - interval '61 minutes'";
        logged.bench.warehouse(an_hour_ago).await;
        assert_eq!(told_of(&syncer).await, (Action::Delta, [0; 4]), "{engine}");
        assert!(logged.watermark().await.contains("binlog.000002"), "{engine}");
        assert_eq!(sync(&syncer, PLAIN).await.action, Action::Skip, "{engine}");
        until("the file is gone", || async {
            logged.as_root("purge binary logs to 'binlog.000002'").await;
            logged.bench.source_texts("show binary logs").await[0][0].as_deref() == Some("binlog.000002")
        })
        .await;
        logged.bench.source("update t set v = 3 where k = 1").await;
        assert_eq!(told_of(&syncer).await, (Action::Delta, [1, 0, 1, 0]), "{engine}");
        assert_eq!(not_followed(&metrics), [], "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_that_died_has_lost_is_found() {
    let mut logged = Logged::new("stream_died").await;
    logged.bench.source("create table t (k int primary key, v int) engine=InnoDB; insert into t values (1, 1)").await;
    let (syncer, metrics) = logged.counting().await;
    sync(&syncer, PLAIN).await;
    until("the table is safe", || async { sync(&syncer, PLAIN).await.action == Action::Skip }).await;
    // It writes its tables to the disk once a second, and its log at once.
    logged.bench.source("insert into t values (2, 2)").await;
    assert_eq!(told_of(&syncer).await, (Action::Delta, [1, 1, 0, 0]));
    logged.server.kill().expect("it can be killed");
    logged.server.start_again().expect("it starts after it was killed");
    assert_eq!(sync(&syncer, PLAIN).await.untold, Some(Untold::Died));
    let rows = logged.bench.source_texts("select count(*) from t").await[0][0].clone().unwrap_or_default();
    assert_equal(&syncer, rows.parse().expect("a count")).await;
    logged.bench.source("insert into t values (3, 3)").await;
    assert_eq!(told_of(&syncer).await, (Action::Delta, [1, 1, 0, 0]));
    // Who ends in order, loses nothing.
    logged.server.stop().expect("it stops");
    logged.server.start_again().expect("it starts again");
    logged.bench.source("insert into t values (4, 4)").await;
    assert_eq!(told_of(&syncer).await, (Action::Delta, [1, 1, 0, 0]));
    assert_eq!(not_followed(&metrics), [("died", 1)]);
}
