//! Tables that were kept in step, and that the source shows no more: told, whatever took them away.

use crate::harness::{Bench, Servers};
use serde_json::Value;

/// What a command prints, and what it logs. It ends well.
async fn told(bench: &Bench, more: &str, args: &[&str]) -> (String, String) {
    let user = bench.database();
    let of_user = format!("source.user={user}");
    let output = bench.amalgam_with(more).args(["--set", &of_user]).args(args).output().await.expect("it is started");
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("it prints UTF-8"));
    assert!(output.status.success(), "{args:?}: {out}{err}");
    (out, err)
}

async fn status(bench: &Bench, more: &str) -> Value {
    let (out, _) = told(bench, more, &["status", "--format", "json"]).await;
    serde_json::from_str(&out).expect("it prints JSON")
}

/// A source of three tables, each of which its user may read by a right of its own.
async fn bench(name: &str) -> Bench {
    let bench = Servers::fresh(name).await;
    let user = bench.database();
    let tables = ["a", "b", "c"];
    let mut sql = format!("create user '{user}'@'%';");
    for table in tables {
        sql += &format!(
            "create table {table} (k int primary key); insert into {table} values (1); grant select on {user}.{table} to '{user}'@'%';"
        );
    }
    bench.source(&sql).await;
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_gone_is_told_once_and_stays_in_the_status() {
    let bench = bench("gone_told").await;
    let user = bench.database();
    let (_, log) = told(&bench, "", &["sync"]).await;
    assert!(!log.contains("gone"), "{log}");
    bench.source(&format!("revoke select on {user}.a from '{user}'@'%'; drop table b;")).await;
    let (_, log) = told(&bench, "", &["sync"]).await;
    let line = log
        .lines()
        .find(|line| line.contains("gone from the source"))
        .unwrap_or_else(|| panic!("nothing is warned of: {log}"));
    assert!(line.contains("a, b") && line.contains("grant select") && line.contains("dropped or renamed"), "{line}");
    let (_, log) = told(&bench, "", &["sync"]).await;
    assert!(!log.contains("gone"), "it is told once: {log}");
    let (text, _) = told(&bench, "", &["status"]).await;
    assert!(text.starts_with("tables  1 fresh, 0 late, 0 failing, of 1; 2 gone from the source\n"), "{text}");
    assert!(text.contains("\ntable a is gone from the source") && text.contains("1 rows stay"), "{text}");
    assert!(text.contains("grant select"), "{text}");
    // What is left out on purpose is nothing to tell.
    let left_out = "[sync]\nexclude = [\"B\"]";
    let gone = status(&bench, left_out).await["tables_gone"].clone();
    assert_eq!(gone.as_array().map(|g| g.iter().map(|t| t["name"].clone()).collect()), Some(vec![Value::from("a")]));
    // The right is back, and goes again: another change.
    bench.source(&format!("grant select on {user}.a to '{user}'@'%';")).await;
    told(&bench, left_out, &["sync"]).await;
    assert_eq!(status(&bench, left_out).await["tables_gone"], Value::Array(Vec::new()));
    bench.source(&format!("revoke select on {user}.a from '{user}'@'%';")).await;
    let (_, log) = told(&bench, left_out, &["run"]).await;
    assert_eq!(status(&bench, left_out).await["tables_gone"][0]["name"], "a", "{log}");
    assert!(log.contains("gone from the source") && !log.contains("b,"), "a run tells it too: {log}");
    assert_eq!(bench.text("select count(*) from raw.a").await, "1", "its rows stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_shows_no_table_at_all_is_told_every_time() {
    let bench = bench("gone_all").await;
    told(&bench, "", &["sync"]).await;
    bench.source("drop table a, b, c;").await;
    for _ in 0..2 {
        let (_, log) = told(&bench, "", &["sync"]).await;
        assert!(log.contains("gone from the source") && log.contains("a, b, c"), "{log}");
    }
}
