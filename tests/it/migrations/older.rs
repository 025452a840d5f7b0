//! Two programs of different age on one control plane: what an older one began goes on after the upgrade, and an
//! older one goes on beside it.

use super::FOLDER;
use crate::{
    daemon::Daemon,
    harness::{Bench, Servers, until},
    orchestrator::PRACTICE,
};
use amalgam::{
    domain::{Clock, RunId, RunState, TaskState},
    state::State,
};
use sqlx::{Connection, PgConnection, migrate::Migrator, postgres::PgConnectOptions};
use std::{borrow::Cow, path::Path};

/// The steps that the oldest program knew whose statements stand below.
const OLDEST: usize = 3;

const NIGHTLY: &str = "[[schedule]]\nname = \"nightly\"\ncron = \"0 2 * * *\"\n\n";

/// As that program begins a run of two tables, one of which is under way.
const BEGUN: &str = r#"
update amalgam.writer set epoch = epoch + 1, holder = 'an older program', acquired_at = now();
insert into amalgam.schedule (name, cron, timezone, next_fire_at) values ('nightly', '0 2 * * *', 'UTC', now())
on conflict (name) do update
set cron = excluded.cron, timezone = excluded.timezone, next_fire_at = excluded.next_fire_at;
insert into amalgam.run (trigger, schedule, fire_at, request, started_at)
select 'schedule', name, next_fire_at, '{"select": ["*"], "full": false, "reconcile": false}', now()
from amalgam.schedule
on conflict (schedule, fire_at) do nothing;
update amalgam.schedule
set last_fire_at = next_fire_at, next_fire_at = now() + interval '1 day', queued_fire_at = null;
update amalgam.run set planned_at = now(), tables_unchanged = 0, error_kind = null, error = null
where planned_at is null and state = 'running';
insert into amalgam.task (run_id, kind, subject, weight)
select run_id, 'sync', subject, 0 from amalgam.run, unnest(array['patient', 'payment']) as subject
where state = 'running';
insert into amalgam.unchanged (schedule, checked_at, tables) values ('nightly', now(), '{}')
on conflict (schedule) do update set checked_at = excluded.checked_at, tables = excluded.tables;
with begun as (
    update amalgam.task set state = 'running', not_before = null
    where subject = 'patient' and state = 'pending'
    returning task_id
)
insert into amalgam.attempt (task_id, number, started_at) select task_id, 1, now() from begun"#;

/// As it goes on with that run: a table is in step, another fails and is tried again, a model is published.
const GONE_ON: &str = r#"
with attempt as (
    update amalgam.attempt set state = 'succeeded', ended_at = now() where state = 'running' returning task_id
), task as (
    update amalgam.task t set state = 'succeeded', ended_at = now(), outcome = '{"rows_read": 1}'
    from attempt a where t.task_id = a.task_id
    returning t.task_id, case t.kind when 'model' then 'model' else 'table' end as kind, t.subject
)
insert into amalgam.subject as s (kind, name, succeeded_at) select kind, subject, now() from task
on conflict (kind, name) do update
set succeeded_at = excluded.succeeded_at, failing_since = null, failures_in_a_row = 0, error_kind = null, error = null;
insert into amalgam.table_state (source_table, mode, shape, fingerprint, watermark, row_count, source_read_at)
values ('patient', 'replace', '{}', 'f', null, 2, now())
on conflict (source_table) do update set revision = table_state.revision + 1, synced_at = now();
insert into amalgam.model_state (model_id, relation, materialized) values ('model.p.m', 'marts.m', 'table');
with begun as (
    update amalgam.task set state = 'running', not_before = null
    where subject = 'payment' and state = 'pending'
    returning task_id
)
insert into amalgam.attempt (task_id, number, started_at) select task_id, 1, now() from begun;
with attempt as (
    update amalgam.attempt set state = 'failed', ended_at = now(), error_kind = 'source_lost', error = 'gone'
    where state = 'running'
    returning task_id
)
update amalgam.task t set failures = t.failures + 1, not_before = now(), state = 'pending'
from attempt a where t.task_id = a.task_id;
with begun as (
    update amalgam.task set state = 'running', not_before = null
    where subject = 'payment' and state = 'pending'
    returning task_id
)
insert into amalgam.attempt (task_id, number, started_at) select task_id, 2, now() from begun"#;

/// A bench whose control plane is that of a program which knows so many steps.
async fn upgraded_to(steps: usize) -> Bench {
    let bench = Servers::fresh("older_program").await;
    bench.warehouse("create schema amalgam").await;
    let config = bench.config().warehouse;
    let options = PgConnectOptions::new_without_pgpass()
        .host(&config.host)
        .port(config.port)
        .username(&config.user)
        .database(&config.database)
        .options([("search_path", "amalgam")]);
    let all = Migrator::new(Path::new(FOLDER)).await.expect("the migrations can be read");
    let some = Migrator { migrations: Cow::Owned(all.migrations[..steps].to_vec()), ..Migrator::DEFAULT };
    let mut connection = PgConnection::connect_with(&options).await.expect("the warehouse takes connections");
    some.run(&mut connection).await.expect("an older program could migrate");
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_program_does_after_the_upgrade_succeeds_and_the_newer_goes_on_with_it() {
    let steps = super::migrations().len();
    for known in [OLDEST, steps - 3, steps - 2, steps - 1] {
        let bench = upgraded_to(known).await;
        bench.warehouse(BEGUN).await;
        let newer = State::new(&bench.config().warehouse);
        assert!(!newer.is_migrated().await.expect("it can be asked"), "after {known} steps");
        newer.migrate().await.expect("the newer upgrades beside it");
        bench.warehouse(GONE_ON).await;

        let now = Clock::system().now();
        let left = newer.running_runs().await.expect("it can be asked");
        assert!(left.len() == 1 && left[0].is_known, "after {known} steps: {left:?}");
        let run = RunId(left[0].run_id);
        assert_eq!(newer.interrupt(run, None, now).await.expect("it is recorded"), 1);
        let tasks = newer.tasks(run).await.expect("it can be asked");
        let payment = &tasks[1];
        assert_eq!((tasks[0].state, payment.state, payment.failures), (TaskState::Succeeded, TaskState::Pending, 1));
        let number = newer.begin_attempt(payment.id, now).await.expect("it is asked").expect("it is pending");
        assert_eq!(number, 3);
        assert!(newer.succeed(payment.id, number, false, &serde_json::json!({}), now).await.expect("it is recorded"));
        newer.end_run(run, RunState::Succeeded, None, now).await.expect("the run ends");
        assert_eq!(newer.schedules().await.expect("it can be asked").len(), 1);
        assert_eq!(newer.table_health().await.expect("it can be asked").len(), 1);
        assert_eq!(newer.run_health().await.expect("it can be asked").len(), 1);
        newer.model_health().await.expect("it can be asked");
        // And the older begins the next one.
        bench.warehouse(BEGUN).await;
        assert_eq!(newer.running_runs().await.expect("it can be asked").len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_an_older_daemon_left_goes_on_after_the_upgrade_and_ends_well() {
    let bench = upgraded_to(OLDEST).await;
    bench.source(PRACTICE).await;
    bench.warehouse(BEGUN).await;
    let mut daemon = Daemon::start(&bench, NIGHTLY).await;
    until("the run has ended", || async { bench.text("select state from amalgam.run").await == "succeeded" }).await;
    let attempts = "select string_agg(subject || ' ' || a.state, ', ' order by subject, number) from amalgam.attempt a join amalgam.task using (task_id)";
    assert_eq!(bench.text(attempts).await, "patient interrupted, patient succeeded, payment succeeded");
    assert_eq!(bench.text("select count(*) from raw.payment").await, "2");
    daemon.signal("TERM");
    assert!(daemon.child.wait().await.expect("it ends").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_a_task_that_only_a_newer_program_knows_is_left_to_it() {
    let bench = Servers::fresh("newer_program").await;
    bench.source(PRACTICE).await;
    State::new(&bench.config().warehouse).migrate().await.expect("the schema can be made");
    bench.warehouse(BEGUN).await;
    bench
        .warehouse(
            "alter table amalgam.task drop constraint task_kind_check; \
             update amalgam.task set kind = 'export' where subject = 'payment'",
        )
        .await;
    let often = format!("{NIGHTLY}[[schedule]]\nname = \"often\"\ncron = \"*/2 * * * * *\"\n");
    let mut daemon = Daemon::start(&bench, &often).await;
    until("the daemon does what it knows", || async {
        bench.text("select count(*) >= 3 from amalgam.run where schedule = 'often' and state = 'succeeded'").await
            == "t"
    })
    .await;
    let left = "select r.state || ': ' || string_agg(kind || ' ' || t.state, ', ' order by subject) from amalgam.run r \
                join amalgam.task t using (run_id) where schedule = 'nightly' group by r.state";
    assert_eq!(bench.text(left).await, "running: sync running, export pending");
    daemon.signal("TERM");
    assert!(daemon.child.wait().await.expect("it ends").success());
    until("its log is read to the end", || {
        let ended = daemon.log().iter().any(|line| line["message"] == "stopped");
        async move { ended }
    })
    .await;
    let of_it = |line: &&serde_json::Value| line["message"].as_str().is_some_and(|m| m.contains("left to a newer"));
    let told: Vec<_> = daemon.log().iter().filter(of_it).cloned().collect();
    assert!(told.len() == 1 && told[0]["level"] == "warn" && told[0]["run"] == 1, "{told:#?}");

    // One that knows the kind.
    bench.warehouse("update amalgam.task set kind = 'sync' where kind = 'export'").await;
    let _newer = Daemon::start(&bench, NIGHTLY).await;
    until("the run has ended", || async {
        bench.text("select state from amalgam.run where schedule = 'nightly'").await == "succeeded"
    })
    .await;
}
