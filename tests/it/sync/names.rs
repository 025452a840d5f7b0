//! Names of the source that would be one name in the warehouse.

use super::{PLAIN, syncer, syncer_with};
use crate::harness::{Bench, Servers};
use amalgam::{domain::TableName, sync::Action};

/// The warehouse has a column `ctid` itself, so it calls the source's so.
const TWIN: &str = "ctid_0059f0df";

async fn run(bench: &Bench, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = bench.amalgam().args(arguments).output().await.expect("it ends");
    let [printed, told] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (output.status.code(), printed, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tables_that_would_share_one_are_refused_by_both_names_and_neither_is_touched() {
    let bench = Servers::fresh("shared_name").await;
    bench
        .source(
            "create table ctid (k int primary key, v int); insert into ctid values (1, 1); \
             create table other (k int primary key); insert into other values (1)",
        )
        .await;
    assert_eq!(run(&bench, &["sync"]).await.0, Some(0));
    bench
        .source(&format!("create table {TWIN} (k int primary key, v int); insert into {TWIN} values (2, 2), (3, 3)"))
        .await;
    bench.source("insert into other values (2)").await;
    let rows = format!("select string_agg(k::text, ' ' order by k) from raw.{TWIN}");
    for arguments in
        [&["sync"][..], &["sync", "ctid"], &["sync", TWIN], &["verify", "ctid"], &["discover"], &["doctor"]]
    {
        let (status, printed, told) = run(&bench, arguments).await;
        assert_eq!(status, Some(1), "{arguments:?} {printed}{told}");
        let all = printed + &told;
        let named = all.contains(&format!("ctid and {TWIN}")) || all.contains(&format!("{TWIN} and ctid"));
        assert!(named && all.contains("[sync] exclude"), "{arguments:?} {all}");
        assert_eq!(bench.text(&rows).await, "1", "{arguments:?}");
    }
    // Not even where each would be passed over because nothing has changed.
    let syncer = syncer(&bench).await;
    let plans = syncer.plan(None, PLAIN).await.expect("both sides are looked at");
    assert!(plans.iter().filter(|p| p.table.name.as_str() != "other").all(|p| p.action != Action::Skip));
    assert_eq!(bench.text("select count(*) from raw.other").await, "2", "no other table is kept from it");

    let without = syncer_with(&bench, |config| config.sync.exclude.push(TWIN.to_owned())).await;
    bench.source("insert into ctid values (7, 7)").await;
    without.sync_table(&TableName::from("ctid"), PLAIN).await.expect("it is alone now");
    assert_eq!(bench.text(&rows).await, "1 7");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_columns_that_would_be_one_are_refused_by_both_names() {
    let bench = Servers::fresh("shared_column").await;
    bench.source("create table t (k int primary key, ctid int, ctid_0059f0df int)").await;
    let (status, _, told) = run(&bench, &["sync"]).await;
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("ctid and ctid_0059f0df of t") && told.contains("[sync] exclude"), "{told}");
    assert_eq!(bench.text("select to_regclass('raw.t') is null").await, "t");
}
