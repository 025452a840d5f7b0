//! Comparisons that pass over what is quiet: what they read, and that they miss nothing.

use super::{FULL, RECONCILE, assert_equal, sync, syncer_with};
use crate::{
    harness::{Bench, Servers, until},
    proxy::{Fault, Proxy},
};
use amalgam::{
    config::{Config, TableOverride, TypeRule},
    domain::{Deletes, SyncMode, TableName},
    error::Kind,
    sync::{Action, SyncOptions, SyncOutcome, Syncer},
};

const EVERY_ROW: SyncOptions = SyncOptions { full: false, reconcile: true, every_row: true };

/// A table of ten chunks, without a stamp that tells anything, in step and compared once.
async fn compared(bench: &Bench, change: impl FnOnce(&mut Config)) -> Syncer {
    bench
        .source(
            "create table t (k int primary key, v varchar(20), w varchar(20), ts timestamp not null default current_timestamp on update current_timestamp) engine=MyISAM; \
             insert into t select seq, seq, null, '2020-01-01' from seq_1_to_1000;",
        )
        .await;
    let syncer = syncer_with(bench, |config| {
        // A chunk takes two statements.
        (config.sync.chunk_rows, config.source.range_rows) = (100, 64);
        change(config);
    })
    .await;
    sync(&syncer, SyncOptions::default()).await;
    let first = sync(&syncer, RECONCILE).await;
    assert_eq!((first.rows_read, first.chunks_quiet, first.chunks_walked), (1000, 0, 11));
    syncer
}

fn written(outcome: &SyncOutcome) -> (u64, u64, u64) {
    (outcome.rows_inserted, outcome.rows_updated, outcome.rows_deleted)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_silent_edit_its_chunk_alone_is_read() {
    let bench = Servers::fresh("silent").await;
    let syncer = compared(&bench, |_| {}).await;
    let quiet = sync(&syncer, RECONCILE).await;
    assert_eq!((quiet.rows_read, quiet.chunks_quiet, quiet.chunks_walked), (0, 11, 0));
    bench.source("update t set v = 'edited', ts = ts where k = 450;").await;
    let found = sync(&syncer, RECONCILE).await;
    assert_eq!((found.rows_read, found.chunks_quiet, found.chunks_walked), (100, 10, 1));
    assert_eq!(written(&found), (0, 1, 0));
    assert_eq!(sync(&syncer, RECONCILE).await.rows_read, 0, "what was mended is quiet");
    bench.source("insert into t (k, v) select seq, 'new' from seq_1001_to_1250; insert into t (k) values (-5);").await;
    let grown = sync(&syncer, RECONCILE).await;
    assert_eq!((grown.rows_read, grown.chunks_quiet, grown.chunks_walked), (101 + 250, 9, 2 + 3));
    assert_eq!(bench.text("select row_count from amalgam.table_state").await, "1251");
    assert_equal(&syncer, 1251).await;
    assert_eq!(sync(&syncer, EVERY_ROW).await.rows_read, 1251);
    assert_eq!(sync(&syncer, RECONCILE).await.rows_read, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_look_like_none_are_found() {
    let bench = Servers::fresh("lookalikes").await;
    let syncer = compared(&bench, |_| {}).await;
    for (change, expected) in [
        ("update t set v = case k when 7 then '8' else '7' end, ts = ts where k in (7, 8);", (0, 2, 0)),
        ("update t set v = case k when 7 then '907' else '7' end, ts = ts where k in (7, 907);", (0, 2, 0)),
        ("update t set w = '', ts = ts where k = 20;", (0, 1, 0)),
        ("update t set w = '0', ts = ts where k = 20;", (0, 1, 0)),
        ("update t set w = 'n', ts = ts where k = 20;", (0, 1, 0)),
        ("update t set v = '1', w = '', ts = ts where k = 20;", (0, 1, 0)),
        ("update t set v = '', w = '1', ts = ts where k = 20;", (0, 1, 0)),
        ("update t set v = ',', w = '', ts = ts where k = 20;", (0, 1, 0)),
        ("update t set v = '', w = ',', ts = ts where k = 20;", (0, 1, 0)),
        ("update t set v = 'x ', ts = ts where k = 20;", (0, 1, 0)),
        ("update t set v = 'X ', ts = ts where k = 20;", (0, 1, 0)),
        ("delete from t where k = 20; insert into t values (20, 'x', null, '2020-01-01');", (0, 1, 0)),
        ("delete from t where k = 20; delete from t where k = 21;", (0, 0, 2)),
        ("insert into t values (21, '21', null, '2020-01-01');", (1, 0, 0)),
        ("update t set k = 20 where k = 22;", (1, 0, 1)),
    ] {
        bench.source(change).await;
        let outcome = sync(&syncer, RECONCILE).await;
        assert_eq!(written(&outcome), expected, "{change}");
        assert!((97..=200).contains(&outcome.rows_read), "{change}: {} rows were read", outcome.rows_read);
        assert_equal(&syncer, bench.text("select count(*) from raw.t").await.parse().expect("a count")).await;
    }
    assert_eq!(sync(&syncer, RECONCILE).await.rows_read, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_has_done_to_the_warehouse_is_not_quiet() {
    let bench = Servers::fresh("by_hand").await;
    let syncer = compared(&bench, |_| {}).await;
    bench
        .warehouse(
            "update raw.t set v = 'x' where k = 5; update raw.t set v = '5' where k = 105; delete from raw.t where k = 305;",
        )
        .await;
    let mended = sync(&syncer, RECONCILE).await;
    assert_eq!((mended.rows_read, written(&mended)), (300, (1, 2, 0)));
    assert_equal(&syncer, 1000).await;
    assert_eq!(sync(&syncer, FULL).await.action, Action::Load);
    assert_eq!(sync(&syncer, RECONCILE).await.rows_read, 1000, "a load leaves nothing quiet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_has_changed_and_changed_back_is_found() {
    let bench = Servers::fresh("and_back").await;
    let merge =
        TableOverride { mode: Some(SyncMode::Merge), cursor: Some("ts".to_owned()), ..TableOverride::default() };
    let syncer = compared(&bench, |config| drop(config.tables.insert("t".to_owned(), merge))).await;
    bench.source("update t set v = 'edited' where k = 450;").await;
    let delta = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((delta.action, delta.rows_updated), (Action::Delta, 1));
    // As when a backup is restored: for the source, nothing has happened.
    bench.source("update t set v = '450', ts = '2020-01-01' where k = 450;").await;
    let found = sync(&syncer, RECONCILE).await;
    assert_eq!((found.rows_read, found.rows_updated), (100, 1));
    assert_equal(&syncer, 1000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_that_was_cut_off_goes_on_where_it_was() {
    let bench = Servers::fresh("cut_off").await;
    bench.source("create table t (k int primary key, v varchar(200)) engine=InnoDB; insert into t select seq, repeat('x', 150) from seq_1_to_10000;").await;
    let proxy = Proxy::before(bench.config().source.port).await;
    let through = async || {
        syncer_with(&bench, |config| {
            (config.source.port, config.source.range_rows) = (proxy.port(), 100);
            (config.sync.chunk_rows, config.sync.batch_bytes_max) = (100, 10_000);
        })
        .await
    };
    sync(&through().await, SyncOptions::default()).await;
    bench.source("update t set v = 'edited' where k in (7, 9999);").await;
    // With connections of its own: what went through the others is not counted.
    let syncer = through().await;
    proxy.set(Fault::Close(1_000_000));
    let lost = syncer.sync_table(&TableName::from("t"), RECONCILE).await.expect_err("it is cut off");
    assert_eq!(lost.kind, Kind::SourceLost);
    proxy.set(Fault::None);
    assert_eq!(bench.text("select count(*) from raw.t where v = 'edited'").await, "0", "half of it can't be seen");
    // PostgreSQL ends a statement that was sent to it, whether or not anybody waits for the answer.
    until("what was sent to the warehouse has ended", async || {
        let active = "select count(*) from pg_stat_activity where datname = current_database() and state = 'active' and pid <> pg_backend_pid()";
        bench.text(active).await == "0"
    })
    .await;
    let come: u64 = bench.text("select count(*) from amalgam.chunk").await.parse().expect("a count");
    assert!((10..99).contains(&come), "{come} chunks were found equal");
    let outcome = sync(&syncer, RECONCILE).await;
    assert_eq!((outcome.chunks_quiet, outcome.rows_updated), (come, 2));
    assert_eq!(outcome.rows_read, 10_000 - come * 100);
    assert_equal(&syncer, 10_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_that_was_cut_off_leaves_no_table_behind() {
    // Compared in order of keys, and as a whole.
    for key in ["int", "varchar(9)"] {
        let bench = Servers::fresh("nothing_left").await;
        bench.source(&format!("create table t (k {key} primary key, v varchar(200)); insert into t select seq, repeat('x', 150) from seq_1_to_10000;")).await;
        let proxy = Proxy::before(bench.config().source.port).await;
        let through = async || {
            syncer_with(&bench, |config| {
                (config.source.port, config.source.range_rows, config.sync.batch_bytes_max) =
                    (proxy.port(), 100, 10_000);
            })
            .await
        };
        let relations = async |schemas: &str| {
            let sql = format!(
                "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where {schemas} order by 1"
            );
            bench.texts(&sql).await
        };
        let (ours, temporary) = ("n.nspname in ('raw', 'amalgam')", "n.nspname ~ '^pg_temp'");
        sync(&through().await, SyncOptions::default()).await;
        let before = relations(ours).await;
        bench.source("update t set v = repeat('y', 150);").await;
        let syncer = through().await;
        proxy.set(Fault::Reset(500_000));
        let lost = syncer.sync_table(&TableName::from("t"), RECONCILE).await.expect_err("it is cut off");
        assert_eq!(lost.kind, Kind::SourceLost, "{key}");
        proxy.set(Fault::None);
        assert_eq!(relations(ours).await, before, "{key}");
        // What is staged goes with its connection.
        drop(syncer);
        until("nothing is staged any more", async || relations(temporary).await.is_empty()).await;
        let syncer = through().await;
        assert_eq!(sync(&syncer, RECONCILE).await.rows_inserted, if key == "int" { 0 } else { 10_000 }, "{key}");
        assert_equal(&syncer, 10_000).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_rule_for_deletes_finds_what_was_kept_in_quiet_chunks() {
    for (rule, after) in [(Deletes::Soft, 1000), (Deletes::Ignore, 1000)] {
        let bench = Servers::fresh("kept").await;
        let syncer = compared(&bench, |config| config.sync.deletes = rule).await;
        bench.source("delete from t where k between 450 and 459;").await;
        sync(&syncer, RECONCILE).await;
        let quiet = sync(&syncer, RECONCILE).await;
        assert_eq!((quiet.rows_read, quiet.chunks_quiet), (0, 11), "{rule}");
        assert_eq!(bench.text("select count(*) from raw.t").await, after.to_string());
        assert_eq!(bench.text("select row_count from amalgam.table_state").await, "990", "{rule}");
        let hard = syncer_with(&bench, |config| {
            (config.sync.chunk_rows, config.sync.deletes) = (100, Deletes::Hard);
        })
        .await;
        sync(&hard, RECONCILE).await;
        assert_eq!(bench.text("select count(*) from raw.t").await, "990", "{rule}");
        assert_equal(&hard, 990).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_in_quarantine_stays_there_as_long_as_it_is_bad() {
    let bench = Servers::fresh("refused").await;
    let boolean = TypeRule { columns: "t.v".to_owned(), declared: None, becomes: "numeric".to_owned() };
    let syncer = compared(&bench, |config| config.sync.types.push(boolean)).await;
    bench.source("update t set v = 'no number', ts = ts where k = 450;").await;
    for rows_deleted in [1, 0, 0] {
        let outcome = sync(&syncer, RECONCILE).await;
        assert_eq!((outcome.rows_read, outcome.rows_quarantined, outcome.rows_deleted), (100, 1, rows_deleted));
        assert_eq!(bench.text("select count(*) from amalgam.quarantine").await, "1");
    }
    bench.source("update t set v = '450', ts = ts where k = 450;").await;
    assert_eq!(written(&sync(&syncer, RECONCILE).await), (1, 0, 0));
    assert_eq!(bench.text("select count(*) from amalgam.quarantine").await, "0");
    assert_eq!(sync(&syncer, RECONCILE).await.rows_read, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_kind_are_quiet_until_their_last_digit_changes() {
    let bench = Servers::fresh("digits").await;
    bench
        .source(
            "create table t (k bigint primary key, f float, d double, dd double(10,2), n decimal(30,10), b bit(64), g geometry, u uuid, \
             i inet6, l varchar(20) character set latin1, j json, e enum('','a','b'), s set('x','y'), ts timestamp(6) null, \
             dt datetime(3), da date, ti time(6), y year, bl blob, lt longtext, bu bigint unsigned, `select` int zerofill, \
             gen int as (`select` + 1) stored) engine=MyISAM; \
             set sql_mode = ''; \
             insert into t (k) values (-9223372036854775808), (9223372036854775807); \
             insert into t (k, f, d, dd, n, b, g, u, i, l, j, e, s, ts, dt, da, ti, y, bl, lt, bu, `select`) \
             select seq, 1.1, 0.3, 1.25, 1.5, 18446744073709551615, point(1, seq), '00000000-0000-0000-0000-000000000001', '::1', 'é', '{}', 'a', \
             'x,y', '2020-01-01 00:00:00.000001', '2020-01-01 00:00:00.001', '0000-00-00', '-838:59:59', 2020, 'x\\0', repeat('ü', 100), \
             18446744073709551615, 7 from seq_1_to_8;",
        )
        .await;
    let syncer = syncer_with(&bench, |config| config.sync.chunk_rows = 3).await;
    sync(&syncer, SyncOptions::default()).await;
    sync(&syncer, RECONCILE).await;
    assert_eq!(sync(&syncer, RECONCILE).await.rows_read, 0);
    for change in [
        "f = 1.1000001",
        "d = 0.30000000000000004",
        "dd = 1.26",
        "n = 1.5000000001",
        "b = 18446744073709551614",
        "g = point(1, 99)",
        "u = '00000000-0000-0000-0000-000000000002'",
        "i = '::2'",
        "l = 'è'",
        "j = '{ }'",
        "e = ''",
        "e = null",
        "s = 'x'",
        "ts = '2020-01-01 00:00:00.000002'",
        "dt = '2020-01-01 00:00:00.002'",
        "da = '2020-02-29'",
        "ti = '-838:59:59.000001'",
        "y = 0",
        "bl = 'x'",
        "lt = concat(repeat('ü', 99), 'u')",
        "bu = 18446744073709551614",
        "`select` = 8",
    ] {
        bench.source(&format!("update t set {change} where k = 4;")).await;
        let outcome = sync(&syncer, RECONCILE).await;
        assert_eq!((outcome.rows_read, outcome.rows_updated), (3, 1), "{change}");
    }
    assert_equal(&syncer, 10).await;
    bench.source("alter table t modify l varchar(20) character set utf8mb4;").await;
    sync(&syncer, RECONCILE).await;
    assert_equal(&syncer, 10).await;
}
