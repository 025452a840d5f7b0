//! What a cycle leaves behind in the warehouse: dead rows in the raw tables, in Amalgam's own, and in PostgreSQL's
//! catalogs, which staging tables are made in and taken from.

use crate::harness::{Bench, ROWS_LOGGED, start_with, until};
use amalgam::demo::servers::Kind;
use std::collections::BTreeMap;

/// One table a mode; `k` is staged whole, because it has no key.
const TABLES: [(&str, &str); 5] =
    [("m", "merge"), ("a", "append"), ("r", "replace"), ("k", "replace"), ("s", "stream")];
const ROWS: u64 = 2000;
/// Of them all, more than the eleven columns of each.
const COLUMNS: u64 = 12;

/// The rows of each table that were made dead so far, by schema and name.
const DEAD: &str = "select schemaname || '.' || relname, (n_tup_upd + n_tup_del)::text from pg_stat_all_tables \
    where schemaname in ('raw', 'amalgam', 'pg_catalog') order by 1";

async fn dead(bench: &Bench) -> BTreeMap<String, u64> {
    // A session tells what it has written before it is gone.
    let others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() \
                  and backend_type = 'client backend'";
    until("the program's sessions are gone", async || bench.text(others).await == "0").await;
    let rows = bench.texts(DEAD).await;
    let text = |cell: &Option<String>| cell.clone().expect("no column is null");
    rows.iter().map(|row| (text(&row[0]), text(&row[1]).parse().expect("a count"))).collect()
}

/// What came since, where anything did.
fn since(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let more = |(name, dead): (&String, &u64)| (name.clone(), dead - before.get(name).copied().unwrap_or_default());
    after.iter().map(more).filter(|(_, dead)| *dead > 0).collect()
}

fn of<'d>(dead: &'d BTreeMap<String, u64>, schema: &str) -> impl Iterator<Item = (&'d str, u64)> {
    let prefix = format!("{schema}.");
    dead.iter().filter_map(move |(name, dead)| Some((name.strip_prefix(&prefix)?, *dead)))
}

async fn run(bench: &Bench) {
    let modes = TABLES.map(|(table, mode)| {
        let cursor = if mode == "merge" { "cursor = \"ts\"\n" } else { "" };
        format!("[tables.{table}]\nmode = \"{mode}\"\n{cursor}")
    });
    let modes = modes.concat();
    let ran = bench.amalgam_with(&modes).args(["--log-filter", "error", "run"]).output().await.expect("it ends");
    assert!(ran.status.success(), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_leaves_no_more_dead_rows_than_have_changed_and_a_quiet_one_none() {
    let (mariadb, postgres) = tokio::task::spawn_blocking(|| {
        // Without autovacuum: nobody else writes into the catalogs.
        let postgres = start_with(Kind::PostgreSql, "clean-warehouse", &["-c", "autovacuum=off"]);
        (start_with(Kind::MariaDb, "clean-source", &ROWS_LOGGED), postgres)
    })
    .await
    .expect("the servers start");
    let bench = Bench::on(&mariadb, &postgres).await;
    for (table, _) in TABLES {
        let key = if table == "k" { "" } else { " primary key" };
        let columns: String = (1..=8).map(|n| format!(", c{n} varchar(50)")).collect();
        bench
            .source(&format!(
                "create table {table} (id int{key}, v text{columns}, ts timestamp not null default current_timestamp \
                 on update current_timestamp) engine=MyISAM; \
                 insert into {table} (id, v, ts) select seq, seq, '2024-01-01' from seq_1_to_{ROWS}"
            ))
            .await;
    }
    run(&bench).await;
    let quiet = "select cardinality(tables) = 5 from amalgam.unchanged";
    until("every table is believed unchanged", async || {
        run(&bench).await;
        bench.texts(quiet).await.first().and_then(|row| row[0].clone()).as_deref() == Some("t")
    })
    .await;
    let before = dead(&bench).await;
    run(&bench).await;
    let cycle = since(&before, &dead(&bench).await);
    println!("a quiet cycle: {cycle:?}");
    assert_eq!(of(&cycle, "raw").count() + of(&cycle, "pg_catalog").count(), 0, "{cycle:?}");
    assert!(of(&cycle, "amalgam").all(|(_, dead)| dead <= 5), "{cycle:?}");

    for (table, mode) in TABLES {
        let mut edits = format!("insert into {table} (id, v) values (5001, 'n'), (5002, 'n'), (5003, 'n');");
        if mode != "append" {
            edits += &format!(
                "update {table} set v = 'e' where id between 11 and 15; delete from {table} where id in (1, 2);"
            );
        }
        bench.source(&edits).await;
    }
    let before = dead(&bench).await;
    run(&bench).await;
    let cycle = since(&before, &dead(&bench).await);
    println!("a cycle with eight rows changed in each table: {cycle:?}");
    let raw: Vec<(&str, u64)> = of(&cycle, "raw").collect();
    assert_eq!(raw, [("k", 7), ("m", 7), ("r", 7), ("s", 7)]);
    let own: u64 = of(&cycle, "amalgam").map(|(_, dead)| dead).sum();
    let catalogs: u64 = of(&cycle, "pg_catalog").map(|(_, dead)| dead).sum();
    let tables = TABLES.len() as u64;
    assert!(own <= 10 * tables, "{own}: {cycle:?}");
    assert!(catalogs <= (2 * COLUMNS + 60) * tables, "{catalogs}: {cycle:?}");
    // More rows change nothing of it: staging is made once a table.
    bench.source("update m set v = 'f'").await;
    let before = dead(&bench).await;
    run(&bench).await;
    let cycle = since(&before, &dead(&bench).await);
    println!("a cycle with one table all changed: {cycle:?}");
    let catalogs: u64 = of(&cycle, "pg_catalog").map(|(_, dead)| dead).sum();
    // And that of the table without a key, which was written so lately that it is compared once more.
    assert!(catalogs <= (2 * COLUMNS + 60) * 2, "{catalogs}: {cycle:?}");
}
