//! The control plane on a real server: its schema, its rules, its lock.

use crate::harness::{Bench, Servers};
use amalgam::{
    domain::{RunId, RunState, ScheduleName, TableName, TaskKind, TaskState},
    error::{Error, Kind},
    state::{Acquired, Fire, NewEdge, NewRun, NewTask, Plan, State},
};
use chrono::{DateTime, Utc};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000 + seconds, 0).expect("a valid time")
}

async fn state(name: &str) -> (Bench, State) {
    let bench = Servers::fresh(name).await;
    let state = State::new(&bench.config().warehouse);
    state.migrate().await.expect("the schema can be made");
    (bench, state)
}

fn by_hand() -> NewRun {
    NewRun { schedule: None, fire_at: None, cause: None, request: serde_json::json!({}), at: at(0) }
}

fn task(kind: TaskKind, subject: &str) -> NewTask {
    NewTask { kind, subject: subject.to_owned(), weight: 0 }
}

/// A run of one table and two models in a row.
async fn planned(state: &State) -> RunId {
    let run = state.begin_run(&by_hand()).await.expect("a run begins");
    let plan = Plan {
        tasks: vec![
            task(TaskKind::Sync, "payment"),
            task(TaskKind::Model, "model.a.stg"),
            task(TaskKind::Model, "model.a.mart"),
        ],
        edges: [(1, 0), (2, 1)].map(|(child, parent)| NewEdge { child, parent, must_succeed: true }).to_vec(),
        unchanged: vec![TableName::new("patient")],
        ..Plan::default()
    };
    state.plan_run(run, &plan, at(1)).await.expect("a plan is written");
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_is_made_by_whoever_comes_first_and_twice_does_no_harm() {
    let bench = Servers::fresh("migrate").await;
    let states = [0, 1, 2, 3].map(|_| State::new(&bench.config().warehouse));
    assert!(!states[0].is_migrated().await.expect("it can be asked"));
    let all = futures_util::future::join_all(states.iter().map(State::migrate)).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    states[0].migrate().await.expect("once more");
    assert!(states[0].is_migrated().await.expect("it can be asked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_the_right_to_make_schemas_gets_a_clear_error_and_none_once_it_is_there() {
    let (bench, _) = state("rights").await;
    bench.warehouse("create role rights_only login; grant usage on schema amalgam to rights_only; grant all on all tables in schema amalgam to rights_only").await;
    let mut config = bench.config().warehouse;
    config.user = "rights_only".to_owned();
    State::new(&config).migrate().await.expect("the schema is there");
    let other = Servers::fresh("rights_none").await;
    config.database = other.database().to_owned();
    let error = State::new(&config).migrate().await.expect_err("the user may not create a schema");
    assert_eq!(error.kind, Kind::WarehouseDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn illegal_changes_of_state_are_refused_by_the_database() {
    let (bench, state) = state("transitions").await;
    let run = planned(&state).await;
    let tasks = state.tasks(run).await.expect("tasks are there");
    let number = state.begin_attempt(tasks[0].id, at(2)).await.expect("it is asked").expect("it is pending");
    assert_eq!(number, 1);
    assert_eq!(state.begin_attempt(tasks[0].id, at(2)).await.expect("it is asked"), None);
    assert!(state.succeed(tasks[0].id, 1, false, &serde_json::json!({}), at(3)).await.expect("it is recorded"));
    assert!(!state.succeed(tasks[0].id, 1, false, &serde_json::json!({}), at(3)).await.expect("it is asked"));
    state.end_run(run, RunState::Succeeded, None, at(4)).await.expect("the run ends");
    for (change, refused) in [
        ("update amalgam.task set state = 'pending', ended_at = null where subject = 'payment'", "succeeded>pending"),
        ("update amalgam.run set state = 'running', ended_at = null", "succeeded>running"),
        ("update amalgam.attempt set state = 'running', ended_at = null", "succeeded>running"),
    ] {
        let query = format!(
            "do $$ begin {change}; raise exception 'not refused'; exception when check_violation then if sqlerrm not like '%{refused}%' then raise; end if; end $$"
        );
        bench.warehouse(&query).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_attempt_keeps_its_retry_budget() {
    let (bench, state) = state("interrupted").await;
    let run = planned(&state).await;
    let payment = state.tasks(run).await.expect("tasks are there").remove(0);
    for _ in 0..3 {
        state.begin_attempt(payment.id, at(2)).await.expect("it is asked").expect("it is pending");
        assert_eq!(state.interrupt(run, None, at(3)).await.expect("it is recorded"), 1);
    }
    let number = state.begin_attempt(payment.id, at(4)).await.expect("it is asked").expect("it is pending");
    let error = Error::new(Kind::SourceLost, "the line went dead");
    state.fail(payment.id, number, &error, Some(at(9)), at(5)).await.expect("it is recorded");
    let after = state.tasks(run).await.expect("tasks are there").remove(0);
    assert_eq!((after.failures, after.state, after.not_before), (1, TaskState::Pending, Some(at(9))));
    let states = bench.text("select string_agg(state, ' ' order by number) from amalgam.attempt").await;
    assert_eq!(states, "interrupted interrupted interrupted failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_run_ends_what_is_left_of_it() {
    let (bench, state) = state("end_of_run").await;
    let run = planned(&state).await;
    let tasks = state.tasks(run).await.expect("tasks are there");
    assert_eq!(tasks[2].parents, [tasks[1].id]);
    state.begin_attempt(tasks[0].id, at(2)).await.expect("it is asked").expect("it is pending");
    let cause = Error::new(Kind::SourceAuth, "access denied");
    state.end_run(run, RunState::Failed, Some(&cause), at(3)).await.expect("the run ends");
    state.end_run(run, RunState::Failed, Some(&cause), at(4)).await.expect("twice does no harm");
    assert_eq!(bench.text("select string_agg(distinct state, ' ') from amalgam.task").await, "skipped");
    assert_eq!(bench.text("select distinct error from amalgam.task").await, "the run ended: access denied");
    let record = state.run_record(run).await.expect("it can be asked").expect("it is there");
    assert_eq!((record.state.as_str(), record.skipped, record.tables_unchanged), ("failed", 3, 1));
    assert_eq!(state.running_runs().await.expect("it can be asked").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fire_happens_once_whoever_notices_it() {
    let (bench, state) = state("fires").await;
    let name = ScheduleName::new("nightly");
    state.put_schedule(&name, "* * * * *", "UTC", &[], Some(at(60))).await.expect("it is written");
    let new = NewRun { schedule: Some(name.clone()), fire_at: Some(at(60)), ..by_hand() };
    let fire = Fire::Run(new.clone());
    let other = State::new(&bench.config().warehouse);
    let fires = futures_util::future::join_all((0..8).map(|n| {
        let state = if n % 2 == 0 { &state } else { &other };
        state.fire(&name, at(60), Some(at(120)), &fire)
    }))
    .await;
    let runs: Vec<_> = fires.into_iter().map(|f| f.expect("the server answers")).collect();
    assert_eq!(runs.iter().flatten().count(), 1, "{runs:?}");
    // A clock that was put back makes the same moment due again.
    state.put_schedule(&name, "* * * * *", "UTC", &[], Some(at(60))).await.expect("it is written");
    assert_eq!(state.fire(&name, at(60), Some(at(120)), &fire).await.expect("the server answers"), None);
    let queued = state.fire(&name, at(120), Some(at(180)), &Fire::Queue(at(120))).await.expect("the server answers");
    assert_eq!(queued, None);
    let waited = NewRun { fire_at: Some(at(120)), ..new };
    assert!(state.fire_queued(&name, &waited).await.expect("the server answers").is_some());
    assert!(state.fire_queued(&name, &waited).await.expect("the server answers").is_none());
    assert_eq!(bench.text("select count(*) from amalgam.run").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_has_one_holder_and_its_number_tells_of_others() {
    let (_bench, state) = state("lock").await;
    let Acquired::Held(first) = state.acquire("the first", at(0)).await.expect("the server answers") else {
        panic!("nobody else holds it")
    };
    match state.acquire("the second", at(1)).await.expect("the server answers") {
        Acquired::By(who) => assert!(who.starts_with("the first, since 2026-"), "{who}"),
        Acquired::Held(_) => panic!("the first holds it"),
    }
    let epoch = first.epoch();
    first.release().await;
    let Acquired::Held(second) = state.acquire("the second", at(2)).await.expect("the server answers") else {
        panic!("it was given up")
    };
    assert_eq!((second.epoch(), second.was_mine()), (epoch + 1, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_subject_stays_known_until_it_succeeds_or_is_gone() {
    let (_bench, state) = state("subjects").await;
    let error = Error::new(Kind::ModelSql, "column missing");
    for round in 0..2 {
        let run = planned(&state).await;
        let stg = state.tasks(run).await.expect("tasks are there").remove(1);
        let number = state.begin_attempt(stg.id, at(2)).await.expect("it is asked").expect("it is pending");
        state.fail(stg.id, number, &error, None, at(3 + round)).await.expect("it is recorded");
        state.end_run(run, RunState::Failed, None, at(4)).await.expect("the run ends");
    }
    let models = state.model_health().await.expect("it can be asked");
    assert_eq!(models.len(), 1);
    assert_eq!((models[0].failures_in_a_row, models[0].failing_since), (2, Some(at(3))));
    let run = state.begin_run(&by_hand()).await.expect("a run begins");
    let plan = Plan { models: Some(vec!["model.a.mart".to_owned()]), ..Plan::default() };
    state.plan_run(run, &plan, at(9)).await.expect("a plan is written");
    assert_eq!(state.model_health().await.expect("it can be asked").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_gone_is_neither_fresh_nor_late_and_its_rows_stay() {
    let (bench, state) = state("gone").await;
    bench
        .warehouse(
            "insert into amalgam.table_state (source_table, mode, shape, row_count, source_read_at, synced_at)
             select name, 'replace', '{}', 1, now(), '2026-01-01' from unnest(array['patient', 'payment']) as name",
        )
        .await;
    let known = async || -> Vec<(String, Option<DateTime<Utc>>)> {
        let tables = state.table_health().await.expect("it can be asked");
        tables.into_iter().map(|t| (t.name, t.fresh_at)).collect()
    };
    assert_eq!(known().await.len(), 2, "before anything was planned, all that is there is told");
    let run = state.begin_run(&by_hand()).await.expect("a run begins");
    let patient = TableName::new("patient");
    let plan =
        Plan { tables: Some(vec![patient.to_string()]), unchanged: vec![patient], looked_at: at(5), ..Plan::default() };
    state.plan_run(run, &plan, at(9)).await.expect("a plan is written");
    assert_eq!(known().await, [("patient".to_owned(), Some(at(5)))], "it is as fresh as the look");
    assert_eq!(bench.text("select count(*) from amalgam.table_state").await, "2");
    // One that was synced by hand since is there.
    bench.warehouse("update amalgam.table_state set synced_at = '2030-01-01' where source_table = 'payment'").await;
    assert_eq!(known().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_failed_in_a_row_are_counted_until_one_ends_well() {
    let (_bench, state) = state("run_health").await;
    let ends = [
        (RunState::Failed, 1),
        (RunState::Failed, 2),
        (RunState::Cancelled, 2),
        (RunState::Succeeded, 0),
        (RunState::Failed, 1),
    ];
    for (end, failures) in ends {
        let run = state.begin_run(&by_hand()).await.expect("a run begins");
        let begun = state.run_health().await.expect("it can be asked").remove(0);
        assert!(begun.schedule.is_empty() && begun.running_since.is_some());
        state
            .end_run(run, end, None, begun.running_since.map_or(at(4), |t| t + chrono::Duration::seconds(3)))
            .await
            .expect("it ends");
        let ended = state.run_health().await.expect("it can be asked").remove(0);
        assert_eq!((ended.failures_in_a_row, ended.running_since), (failures, None), "{end}");
        assert_eq!((ended.seconds, ended.rows_read), (Some(3.0), 0));
    }
}

/// The states and changes that the page draws are those that the schema allows.
#[test]
fn the_page_draws_the_state_machine_of_the_schema() {
    let schema = include_str!("../../src/state/migrations/0002_runs.sql");
    let page = include_str!("../../docs/state-machine.md");
    for table in ["run", "task", "attempt"] {
        let trigger = schema.split(&format!("create trigger {table}_transition")).nth(1).expect("a trigger a table");
        let allowed: std::collections::BTreeSet<&str> =
            trigger.split(';').next().expect("it ends").split('\'').filter(|s| s.contains('>')).collect();
        let drawing = page.split(&format!("## {table}\n")).nth(1).expect("a section a table");
        let drawing = drawing.split("```").nth(1).expect("a drawing a section");
        let drawn: Vec<String> = drawing
            .lines()
            .filter_map(|line| line.split(':').next()?.trim().split_once(" --> "))
            .filter(|(from, to)| *from != "[*]" && *to != "[*]")
            .map(|(from, to)| format!("{from}>{to}"))
            .collect();
        assert_eq!(drawn.iter().map(String::as_str).collect::<std::collections::BTreeSet<_>>(), allowed, "{table}");
    }
}
