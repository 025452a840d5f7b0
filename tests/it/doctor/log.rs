//! Tables that are to follow the binary log: whatever keeps them from it is told with its remedy.

use super::Visit;
use crate::harness::{Bench, ROWS_LOGGED, Servers, run_at_source, start_with};
use amalgam::demo::servers::Kind;

const STREAMED: &str = "[tables.t]\nmode = \"stream\"";

async fn visit(bench: &Bench, more: &str) -> Visit {
    let mut command = bench.amalgam_with(&format!("{STREAMED}\n{more}"));
    Visit::of(&command.args(["doctor", "--format", "json"]).output().await.expect("it ends"))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_log_its_setting_is_advised_where_a_table_is_to_follow_it() {
    let bench = Servers::fresh("doctor_no_log").await;
    bench.source("create table t (k int primary key)").await;
    let found = visit(&bench, "").await;
    assert_eq!(found.status, Some(0), "{}", found.text);
    assert_eq!(
        found.find("source", "binlog followed"),
        (
            "warn",
            "1 table should follow it, but lack log_bin: each change has them compared",
            "start MariaDB with log_bin and binlog_format = ROW"
        )
    );
    let nobody = Visit::with(&bench, &[]).await;
    assert!(!nobody.text.contains("binlog followed"), "{}", nobody.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_keeps_tables_from_following_the_log_is_told_and_its_remedy_mends_it() {
    let server = start_with(Kind::MariaDb, "logged", &ROWS_LOGGED);
    let bench = Servers::fresh_at("doctor_log", &server).await;
    bench.source("create table t (k int primary key, v int)").await;
    let as_root = async |sql: &str| run_at_source(server.port(), None, sql).await;
    let sound = visit(&bench, "").await;
    assert_eq!(sound.find("source", "binlog followed"), ("ok", "by 1 table", ""));
    assert_eq!(sound.find("source", "binlog kept"), ("ok", "until somebody purges it", ""));
    for (deed, check, found, remedy) in [
        (
            "set global binlog_format = 'MIXED'",
            "binlog followed",
            "lack binlog_format = ROW",
            "SET GLOBAL binlog_format = 'ROW'",
        ),
        (
            "revoke replication slave on *.* from reader@'%'",
            "binlog followed",
            "lack the right to read the log",
            "GRANT REPLICATION SLAVE ON *.* TO 'reader'@'%'",
        ),
        (
            "set global binlog_expire_logs_seconds = 7200",
            "binlog kept",
            "for 2 h: ",
            "SET GLOBAL binlog_expire_logs_seconds = 259200",
        ),
        ("set global log_bin_compress = on", "binlog compressed", "are not read", "SET GLOBAL log_bin_compress = OFF"),
    ] {
        as_root(deed).await;
        let visited = visit(&bench, "").await;
        assert_eq!(visited.status, Some(0), "{}", visited.text);
        let told = visited.find("source", check);
        assert!(told.0 == "warn" && told.1.contains(found) && told.2.starts_with(remedy), "{deed}: {told:?}");
        as_root(remedy).await;
        let mended = visit(&bench, "").await;
        assert!(!mended.text.contains(found), "{deed}: {}", mended.text);
    }
    // What can't be mended while the server runs.
    as_root("set global gtid_slave_pos = '7-9-1'").await;
    let visited = visit(&bench, "").await;
    let (verdict, finding, remedy) = visited.find("source", "binlog followed");
    assert!(
        verdict == "warn" && finding.contains("gets as a replica") && remedy.contains("log_slave_updates"),
        "{finding}"
    );
    as_root("set global gtid_slave_pos = ''").await;
    as_root("revoke binlog monitor on *.* from reader@'%'").await;
    let visited = visit(&bench, "").await;
    let (verdict, finding, _) = visited.find("source", "binlog followed");
    assert!(verdict == "ok" && finding.contains("with BINLOG MONITOR alone"), "{finding}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_the_log_can_not_tell_of_are_named() {
    let server = start_with(Kind::MariaDb, "logged", &[&ROWS_LOGGED[..], &["--binlog-do-db=practice"]].concat());
    let bench = Servers::fresh_at("doctor_unlogged", &server).await;
    bench
        .source(
            "create table p (k int primary key) engine=InnoDB; create table t (k int primary key, p int, \
             foreign key (p) references p (k) on delete set null) engine=InnoDB; create table w (k varchar(9) primary key)",
        )
        .await;
    let visited = visit(&bench, "[tables.w]\nmode = \"stream\"").await;
    for (check, found, remedy) in [
        (
            "binlog followed",
            "1 table should follow it, but lack databases that are left out of it",
            "remove binlog_do_db",
        ),
        ("binlog cascades", "a foreign key changes rows of t by itself", "choose another mode: [tables.t] mode"),
        (
            "binlog keys",
            "w should follow the binary log, but have no primary key",
            "choose another mode: [tables.w] mode",
        ),
    ] {
        let told = visited.find("source", check);
        assert!(told.0 == "warn" && told.1.contains(found) && told.2.contains(remedy), "{told:?}");
    }
}
