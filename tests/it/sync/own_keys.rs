//! Tables whose primary key is not made of integers: read in ranges by that key, as the source orders it.

use super::{FULL, PLAIN, RECONCILE, assert_equal, described, sync, syncer_with};
use crate::harness::{Bench, Servers};
use amalgam::{
    source::{Order, Reader},
    sync::{Action, Syncer},
};
use tokio::task::JoinSet;

/// What texts are made of: letters that are equal in some collations, spaces that may not count, what sorts below a
/// space, what SQL marks with, and characters of one to four bytes, one of them in two forms.
const PIECES: [&str; 20] = [
    "a", "A", "b", "ä", "ß", "ss", "é", "e\u{301}", " ", "\t", "'", "\\", "%", "日", "🦷", "\u{1}", "ﬀ", "z", "0", "-",
];
const ROWS: usize = 150;

/// Keys as SQL: texts of these pieces, some of them equal.
fn texts() -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(7);
    let text = |_| {
        let pieces = (0..random.usize(..6)).map(|_| PIECES[random.usize(..PIECES.len())]);
        let text: String = pieces.collect();
        format!("_utf8mb4 x'{}'", amalgam::domain::hexadecimal(text.as_bytes()))
    };
    (0..ROWS).map(text).collect()
}

fn bytes() -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(8);
    let value = |_| {
        let bytes: Vec<u8> = (0..random.usize(..5)).map(|_| [0, 1, 0x20, 0x7f, 0xff][random.usize(..5)]).collect();
        format!("x'{}'", amalgam::domain::hexadecimal(&bytes))
    };
    (0..ROWS).map(value).collect()
}

fn each(of: &[&str]) -> Vec<String> {
    of.iter().map(|&value| value.to_owned()).collect()
}

/// Makes table `t` of a declaration of its key `k` (of further columns, too) and of values for it. What is equal to
/// a key that is there already is left out.
async fn make(bench: &Bench, key: &str, engine: &str, values: &[String]) {
    let rows: Vec<String> = values.iter().enumerate().map(|(n, value)| format!("({n}, {value})")).collect();
    bench
        .source(&format!(
            "set sql_mode = 'ALLOW_INVALID_DATES'; set time_zone = '+00:00'; drop table if exists t; \
             create table t (v int not null, {key}) engine={engine}; insert ignore into t values {};",
            rows.join(", ")
        ))
        .await;
}

/// The first column of every row, statement by statement.
async fn read(reader: &mut Reader<'_>) -> Vec<Vec<String>> {
    let mut ranges = Vec::new();
    while let Some(mut range) = reader.range().await.expect("a range") {
        let mut values = Vec::new();
        while let Some(cells) = range.next().await.expect("a row") {
            values.push(cells[0].literal());
        }
        ranges.push(values);
    }
    ranges
}

/// Reads table `t` by its own key, three rows at a time: statements that it took, and whether that was all. What was
/// read must be what is there, in its order where `order` is one.
async fn read_by_key(bench: &Bench, what: &str, order: &str) -> (usize, bool) {
    let mut config = bench.config();
    config.source.range_rows = 3;
    let (source, catalog) = described(&config).await;
    let mut reader = source.reader(&catalog.tables[0], &Order::OwnKey, 1 << 20).await.expect("a reader");
    let ranges = read(&mut reader).await;
    let mut read = ranges.concat();
    // A sort may order texts otherwise than their index does: `cp1250_czech_cs`.
    let index = if order == "v" { "" } else { "force index (primary)" };
    let there = bench.source_texts(&format!("select v from t {index} order by {order}")).await;
    let mut there: Vec<String> = there.into_iter().flatten().flatten().collect();
    if order == "v" {
        read.sort();
        there.sort();
    }
    if reader.is_whole() {
        assert_eq!(read, there, "{what}");
    }
    (ranges.len(), reader.is_whole())
}

/// Both engines give the rows of such a table in ranges, each once.
async fn assert_ranges(bench: &Bench, columns: &str, key: &str, values: &[String]) {
    for engine in ["MyISAM", "InnoDB"] {
        let what = format!("{columns} {engine}");
        make(bench, &format!("{columns}, primary key ({key})"), engine, values).await;
        let rows = bench.source_texts("select count(*) from t").await;
        let rows: usize = rows[0][0].as_ref().and_then(|n| n.parse().ok()).expect("a number");
        assert!(rows > 6, "{what}: {rows} rows");
        assert_eq!(read_by_key(bench, &what, key).await, (rows / 3 + 1, true), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_text_are_read_in_ranges_whatever_their_character_set_and_collation() {
    let bench = Servers::fresh("text_keys").await;
    let texts = texts();
    for (kind, collation) in [
        ("varchar(40)", "latin1_swedish_ci"),
        ("varchar(40)", "latin1_german2_ci"),
        ("char(40)", "latin1_bin"),
        ("varchar(40)", "ascii_general_ci"),
        ("varchar(40)", "cp1250_czech_cs"),
        ("varchar(40)", "tis620_thai_ci"),
        ("varchar(40)", "utf8mb4_general_ci"),
        ("varchar(40)", "utf8mb4_unicode_520_ci"),
        ("varchar(40)", "utf8mb4_bin"),
        ("char(40)", "utf8mb4_unicode_ci"),
        ("varchar(40)", "utf8mb4_nopad_bin"),
        ("varchar(40)", "utf8mb4_general_nopad_ci"),
        ("varchar(40)", "utf8mb4_swedish_ci"),
        ("varchar(40)", "utf8mb3_general_ci"),
        ("varchar(40)", "ucs2_general_ci"),
        ("varchar(40)", "utf16_unicode_ci"),
        ("varchar(40)", "utf16le_general_ci"),
        ("char(40)", "utf32_general_ci"),
    ] {
        let set = collation.split('_').next().expect("a name");
        assert_ranges(&bench, &format!("k {kind} character set {set} collate {collation}"), "k", &texts).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_row_is_missed_whatever_character_its_key_ends_in() {
    let bench = Servers::fresh("last_characters").await;
    for (columns, set) in [
        ("k char(9) character set latin1", "latin1"),
        ("k varchar(9) character set latin7", "latin7"),
        ("k varchar(9) character set latin2 collate latin2_hungarian_ci", "latin2"),
    ] {
        let values: Vec<String> = (1..256).map(|byte| format!("_{set} x'61{byte:02x}'")).collect();
        assert_ranges(&bench, columns, "k", &values).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_bytes_numbers_moments_and_addresses_are_read_in_ranges() {
    let bench = Servers::fresh("other_keys").await;
    for columns in ["k varbinary(20)", "k binary(4)"] {
        assert_ranges(&bench, columns, "k", &bytes()).await;
    }
    let dates = each(&[
        "'0000-00-00'",
        "'2022-00-00'",
        "'2022-11-00'",
        "'2021-02-31'",
        "'2021-02-28'",
        "'2021-03-01'",
        "'0001-01-01'",
        "'9999-12-31'",
        "'1970-01-01'",
        "'2024-02-29'",
    ]);
    let times = ["00:00:00", "23:59:59.999999", "12:30:00.000001", "12:30:00.100000", "12:30:00", "00:00:00.5"];
    let moments: Vec<String> = dates
        .iter()
        .flat_map(|date| times.map(|time| format!("'{} {time}'", date.trim_matches('\''))))
        .chain(["'0000-00-00 00:00:00'".to_owned()])
        .collect();
    let stamps: Vec<String> = (0..20).map(|n| format!("from_unixtime(1730615400.25 + {n} * 600)")).collect();
    let spans = each(&[
        "'-838:59:59.999999'",
        "'838:59:59.999999'",
        "'-00:00:00.000001'",
        "'0'",
        "'00:00:00.000001'",
        "'-24:00:00'",
        "'-23:59:59.5'",
        "'24:00:00.5'",
        "'99:00:00'",
    ]);
    let years = each(&["0", "1901", "1970", "1999", "2000", "2026", "2069", "2155"]);
    let decimals: Vec<String> = (-20..20).map(|n| format!("{n}.{:030}", n * n)).collect();
    let many = "9".repeat(35);
    let decimals = [decimals, each(&[&format!("{many}.000000000000000000000000000001"), &format!("-{many}")])].concat();
    let uuids: Vec<String> = (0..40)
        .map(|n: u64| format!("'{:08x}-{:04x}-1{:03x}-8000-0000000000{:02x}'", n * 7919 % 97, n, n * 31 % 9, n % 5))
        .collect();
    let addresses = each(&[
        "'::'",
        "'::1'",
        "'::ffff:10.0.0.1'",
        "'2001:db8::ff00:42:8329'",
        "'fe80::1'",
        "'ffff::'",
        "'::ffff:9.0.0.1'",
    ]);
    let old = each(&[
        "'0.0.0.0'",
        "'9.0.0.1'",
        "'10.0.0.1'",
        "'192.168.0.7'",
        "'255.255.255.255'",
        "'127.0.0.1'",
        "'10.0.0.2'",
    ]);
    for (columns, values) in [
        ("k date", &dates),
        ("k datetime(6)", &moments),
        ("k timestamp(3)", &stamps),
        ("k time(6)", &spans),
        ("k year", &years),
        ("k decimal(65,30)", &decimals),
        ("k decimal(20,6)", &decimals),
        ("k uuid", &uuids),
        ("k inet6", &addresses),
        ("k inet4", &old),
    ] {
        assert_ranges(&bench, columns, "k", values).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_several_kinds_are_read_in_ranges() {
    let bench = Servers::fresh("mixed_keys").await;
    let texts = texts();
    let pairs: Vec<String> = texts.iter().enumerate().map(|(n, text)| format!("left({text}, 1), {}", n % 9)).collect();
    assert_ranges(&bench, "k varchar(40), n int", "k, n", &pairs).await;
    assert_ranges(&bench, "k varchar(40) character set latin1, n bigint unsigned", "n, k", &pairs).await;
    let triples: Vec<String> =
        pairs.iter().enumerate().map(|(n, pair)| format!("{pair}, '2024-0{}-00'", n % 3)).collect();
    assert_ranges(&bench, "k varchar(40), n decimal(9,2), d date", "d, k, n", &triples).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_followed_exactly_is_read_in_one_statement() {
    let bench = Servers::fresh("unfollowed").await;
    let numbers: Vec<String> = (0..20).map(|n| format!("{n} / 7")).collect();
    let choices = each(&["'z'", "'a'", "'b'", "'c'", "'Z'", "'y'", "'x'"]);
    for (key, values) in [
        ("k float primary key", &numbers),
        ("k double primary key", &numbers),
        ("k bit(20) primary key", &numbers),
        ("k enum('z', 'y', 'a', 'b', 'c') primary key", &choices),
        ("k set('z', 'y', 'a', 'b', 'c') primary key", &choices),
        ("k text, primary key (k(9))", &choices),
        ("k blob, primary key (k(9))", &choices),
        ("k varchar(40), primary key (k(9))", &choices),
        ("k varchar(40), primary key (k desc)", &choices),
        ("k varchar(40) character set sjis primary key", &choices),
        ("k char(40) collate utf8mb4_nopad_bin primary key", &choices),
        ("k char(40) character set latin7 primary key", &choices),
        ("k varchar(40)", &choices),
    ] {
        make(&bench, key, "InnoDB", values).await;
        assert_eq!(read_by_key(&bench, key, "v").await, (1, true), "{key}");
    }
    make(&bench, "k varchar(40), primary key (k) using hash", "MEMORY", &choices).await;
    assert_eq!(read_by_key(&bench, "a hash", "v").await, (1, true));
}

/// A syncer whose readings ask for so few rows at a time.
async fn by_few(bench: &Bench) -> Syncer {
    syncer_with(bench, |config| config.source.range_rows = 3).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_no_text_ends_the_ranges_and_no_row_is_lost() {
    let bench = Servers::fresh("no_text").await;
    // Each set takes them for characters, and has no form of them in UTF-8 that is text.
    for (set, bad) in [("utf8mb4", "x'61eda08062'"), ("ucs2", "_ucs2 x'0061dfff0062'")] {
        let values = each(&["'0'", "'1'", bad, "'b'", "'c'", "'d'", "'e'"]);
        make(&bench, &format!("k varchar(40) character set {set} collate {set}_bin primary key"), "MyISAM", &values)
            .await;
        assert_eq!(read_by_key(&bench, set, "k").await, (1, false), "{set}: it stands at that key");
        let syncer = by_few(&bench).await;
        let outcome = sync(&syncer, FULL).await;
        assert_eq!(outcome.rows_read, 7, "{set}");
        bench
            .source("insert into t values (8, 'f'); update t set v = 9 where k = '0'; delete from t where k = 'd';")
            .await;
        let outcome = sync(&syncer, RECONCILE).await;
        assert_eq!((outcome.rows_read, outcome.rows_inserted, outcome.rows_deleted), (7, 2, 2), "{set}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_a_key_of_text_is_kept_in_step_in_ranges() {
    for engine in ["MyISAM", "InnoDB"] {
        let bench = Servers::fresh("text_in_step").await;
        let values: Vec<String> = (0..200).map(|n| format!("'key é {}', {n}", n % 7)).collect();
        make(&bench, "k varchar(40), n int, primary key (k, n)", engine, &values).await;
        let syncer = by_few(&bench).await;
        assert_eq!(sync(&syncer, PLAIN).await.rows_inserted, 200);
        assert_equal(&syncer, 200).await;
        bench.source("insert into t values (1000, 'KEY E 3', 500), (1001, '', 600); delete from t where n < 5; update t set v = -1 where n between 50 and 59; update t set k = concat(k, '!') where n = 100;").await;
        let outcome = sync(&syncer, PLAIN).await;
        assert_eq!((outcome.action, outcome.rows_read), (Action::Reconcile, 197), "{engine}");
        assert_eq!((outcome.rows_inserted, outcome.rows_deleted), (13, 16), "{engine}");
        assert_equal(&syncer, 197).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_comes_between_the_ranges_of_a_myisam_table_with_a_key_of_text() {
    let bench = Servers::fresh("text_writer").await;
    let values: Vec<String> = (10..30).map(|n| format!("'{n}'")).collect();
    make(&bench, "k varchar(40) primary key", "MyISAM", &values).await;
    let mut config = bench.config();
    config.source.range_rows = 3;
    let (source, catalog) = described(&config).await;
    let mut reader = source.reader(&catalog.tables[0], &Order::OwnKey, 1 << 20).await.expect("a reader");
    let mut range = reader.range().await.expect("a range").expect("rows");
    while range.next().await.expect("a row").is_some() {}
    drop(range);
    // One that was read moves to the end, and one of the end to what was read already.
    bench.source("set statement lock_wait_timeout = 5 for update t set v = v + 1000; update t set k = '99' where k = '10'; update t set k = '00' where k = '29';").await;
    let rest = read(&mut reader).await.concat();
    let expected: Vec<String> = (3..19).chain([0]).map(|n| (1000 + n).to_string()).collect();
    assert_eq!(rest, expected);
    assert!(reader.is_whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_move_while_they_are_read_fail_nothing_and_are_found_next_time() {
    for engine in ["MyISAM", "InnoDB"] {
        let bench = Servers::fresh("moving").await;
        let values: Vec<String> = (0..600).map(|n| format!("'{:04}'", n * 7919 % 9973)).collect();
        make(&bench, "k varchar(40) primary key", engine, &values).await;
        let syncer = syncer_with(&bench, |config| {
            (config.source.range_rows, config.source.rows_per_second_max) = (50, 300);
            config.source.snapshot_seconds_max = 0;
        })
        .await;
        for options in [PLAIN, RECONCILE, FULL] {
            let mut reading = JoinSet::new();
            let reader = syncer.clone();
            reading.spawn(async move { sync(&reader, options).await });
            let outcome = loop {
                if let Some(ended) = reading.try_join_next() {
                    break ended.expect("it is synced");
                }
                bench.source("update ignore t set v = v + 1, k = lpad(floor(rand() * 9999), 4, '0') order by rand() limit 20;").await;
            };
            assert!((400..900).contains(&outcome.rows_read), "{engine} {}", outcome.rows_read);
            sync(&syncer, PLAIN).await;
            assert_equal(&syncer, 600).await;
        }
    }
}
