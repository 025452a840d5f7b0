//! `kill -9` at any moment of a load, a delta or a comparison, or while the source's log is followed: nothing is
//! lost, and no reader ever sees half a table.

use crate::harness::{Bench, ROWS_LOGGED, Servers, start_with, until};
use amalgam::demo::servers;
use std::{
    process::Stdio,
    time::{Duration, Instant},
};

const KILLS: usize = 100;
/// Of deltas and comparisons.
const KILLS_LATER: usize = 15;
/// Printed with the test's output; the same seed tries the same moments.
const SEED: u64 = 20_250_607;
const TABLES: usize = 24;
/// A load that takes longer than this is killed in its first part, and the next one goes on with the rest.
const DELAY_MAX: Duration = Duration::from_millis(700);

/// What is counted between two kills: each raw table, what its state says of it, and what lies about.
const COUNTS: &str = "select c.relname, s.row_count::text, \
    (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from raw.%I', c.relname), false, true, '')))[1]::text \
    from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    left join amalgam.table_state s on s.source_table = c.relname \
    where n.nspname = 'raw' and c.relkind = 'r'";

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_a_hundred_random_moments_of_a_load_nothing_is_lost() {
    let bench = Servers::fresh("kill").await;
    bench.source(&practice()).await;
    let whole = Instant::now();
    assert!(run(&bench, &["run"]).wait().await.expect("it ends").success());
    let delay_max = whole.elapsed().min(DELAY_MAX);
    println!("seed {SEED}, a load takes {} ms", whole.elapsed().as_millis());
    let mut random = fastrand::Rng::with_seed(SEED);
    let (mut kills, mut loads, mut beside) = (0, 0, false);
    forget(&bench).await;
    while kills < KILLS {
        let command: &[&str] = if beside { &["run", "--full"] } else { &["run"] };
        let mut child = run(&bench, command);
        let delay = delay_max.mul_f64(random.f64());
        match tokio::time::timeout(delay, child.wait()).await {
            Ok(status) => {
                assert!(status.expect("it ends").success(), "a load that nobody kills succeeds");
                check(&bench, TABLES).await;
                loads += 1;
                // First into nothing, then beside what is there, and again.
                beside = !beside;
                if !beside {
                    forget(&bench).await;
                }
                continue;
            }
            Err(_) => child.kill().await.expect("it runs until it is killed"),
        }
        kills += 1;
        until("the server notices that its client is gone", || gone(&bench)).await;
        // A table that is loaded beside the present one is never away.
        check(&bench, if beside { TABLES } else { 0 }).await;
        bench.source(&format!("insert into t{} (name) values ('new')", random.usize(0..TABLES))).await;
    }
    println!("{kills} kills, {loads} loads came to their end in between");
    // No reconciliation: it would mend what a watermark that was lost or ran ahead had missed.
    assert!(run(&bench, &["run"]).wait().await.expect("it ends").success());
    check(&bench, TABLES).await;
    verify(&bench).await;
    assert_eq!(bench.text("select count(*) from amalgam.run where state = 'running'").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_is_killed_goes_on_behind_its_last_part() {
    let bench = Servers::fresh("kill_part").await;
    bench
        .source(
            "create table t (k int primary key, v varchar(200), ts timestamp not null default current_timestamp \
             on update current_timestamp); insert into t select seq, repeat('x', 150), '2020-01-01' from seq_1_to_3000",
        )
        .await;
    let sync = |rows_per_second_max: &str| {
        let mut command = bench.amalgam_with("[tables.t]\nmode = \"merge\"\ncursor = \"ts\"\n");
        let bounds = [
            format!("source.rows_per_second_max={rows_per_second_max}"),
            "source.range_rows=100".to_owned(),
            "sync.batch_bytes_max=65536".to_owned(),
            "sync.load_part_bytes=100000".to_owned(),
        ];
        command.args(bounds.iter().flat_map(|bound| ["--set", bound.as_str()])).arg("sync").stdout(Stdio::null());
        command.spawn().expect("the program starts")
    };
    let mut child = sync("500");
    let come = "select coalesce(sum(row_count), 0) from amalgam.load";
    until("a part is committed", async || {
        bench.text("select to_regclass('amalgam.load') is not null").await == "t" && bench.text(come).await != "0"
    })
    .await;
    child.kill().await.expect("it runs until it is killed");
    until("the server notices that its client is gone", || gone(&bench)).await;
    let rows: u64 = bench.text(come).await.parse().expect("a count");
    assert!((1..3000).contains(&rows), "{rows}");
    check(&bench, 0).await;
    // What was read is not read again: this edit, which leaves no stamp, is not seen. The next one is.
    bench.source("update t set v = 'silent', ts = ts where k = 1; update t set v = 'told' where k = 2").await;
    assert!(sync("0").wait().await.expect("it ends").success());
    check(&bench, 1).await;
    assert_eq!(bench.text("select string_agg(v, ' ') from raw.t where v in ('silent', 'told')").await, "told");
    assert_eq!(
        bench.text("select count(*) || ' of ' || (select count(*) from raw.t) from amalgam.load").await,
        "0 of 3000"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_of_deltas_and_comparisons_nothing_is_lost() {
    let bench = Servers::fresh("kill_later").await;
    bench.source(&practice()).await;
    assert!(run(&bench, &["run"]).wait().await.expect("it ends").success());
    let ways: [&[&str]; 2] = [&["run"], &["sync", "--reconcile"]];
    kill_some(&bench, &ways, run).await;
    for way in ways {
        assert!(run(&bench, way).wait().await.expect("it ends").success());
    }
    check(&bench, TABLES).await;
    verify(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_while_the_log_is_followed_nothing_is_lost() {
    let server = start_with(servers::Kind::MariaDb, "logged", &ROWS_LOGGED);
    let bench = Servers::fresh_at("kill_stream", &server).await;
    let keyed = practice().replace("default 0", "primary key auto_increment");
    let half: String = (0..TABLES / 2).map(|n| format!("alter table t{n} engine=InnoDB;")).collect();
    bench.source(&(keyed + &half)).await;
    assert!(run_streamed(&bench, &["run"]).wait().await.expect("it ends").success());
    kill_some(&bench, &[&["run"]], run_streamed).await;
    assert!(run_streamed(&bench, &["run"]).wait().await.expect("it ends").success());
    check(&bench, TABLES).await;
    // No comparison has mended what was missed.
    let done =
        "select outcome ->> 'action', count(*)::text from amalgam.task where state = 'succeeded' group by 1 order by 1";
    let done = bench.texts(done).await;
    let actions: Vec<_> = done.iter().map(|row| row[0].as_deref().unwrap_or_default()).collect();
    assert_eq!(actions, ["delta", "load"], "{done:?}");
    verify(&bench).await;
}

/// Writes and runs in turns, one way after the other, and kills until it was enough.
async fn kill_some(bench: &Bench, ways: &[&[&str]], run: fn(&Bench, &[&str]) -> tokio::process::Child) {
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut delay_max = vec![Duration::ZERO; ways.len()];
    let (mut kills, mut turns) = (0, 0);
    while kills < KILLS_LATER {
        assert!(turns < 4 * KILLS_LATER, "{kills} kills in {turns} turns");
        let at = turns % ways.len();
        turns += 1;
        bench.source(&edits(&mut random)).await;
        let begun = Instant::now();
        let mut child = run(bench, ways[at]);
        // The first of each way is let be, to know how long it takes.
        let delay = if delay_max[at].is_zero() { Duration::MAX } else { delay_max[at].mul_f64(random.f64()) };
        if let Ok(status) = tokio::time::timeout(delay, child.wait()).await {
            assert!(status.expect("it ends").success(), "{:?} succeeds where nobody kills it", ways[at]);
            delay_max[at] = delay_max[at].max(begun.elapsed().min(DELAY_MAX));
            continue;
        }
        child.kill().await.expect("it runs until it is killed");
        kills += 1;
        until("the server notices that its client is gone", || gone(bench)).await;
        check(bench, TABLES).await;
    }
    println!("seed {SEED}, {kills} kills in {turns} turns, which take up to {delay_max:?}");
}

/// In every table new rows, and edits and deletes of which no stamp tells.
fn edits(random: &mut fastrand::Rng) -> String {
    (0..TABLES)
        .map(|n| {
            let (row, stamp) = (random.u32(0..50), if n % 3 == 0 { ", DateTStamp = DateTStamp" } else { "" });
            format!(
                "insert into t{n} (name) values ('new'); update t{n} set amount = amount + 1{stamp} where id % 50 = {row};\n\
                 delete from t{n} where id % 100 = {row};\n"
            )
        })
        .collect()
}

async fn verify(bench: &Bench) {
    let verified = bench.amalgam().arg("verify").output().await.expect("it ends");
    let told = String::from_utf8_lossy(&verified.stdout).into_owned() + &String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && told.contains("every value equal"), "{told}");
}

/// A third with a stamp (`merge`), a third with a key alone (`append`), a third without a key (`replace`).
fn practice() -> String {
    (0..TABLES)
        .map(|n| {
            let rows = 200 + n * 150;
            let (key, stamp) = match n % 3 {
                0 => ("primary key auto_increment", ", DateTStamp timestamp not null default current_timestamp on update current_timestamp"),
                1 => ("primary key auto_increment", ""),
                _ => ("default 0", ""),
            };
            format!(
                "create table t{n} (id bigint not null {key}, name varchar(100), amount double, day date{stamp});\n\
                 insert into t{n} (id, name, amount, day) select seq, md5(seq), seq / 7, '2024-01-01' + interval seq day \
                 from seq_1_to_{rows};\n"
            )
        })
        .collect()
}

fn run(bench: &Bench, command_line: &[&str]) -> tokio::process::Child {
    let settings = |n: usize| match n % 3 {
        0 => "mode = \"merge\"\ncursor = \"DateTStamp\"",
        1 => "mode = \"append\"",
        _ => "mode = \"replace\"",
    };
    run_with(bench, settings, command_line)
}

fn run_streamed(bench: &Bench, command_line: &[&str]) -> tokio::process::Child {
    run_with(bench, |_| "mode = \"stream\"", command_line)
}

fn run_with(bench: &Bench, settings: fn(usize) -> &'static str, command_line: &[&str]) -> tokio::process::Child {
    let modes: String = (0..TABLES).map(|n| format!("[tables.t{n}]\n{}\n", settings(n))).collect();
    let mut command = bench.amalgam_with(&format!(
        "[sync]\nparallel_tables = 3\nbatch_bytes_max = 65536\nload_part_bytes = 100000\n{modes}"
    ));
    command.args(["--log-filter", "error"]).args(command_line).stdout(Stdio::null());
    command.spawn().expect("the program starts")
}

/// Leaves nothing loaded, so that there is something to load.
async fn forget(bench: &Bench) {
    bench.warehouse("drop schema raw cascade; delete from amalgam.table_state").await;
}

async fn gone(bench: &Bench) -> bool {
    let others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() \
                  and backend_type = 'client backend'";
    bench.text(others).await == "0"
}

/// Every table is whole, as its state says, and there are at least so many.
async fn check(bench: &Bench, tables_min: usize) {
    if bench.text("select to_regclass('amalgam.table_state') is null").await == "t" {
        return;
    }
    let tables = bench.texts(COUNTS).await;
    assert!(tables.len() >= tables_min, "{} tables of {tables_min}", tables.len());
    for table in tables {
        let [name, expected, found] = table.try_into().expect("three columns were asked for");
        assert!(!name.as_deref().unwrap_or_default().starts_with("amalgam_new"), "{name:?} was left behind");
        assert!(found.is_some() && expected == found, "{name:?}: its state says {expected:?}, {found:?} rows stand");
    }
}
