//! Texts of every character set that the server has: what it can't convert is counted, and all else arrives.

use super::{PLAIN, RECONCILE, assert_equal, differences, sync, syncer_with};
use crate::harness::{Bench, Servers};
use amalgam::{
    domain::{BadText, TableName},
    sync::{Action, Syncer},
};

/// The condition that a text has lost a character in its conversion: a mark is in it that its bytes are not; or one
/// that no UTF-8 has, half of a pair.
fn is_lost(set: &str) -> String {
    let converted = format!("hex(convert(`{set}` using utf8mb4))");
    format!(
        "({converted} regexp '^(..)*3F' and hex(`{set}`) not regexp '^(..)*3F' \
         or {converted} regexp '^(..)*EFBFBD' and '{set}' in ('big5', 'tis620') \
         or {converted} regexp '^(..)*ED[AB]')"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_cannot_convert_is_counted_and_all_else_arrives_in_every_character_set() {
    let bench = Servers::fresh("character_sets").await;
    let sets =
        "select character_set_name, maxlen from information_schema.character_sets where character_set_name <> 'binary'";
    let sets: Vec<(String, bool)> = bench
        .source_texts(sets)
        .await
        .into_iter()
        .map(|row| {
            let mut cells = row.into_iter().flatten();
            (cells.next().expect("a set has a name"), cells.next().as_deref() != Some("1"))
        })
        .collect();
    let columns: Vec<String> = sets.iter().map(|(set, _)| format!("`{set}` varchar(9) character set {set}")).collect();
    bench.source(&format!("create table t (k int primary key, {});", columns.join(", "))).await;
    let insert = |of: &[&str], bytes: &str, rows: &str| {
        let names: Vec<String> = of.iter().map(|set| format!("`{set}`")).collect();
        let values = vec![format!("cast({bytes} as char character set binary)"); of.len()];
        format!("insert ignore into t (k, {}) select {rows} ", names.join(", ")).replace("{values}", &values.join(", "))
    };
    let all: Vec<&str> = sets.iter().map(|(set, _)| set.as_str()).collect();
    let of_many: Vec<&str> = sets.iter().filter(|(_, many)| *many).map(|(set, _)| set.as_str()).collect();
    bench.source(&insert(&all, "char(seq)", "seq, {values} from seq_1_to_255")).await;
    // Every character of two bytes: the second begins at 0x40.
    let pair = "char(129 + seq div 191, 64 + seq mod 191)";
    bench.source(&insert(&of_many, pair, "1000 + seq, {values} from seq_0_to_24065")).await;
    let syncer = syncer_with(&bench, |_| {}).await;
    let outcome = sync(&syncer, PLAIN).await;
    let lost: Vec<String> = sets.iter().map(|(set, _)| format!("coalesce(sum({}), 0)", is_lost(set))).collect();
    let lost = bench.source_texts(&format!("select {} from t", lost.join(", "))).await.remove(0);
    let lost: Vec<u64> = lost.iter().flatten().map(|n| n.parse().expect("a sum is a number")).collect();
    for (set, at_least) in
        [("ascii", 127), ("greek", 3), ("hebrew", 20), ("cp1250", 5), ("tis620", 5), ("gbk", 1000), ("big5", 100)]
    {
        let at = all.iter().position(|name| *name == set).expect("the server has it");
        assert!(lost[at] >= at_least, "the test has no characters that are lost: {set} {}", lost[at]);
    }
    for (set, lost) in all.iter().zip(&lost) {
        let marked = bench.text(&format!("select count(*) from raw.t where right({set}, 1) = U&'\\FFFD'")).await;
        assert_eq!(marked, lost.to_string(), "{set}");
        let there = format!(
            "select k, hex(convert(`{set}` using utf8mb4)) from t where `{set}` is null or not {} order by k",
            is_lost(set)
        );
        let here = format!(
            "select k::text, upper(encode(convert_to({set}, 'UTF8'), 'hex')) from raw.t where {set} is null or right({set}, 1) <> U&'\\FFFD' order by t.k"
        );
        let (there, here) = (bench.source_texts(&there).await, bench.texts(&here).await);
        assert!(there == here, "{set}: {} rows there, {} here", there.len(), here.len());
    }
    assert_eq!(outcome.texts_coerced, lost.iter().sum::<u64>());
    let rows = bench.text("select count(*) from raw.t").await.parse().expect("a count is a number");
    assert_equal(&syncer, rows).await;
}

/// A table with texts of two bytes in Greek, one of which is no letter, and a longer one.
async fn with_a_lost_letter(name: &str) -> Bench {
    let bench = Servers::fresh(name).await;
    bench
        .source(
            "create table t (k int primary key, v varchar(20) character set greek, w text character set cp1250);
             insert into t values (1, 'Ελλάς', 'Łódź'), (2, '?', '??'), (3, null, null), (4, '', ''), \
               (5, cast(x'c53f' as char character set binary), 'a');
             insert into t values (6, cast(x'c5a4' as char character set binary), cast(x'b368812064' as char character set binary));",
        )
        .await;
    bench
}

async fn under(bench: &Bench, policy: BadText) -> Syncer {
    syncer_with(bench, |config| {
        (config.source.bad_text, config.sync.chunk_rows, config.source.range_rows) = (policy, 2, 2);
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_lost_a_character_goes_by_the_rule_for_texts_that_have_no_place() {
    let bench = with_a_lost_letter("lost_letter").await;
    let error =
        under(&bench, BadText::Fail).await.sync_table(&TableName::from("t"), PLAIN).await.expect_err("it fails");
    assert!(error.to_string().starts_with("column t.v holds"), "{error}");
    let syncer = under(&bench, BadText::Replace).await;
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.action, outcome.rows_inserted, outcome.texts_coerced), (Action::Load, 6, 2));
    let all = "select string_agg(coalesce(v, '-') || ' ' || coalesce(w, '-'), ', ' order by k) from raw.t";
    let lost = "Ελλάς Łódź, ? ??, - -,  , Ε? a, Ε?\u{fffd} łh? d\u{fffd}";
    assert_eq!(bench.text(all).await, lost);
    assert_equal(&syncer, 6).await;
    // Quiet chunks are passed over; a letter in the place of the lost one is found, and so is the way back.
    sync(&syncer, RECONCILE).await;
    assert_eq!(sync(&syncer, RECONCILE).await.chunks_walked, 0);
    bench.source("update t set v = cast(x'c5e1' as char character set binary) where k = 6;").await;
    assert_eq!(sync(&syncer, RECONCILE).await.rows_updated, 1);
    assert_eq!(bench.text("select v from raw.t where k = 6").await, "Εα");
    bench.source("update t set v = cast(x'c5a4' as char character set binary) where k = 6;").await;
    assert_eq!(sync(&syncer, RECONCILE).await.rows_updated, 1);
    assert_eq!(bench.text(all).await, lost);
    let syncer = under(&bench, BadText::Quarantine).await;
    sync(&syncer, PLAIN).await;
    let found = differences(&syncer).await;
    assert!(found.none() && found.quarantined == 1 && found.rows == 6, "{found:?}");
    assert_eq!(bench.text("select string_agg(row_key, ' ') from amalgam.quarantine").await, "6");
    assert_eq!(bench.text("select count(*) from raw.t").await, "5");
}
