//! Edits, deletes and inserts that left no trace at the source: counted, never shown, and mended, by hand and
//! by a schedule.

use crate::{
    daemon::Daemon,
    harness::{Bench, Servers, until},
};
use serde_json::json;

/// Stands in the rows, and must stand in nothing that is told or logged.
const VALUE: &str = "Zebrafish";

/// Read by its stamp, so that a plain sync finds none of the differences.
const BY_STAMP: &str = "[tables.t]\nmode = \"merge\"\ncursor = \"ts\"\n";

/// Two tables alike, in step, and then each with an edit, a delete and an insert that bear an old stamp.
async fn with_differences(test_name: &str) -> Bench {
    let bench = Servers::fresh(test_name).await;
    for table in ["t", "u"] {
        // InnoDB: its counts are estimates, so no delta looks for deletes.
        bench
            .source(&format!(
                "create table {table} (k int primary key, v varchar(20), ts timestamp not null default current_timestamp \
                 on update current_timestamp) engine=InnoDB; \
                 insert into {table} select seq, '{VALUE}', '2020-01-01' from seq_1_to_5;"
            ))
            .await;
    }
    let synced = bench.amalgam_with(BY_STAMP).arg("sync").output().await.expect("it ends");
    assert!(synced.status.success(), "{synced:?}");
    for table in ["t", "u"] {
        bench
            .source(&format!(
                "update {table} set v = '{VALUE} edited', ts = ts where k = 2; delete from {table} where k = 3; \
                 insert into {table} values (9, '{VALUE} new', '2020-01-01');"
            ))
            .await;
    }
    bench
}

/// The exit status, and what is printed, of `amalgam verify`.
async fn verify(bench: &Bench, arguments: &[&str]) -> (Option<i32>, String) {
    let mut program = bench.amalgam_with(BY_STAMP);
    let output = program.args(["--log-filter", "debug", "verify"]).args(arguments).output().await.expect("it ends");
    let [printed, logged] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(!printed.contains(VALUE) && !logged.contains(VALUE), "a row's value is told: {printed}{logged}");
    (output.status.code(), printed)
}

const ROWS: &str = "select string_agg(concat_ws(' ', k, v), ', ' order by k) from raw.";

#[tokio::test(flavor = "multi_thread")]
async fn verify_counts_what_differs_and_repair_mends_it_in_the_tables_that_are_named() {
    let bench = with_differences("verified").await;
    let (status, printed) = verify(&bench, &["t"]).await;
    assert_eq!(status, Some(1), "{printed}");
    // Rows of the source, then those that are missing, different and surplus.
    let line: Vec<&str> = printed.lines().find(|l| l.starts_with("t ")).expect(&printed).split_whitespace().collect();
    assert_eq!(line[..5], ["t", "5", "1", "1", "1"], "{printed}");
    assert!(printed.contains("1 table differs; `amalgam verify --repair` mends that"), "{printed}");

    let (status, printed) = verify(&bench, &["--format", "json"]).await;
    assert_eq!(status, Some(1), "{printed}");
    let rows: serde_json::Value = serde_json::from_str(&printed).expect("it prints JSON");
    let row = |table: &str, repaired: bool| {
        json!({ "table": table, "rows": 5, "missing": 1, "different": 1, "surplus": 1, "quarantined": 0, "kept": 0,
                "repaired": repaired })
    };
    let mut rows = rows.as_array().expect("an array").clone();
    rows.sort_by_key(|row| row["table"].to_string());
    assert_eq!(rows, [row("t", false), row("u", false)]);

    let state = "select revision, (select sum(xmin::text::bigint) from raw.u) from amalgam.table_state where source_table = 'u'";
    let before = bench.texts(state).await;
    let (status, printed) = verify(&bench, &["--repair", "--format", "json", "t"]).await;
    let rows: serde_json::Value = serde_json::from_str(&printed).expect("it prints JSON");
    assert_eq!((status, rows), (Some(0), json!([row("t", true)])));
    assert_eq!(
        bench.text(&format!("{ROWS}t")).await,
        format!("1 {VALUE}, 2 {VALUE} edited, 4 {VALUE}, 5 {VALUE}, 9 {VALUE} new")
    );
    let (status, printed) = verify(&bench, &["t"]).await;
    assert!(status == Some(0) && printed.contains("1 table, 5 rows compared: every value equal"), "{printed}");
    // The other one differs as before.
    assert_eq!(bench.texts(state).await, before);
    let (status, printed) = verify(&bench, &[]).await;
    assert!(status == Some(1) && printed.contains("2 tables, 10 rows compared: 1 table differs"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_reconciles_brings_what_left_no_stamp() {
    let bench = with_differences("by_schedule").await;
    let plain = bench.amalgam_with(BY_STAMP).args(["sync", "t"]).output().await.expect("it ends");
    assert!(plain.status.success(), "{plain:?}");
    let before: Vec<String> = (1..=5).map(|k| format!("{k} {VALUE}")).collect();
    assert_eq!(bench.text(&format!("{ROWS}t")).await, before.join(", "), "a stamp tells none of it");

    let schedule = "[[schedule]]\nname = \"exact\"\ncron = \"* * * * * *\"\nreconcile = true\nselect = [\"t\"]\n";
    let mut daemon = Daemon::start(&bench, &format!("{BY_STAMP}\n{schedule}")).await;
    let after = format!("1 {VALUE}, 2 {VALUE} edited, 4 {VALUE}, 5 {VALUE}, 9 {VALUE} new");
    until("the differences are mended", async || bench.text(&format!("{ROWS}t")).await == after).await;
    until("the task is told of as what it was", async || {
        let sql =
            "select count(*) from amalgam.task where subject = 't' and kind = 'reconcile' and state = 'succeeded'";
        bench.text(sql).await != "0"
    })
    .await;
    daemon.signal("TERM");
    assert!(daemon.child.wait().await.expect("it ends").success());
}
