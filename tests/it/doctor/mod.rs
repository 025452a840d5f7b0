//! `amalgam doctor`: what is well, what is wrong and what is to be done, on real servers.

mod before;
mod log;

use super::harness::{Bench, Servers};
use serde_json::Value;

/// What the doctor says, and its exit status.
struct Visit {
    status: Option<i32>,
    findings: Vec<Value>,
    text: String,
}

impl Visit {
    /// Runs the doctor with further `--set`s.
    async fn with(bench: &Bench, settings: &[&str]) -> Self {
        let mut command = bench.amalgam();
        for setting in settings {
            command.args(["--set", setting]);
        }
        let output = command.args(["doctor", "--format", "json"]).output().await.expect("the program can be started");
        Self::of(&output)
    }

    fn of(output: &std::process::Output) -> Self {
        let text = String::from_utf8(output.stdout.clone()).expect("it prints UTF-8");
        let findings = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
        Self { status: output.status.code(), findings, text }
    }

    /// Verdict, finding and remedy of one check.
    fn find(&self, subject: &str, check: &str) -> (&str, &str, &str) {
        let text =
            |finding: &'static str| move |value: &'_ Value| value[finding].as_str().unwrap_or_default().to_owned();
        let found = self
            .findings
            .iter()
            .find(|f| text("subject")(f) == subject && text("check")(f) == check)
            .unwrap_or_else(|| panic!("no {subject} {check}: {}", self.text));
        let part = |name: &str| found[name].as_str().unwrap_or_default();
        (part("verdict"), part("finding"), part("remedy"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_pair_of_databases_passes() {
    let bench = Servers::fresh("doctor_sound").await;
    bench
        .source("create table a (x int primary key) engine=MyISAM; create table b (x int primary key) engine=InnoDB")
        .await;
    let visit = Visit::with(&bench, &[]).await;
    assert_eq!(visit.status, Some(0), "{}", visit.text);
    assert!(visit.find("source", "version").1.contains("MariaDB"));
    assert!(visit.find("source", "tables").1.starts_with("2 (1 InnoDB, 1 MyISAM)"), "{}", visit.text);
    assert_eq!(visit.find("source", "rights").0, "ok");
    assert_eq!(visit.find("warehouse", "encoding"), ("ok", "UTF8", ""));
    assert_eq!(visit.find("warehouse", "rights").0, "ok");
    assert_eq!(visit.find("clocks", "source").0, "ok");
    assert_eq!(visit.find("clocks", "warehouse").0, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_ends_with_the_sum() {
    let bench = Servers::fresh("doctor_table").await;
    let output = bench.amalgam().arg("doctor").output().await.expect("the program can be started");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).expect("it prints UTF-8");
    assert!(text.contains("remedy: see that source.database names OpenDental's database"), "{text}");
    assert!(text.lines().last().expect("something is printed").starts_with("1 to mend first"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_on_its_side_and_the_other_is_still_looked_at() {
    let bench = Servers::fresh("doctor_password").await;
    let user = bench.database();
    bench
        .source(&format!(
            "create user '{user}'@'%' identified by 'right-778899'; grant select on `{user}`.* to '{user}'@'%'"
        ))
        .await;
    let visit = Visit::with(&bench, &[&format!("source.user={user}"), "source.password=wrong-445566"]).await;
    assert_eq!(visit.status, Some(1));
    let (verdict, finding, remedy) = visit.find("source", "reachable");
    assert_eq!(verdict, "fail");
    assert!(finding.contains("Access denied"), "{finding}");
    assert!(remedy.contains("[source] user and password"), "{remedy}");
    assert!(!visit.text.contains("445566") && !visit.text.contains("778899"));
    assert_eq!(visit.find("warehouse", "reachable").0, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_where_nobody_listens_is_told() {
    let bench = Servers::fresh("doctor_port").await;
    // Bound and let go: nobody listens there now.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port is free").port();
    let visit = Visit::with(&bench, &[&format!("source.port={port}"), &format!("warehouse.port={port}")]).await;
    assert_eq!(visit.status, Some(1));
    for (subject, remedy) in [("source", "see that MariaDB runs"), ("warehouse", "see that PostgreSQL runs")] {
        let found = visit.find(subject, "reachable");
        assert_eq!(found.0, "fail");
        assert!(found.2.contains(remedy), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_comes_with_the_statement_that_grants_it() {
    let bench = Servers::fresh("doctor_rights").await;
    let name = bench.database();
    bench
        .source(&format!(
            "create table a (x int primary key); create table b (x int primary key); \
             create user '{name}'@'%'; grant select on `{name}`.`a` to '{name}'@'%'"
        ))
        .await;
    bench
        .warehouse(&format!(
            "create role \"{name}\" login; revoke temporary on database \"{name}\" from public; create schema raw"
        ))
        .await;
    let settings = [&*format!("source.user={name}"), &*format!("warehouse.user={name}")];
    let visit = Visit::with(&bench, &settings).await;
    assert_eq!(visit.status, Some(1));
    let (verdict, finding, remedy) = visit.find("source", "rights");
    assert_eq!((verdict, remedy), ("warn", &*format!("GRANT SELECT ON `{name}`.* TO '{name}'@'%'")), "{finding}");
    let right = visit.find("warehouse", "rights");
    assert_eq!((right.0, right.2), ("fail", &*format!("GRANT CREATE ON DATABASE \"{name}\" TO \"{name}\"")));
    let temporary = visit.find("warehouse", "temporary tables");
    assert_eq!((temporary.0, temporary.2), ("fail", &*format!("GRANT TEMPORARY ON DATABASE \"{name}\" TO \"{name}\"")));
    let schema = visit.find("warehouse", "schema");
    assert_eq!((schema.0, schema.2), ("fail", &*format!("ALTER SCHEMA \"raw\" OWNER TO \"{name}\"")));

    bench.source(remedy).await;
    let statements = [right.2, temporary.2, schema.2].join("; ");
    bench.warehouse(&statements).await;
    let mended = Visit::with(&bench, &settings).await;
    assert_eq!(mended.status, Some(0), "{}", mended.text);
    assert_eq!(mended.find("source", "rights").0, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_may_write_to_the_source_is_warned_about() {
    let bench = Servers::fresh("doctor_writer").await;
    bench.source("create table a (x int primary key)").await;
    let visit = Visit::with(&bench, &["source.user=root"]).await;
    assert_eq!(visit.status, Some(0), "{}", visit.text);
    let (verdict, finding, _) = visit.find("source", "rights to write");
    assert_eq!(verdict, "warn");
    assert!(finding.contains("ALL PRIVILEGES"), "{finding}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_that_is_not_utf8_or_ends_statements_is_told() {
    let bench = Servers::fresh("doctor_encoding").await;
    let name = format!("{}_latin1", bench.database());
    bench.source("create table a (x int primary key)").await;
    bench.warehouse(&format!("create database \"{name}\" encoding 'LATIN1' locale 'C' template template0")).await;
    bench.warehouse(&format!("alter database \"{name}\" set statement_timeout = '30s'")).await;
    let visit = Visit::with(&bench, &[&format!("warehouse.database={name}")]).await;
    assert_eq!(visit.status, Some(1));
    assert_eq!(visit.find("warehouse", "encoding").0, "fail");
    assert_eq!(visit.find("warehouse", "statement_timeout").0, "warn");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_does_not_suit_its_column_is_told_before_a_run_fails() {
    let bench = Servers::fresh("doctor_types").await;
    bench.source("create table t (k int primary key, flag tinyint, word text)").await;
    let rule = |columns: &str| format!("[[sync.types]]\ncolumns = \"{columns}\"\nas = \"boolean\"\n");
    let visit = async |more: &str| {
        let output = bench.amalgam_with(more).args(["doctor", "--format", "json"]).output().await.expect("it ends");
        Visit::of(&output)
    };
    let visit_of_one = visit(&rule("t.word")).await;
    assert_eq!(visit_of_one.status, Some(1));
    let (verdict, finding, remedy) = visit_of_one.find("source", "types");
    assert_eq!(
        (verdict, finding),
        ("fail", "column t.word is to become boolean, but its type does not suit that (text)")
    );
    assert!(remedy.contains("[[sync.types]]"), "{remedy}");
    let sound = visit(&rule("t.fl*")).await;
    assert_eq!(sound.find("source", "types"), ("ok", "1 column by rule another type than declared", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_table_without_an_index_on_its_stamp_comes_with_the_statement_that_makes_one() {
    let bench = Servers::fresh("doctor_stamps").await;
    let stamp = "ts timestamp default current_timestamp on update current_timestamp";
    bench
        .source(&format!(
            "create table bare (k int primary key, {stamp}) engine=MyISAM;
             create table indexed (k int primary key, {stamp}, key (ts)) engine=MyISAM;
             insert into bare (k) select seq from seq_1_to_10001; insert into indexed (k) select k from bare;"
        ))
        .await;
    let visit = Visit::with(&bench, &[]).await;
    let (verdict, finding, remedy) = visit.find("source", "stamp indexes");
    assert_eq!((verdict, finding), ("warn", "each delta reads every row of bare: no index begins with the stamp"));
    let statement = remedy.split("built: ").nth(1).and_then(|rest| rest.split(';').next()).expect("a statement");
    assert_eq!(statement, "CREATE INDEX `ts` ON `bare` (`ts`)");
    bench.source(statement).await;
    let mended = Visit::with(&bench, &[]).await;
    assert_eq!(mended.find("source", "stamp indexes").0, "ok");
}
