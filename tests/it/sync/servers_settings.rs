//! What an administrator has set at the source for everybody: it changes nothing that is read.

use super::{PLAIN, RECONCILE, syncer};
use crate::harness::{Servers, run_at_source, start};
use amalgam::{demo::servers::Kind, domain::TableName};

const TABLES: [(&str, &str); 4] = [
    ("rowwise", "(k int primary key, v varchar(20), c char(10)) engine=MyISAM select seq k, seq v, 'c' c"),
    ("keyless", "(v int) engine=InnoDB select seq v"),
    (
        "by_words",
        "(a enum('a','b'), b float, primary key (a, b)) engine=InnoDB select elt(1 + seq % 2, 'a', 'b') a, seq + .5 b",
    ),
    ("versioned", "(k int primary key, v int) with system versioning engine=InnoDB select seq k, seq v"),
];
const ROWS: u64 = 3000;

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cut_answers_short_or_show_another_day_change_nothing_that_is_read() {
    let mariadb = tokio::task::spawn_blocking(|| start(Kind::MariaDb, "settings")).await.expect("it starts");
    let settings = [
        ("sql_select_limit", "10"),
        ("system_versioning_asof", "'2020-01-01'"),
        ("sql_mode", "'PAD_CHAR_TO_FULL_LENGTH,ANSI_QUOTES,PIPES_AS_CONCAT'"),
        ("max_join_size", "10"),
        // Not run for root, whom the tests' own questions come from.
        ("init_connect", "'set sql_select_limit = 7, sql_auto_is_null = 1'"),
    ];
    for (name, value) in settings {
        let bench = Servers::fresh_at(name, &mariadb).await;
        for (table, definition) in TABLES {
            bench.source(&format!("create table {table} {definition} from seq_1_to_{ROWS}")).await;
        }
        run_at_source(mariadb.port(), None, &format!("set global {name} = {value}")).await;
        let syncer = syncer(&bench).await;
        assert_eq!(syncer.discover().await.expect("it answers").tables.len(), TABLES.len(), "{name}");
        for (table, _) in TABLES {
            for options in [PLAIN, RECONCILE] {
                syncer.sync_table(&TableName::from(table), options).await.unwrap_or_else(|e| panic!("{name}: {e}"));
                let rows = bench.text(&format!("select count(*) from raw.{table}")).await;
                assert_eq!(rows, ROWS.to_string(), "{table} with {name}");
            }
            let found = syncer.verify_table(&TableName::from(table)).await.expect("compared");
            assert_eq!((found.rows, found.surplus), (ROWS, 0), "{table} with {name}");
        }
        assert_eq!(bench.text("select max(length(c)) from raw.rowwise").await, "1", "{name}");
        run_at_source(mariadb.port(), None, &format!("set global {name} = default")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_init_connect_that_fails_is_told_with_what_to_do() {
    let mariadb = tokio::task::spawn_blocking(|| start(Kind::MariaDb, "init_connect")).await.expect("it starts");
    let bench = Servers::fresh_at("init_connect", &mariadb).await;
    bench.source("create table t (k int primary key); set global init_connect = 'select * from nowhere.x'").await;
    let output = bench.amalgam().arg("discover").output().await.expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("init_connect command failed"), "{told}");
    assert!(told.contains("remedy: change the setting that the message names"), "{told}");
}
