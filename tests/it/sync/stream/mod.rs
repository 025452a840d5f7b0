//! Tables that are kept in step by the source's binary log.

mod gently;
mod merges;
mod place;
mod reasons;

use super::{RECONCILE, assert_equal, differences, in_mode, sync, syncer_that_counts, syncer_with};
use crate::{
    harness::{Bench, ROWS_LOGGED, Servers, run_at_source, start_with, until},
    proxy::{Fault, Proxy},
};
use amalgam::{
    config::TableOverride,
    demo::servers::{Kind, Server},
    domain::{Deletes, SyncMode, TableName},
    source::Untold,
    sync::{Action, SyncOptions, SyncOutcome, Syncer},
    telemetry::Metrics,
};
use mysql_async::prelude::Queryable;
use std::sync::Arc;

const PLAIN: SyncOptions = SyncOptions { full: false, reconcile: false, every_row: false };
/// Who writes while the log is followed, and how often.
const CLERKS: u64 = 3;
const STATEMENTS: u32 = 700;

/// A source with a binary log of rows.
struct Logged {
    server: Server,
    bench: Bench,
}

impl Logged {
    async fn new(name: &str) -> Self {
        Self::with(name, &[]).await
    }

    async fn with(name: &str, more: &[&str]) -> Self {
        let flags = [&ROWS_LOGGED[..], more].concat();
        let server = start_with(Kind::MariaDb, "logged", &flags);
        Self { bench: Servers::fresh_at(name, &server).await, server }
    }

    async fn syncer(&self) -> Syncer {
        self.syncer_for(&["t"]).await
    }

    /// One for table `t`, and what it counts.
    async fn counting(&self) -> (Syncer, Arc<Metrics>) {
        syncer_that_counts(&self.bench, |c| drop(c.tables.insert("t".to_owned(), in_mode(SyncMode::Stream)))).await
    }

    async fn syncer_for(&self, tables: &[&str]) -> Syncer {
        let change = |config: &mut amalgam::config::Config| {
            config.tables.extend(tables.iter().map(|&t| (t.to_owned(), in_mode(SyncMode::Stream))));
        };
        syncer_with(&self.bench, change).await
    }

    async fn as_root(&self, sql: &str) {
        run_at_source(self.server.port(), None, sql).await;
    }

    async fn watermark(&self) -> String {
        self.bench
            .text("select coalesce(watermark::text, 'none') from amalgam.table_state where source_table = 't'")
            .await
    }
}

/// Syncs that did not follow the log, by why.
fn not_followed(metrics: &Metrics) -> Vec<(&'static str, u64)> {
    let counted = |untold: &Untold| metrics.log_not_followed.with_label_values(&[untold.as_str()]).get();
    let all = Untold::ALL.iter().map(|untold| (untold.as_str(), counted(untold)));
    all.filter(|(_, count)| *count > 0).collect()
}

/// What a sync did, and how many rows it read, inserted, changed and deleted.
fn told(outcome: &SyncOutcome) -> (Action, [u64; 4]) {
    let SyncOutcome { action, rows_read, rows_inserted, rows_updated, rows_deleted, .. } = *outcome;
    (action, [rows_read, rows_inserted, rows_updated, rows_deleted])
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_without_a_stamp_and_deletes_come_with_the_next_sync_and_nothing_else_is_read() {
    for engine in ["MyISAM", "InnoDB"] {
        let logged = Logged::new("stream_finds").await;
        logged
            .bench
            .source(&format!(
                "create table t (k int primary key, v varchar(300), d decimal(14,4), e enum('a','b'), b text, \
                 at datetime(3)) engine={engine}; \
                 insert into t select seq, 'ä', seq / 3, 'a', repeat('x', 300), now(3) from seq_1_to_1000"
            ))
            .await;
        let syncer = logged.syncer().await;
        assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Load, [1000, 1000, 0, 0]), "{engine}");
        assert!(logged.watermark().await.contains("binlog.0"), "{engine}");
        logged
            .bench
            .source(
                "update t set v = null, e = 'b' where k in (3, 700); delete from t where k = 5; \
                 insert into t values (-7, 'new', -1.5, 'b', 'y', null), (2000, '', 0, 'a', '', null); \
                 update t set k = 3000 where k = 9; insert into t (k) values (4000); delete from t where k = 4000",
            )
            .await;
        // Of the keys that are told, 5, 9 and 4000 have no row.
        assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Delta, [5, 3, 2, 2]), "{engine}");
        assert_equal(&syncer, 1001).await;
        logged.bench.source("update t set d = 7 where k = 1").await;
        assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Delta, [1, 0, 1, 0]), "{engine}");
        assert_equal(&syncer, 1001).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_several_columns_and_without_a_sign_are_told_by_any_image_of_a_row() {
    for image in ["FULL", "MINIMAL", "NOBLOB"] {
        let logged = Logged::with("stream_keys", &[format!("--binlog-row-image={image}").as_str()]).await;
        logged
            .bench
            .source(
                "create table t (x text, a bigint unsigned, y char(255), b smallint, c mediumint unsigned, z bit(9), \
                 primary key (b, a, c)) engine=InnoDB; \
                 insert into t values ('', 18446744073709551615, 'y', -1, 16777215, 1), (null, 1, null, 2, 3, null)",
            )
            .await;
        let syncer = logged.syncer().await;
        sync(&syncer, PLAIN).await;
        logged
            .bench
            .source("update t set x = repeat('z', 70000) where b = -1; update t set c = 4, y = 'q' where b = 2")
            .await;
        assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Delta, [2, 1, 1, 1]), "{image}");
        assert_equal(&syncer, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_open_transaction_has_written_comes_whole_when_it_is_committed() {
    let logged = Logged::new("stream_transaction").await;
    logged
        .bench
        .source(
            "create table t (k int primary key, v int) engine=InnoDB; create table u (k int primary key, v int) engine=InnoDB; \
             insert into t values (1, 1), (2, 1); insert into u values (1, 1)",
        )
        .await;
    let syncer = logged.syncer_for(&["t", "u"]).await;
    let u = TableName::from("u");
    let mut clerk = logged.bench.at_source().await;
    clerk.query_drop("begin").await.expect("a transaction begins");
    clerk.query_drop("update t set v = 2 where k = 1").await.expect("t is there");
    clerk.query_drop("update u set v = 2").await.expect("u is there");
    sync(&syncer, PLAIN).await;
    syncer.sync_table(&u, PLAIN).await.expect("u is synced");
    logged.bench.source("insert into t values (3, 3)").await;
    assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Delta, [1, 1, 0, 0]));
    clerk.query_drop("update t set v = 2 where k = 2").await.expect("t is there");
    clerk.query_drop("commit").await.expect("it is committed");
    assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Delta, [2, 0, 2, 0]));
    let of_u = syncer.sync_table(&u, PLAIN).await.expect("u is synced");
    assert_eq!(told(&of_u), (Action::Delta, [1, 0, 1, 0]));
    assert_equal(&syncer, 3).await;
    clerk.query_drop("begin").await.expect("a transaction begins");
    clerk.query_drop("delete from t").await.expect("t is there");
    clerk.query_drop("rollback").await.expect("it is rolled back");
    assert_equal(&syncer, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_names_the_table_has_it_compared_and_the_log_is_followed_again() {
    let logged = Logged::new("stream_statements").await;
    logged
        .bench
        .source(
            "create table t (k int primary key, v int); insert into t values (1, 1), (2, 2), (3, 3); \
             create view seen as select k, v from t; \
             create function busy() returns int deterministic modifies sql data \
             begin update t set v = 12; return 1; end",
        )
        .await;
    let syncer = logged.syncer().await;
    sync(&syncer, PLAIN).await;
    for (statement, rows) in [
        ("truncate t", 0),
        ("insert into t values (1, 1), (2, 2)", 2),
        ("alter table t add column w int default 7", 2),
        ("insert into t values (3, 3, 3); alter table t drop column v, add column v int after k", 3),
        ("create table n like t; insert into n values (9, 9, 9); drop table t; rename table n to t", 1),
        ("set session binlog_format = 'STATEMENT'; update t set v = 10", 1),
        ("set session binlog_format = 'STATEMENT'; update seen set v = 11", 1),
        ("set session binlog_format = 'STATEMENT'; create table made as select busy(); drop table made", 1),
        (
            "set session binlog_format = 'STATEMENT'; create or replace table made as values (busy()); drop table made",
            1,
        ),
        ("set session binlog_format = 'STATEMENT'; analyze update seen set v = 13", 1),
        ("set session binlog_format = 'STATEMENT'; analyze format=json update seen set v = 14", 1),
        ("set session binlog_format = 'STATEMENT'; begin not atomic update seen set v = 15; end", 1),
        ("set session binlog_format = 'STATEMENT'; do busy()", 1),
        ("set session binlog_format = 'STATEMENT'; set @v = (select busy())", 1),
        ("set session binlog_format = 'STATEMENT'; execute immediate 'update seen set v = 16'", 1),
    ] {
        logged.bench.source(statement).await;
        sync(&syncer, PLAIN).await;
        assert_equal(&syncer, rows).await;
        logged
            .bench
            .source(
                "create table other (x int); insert into other values (1); drop table other; \
                 create or replace view of_others as select 1; insert into t (k) values (50); update t set v = coalesce(v, 0) + 1; delete from t where k = 50",
            )
            .await;
        assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Delta, [rows, 0, rows, 0]), "after {statement}");
        assert_equal(&syncer, rows).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_gone_or_begun_anew_has_the_table_compared() {
    let logged = Logged::new("stream_purged").await;
    logged.bench.source("create table t (k int primary key, v int); insert into t values (1, 1), (2, 2)").await;
    let syncer = logged.syncer().await;
    sync(&syncer, PLAIN).await;
    logged.bench.source("delete from t where k = 1; flush binary logs; flush binary logs").await;
    // The server keeps a file that somebody still reads: our last reading may not have ended there yet.
    until("the files are gone", || async {
        logged.as_root("purge binary logs to 'binlog.000003'").await;
        logged.bench.source_texts("show binary logs").await[0][0].as_deref() == Some("binlog.000003")
    })
    .await;
    assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Reconcile, [1, 0, 0, 1]));
    logged.bench.source("update t set v = 3").await;
    assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Delta, [1, 0, 1, 0]));
    // A server's files are told apart by the second in which they were begun.
    let later = "select extract(epoch from now())::bigint > (watermark -> 'log' ->> 'begun')::bigint + 1 from amalgam.table_state";
    until("another second begins", || async { logged.bench.text(later).await == "t" }).await;
    logged.bench.source("update t set v = 4").await;
    logged.as_root("reset master; flush binary logs; flush binary logs").await;
    logged.bench.source("insert into t values (7, 7), (8, 8), (9, 9), (10, 10); update t set v = v + 1").await;
    assert_eq!(sync(&syncer, PLAIN).await.action, Action::Reconcile);
    assert_equal(&syncer, 5).await;
    logged.bench.source("delete from t where k = 8").await;
    assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Delta, [0, 0, 0, 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_log_of_rows_or_the_right_to_read_it_the_table_is_compared() {
    let logged = Logged::new("stream_denied").await;
    logged.bench.source("create table t (k int primary key, v int); insert into t values (1, 1), (2, 2)").await;
    let syncer = logged.syncer().await;
    sync(&syncer, PLAIN).await;
    for (from, to) in [
        ("set global binlog_format = 'MIXED'", "set global binlog_format = 'ROW'"),
        ("revoke replication slave on *.* from reader@'%'", "grant replication slave on *.* to reader@'%'"),
    ] {
        logged.as_root(from).await;
        logged.bench.source("update t set v = v + 1 where k = 1").await;
        assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Reconcile, [2, 0, 1, 0]), "{from}");
        assert_eq!(logged.watermark().await, "none", "{from}");
        logged.as_root(to).await;
        logged.bench.source("update t set v = v + 1 where k = 1").await;
        assert_eq!(sync(&syncer, PLAIN).await.action, Action::Reconcile, "{to}");
        logged.bench.source("update t set v = v + 1 where k = 2").await;
        assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Delta, [1, 0, 1, 0]), "{to}");
    }
    assert_equal(&syncer, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_a_foreign_key_changes_is_compared() {
    let logged = Logged::new("stream_cascade").await;
    logged
        .bench
        .source(
            "create table p (k int primary key) engine=InnoDB; create table t (k int primary key, p int, \
             foreign key (p) references p (k) on delete cascade) engine=InnoDB; \
             insert into p values (1), (2); insert into t values (1, 1), (2, 2)",
        )
        .await;
    let syncer = logged.syncer().await;
    sync(&syncer, PLAIN).await;
    logged.bench.source("delete from p where k = 1").await;
    assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Reconcile, [1, 0, 0, 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_the_log_tells_as_deleted_follow_the_rule() {
    for (rule, left) in [(Deletes::Soft, "2"), (Deletes::Ignore, "2"), (Deletes::Hard, "1")] {
        let logged = Logged::new("stream_rule").await;
        logged.bench.source("create table t (k int primary key, v int); insert into t values (1, 1), (2, 2)").await;
        let by_hand = TableOverride { deletes: Some(rule), ..in_mode(SyncMode::Stream) };
        let syncer = syncer_with(&logged.bench, |c| drop(c.tables.insert("t".to_owned(), by_hand))).await;
        sync(&syncer, PLAIN).await;
        logged.bench.source("delete from t where k = 1").await;
        assert_eq!(sync(&syncer, PLAIN).await.action, Action::Delta);
        assert_eq!(logged.bench.text("select count(*) from raw.t").await, left, "{rule}");
        assert!(differences(&syncer).await.none(), "{rule}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_failed_takes_the_same_events_in_again() {
    let logged = Logged::new("stream_again").await;
    logged.bench.source("create table t (k int primary key, v int); insert into t values (1, 1), (2, 2)").await;
    let syncer = logged.syncer().await;
    sync(&syncer, PLAIN).await;
    let before = logged.watermark().await;
    // The transaction of the rows fails at its end.
    logged
        .bench
        .warehouse(
            "create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$; \
             create trigger refuse before update on amalgam.table_state for each row execute function refuse()",
        )
        .await;
    logged.bench.source("delete from t where k = 1; insert into t values (3, 3); update t set v = 5 where k = 2").await;
    syncer.sync_table(&TableName::from("t"), PLAIN).await.expect_err("the warehouse refuses");
    assert_eq!(logged.watermark().await, before);
    assert_eq!(logged.bench.text("select string_agg(k || '=' || v, ' ' order by k) from raw.t").await, "1=1 2=2");
    logged.bench.warehouse("drop trigger refuse on amalgam.table_state").await;
    assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Delta, [2, 1, 1, 1]));
    assert_equal(&syncer, 2).await;
    assert_eq!(told(&sync(&syncer, RECONCILE).await), (Action::Reconcile, [2, 0, 0, 0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_written_while_the_log_is_followed_comes_with_one_of_the_next_syncs() {
    for engine in ["MyISAM", "InnoDB"] {
        let logged = Logged::new("stream_clerks").await;
        let table = format!("create table t (k int primary key, v int) engine={engine};");
        logged.bench.source(&(table + "insert into t select seq, 0 from seq_1_to_200")).await;
        let (syncer, metrics) = logged.counting().await;
        sync(&syncer, PLAIN).await;
        let mut clerks = tokio::task::JoinSet::new();
        for seed in 0..CLERKS {
            let mut connection = logged.bench.at_source().await;
            clerks.spawn(async move {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..STATEMENTS {
                    // Where two clerks stand in each other's way, one is told to begin anew.
                    let _ = connection.query_drop(statement(&mut random)).await;
                }
            });
        }
        let mut syncs = 0;
        while clerks.try_join_next().is_none_or(|ended| ended.is_ok()) && !clerks.is_empty() {
            sync(&syncer, PLAIN).await;
            syncs += 1;
        }
        clerks.join_all().await;
        assert!(syncs > 2, "{engine}: {syncs}");
        sync(&syncer, PLAIN).await;
        let rows = logged.bench.source_texts("select count(*) from t").await[0][0].clone().unwrap_or_default();
        assert_equal(&syncer, rows.parse().expect("a count")).await;
        assert_eq!(not_followed(&metrics), [], "{engine}");
    }
}

/// What a clerk does next.
fn statement(random: &mut fastrand::Rng) -> String {
    let (key, value) = (random.u32(0..400), random.u32(..1000));
    match random.u8(0..7) {
        0..=1 => format!("replace into t values ({key}, {value})"),
        2..=3 => format!("update t set v = {value} where k between {key} and {key} + 3"),
        4 => format!("delete from t where k = {key}"),
        5 => format!("update ignore t set k = k + 400 where k = {key}"),
        _ => ["begin", "commit", "rollback", "flush binary logs"][random.usize(0..4)].to_owned(),
    }
}
