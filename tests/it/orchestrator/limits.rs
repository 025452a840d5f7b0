//! How much happens at once, counted at the servers; and how often it is tried.

use super::*;
use amalgam::config::Retry;

/// So many tables of one row, locked against all others until the connection is dropped.
async fn locked_tables(bench: &Bench, count: usize) -> mysql_async::Conn {
    let names: Vec<String> = (0..count).map(|n| format!("t{n}")).collect();
    for name in &names {
        bench
            .source(&format!("create table {name} (id int primary key) engine=MyISAM; insert into {name} values (1)"))
            .await;
    }
    bench.lock_source(&names.join(" write, ")).await
}

/// What two tables and models at once may ask, and what all are bound by.
#[tokio::test(flavor = "multi_thread")]
async fn no_bound_of_what_works_at_once_is_ever_exceeded_at_the_servers() {
    const TABLES: usize = 8;
    const MODELS: usize = 6;
    let bench = Servers::fresh("at_once").await;
    let project = bench.files().join("project/models");
    std::fs::create_dir_all(&project).expect("a folder can be made");
    let text = "name: p\nmodels:\n  p:\n    +materialized: table\n    +schema: marts\n";
    std::fs::write(bench.files().join("project/dbt_project.yml"), text).expect("a file can be written");
    for n in 0..MODELS {
        let text = format!("select 1 as n, pg_sleep(0.4)::text as nothing, {n} as which");
        std::fs::write(project.join(format!("slow{n}.sql")), text).expect("a file can be written");
    }
    let holder = locked_tables(&bench, TABLES).await;
    let mut config = config(&bench);
    config.models.threads = 3;
    config.source.connections_max = 5;
    config.runs.tasks_max = 4;
    let bounds = [("connections", 5), ("tables", 3), ("models", 3), ("tasks", 4)];
    let orchestrator = orchestrator(config);
    let over = CancellationToken::new();
    let counting = async {
        let mut most = [0; 4];
        let mut holder = Some(holder);
        while !over.is_cancelled() {
            let here = bench.sessions("user = 'reader'").await.len();
            let reading = bench.sessions(&format!("user = 'reader' and {WAITS_FOR_TABLE}")).await.len();
            let asleep = "select count(*) from pg_stat_activity where datname = current_database() and state = 'active' and btrim(query, chr(10) || ' ') like 'create%pg_sleep%'";
            let building = bench.text(asleep).await.parse().expect("a number");
            let running = if bench.text("select count(to_regclass('amalgam.attempt'))").await == "1" {
                bench.text("select count(*) from amalgam.task where state = 'running'").await.parse().expect("a number")
            } else {
                0
            };
            for (at, count) in [here, reading, building, running].into_iter().enumerate() {
                most[at] = most[at].max(count);
                assert!(count <= bounds[at].1, "{} {count}", bounds[at].0);
            }
            // All models have been built while some tables hung.
            let built = bench.text("select count(*) from pg_tables where schemaname like '%marts'").await;
            if built == MODELS.to_string() && most[3] == bounds[3].1 && most[1] == bounds[1].1 {
                holder = None;
            }
        }
        drop(holder);
        most
    };
    let running = async {
        let ran = orchestrator.run_once(RunRequest::default(), Stop::default()).await;
        over.cancel();
        ran.expect("it runs")
    };
    let (ran, most) = tokio::join!(running, counting);
    assert_eq!(ran.state, RunState::Succeeded);
    // The bounds are reached, or nothing was shown.
    assert_eq!((most[1], most[3]), (3, 4), "{most:?}");
    assert!(most[2] >= 1, "{most:?}");
    orchestrator.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_spends_no_more_retries_than_its_budget_has() {
    const TABLES: usize = 6;
    let bench = Servers::fresh("budget").await;
    let holder = locked_tables(&bench, TABLES).await;
    let mut config = bench.config();
    config.source.statement_seconds_max = 1;
    // Of six tasks, half are three, and one.
    let (initial, max) = (1, 2);
    config.retry = Retry {
        delay_milliseconds_initial: initial,
        delay_milliseconds_max: max,
        budget_retries: 1,
        budget_percent: 50,
        ..Retry::default()
    };
    let orchestrator = orchestrator(config);
    let ran = orchestrator.run_once(RunRequest::default(), Stop::default()).await.expect("it runs");
    assert_eq!(ran.state, RunState::Failed);
    let attempts = bench.text("select count(*) from amalgam.attempt where error_kind = 'source_timeout'").await;
    assert_eq!(attempts, (TABLES + 4).to_string());
    let told = "select count(*) from amalgam.task where error like '%the run has spent its retries'";
    assert_eq!(bench.text(told).await, TABLES.to_string());
    assert_eq!(orchestrator.metrics().retries_refused.with_label_values(&["sync"]).get(), TABLES as u64);
    drop(holder);
    // The next run begins with a budget of its own.
    let ran = orchestrator.run_once(RunRequest::default(), Stop::default()).await.expect("it runs");
    assert_eq!(ran.state, RunState::Succeeded);
    orchestrator.close().await;
}
