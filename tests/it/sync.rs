//! One table in step: every type, every mode, drift, on real servers.

use crate::{
    harness::{Bench, Servers, until},
    proxy::{Fault, Proxy},
};
use amalgam::{
    domain::{SyncMode, TableName},
    error::Kind,
    source::Source,
    state::State,
    sync::{Action, Differences, SyncOptions, SyncOutcome, Syncer},
    telemetry::Metrics,
    warehouse::Warehouse,
};
use std::sync::Arc;

const RECONCILE: SyncOptions = SyncOptions { full: false, reconcile: true };
const FULL: SyncOptions = SyncOptions { full: true, reconcile: false };

/// A syncer over a bench, with a configuration of the test's own.
async fn syncer_with(bench: &Bench, change: impl FnOnce(&mut amalgam::config::Config)) -> Syncer {
    let mut config = bench.config();
    change(&mut config);
    State::new(&config.warehouse).migrate().await.expect("the control plane can be made");
    let source = Source::new(&config.source).expect("the source's settings are right");
    let warehouse = Warehouse::new(&config.warehouse).expect("the warehouse's settings are right");
    Syncer::new(source, warehouse, Arc::new(config), Arc::new(Metrics::default()))
}

async fn syncer(bench: &Bench) -> Syncer {
    syncer_with(bench, |_| {}).await
}

/// The same, with the mode of table `t` chosen by hand: small tables are otherwise compared whole.
async fn syncer_in_mode(bench: &Bench, mode: SyncMode) -> Syncer {
    syncer_with(bench, |config| {
        config.tables.insert("t".to_owned(), amalgam::config::TableOverride { mode: Some(mode), cursor: None });
    })
    .await
}

async fn sync(syncer: &Syncer, options: SyncOptions) -> SyncOutcome {
    syncer.sync_table(&TableName::from("t"), options).await.expect("the table is synced")
}

async fn differences(syncer: &Syncer) -> Differences {
    syncer.verify_table(&TableName::from("t")).await.expect("the table is compared")
}

/// Asserts that both sides are equal, and that the comparison saw `rows` rows.
async fn assert_equal(syncer: &Syncer, rows: u64) {
    assert_eq!(differences(syncer).await, Differences { rows, ..Differences::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_the_practice_arrives_exact() {
    let bench = Servers::fresh("types").await;
    bench
        .source(
            "set sql_mode = ''; set time_zone = '+00:00';
             create table t (k bigint not null primary key, b bigint, ub bigint unsigned, i int, ui int unsigned, m mediumint,
                s smallint unsigned, ti tinyint, flag tinyint(1), ut tinyint unsigned, d double, f float, n decimal(12,4),
                da date, dt datetime, dt6 datetime(6), ts timestamp null, tm time, y year, vc varchar(200), tx mediumtext,
                la varchar(50) character set latin1, bl mediumblob, bi bit(10), e enum('a','b c'), js json, v varbinary(10), ch char(7),
                si smallint, tt text, tu tinyint(1) unsigned);
             insert into t values
               (1, -9223372036854775808, 18446744073709551615, -2147483648, 4294967295, -8388608, 65535, -128, 2, 255,
                1e308, 1.5, -12345678.0001, '0001-01-01', '9999-12-31 23:59:59', '2024-02-29 12:34:56.789012',
                '2024-11-03 06:30:00', '-838:59:59', 2155, 'tab\tnewline\nback\\\\slash \\'q\\' é 中 🦷', repeat('x', 70000),
                'é', unhex('00ff10'), b'1000000001', 'b c', '{\"a\": 1}', unhex('00'), 'chär', -32768, 'text', 255),
               (2, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
                null, null, null, null, null, null, null, null, null, null, null, null, null),
               (-3, 0, 0, 0, 0, 0, 0, 0, 0, 0, -0.0, 0, 0, '0000-00-00', '0000-00-00 00:00:00', '2022-11-00 00:00:00',
                '1970-01-01 00:00:01', '120:15:00', 1901, '', '', '', '', b'0', 'a', '[]', '', '', 0, '', 0);",
        )
        .await;
    let syncer = syncer(&bench).await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_inserted, outcome.dates_coerced), (Action::Load, 3, 3));
    assert_equal(&syncer, 3).await;
    let row = bench
        .texts(
            "set time zone 'UTC'; select b, ub, ui, m, s, flag, ut, d, f, n, da, dt, dt6, ts, tm, y, length(tx), la, bl, bi, e, js, v, ch, i, ti, si, tt, tu, \
             vc = E'tab\\tnewline\\nback\\\\slash ''q'' é 中 🦷' from raw.t where k = 1",
        )
        .await;
    let row: Vec<&str> = row[0].iter().map(|c| c.as_deref().unwrap_or("null")).collect();
    assert_eq!(
        row,
        [
            "-9223372036854775808",
            "18446744073709551615",
            "4294967295",
            "-8388608",
            "65535",
            "2",
            "255",
            "1e+308",
            "1.5",
            "-12345678.0001",
            "0001-01-01",
            "9999-12-31 23:59:59",
            "2024-02-29 12:34:56.789012",
            "2024-11-03 06:30:00+00",
            "-838:59:59",
            "2155",
            "70000",
            "é",
            "\\x00ff10",
            "1000000001",
            "b c",
            "{\"a\": 1}",
            "\\x00",
            "chär",
            "-2147483648",
            "-128",
            "-32768",
            "text",
            "255",
            "t"
        ]
    );
    assert_eq!(
        bench.text("select concat(da is null, dt is null, dt6 is null, tm) from raw.t where k = -3").await,
        "ttt120:15:00"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reconciliation_finds_deletes_and_silent_edits_and_rewrites_nothing_else() {
    let bench = Servers::fresh("reconcile").await;
    bench.source("create table t (k int primary key, v varchar(20)) engine=MyISAM; insert into t select seq, seq from seq_1_to_3000;").await;
    let syncer = syncer_with(&bench, |c| c.source.range_rows = 70).await;
    sync(&syncer, SyncOptions::default()).await;
    let before = bench.text("select xmin from raw.t where k = 1").await;
    bench
        .source("delete from t where k in (1500, 3000); update t set v = 'edited' where k = 7; insert into t values (-1, 'new'), (9000, 'new');")
        .await;
    let found = differences(&syncer).await;
    assert_eq!(found, Differences { rows: 3000, missing: 2, different: 1, surplus: 2 });
    let outcome = sync(&syncer, RECONCILE).await;
    assert_eq!((outcome.rows_inserted, outcome.rows_updated, outcome.rows_deleted), (2, 1, 2));
    assert_equal(&syncer, 3000).await;
    assert_eq!(bench.text("select xmin from raw.t where k = 1").await, before);
    assert_eq!(bench.text("select row_count from amalgam.table_state").await, "3000");
    let again = sync(&syncer, RECONCILE).await;
    assert!(!again.changed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_finds_deleted_rows_by_their_keys_wherever_they_are() {
    for (mode, name) in [(SyncMode::Merge, "gone_merge"), (SyncMode::Append, "gone_append")] {
        let bench = Servers::fresh(name).await;
        bench
            .source(
                "create table t (k int auto_increment primary key, v int, ts timestamp not null default current_timestamp \
                 on update current_timestamp) engine=MyISAM; \
                 insert into t (k, v, ts) select cast(seq as signed) * 1000 - 500000, seq, '2020-01-01' from seq_1_to_1000;",
            )
            .await;
        let syncer = syncer_with(&bench, |config| {
            config.source.range_rows = 64;
            config.tables.insert("t".to_owned(), amalgam::config::TableOverride { mode: Some(mode), cursor: None });
        })
        .await;
        sync(&syncer, SyncOptions::default()).await;
        // The lowest, the highest, some in the middle; and new rows above and, only stamped ones, below.
        bench
            .source("delete from t where v in (1, 400, 401, 999, 1000); insert into t (v) values (-1), (-2), (-3);")
            .await;
        let outcome = sync(&syncer, SyncOptions::default()).await;
        assert_eq!((outcome.rows_inserted, outcome.rows_deleted), (3, 5), "{mode}");
        // The highest key is how far `append` has come: without it, keys may have begun anew.
        let found_by = if mode == SyncMode::Append { Action::Reconcile } else { Action::Delta };
        assert_eq!(outcome.action, found_by, "{mode}");
        assert_equal(&syncer, 998).await;
        bench.source("delete from t").await;
        assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_deleted, 998);
        assert_equal(&syncer, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_writes_no_more_rows_than_have_changed() {
    let bench = Servers::fresh("clean").await;
    bench.source("create table t (k int primary key, v int) engine=MyISAM; insert into t select seq, seq from seq_1_to_5000;").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench
        .source("update t set v = -1 where k % 500 = 0; delete from t where k < 8; insert into t values (9000, 1);")
        .await;
    sync(&syncer, SyncOptions::default()).await;
    // PostgreSQL tells what was written a moment later, all of a transaction at once.
    let written = "select n_tup_ins || ' ' || n_tup_upd || ' ' || n_tup_del || ' ' || n_dead_tup from pg_stat_user_tables \
                   where schemaname = 'raw' and relname = 't'";
    until("the rows written are the rows changed", async || bench.text(written).await == "5001 10 7 17").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn merge_reads_all_rows_that_share_a_stamp_at_a_ranges_edge() {
    let bench = Servers::fresh("merge").await;
    bench
        .source(
            "create table t (k int primary key, v int, s timestamp not null default current_timestamp() on update current_timestamp(), key (s)) engine=MyISAM;
             insert into t select seq, 0, '2024-01-01 00:00:00' from seq_1_to_500;",
        )
        .await;
    let syncer = syncer_with(&bench, |c| {
        c.source.range_rows = 7;
        c.tables.insert("t".to_owned(), amalgam::config::TableOverride { mode: Some(SyncMode::Merge), cursor: None });
    })
    .await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("update t set v = 1 where k % 2 = 0; insert into t (k, v) values (1000, 5);").await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_inserted, outcome.rows_updated), (Action::Delta, 1, 250));
    assert_equal(&syncer, 501).await;
    let again = sync(&syncer, SyncOptions::default()).await;
    assert_eq!(again.rows_inserted + again.rows_updated, 0, "rows read again within the overlap are not written again");
}

#[tokio::test(flavor = "multi_thread")]
async fn append_reads_only_above_the_last_key() {
    let bench = Servers::fresh("append").await;
    bench.source("create table t (k bigint auto_increment primary key, v int) engine=MyISAM; insert into t (v) select seq from seq_1_to_100;").await;
    let syncer = syncer_in_mode(&bench, SyncMode::Append).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("insert into t (v) values (1), (2), (3);").await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_read, outcome.rows_inserted), (Action::Delta, 3, 3));
    assert_equal(&syncer, 103).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_of_a_table_without_key_are_kept_exactly() {
    let bench = Servers::fresh("keyless").await;
    bench.source("create table t (a int, b varchar(10)) engine=MyISAM; insert into t values (1,'x'),(1,'x'),(1,'x'),(2,null),(null,'');").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("delete from t where a = 1 limit 1; insert into t values (2, null), (3, 'y'); delete from t where a is null;").await;
    assert_eq!(differences(&syncer).await, Differences { rows: 5, missing: 2, different: 0, surplus: 2 });
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.rows_inserted, outcome.rows_deleted), (2, 2));
    assert_equal(&syncer, 5).await;
    assert_eq!(bench.text("select count(*) from raw.t where a = 1").await, "2");
    bench.source("delete from t;").await;
    sync(&syncer, SyncOptions::default()).await;
    assert_equal(&syncer, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_text_and_of_several_columns_are_kept_in_step() {
    let bench = Servers::fresh("keys").await;
    bench
        .source(
            "create table t (a bigint unsigned, b int, v int, primary key (a, b)); insert into t values (18446744073709551615, 1, 1), (10000, 2, 2), (0, 3, 3);
             create table u (k varchar(20) character set latin1 primary key, v int); insert into u values ('é', 1), ('Z', 2), ('a', 3);",
        )
        .await;
    let syncer = syncer_with(&bench, |c| c.source.range_rows = 1).await;
    sync(&syncer, SyncOptions::default()).await;
    let u = TableName::from("u");
    syncer.sync_table(&u, SyncOptions::default()).await.expect("loaded");
    bench.source("update t set v = 9 where b = 2; delete from t where b = 3; update u set v = 9 where k = 'é'; delete from u where k = 'a';").await;
    let outcome = sync(&syncer, RECONCILE).await;
    assert_eq!((outcome.rows_updated, outcome.rows_deleted), (1, 1));
    assert_equal(&syncer, 2).await;
    syncer.sync_table(&u, RECONCILE).await.expect("reconciled");
    assert!(syncer.verify_table(&u).await.expect("compared").none());
    assert_eq!(bench.text("select v from raw.u where k = 'é'").await, "9");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_table_is_skipped_and_a_later_write_is_not_missed() {
    let bench = Servers::fresh("skip").await;
    bench.source("create table t (k int primary key, v int) engine=MyISAM; insert into t values (1, 1);").await;
    let syncer = syncer(&bench).await;
    // The first sync may fall into the second of the last write, and then proves nothing.
    crate::harness::until("the table's last write lies far enough back", || async {
        sync(&syncer, SyncOptions::default()).await.action == Action::Skip
    })
    .await;
    bench.source("update t set v = 2;").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_updated, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retyped_column_loads_only_its_table_again_and_views_on_it_survive() {
    let bench = Servers::fresh("retype").await;
    bench.source("create table t (k int primary key, v int, w int); insert into t values (1, 7, 1), (2, 8, 1);").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench
        .warehouse(
            "create schema people; create view people.seen as select k, v from raw.t; create view people.above as select count(*) as n from people.seen;
             comment on table raw.t is 'ours'; create role auditor; grant select on raw.t to auditor; create index people_index on raw.t (w);",
        )
        .await;
    bench.source("alter table t modify v varchar(20); insert into t values (3, 'text', 1);").await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_inserted), (Action::Load, 3));
    assert_equal(&syncer, 3).await;
    assert_eq!(bench.text("select n from people.above").await, "3");
    assert_eq!(bench.text("select v from people.seen where k = 3").await, "text");
    assert_eq!(bench.text("select obj_description('raw.t'::regclass)").await, "ours");
    assert_eq!(bench.text("select has_table_privilege('auditor', 'raw.t', 'select')").await, "t");
    assert_eq!(bench.text("select count(*) from pg_indexes where tablename = 't' and schemaname = 'raw'").await, "2");
    bench.warehouse("drop owned by auditor; drop role auditor;").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_only_the_raw_table_has_go_along_when_it_is_loaded_again() {
    let bench = Servers::fresh("carried").await;
    bench
        .source("create table t (k int primary key, v int, gone int); insert into t values (1, 5, 8), (2, 6, 9);")
        .await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.warehouse("alter table raw.t add column note text; comment on column raw.t.note is 'ours'; update raw.t set note = 'n' || k;").await;
    bench.source("alter table t drop column gone;").await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("alter table t modify v bigint; insert into t values (3, 7);").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.action, Action::Load);
    assert_equal(&syncer, 3).await;
    let kept = "select string_agg(concat_ws(' ', k, v, gone, note), ', ' order by k) from raw.t";
    assert_eq!(bench.text(kept).await, "1 5 8 n1, 2 6 9 n2, 3 7");
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
async fn an_added_column_is_added_and_a_dropped_one_kept() {
    let bench = Servers::fresh("columns").await;
    bench.source("create table t (k int primary key, gone int); insert into t values (1, 5), (2, 6);").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("alter table t add column extra varchar(10) not null default 'dflt' after k;").await;
    sync(&syncer, SyncOptions::default()).await;
    assert_equal(&syncer, 2).await;
    assert_eq!(bench.text("select extra from raw.t where k = 2").await, "dflt");
    bench.source("alter table t drop column gone; insert into t values (3, 'x');").await;
    sync(&syncer, SyncOptions::default()).await;
    assert_equal(&syncer, 3).await;
    assert_eq!(bench.text("select gone from raw.t where k = 2").await, "6");
    assert_eq!(bench.text("select gone is null from raw.t where k = 3").await, "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_a_shorter_declaration_cut_are_found_without_a_stamp() {
    let bench = Servers::fresh("shorter").await;
    bench
        .source(
            "set sql_mode = ''; create table t (k int primary key, v varchar(20), ts timestamp not null default current_timestamp \
             on update current_timestamp); insert into t values (1, 'long enough', '2020-01-01'), (2, 'short', '2020-01-01');",
        )
        .await;
    let syncer = syncer_in_mode(&bench, SyncMode::Merge).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("set sql_mode = ''; alter table t modify v varchar(5);").await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_updated), (Action::Reconcile, 1));
    assert_equal(&syncer, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_comes_back_brings_its_own_values() {
    let bench = Servers::fresh("regained").await;
    bench.source("create table t (k int primary key, c int); insert into t values (1, 5), (2, 6);").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("alter table t drop column c;").await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("alter table t add column c varchar(5);").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.action, Action::Load);
    assert_equal(&syncer, 2).await;
    assert_eq!(bench.text("select count(c) from raw.t").await, "0");
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
    let syncer = syncer_with(&bench, |config| {
        config.source.port = proxy.port();
        config.source.range_rows = 100;
        config.sync.batch_bytes_max = 10_000;
        config.sync.load_part_bytes = 50_000;
        let merge = amalgam::config::TableOverride { mode: Some(SyncMode::Merge), cursor: None };
        config.tables.insert("t".to_owned(), merge);
    })
    .await;
    proxy.set(Fault::Reset(400_000));
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
    proxy.set(Fault::Reset(300_000));
    syncer.sync_table(&TableName::from("t"), SyncOptions::default()).await.expect_err("it is cut off");
    proxy.set(Fault::None);
    bench.source("alter table t add column w int default 7;").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_read, 3000);
    assert_equal(&syncer, 3000).await;
    let left = "select count(*) from pg_tables where schemaname = 'amalgam' and tablename ~ '^load_'";
    assert_eq!(bench.text(left).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stamp_that_new_rows_do_not_get_is_not_gone_by() {
    let bench = Servers::fresh("halfstamp").await;
    bench
        .source(
            "create table t (k int auto_increment primary key, ts timestamp null on update current_timestamp, v varchar(900)); \
             insert into t (v) select repeat('x', 900) from seq_1_to_11000;",
        )
        .await;
    let catalog = syncer(&bench).await;
    let plans = catalog.plan(None, SyncOptions::default()).await.expect("it is planned");
    assert_eq!(plans[0].mode, SyncMode::Replace, "{}", plans[0].mode_reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_comes_after_a_higher_one_is_found_where_the_engine_allows_that() {
    let bench = Servers::fresh("latekey").await;
    bench.source("create table t (k int primary key, v int) engine=InnoDB; insert into t values (1, 1), (5, 5);").await;
    let syncer = syncer_in_mode(&bench, SyncMode::Append).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("insert into t values (3, 3), (6, 6);").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_inserted, 2);
    assert_equal(&syncer, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_emptied_and_filled_again_is_compared_as_a_whole() {
    let bench = Servers::fresh("refilled").await;
    bench.source("create table t (k bigint auto_increment primary key, v int) engine=MyISAM; insert into t (v) select seq from seq_1_to_100;").await;
    let syncer = syncer_in_mode(&bench, SyncMode::Append).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("truncate t; insert into t (v) select -seq from seq_1_to_50;").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.action, Action::Reconcile);
    assert_equal(&syncer, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_is_exchanged_is_not_missed() {
    let bench = Servers::fresh("exchanged").await;
    bench
        .source(
            "create table t (k int primary key) engine=InnoDB partition by range (k) (partition p0 values less than (10), partition p1 values less than maxvalue);
             create table other (k int primary key) engine=InnoDB; insert into t values (1), (20); insert into other values (2);",
        )
        .await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("alter table t exchange partition p0 with table other;").await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.rows_inserted, outcome.rows_deleted), (1, 1));
    assert_equal(&syncer, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_of_one_stamp_come_in_ranges_of_some_size() {
    let bench = Servers::fresh("onestamp").await;
    bench
        .source(
            "create table t (k int auto_increment primary key, v varchar(100), ts timestamp not null default current_timestamp \
             on update current_timestamp) engine=MyISAM; insert into t (v) select md5(seq) from seq_1_to_60000;",
        )
        .await;
    // Without an index on the stamp every range sorts what is left: a range of few rows would never end.
    let syncer = syncer_with(&bench, |config| config.source.range_milliseconds = 1).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("update t set v = 'edited';").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_updated, 60_000);
    assert_equal(&syncer, 60_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_begin_anew_are_read_from_their_new_beginning() {
    let bench = Servers::fresh("anew").await;
    bench.source("create table t (k bigint auto_increment primary key, v int) engine=MyISAM; insert into t (v) select seq from seq_1_to_100;").await;
    let syncer = syncer_in_mode(&bench, SyncMode::Append).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("truncate t; insert into t (v) values (1), (2);").await;
    sync(&syncer, RECONCILE).await;
    bench.source("insert into t (v) values (3);").await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_inserted), (Action::Delta, 1));
    assert_equal(&syncer, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn system_versioned_tables_and_rows_above_the_servers_packet_bound_arrive() {
    let bench = Servers::fresh("long").await;
    bench
        .source(
            "create table v (k int primary key, c int) with system versioning; insert into v values (1, 1); update v set c = 2;
             create table t (k int primary key, a longtext, b longtext) engine=MyISAM;
             insert into t values (1, repeat('a', 9000000), repeat('b', 9000000)), (2, 'x', 'y');",
        )
        .await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    assert_equal(&syncer, 2).await;
    assert_eq!(bench.text("select length(a) + length(b) from raw.t where k = 1").await, "18000000");
    let v = TableName::from("v");
    syncer.sync_table(&v, SyncOptions::default()).await.expect("the versioned table is loaded");
    assert_eq!(bench.text("select c from raw.v").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zero_date_in_a_key_fails_no_table() {
    let bench = Servers::fresh("zerokey").await;
    bench.source("set sql_mode = ''; create table t (d date primary key, v int); insert into t values ('0000-00-00', 1), ('2024-01-01', 2);").await;
    let syncer = syncer(&bench).await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.dates_coerced, 1);
    assert_equal(&syncer, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_changes_nothing_and_says_what_was_never_synced() {
    let bench = Servers::fresh("looking").await;
    bench.source("create table t (k int primary key); insert into t values (1);").await;
    let plan = bench.amalgam().args(["plan"]).output().await.expect("the program starts");
    let told = String::from_utf8_lossy(&plan.stdout).into_owned() + &String::from_utf8_lossy(&plan.stderr);
    assert!(plan.status.success() && told.contains("never loaded"), "{told}");
    let verify = bench.amalgam().args(["verify"]).output().await.expect("the program starts");
    let (out, err) = (String::from_utf8_lossy(&verify.stdout), String::from_utf8_lossy(&verify.stderr));
    assert_eq!(verify.status.code(), Some(1));
    assert!(out.contains("1 table could not be compared") && err.contains("remedy: run `amalgam sync`"), "{out}{err}");
    assert_eq!(bench.text("select to_regnamespace('amalgam') is null").await, "t");
    let repair = bench.amalgam().args(["verify", "--repair"]).output().await.expect("the program starts");
    assert!(repair.status.success());
    assert_eq!(bench.text("select count(*) from raw.t").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_table_that_was_dropped_by_hand_is_loaded_again() {
    let bench = Servers::fresh("dropped").await;
    bench.source("create table t (k int primary key); insert into t values (1);").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.warehouse("drop table raw.t;").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.action, Action::Load);
    assert_equal(&syncer, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_table_that_was_altered_by_hand_is_loaded_again_with_its_views() {
    let bench = Servers::fresh("altered").await;
    bench.source("create table t (k int primary key, v int, w int); insert into t values (1, 5, 6);").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.warehouse("create schema people; create view people.v as select k, w from raw.t;").await;
    for harm in [
        "alter table raw.t drop column v",
        "alter table raw.t alter column v type bigint",
        "alter table raw.t drop column _loaded_at",
        "do $$ begin execute (select format('alter table raw.t drop constraint %I', conname) from pg_constraint where conrelid = 'raw.t'::regclass); end $$",
    ] {
        bench.warehouse(harm).await;
        let refused = syncer.verify_table(&TableName::from("t")).await.expect_err("what was altered can't be compared");
        assert_eq!(refused.kind, Kind::NotSynced, "{harm}");
        assert_eq!(sync(&syncer, SyncOptions::default()).await.action, Action::Load, "{harm}");
        assert_equal(&syncer, 1).await;
    }
    assert_eq!(bench.text("select w from people.v").await, "6");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_the_warehouse_has_no_room_for_are_kept_in_step_too() {
    let bench = Servers::fresh("names").await;
    let long = "ä".repeat(64);
    bench
        .source(&format!(
            "create table `{long}` (`{long}` int primary key, ctid int, _loaded_at datetime, `Order` int, `a\"b` int, \
             ts timestamp default current_timestamp on update current_timestamp) engine=MyISAM charset utf8mb4;
             insert into `{long}` (`{long}`, ctid, _loaded_at, `Order`, `a\"b`) values (1, 2, '2024-02-29 10:00:00', 4, 5), (2, 3, null, 6, 7);",
        ))
        .await;
    let mode = amalgam::config::TableOverride { mode: Some(SyncMode::Merge), cursor: None };
    let syncer = syncer_with(&bench, |config| drop(config.tables.insert(long.clone(), mode))).await;
    let name = TableName::new(long.clone());
    let sync = async |options| syncer.sync_table(&name, options).await.expect("the table is synced");
    assert_eq!(sync(SyncOptions::default()).await.rows_inserted, 2);
    bench
        .source(&format!("update `{long}` set ctid = 9 where `{long}` = 1; delete from `{long}` where `{long}` = 2;"))
        .await;
    let outcome = sync(SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_updated, outcome.rows_deleted), (Action::Delta, 1, 1));
    bench.source(&format!("alter table `{long}` add column xmin int;")).await;
    assert_eq!(sync(SyncOptions::default()).await.action, Action::Reconcile);
    let found = syncer.verify_table(&name).await.expect("the table is compared");
    assert_eq!(found, Differences { rows: 1, ..Differences::default() });
    let row = format!(
        "select format('%s %s', t.\"ctid_{}\", t.\"Order\") from raw.\"{}\" t",
        "0059f0df",
        amalgam::domain::name::in_warehouse(&long)
    );
    assert_eq!(bench.text(&row).await, "9 4");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_comes_late_is_refused_and_leaves_nothing() {
    let bench = Servers::fresh("late").await;
    bench.source("create table t (k int primary key); insert into t values (1);").await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("insert into t values (2);").await;
    let (one, other) = tokio::join!(sync_result(&syncer), sync_result(&syncer));
    let refused = [one, other].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert!(refused.iter().all(|e| e.kind == Kind::WarehouseConflict), "{refused:?}");
    assert!(refused.len() < 2, "one of them writes");
    assert_equal(&syncer, 2).await;
}

async fn sync_result(syncer: &Syncer) -> amalgam::error::Result<SyncOutcome> {
    syncer.sync_table(&TableName::from("t"), RECONCILE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nul_and_broken_text_are_replaced_counted_and_equal_afterwards() {
    let bench = Servers::fresh("text").await;
    bench.source("create table t (k int primary key, v text) charset utf8mb4; insert into t values (1, concat('a', char(0), 'b')), (2, 'fine');").await;
    let syncer = syncer(&bench).await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!(outcome.texts_coerced, 1);
    assert_eq!(bench.text("select v from raw.t where k = 1").await, "a\u{fffd}b");
    assert_equal(&syncer, 2).await;
}
