//! Every type, odd names and values that PostgreSQL has no place for.

use super::{assert_equal, in_mode, sync, syncer, syncer_that_counts, syncer_with};
use crate::harness::Servers;
use amalgam::{
    domain::{SyncMode, TableName},
    sync::{Action, Differences, SyncOptions},
    telemetry::Metrics,
};

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
    let merge = in_mode(SyncMode::Merge);
    let syncer = syncer_with(&bench, |config| drop(config.tables.insert(long.clone(), merge))).await;
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
async fn nul_and_broken_text_are_replaced_counted_and_equal_afterwards() {
    let bench = Servers::fresh("text").await;
    bench.source("create table t (k int primary key, v text) charset utf8mb4; insert into t values (1, concat('a', char(0), 'b')), (2, 'fine');").await;
    let (syncer, metrics) = syncer_that_counts(&bench, |_| {}).await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!(outcome.texts_coerced, 1);
    assert_counted(&metrics, "text", 1);
    assert_eq!(bench.text("select v from raw.t where k = 1").await, "a\u{fffd}b");
    assert_equal(&syncer, 2).await;
}

fn assert_counted(metrics: &Metrics, rule: &str, values: u64) {
    let line = format!("amalgam_values_coerced_total{{rule=\"{rule}\",table=\"t\"}} {values}\n");
    assert!(metrics.text().contains(&line), "{line}{}", metrics.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn zero_and_partial_times_are_counted_one_by_one() {
    let bench = Servers::fresh("zeros").await;
    bench
        .source(
            "set sql_mode = 'ALLOW_INVALID_DATES'; create table t (k int primary key, d date, s datetime(3), ts timestamp null) engine=MyISAM;
             insert into t values (1, '0000-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00'), (2, '2024-02-30', '2024-00-01 10:00:00', null),
             (3, '2024-02-29', '2024-02-29 00:00:00', '2024-02-29 00:00:00');",
        )
        .await;
    let (syncer, metrics) = syncer_that_counts(&bench, |_| {}).await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.dates_coerced, 5);
    assert_eq!(bench.text("select concat_ws(' ', count(d), count(s), count(ts)) from raw.t").await, "1 1 1");
    assert_counted(&metrics, "date", 5);
    assert_equal(&syncer, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reserved_mixed_case_and_longest_names_stay_as_the_source_has_them() {
    let bench = Servers::fresh("reserved").await;
    // Of 64 characters, which are 64 bytes: one more than PostgreSQL has room for.
    let long = "C".repeat(64);
    for table in ["Order", "CamelCase"] {
        bench
            .source(&format!(
                "create table `{table}` (`Select` int primary key, `{long}` int, `Group` int) engine=MyISAM; \
                 insert into `{table}` values (1, 10, 100), (2, 20, 200);"
            ))
            .await;
        let syncer = syncer(&bench).await;
        let name = TableName::new(table.to_owned());
        let sync = async |options| syncer.sync_table(&name, options).await.expect("the table is synced");
        assert_eq!(sync(SyncOptions::default()).await.rows_inserted, 2, "{table}");
        bench.source(&format!("update `{table}` set `{long}` = 11 where `Select` = 1;")).await;
        assert_eq!(sync(SyncOptions::default()).await.rows_updated, 1, "{table}");
        let found = syncer.verify_table(&name).await.expect("the table is compared");
        assert_eq!(found, Differences { rows: 2, ..Differences::default() }, "{table}");
        let row = format!(
            "select format('%s %s %s', \"Select\", \"{}\", \"Group\") from raw.\"{table}\" where \"Select\" = 1",
            amalgam::domain::name::in_warehouse(&long)
        );
        assert_eq!(bench.text(&row).await, "1 11 100", "{table}");
    }
}
