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
async fn repair_without_names_mends_every_table_that_differs_and_no_other() {
    let bench = with_differences("all_verified").await;
    bench.source("create table w (k int primary key); insert into w values (1), (2);").await;
    let synced = bench.amalgam_with(BY_STAMP).args(["sync", "w"]).output().await.expect("it ends");
    assert!(synced.status.success(), "{synced:?}");
    let state = "select revision from amalgam.table_state where source_table = 'w'";
    let before = bench.text(state).await;
    let (status, printed) = verify(&bench, &["--repair"]).await;
    assert_eq!(status, Some(0), "{printed}");
    assert!(printed.contains("3 tables, 12 rows compared: 2 tables differ; mended"), "{printed}");
    for table in ["t", "u"] {
        assert_eq!(
            bench.text(&format!("{ROWS}{table}")).await,
            format!("1 {VALUE}, 2 {VALUE} edited, 4 {VALUE}, 5 {VALUE}, 9 {VALUE} new")
        );
    }
    assert_eq!(bench.text(state).await, before);
    let (status, printed) = verify(&bench, &[]).await;
    assert!(status == Some(0) && printed.contains("3 tables, 12 rows compared: every value equal"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_does_not_last_is_not_called_mended() {
    let bench = Servers::fresh("repaired_in_vain").await;
    // As a practice whose rows are written all the while: whenever it is read, it is another one.
    bench
        .source(
            "create table restless (k int primary key, r double as (rand()) virtual); insert into restless (k) values (1), (2); \
             create table t (k int primary key, v int); insert into t values (1, 1);",
        )
        .await;
    let synced = bench.amalgam().args(["sync"]).output().await.expect("it ends");
    assert!(synced.status.success(), "{synced:?}");
    bench.warehouse("update raw.t set v = 2").await;
    let repair = async |arguments: &[&str]| {
        let output = bench.amalgam().args(["verify", "--repair"]).args(arguments).output().await.expect("it ends");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (status, printed) = repair(&[]).await;
    assert_eq!(status, Some(1), "{printed}");
    assert!(printed.contains("2 tables differ; 1 is mended, 1 differs still"), "{printed}");
    assert_eq!(bench.text("select v from raw.t").await, "1");
    let (status, printed) = repair(&["--format", "json"]).await;
    let rows: serde_json::Value = serde_json::from_str(&printed).expect("it prints JSON");
    assert_eq!((status, &rows[0]["table"], &rows[0]["repaired"]), (Some(1), &json!("restless"), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_a_trigger_would_swallow_fails_and_says_so() {
    let bench = with_differences("repaired_under_a_trigger").await;
    bench
        .warehouse(
            "create function public.swallow() returns trigger language plpgsql as $$ begin return null; end $$; \
             create trigger swallows before insert or update or delete on raw.t for each row execute function public.swallow()",
        )
        .await;
    let mut program = bench.amalgam_with(BY_STAMP);
    let output = program.args(["verify", "--repair"]).output().await.expect("it ends");
    let [printed, told] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!(output.status.code(), Some(1), "{printed}{told}");
    assert!(!printed.contains("mended"), "{printed}");
    assert!(told.contains("trigger swallows") && told.contains("raw.t") && told.contains("remedy: "), "{told}");
    // The other table's repair is not touched by that.
    assert!(verify(&bench, &["u"]).await.1.contains("every value equal"));
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
