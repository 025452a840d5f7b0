//! MERGE tables: what is written through one is logged under its name, and changes the rows of its union.

use super::*;

const TABLES: &str = "create table t (k int primary key, v int) engine=MyISAM; create table u like t; \
                      insert into t values (1, 1), (2, 2), (3, 3); \
                      create table m (k int primary key, v int) engine=merge union=(t, u) insert_method=first";

/// What has happened to the table's rows, and how many there are now, when the log was not followed for that.
async fn assert_compared(logged: &Logged, syncer: &Syncer, deed: &str, rows: u64) {
    logged.bench.source(deed).await;
    let outcome = sync(syncer, PLAIN).await;
    let why = outcome.untold.map(Untold::as_str);
    assert_eq!((outcome.action, why), (Action::Reconcile, Some("merged")), "{deed}");
    assert_equal(syncer, rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_through_a_merge_table_has_the_tables_of_its_union_compared() {
    let logged = Logged::new("stream_merge").await;
    logged.bench.source(TABLES).await;
    let (syncer, metrics) = logged.counting().await;
    sync(&syncer, PLAIN).await;
    for (deed, rows) in [
        ("update m set v = 10 where k = 1", 3),
        ("insert into m values (4, 4)", 4),
        ("delete from m where k = 4", 3),
        ("create table m2 like m; update m2 set v = 11 where k = 2; drop table m2", 3),
        ("update m set v = 12 where k = 1; rename table m to n; alter table n engine=MyISAM; drop table n", 3),
    ] {
        assert_compared(&logged, &syncer, deed, rows).await;
        logged.bench.source("update t set v = v + 100 where k = 3; insert into u values (90, 1); truncate u").await;
        assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Delta, [1, 0, 1, 0]), "after {deed}");
    }
    logged.bench.source("create table m (k int primary key, v int) engine=merge union=(t)").await;
    assert_eq!(sync(&syncer, PLAIN).await.untold, Some(Untold::Statement));
    // It empties what it is made of.
    assert_compared(&logged, &syncer, "truncate m", 0).await;
    logged.bench.source("insert into t values (1, 1)").await;
    assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Delta, [1, 1, 0, 0]));
    assert_compared(&logged, &syncer, "truncate table m; drop table m", 0).await;
    let merged = not_followed(&metrics).into_iter().find(|(reason, _)| *reason == "merged");
    assert_eq!(merged, Some(("merged", 7)));
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_alike_that_are_no_merge_tables_have_nothing_compared() {
    let logged = Logged::new("stream_alike").await;
    logged.bench.source(TABLES).await;
    logged.bench.source("drop table m").await;
    let (syncer, metrics) = logged.counting().await;
    sync(&syncer, PLAIN).await;
    for deed in [
        "insert into u values (1, 1); update u set v = 2; truncate u; insert into u values (3, 3)",
        "alter table u disable keys; insert into u values (4, 4); alter table u enable keys; optimize table u",
        "create table w (k int, v int, x int); insert into w values (1, 1, 1); drop table w",
    ] {
        logged.bench.source(deed).await;
        logged.bench.source("update t set v = v + 1 where k = 1").await;
        assert_eq!(told(&sync(&syncer, PLAIN).await), (Action::Delta, [1, 0, 1, 0]), "{deed}");
    }
    assert_eq!(not_followed(&metrics), []);
}
