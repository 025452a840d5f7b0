//! Tables that change their shape at the source: what is done, and where it is told.

use super::{another_second, assert_equal, differences, sync, syncer, syncer_in_mode, syncer_that_counts};
use crate::harness::{Bench, Servers};
use amalgam::{
    domain::SyncMode,
    error::Kind,
    sync::{Action, SyncOptions},
};

const PLAIN: SyncOptions = SyncOptions { full: false, reconcile: false, every_row: false };

#[tokio::test(flavor = "multi_thread")]
async fn wider_columns_are_widened_in_place_with_the_views_on_them() {
    let bench = Servers::fresh("widen").await;
    bench
        .source(
            "create table t (k int, l smallint, i int, d decimal(6,2), f float, day date, v varchar(5), \
             ts timestamp not null default current_timestamp on update current_timestamp, primary key (k, l)); \
             insert into t (k, l, i, d, f, day, v) values (1, 1, 7, 1234.56, 0.1, '2024-02-29', 'abcde'), (2, 1, -8, -0.01, 1e30, '0000-00-00', '');",
        )
        .await;
    let syncer = syncer_in_mode(&bench, SyncMode::Merge).await;
    sync(&syncer, PLAIN).await;
    bench
        .warehouse(
            "create view public.seen as select k, i, d from raw.t; create view public.above as select sum(i) as i from public.seen;
             create materialized view public.stored as select max(d) as d from raw.t; create index theirs on raw.t (i);
             create role widener; grant select on public.seen to widener;",
        )
        .await;
    let oid = bench.text("select 'raw.t'::regclass::oid").await;
    another_second(&bench).await;
    bench
        .source(
            "set sql_mode = ''; alter table t modify k bigint, modify l int, modify i bigint, modify d decimal(20,6), modify f double, \
             modify day datetime, modify v varchar(50);
             insert into t (k, l, i, d, f, day, v) values (9000000000, 70000, 8000000000, 99999999999.123456, 0.1, '2024-02-29 10:11:12', repeat('x', 50));",
        )
        .await;
    let refused = syncer.verify_table(&"t".into()).await.expect_err("both sides can't be compared yet");
    assert_eq!(refused.kind, Kind::NotSynced);
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.action, outcome.rows_inserted, outcome.rows_updated), (Action::Reconcile, 1, 0));
    assert_equal(&syncer, 3).await;
    assert_eq!(bench.text("select 'raw.t'::regclass::oid").await, oid, "it is the same table");
    assert_eq!(bench.text("select i from public.above").await, "7999999999");
    assert_eq!(
        bench.text("select d from public.stored").await,
        "1234.560000",
        "as it was, until somebody refreshes it"
    );
    assert_eq!(bench.text("select has_table_privilege('widener', 'public.seen', 'select')").await, "t");
    assert_eq!(bench.text("select count(*) from pg_indexes where indexname = 'theirs'").await, "1");
    bench.warehouse("drop owned by widener; drop role widener;").await;
    // Compared in full, both sides are brought to the new shape on the way.
    bench
        .source("alter table t modify i decimal(30,3), modify f double; update t set i = 1.5, ts = ts where k = 1;")
        .await;
    let outcome = sync(&syncer, super::RECONCILE).await;
    assert_eq!((outcome.action, outcome.rows_updated), (Action::Reconcile, 1));
    assert_equal(&syncer, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_below_zero_that_became_zero_are_found_without_a_stamp() {
    let bench = Servers::fresh("sign").await;
    bench
        .source("set sql_mode = ''; create table t (k int primary key, v int, ts timestamp not null default current_timestamp on update current_timestamp); insert into t values (1, -5, '2020-01-01'), (2, 5, '2020-01-01');")
        .await;
    let syncer = syncer_in_mode(&bench, SyncMode::Merge).await;
    sync(&syncer, PLAIN).await;
    bench.source("set sql_mode = ''; alter table t modify v int unsigned;").await;
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.action, outcome.rows_updated), (Action::Reconcile, 1));
    assert_equal(&syncer, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_values_and_no_column_is_compared() {
    const DEFINITION: &str = "(k int primary key auto_increment, v varchar(40) character set utf8mb4, n int default 5, \
                              g int as (n * 2) stored, \
                              ts timestamp not null default current_timestamp on update current_timestamp)";
    for engine in ["MyISAM", "InnoDB"] {
        for (name, change) in [
            ("charset", "alter table t modify v varchar(40) character set ascii"),
            ("generated", "alter table t modify g int as (n * 3) stored"),
            (
                "dropped",
                "alter table t drop g, drop n, add n int default 9 after v, add g int as (n * 2) stored after n",
            ),
            ("swapped", "rename table t to x, other to t, x to other"),
            ("emptied", "truncate t; insert into t (v, ts) select 'anew', '2020-01-01' from seq_1_to_20"),
        ] {
            // InnoDB tells of no time for it (docs/configuration.md).
            if (name, engine) == ("emptied", "InnoDB") {
                continue;
            }
            let bench = Servers::fresh(&format!("{name}_{engine}")).await;
            bench
                .source(&format!(
                    "set sql_mode = ''; create table t {DEFINITION} engine={engine}; \
                     insert into t (v, ts) select 'caf\u{e9}', '2020-01-01' from seq_1_to_20;"
                ))
                .await;
            another_second(&bench).await;
            bench
                .source(&format!(
                    "create table other {DEFINITION} engine={engine}; \
                     insert into other (v, ts) select 'other', '2020-01-01' from seq_1_to_20;"
                ))
                .await;
            let syncer = syncer_in_mode(&bench, SyncMode::Merge).await;
            sync(&syncer, PLAIN).await;
            another_second(&bench).await;
            bench.source(&format!("set sql_mode = ''; {change};")).await;
            let outcome = sync(&syncer, PLAIN).await;
            assert_eq!((outcome.action, outcome.rows_updated), (Action::Reconcile, 20), "{name} {engine}");
            assert_equal(&syncer, 20).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn narrowed_retyped_and_renamed_columns_load_their_table_alone() {
    let bench = Servers::fresh("tiers").await;
    bench
        .source("create table t (k int primary key, v bigint, w varchar(9)); insert into t values (1, 5, '6'); create table other (k int primary key); insert into other values (1);")
        .await;
    let syncer = syncer(&bench).await;
    sync(&syncer, PLAIN).await;
    syncer.sync_table(&"other".into(), PLAIN).await.expect("synced");
    bench.warehouse("create view public.seen as select k, v from raw.t").await;
    let oid = async |table: &str| bench.text(&format!("select 'raw.{table}'::regclass::oid")).await;
    let others = oid("other").await;
    for change in ["modify v int", "modify w int", "change w renamed int"] {
        bench.source(&format!("alter table t {change};")).await;
        let before = oid("t").await;
        assert_eq!(sync(&syncer, PLAIN).await.action, Action::Load, "{change}");
        assert_ne!(oid("t").await, before, "{change}");
        assert_equal(&syncer, 1).await;
        assert_eq!(bench.text("select v from public.seen").await, "5", "{change}");
    }
    syncer.sync_table(&"other".into(), PLAIN).await.expect("synced");
    assert_eq!(oid("other").await, others);
    assert_eq!(bench.text("select w from raw.t").await, "6", "what was renamed stays under its old name");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_in_the_log_the_history_and_the_status() {
    let bench = Servers::fresh("told").await;
    bench.source("create table t (k int primary key, v int, w int); insert into t values (1, 5, 6);").await;
    assert!(amalgam(&bench, &["history", "--schema"]).await.0.contains("nothing has run yet"));
    assert_eq!(amalgam(&bench, &["sync"]).await.1, "");
    for (change, kind, warned) in [
        ("add column a varchar(10)", "added", false),
        ("modify a varchar(20)", "widened", false),
        ("modify v bigint", "widened", false),
        ("modify a varchar(10)", "redeclared", true),
        ("drop column w", "dropped", true),
        ("modify v int", "reloaded", true),
    ] {
        bench.source(&format!("alter table t {change};")).await;
        let (_, log) = amalgam(&bench, &["--log-filter", "info", "sync"]).await;
        let line = log.lines().find(|l| l.contains("has changed")).unwrap_or_else(|| panic!("{change}: {log}"));
        assert!(line.contains(kind) && line.contains("WARN") == warned, "{line}");
        assert_eq!(bench.text("select change from amalgam.schema_change order by change_id desc limit 1").await, kind);
        // Told once, however often it is looked at.
        assert!(!amalgam(&bench, &["--log-filter", "info", "sync"]).await.1.contains("has changed"), "{change}");
    }
    assert_eq!(bench.text("select count(*) from amalgam.schema_change where source_table = 't'").await, "6");
    let (history, _) = amalgam(&bench, &["history", "--schema", "-n", "2"]).await;
    assert!(
        history.contains("column v was bigint(20) and is int(11)") && history.contains("no longer has w"),
        "{history}"
    );
    assert!(!history.contains("gained"), "{history}");
    let (status, _) = amalgam(&bench, &["status"]).await;
    assert!(status.contains("table t was loaded again") && status.contains("given columns"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_to_be_done_is_not_told_as_done() {
    let bench = Servers::fresh("undone").await;
    bench.source("create table t (k int primary key, v int); insert into t values (1, 5);").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, PLAIN).await;
    bench.warehouse("create view public.seen as select v from raw.t; create function public.f(public.seen) returns int language sql as 'select 1';").await;
    bench.source("alter table t modify v bigint;").await;
    let refused = syncer.sync_table(&"t".into(), PLAIN).await.expect_err("the function hangs on the view");
    assert!(matches!(refused.kind, Kind::Dependent | Kind::WarehouseQuery), "{refused}");
    assert_eq!(bench.text("select count(*) from amalgam.schema_change").await, "0");
    assert_eq!(bench.text("select v from public.seen").await, "5");
    bench.warehouse("drop function public.f(public.seen)").await;
    sync(&syncer, PLAIN).await;
    assert_eq!(bench.text("select change from amalgam.schema_change").await, "widened");
    assert!(differences(&syncer).await.none());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_shape_is_counted_once_by_what_was_done() {
    let bench = Servers::fresh("shapes_counted").await;
    bench.source("create table t (k int primary key, v int, w int); insert into t values (1, 5, 6);").await;
    let (syncer, metrics) = syncer_that_counts(&bench, |_| {}).await;
    sync(&syncer, PLAIN).await;
    assert!(!metrics.text().contains("amalgam_schema_changes_total{"), "{}", metrics.text());
    for (change, kind, times) in [
        ("add column a varchar(10), add column b int", "added", 1),
        ("modify v bigint", "widened", 1),
        ("modify a varchar(5)", "redeclared", 1),
        ("drop column w", "dropped", 1),
        ("modify v int", "reloaded", 1),
    ] {
        bench.source(&format!("alter table t {change};")).await;
        sync(&syncer, PLAIN).await;
        sync(&syncer, PLAIN).await;
        let line = format!("amalgam_schema_changes_total{{change=\"{kind}\"}} {times}\n");
        assert!(metrics.text().contains(&line), "{change}: {}", metrics.text());
    }
}

/// What the program prints, and what it logs.
async fn amalgam(bench: &Bench, arguments: &[&str]) -> (String, String) {
    let out = bench.amalgam().args(arguments).output().await.expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(out.status.success(), "{arguments:?}: {}{}", text(&out.stdout), text(&out.stderr));
    (text(&out.stdout), text(&out.stderr))
}
