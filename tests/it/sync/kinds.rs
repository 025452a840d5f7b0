//! Kinds of values that are rare in a practice, at their edges, compared with what the source itself says.

use super::{assert_equal, sync, syncer};
use crate::harness::{Bench, Servers};
use amalgam::sync::{Action, SyncOptions};

/// The first row's cells as text, `-` standing for null.
async fn row(bench: &Bench, sql: &str) -> Vec<String> {
    let rows = bench.texts(sql).await;
    rows.into_iter().next().expect("a row").into_iter().map(|c| c.unwrap_or_else(|| "-".to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn uuids_addresses_and_geometries_arrive_as_what_they_are() {
    let bench = Servers::fresh("kinds").await;
    bench
        .source(
            "create table t (k int primary key, u uuid, a inet4, b inet6, p point, g geometry, c geometrycollection);
             insert into t values
               (1, '123E4567-e89b-12d3-a456-426655440000', '192.168.0.7', '2001:db8::ff00:42:8329', point(1, -2.5),
                st_geomfromtext('polygon((0 0, 1 0, 1 1, 0 0))', 4326), st_geomfromtext('geometrycollection(point(1 1))')),
               (2, null, null, null, null, null, null),
               (3, '00000000-0000-0000-0000-000000000000', '0.0.0.0', '::ffff:10.0.0.1', point(0, 0),
                st_geomfromtext('multilinestring((0 0, 1 1), (2 2, 3 3))', 2163), st_geomfromtext('geometrycollection empty'));",
        )
        .await;
    let syncer = syncer(&bench).await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_inserted, 3);
    assert_equal(&syncer, 3).await;
    let types = "select string_agg(format_type(atttypid, atttypmod), ' ' order by attnum) from pg_attribute \
                 where attrelid = 'raw.t'::regclass and attnum between 2 and 7";
    assert_eq!(bench.text(types).await, "uuid inet inet bytea bytea bytea");
    assert_eq!(
        row(&bench, "select u, a, b from raw.t where k = 1").await,
        ["123e4567-e89b-12d3-a456-426655440000", "192.168.0.7", "2001:db8::ff00:42:8329"]
    );
    assert_eq!(row(&bench, "select host(a), b from raw.t where k = 3").await, ["0.0.0.0", "::ffff:10.0.0.1"]);
    // Without an SRID the bytes are the server's own WKB; with one, type and length tell of it.
    let wkb = bench
        .source_texts(
            "select lower(hex(st_aswkb(p))), lower(hex(st_aswkb(c))), lower(hex(st_aswkb(g))) from t where k = 1",
        )
        .await;
    let wkb: Vec<&str> = wkb[0].iter().map(|c| c.as_deref().expect("a geometry")).collect();
    let ours = row(&bench, "select encode(p, 'hex'), encode(c, 'hex'), encode(g, 'hex') from raw.t where k = 1").await;
    assert_eq!(ours[..2], wkb[..2]);
    assert_eq!(ours[2], format!("0103000020e6100000{}", &wkb[2][10..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_every_character_set_of_the_server_arrives_as_the_server_reads_it() {
    let bench = Servers::fresh("charsets").await;
    let sets = bench.source_texts("select character_set_name from information_schema.character_sets order by 1").await;
    let sets: Vec<String> = sets.into_iter().flatten().flatten().filter(|s| s != "binary").collect();
    assert!(sets.len() > 30, "{sets:?}");
    let joined = |each: &dyn Fn(&String) -> String| sets.iter().map(each).collect::<Vec<_>>().join(", ");
    // What a set lacks becomes a question mark at the source already.
    bench
        .source(&format!(
            "set sql_mode = ''; create table t (k int primary key, {}); insert into t values (1, {});",
            joined(&|s| format!("c_{s} varchar(40) character set {s}")),
            joined(&|_| "'Az é ñ € ß я 日本 中文 한 ก ش ע Ω ~'".to_owned()),
        ))
        .await;
    let syncer = syncer(&bench).await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.rows_inserted, outcome.texts_coerced), (1, 0));
    assert_equal(&syncer, 1).await;
    let there =
        bench.source_texts(&format!("select {} from t", joined(&|s| format!("convert(c_{s} using utf8mb4)")))).await;
    let here = row(&bench, &format!("select {} from raw.t", joined(&|s| format!("c_{s}")))).await;
    let there: Vec<String> = there[0].iter().map(|c| c.clone().expect("a text")).collect();
    assert_eq!(here, there);
    for (set, holds) in [
        ("latin1", "é ñ € ß"),
        ("sjis", "日本"),
        ("gbk", "中文"),
        ("big5", "中文"),
        ("koi8r", "я"),
        ("utf16", "한 ก ش"),
        ("utf32", "中文"),
        ("ucs2", "日本"),
        ("cp1251", "я"),
    ] {
        let at = sets.iter().position(|s| s == set).expect("the server has it");
        assert!(here[at].contains(holds), "{set}: {}", here[at]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edges_of_numbers_bits_times_and_choices_arrive() {
    let bench = Servers::fresh("edges").await;
    bench
        .source(
            "set sql_mode = '';
             create table t (k int primary key, n decimal(65,38), b bit(64), b1 bit(1), f float, f2 float(10,2), d double, z int(8) unsigned zerofill,
                tm time(6), tm3 time(3), y year, e enum('a', 'b'), s set('x', 'y', 'z'), ub bigint unsigned, l longtext, m mediumint unsigned);
             insert into t values
               (1, 999999999999999999999999999.99999999999999999999999999999999999999, 18446744073709551615, 1, 16777217, 12345678.91,
                0.1, 42, '-838:59:59.999999', '-00:00:00.001', 0, 'nothing of the kind', 'z,x', 9223372036854775808, '', 16777215),
               (2, -0.00000000000000000000000000000000000001, 0, 0, 1e-45, 0, 5e-324, 4294967295,
                '838:59:59.999999', '24:00:00.5', 1901, null, '', 0, null, 0),
               (3, 0, b'1', 1, 3.4028234e38, 0, 1.7976931348623157e308, 0, '-24:00:00.000001', '00:00:00', 2155, 'b', 'x,y,z', 1, 'x', 1);",
        )
        .await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    assert_equal(&syncer, 3).await;
    let list = "k, n, b::text, b1::text, f, f2, d, z, tm, tm3, y, e, s, ub, m";
    assert_eq!(
        row(&bench, &format!("select {list} from raw.t where k = 1")).await,
        [
            "1",
            "999999999999999999999999999.99999999999999999999999999999999999999",
            &"1".repeat(64),
            "1",
            "1.6777216e+07",
            "1.2345679e+07",
            "0.1",
            "42",
            "-838:59:59.999999",
            "-00:00:00.001",
            "0",
            "",
            "x,z",
            "9223372036854775808",
            "16777215"
        ]
    );
    assert_eq!(
        row(&bench, &format!("select {list} from raw.t where k = 2")).await,
        [
            "2",
            "-0.00000000000000000000000000000000000001",
            &"0".repeat(64),
            "0",
            "1e-45",
            "0",
            "5e-324",
            "4294967295",
            "838:59:59.999999",
            "24:00:00.5",
            "1901",
            "-",
            "",
            "0",
            "0"
        ]
    );
    // To the last bit: the text of a double can be read back into the same one.
    let doubles = row(
        &bench,
        "select string_agg(encode(float8send(d), 'hex') || encode(float4send(f), 'hex'), ' ' order by k) from raw.t",
    )
    .await;
    let bits = [(0.1f64, 16_777_217f32), (5e-324, 1e-45), (f64::MAX, 3.402_823_4e38)];
    let bits: Vec<String> = bits.iter().map(|(d, f)| format!("{:016x}{:08x}", d.to_bits(), f.to_bits())).collect();
    assert_eq!(doubles, [bits.join(" ")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_and_invisible_columns_arrive() {
    let bench = Servers::fresh("generated").await;
    bench
        .source(
            "create table t (k int primary key, a int, v int generated always as (a * 2) virtual, s varchar(20) as (concat('a', a)) stored,
                hidden int invisible default 7, `select` int, `CamelCase` int, `camel snake` int);
             insert into t (k, a, hidden, `select`, `CamelCase`, `camel snake`) values (1, 21, 9, 3, 4, 5), (2, null, 7, 6, 7, 8);",
        )
        .await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    assert_equal(&syncer, 2).await;
    let list = "v, s, hidden, \"select\", \"CamelCase\", \"camel snake\"";
    assert_eq!(row(&bench, &format!("select {list} from raw.t where k = 1")).await, ["42", "a21", "9", "3", "4", "5"]);
    bench.source("update t set a = 5 where k = 2;").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_updated, 1);
    assert_eq!(row(&bench, &format!("select {list} from raw.t where k = 2")).await, ["10", "a5", "7", "6", "7", "8"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_six_hundred_columns_is_kept_in_step() {
    let bench = Servers::fresh("wide").await;
    let of = |n: usize| ["int", "varchar(20)", "datetime", "decimal(10,2)", "tinyint"][n % 5];
    let joined = |each: &dyn Fn(usize) -> String| (1..=600).map(each).collect::<Vec<_>>().join(", ");
    let value = |n: usize| match n % 5 {
        1 => format!("'text {n}'"),
        2 => "'2024-02-29 10:00:00'".to_owned(),
        3 => format!("{n}.25"),
        4 => "-1".to_owned(),
        _ => n.to_string(),
    };
    bench
        .source(&format!(
            "create table t (k int primary key, {}) engine=MyISAM; insert into t values (1, {}), (2, {});",
            joined(&|n| format!("`Column {n}` {}", of(n))),
            joined(&value),
            joined(&|_| "null".to_owned()),
        ))
        .await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    bench.source("update t set `Column 600` = 6 where k = 2;").await;
    let outcome = sync(&syncer, SyncOptions::default()).await;
    assert_eq!((outcome.action, outcome.rows_updated), (Action::Reconcile, 1));
    assert_equal(&syncer, 2).await;
    let list = "\"Column 598\", \"Column 596\", \"Column 597\"";
    let cells = row(&bench, &format!("select {list} from raw.t where k = 1")).await;
    assert_eq!(cells, ["598.25", "text 596", "2024-02-29 10:00:00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_sixty_four_megabytes_arrives() {
    let bench = Servers::fresh("huge").await;
    bench
        .source(
            "create table t (k int primary key, a longtext, b longblob, c longtext, d longblob) engine=MyISAM;
             insert into t values (1, repeat('a', 16000000), repeat(x'00', 16000000), repeat('é', 8000000), repeat(x'ff', 16000000));",
        )
        .await;
    let syncer = syncer(&bench).await;
    sync(&syncer, SyncOptions::default()).await;
    assert_equal(&syncer, 1).await;
    let there = bench.source_texts("select md5(a), md5(b), md5(c), md5(d) from t").await;
    let here = bench.texts("select md5(a), md5(b), md5(c), md5(d) from raw.t").await;
    assert_eq!(here, there);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_many_megabytes_arrive_and_are_compared() {
    let bench = Servers::fresh("long_rows").await;
    bench.source("set global max_allowed_packet = 1073741824").await;
    bench
        .source(
            "create table t (k int primary key, b longblob, t longtext);
             insert into t values (1, repeat(x'00ff', 32 << 20), null), (2, '', repeat('é', 16 << 20)), (3, null, 'x'),
               (4, repeat('a', 16777215), 'piece and no more'), (5, repeat('b', 60 << 20), repeat('c', 3 << 20));",
        )
        .await;
    let syncer = syncer(&bench).await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_inserted, 5);
    assert_equal(&syncer, 5).await;
    let sizes = "select string_agg(concat(length(b), ' ', length(t)), ', ' order by k) from raw.t";
    let expected = "67108864 , 0 16777216,  1, 16777215 17, 62914560 3145728";
    assert_eq!(bench.text(sizes).await, expected);
    bench.source("update t set b = concat(b, 'd') where k = 5").await;
    assert_eq!(sync(&syncer, SyncOptions::default()).await.rows_updated, 1);
    assert_equal(&syncer, 5).await;
}
