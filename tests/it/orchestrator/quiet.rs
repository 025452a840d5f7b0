//! Quiet hours of the source: what waits, what goes on, and what is not late for it.

use super::*;
use amalgam::domain::ModelId;
use tokio::{process::Command, sync::watch, task::JoinSet};

/// Noon in Chicago is 17:00 UTC in summer.
fn with_lunch(bench: &Bench, clock: &Clock, change: impl FnOnce(&mut Config)) -> Orchestrator {
    let mut config = config(bench);
    config.source.keep_quiet(&["12:00-13:30"], "America/Chicago").expect("a window");
    let schedule = serde_json::json!({ "name": "often", "cron": "*/5 * * * *" });
    config.schedule.push(serde_json::from_value(schedule).expect("a schedule"));
    change(&mut config);
    Orchestrator::new(Arc::new(config), clock.clone(), Arc::new(Metrics::new())).expect("a good configuration")
}

fn at(time: &str) -> chrono::DateTime<chrono::Utc> {
    format!("2026-06-01T{time}Z").parse().expect("a time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fire_within_quiet_hours_builds_models_and_reads_tables_when_they_are_over() {
    let bench = Servers::fresh("quiet_fire").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let clock = Clock::manual(at("16:50:00"));
    let orchestrator = with_lunch(&bench, &clock, |_| {});
    until("a run finds nothing to do", async || {
        let run = orchestrator.run_once(RunRequest::default(), Stop::default()).await.expect("it runs");
        orchestrator.state().run_record(run.run).await.expect("it is there").expect("it is there").tasks == 0
    })
    .await;
    clock.set(at("17:00:00"));
    let (stop, mut serving) = (Stop::default(), JoinSet::new());
    let (daemon, told) = (orchestrator.clone(), stop.clone());
    serving.spawn(async move { daemon.serve(watch::Sender::default(), told).await });
    until("the schedule is known", async || bench.text("select count(*) from amalgam.schedule").await == "1").await;

    // No table has changed: the run goes on, and builds the model that was edited.
    let model = bench.files().join("project/models/patients.sql");
    std::fs::write(model, "select 100 + count(*) as n from {{ source('od', 'patient') }}").expect("it can be written");
    clock.set(at("17:05:00"));
    until_value(&bench, "n", "patients", "102").await;
    let ended = "select count(*) from amalgam.run where schedule = 'often' and state = 'succeeded'";
    until("the run has ended", async || bench.text(ended).await == "1").await;

    // A table has changed: the run waits, and those that come due meanwhile are part of it.
    bench.source("insert into payment (PatNum, PayAmt) values (1, 50)").await;
    clock.set(at("17:10:00"));
    let waits = "select count(*) from amalgam.run where schedule = 'often' and state = 'running'";
    until("a run waits", async || bench.text(waits).await == "1").await;
    clock.set(at("17:15:00"));
    let fired = "select count(*) from amalgam.schedule where next_fire_at = '2026-06-01 17:20+00'";
    until("the next fire has passed", async || bench.text(fired).await == "1").await;
    assert_eq!(bench.text("select count(*) from amalgam.run where schedule = 'often'").await, "2");
    assert_eq!(orchestrator.metrics().fires_skipped.with_label_values(&["often"]).get(), 0);
    assert_eq!(value(&bench, "total", &relation(&bench, "collections").await).await.as_deref(), Some("120.5"));
    assert_eq!(orchestrator.late_before(), Some(at("16:50:00")), "nothing is late for having waited");

    clock.set(at("18:30:00"));
    until_value(&bench, "total", "collections", "170.5").await;
    until("the run has ended", async || bench.text(waits).await == "0").await;
    let unusual = "select (select count(*) from amalgam.run where state <> 'succeeded') \
                   + (select count(*) from amalgam.attempt where number > 1 or state <> 'succeeded') \
                   + (select count(*) from amalgam.subject where failures_in_a_row > 0)";
    assert_eq!(bench.text(unusual).await, "0");
    stop.drain.cancel();
    serving.join_next().await.expect("it serves").expect("it does not panic").expect("it ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_quiet_hours_cut_off_goes_on_after_them_and_did_not_fail() {
    let bench = Servers::fresh("quiet_cut").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let clock = Clock::manual(at("16:59:00"));
    let orchestrator = with_lunch(&bench, &clock, |config| {
        (config.source.range_rows, config.retry.attempts_max) = (1, 1);
        config.sync.include = vec!["payment".to_owned()];
    });
    let held = bench.lock_source("payment").await;
    let (mut running, run) = (JoinSet::new(), orchestrator.clone());
    let request = RunRequest { select: vec!["payment+".to_owned()], ..RunRequest::default() };
    running.spawn(async move { run.run_once(request, Stop::default()).await });
    bench.until_session("the first range waits for the table", WAITS_FOR_TABLE).await;
    clock.set(at("17:00:00"));
    drop(held);
    let attempts = "select string_agg(a.state, ' ' order by a.number) from amalgam.attempt a join amalgam.task t using (task_id) where subject = 'payment'";
    until("the attempt has ended", async || bench.text(attempts).await == "interrupted").await;
    let waiting = "select state || ' ' || failures || ' ' || (not_before at time zone 'UTC') from amalgam.task where subject = 'payment'";
    assert_eq!(bench.text(waiting).await, "pending 0 2026-06-01 18:30:00");
    clock.set(at("18:30:00"));
    let summary = running.join_next().await.expect("it runs").expect("it does not panic").expect("it ends");
    assert_eq!(summary.state, RunState::Succeeded);
    assert_eq!(bench.text(attempts).await, "interrupted succeeded");
    assert_eq!(orchestrator.metrics().failures.with_label_values(&[Kind::SourceQuiet.as_str()]).get(), 0);
    assert_eq!(value(&bench, "total", &relation(&bench, "collections").await).await.as_deref(), Some("120.5"));
    let model = ModelId::new("model.p.collections");
    let models = orchestrator.state().model_health().await.expect("it is there");
    assert!(models.iter().any(|m| m.name == model.as_str() && m.failing_since.is_none()));
}

/// From two hours ago for four hours, so that the test lies within, whenever it is run.
fn now_is_quiet(command: &mut Command) {
    let now = Clock::system().now();
    let hours = chrono::Duration::hours(2);
    let window = format!("{}-{}", (now - hours).format("%H:%M"), (now + hours).format("%H:%M"));
    command.env("AMALGAM_SOURCE__QUIET_HOURS", window).env("AMALGAM_SOURCE__QUIET_TIMEZONE", "UTC");
}

async fn told(mut command: Command, arguments: &[&str], quiet: bool) -> (Option<i32>, String) {
    if quiet {
        now_is_quiet(&mut command);
    }
    let output = command.args(arguments).output().await.expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn by_hand_quiet_hours_are_kept_unless_they_are_to_be_ignored() {
    let bench = Servers::fresh("quiet_hand").await;
    bench.source(PRACTICE).await;
    for command in ["sync", "run", "verify"] {
        let (status, text) = told(bench.amalgam(), &[command], true).await;
        assert_eq!(status, Some(1), "{command}: {text}");
        let is_clear = text.contains("the source's quiet hours last until ") && text.contains(" (UTC)");
        assert!(is_clear && text.contains("--ignore-quiet-hours"), "{command}: {text}");
        assert_eq!(
            bench.text("select count(*) from pg_tables where schemaname = 'raw'").await != "0",
            command == "verify"
        );
        let (status, text) = told(bench.amalgam(), &[command, "--ignore-quiet-hours"], true).await;
        assert_eq!(status, Some(0), "{command}: {text}");
        if command == "sync" {
            bench.warehouse("drop schema raw cascade").await;
        }
    }
    let (_, text) = told(bench.amalgam(), &["plan"], true).await;
    assert!(
        text.contains("the source is quiet until ") && text.contains(" (UTC): tables are read after that"),
        "{text}"
    );
    let (_, text) = told(bench.amalgam(), &["status"], true).await;
    assert!(text.contains("source  quiet until ") && text.contains(" (UTC)\n"), "{text}");
    for command in ["plan", "status"] {
        let (_, text) = told(bench.amalgam(), &[command], false).await;
        assert!(!text.contains("quiet"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_within_quiet_hours_is_well_and_no_table_is_late() {
    let bench = Servers::fresh("quiet_daemon").await;
    bench.source(PRACTICE).await;
    let (status, text) = told(bench.amalgam(), &["sync"], false).await;
    assert_eq!(status, Some(0), "{text}");
    bench.source("insert into payment (PatNum, PayAmt) values (1, 50)").await;
    let more = "[[schedule]]\nname = \"often\"\ncron = \"* * * * * *\"\n";
    let mut daemon = Daemon::start_as(&bench, more, now_is_quiet).await;
    daemon.until_status("/readyz", 200).await;
    until("a run waits", async || bench.text("select count(*) from amalgam.run where state = 'running'").await == "1")
        .await;
    let json = ["--format", "json", "status"];
    let late = async |quiet: bool| {
        let (_, text) = told(bench.amalgam_with(more), &json, quiet).await;
        let told: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        (told["tables_late"].as_u64(), told["quiet_until"].is_string())
    };
    until("both tables would be late", async || late(false).await == (Some(2), false)).await;
    assert_eq!(late(true).await, (Some(0), true));
    let (_, body) = daemon.get("/healthz").await.expect("it answers");
    let health: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert!(health["quiet_until"].is_string() && health["ready"] == true, "{health:#}");
    assert_eq!(
        (&health["known"]["tables_late"], &health["known"]["tables_failing"]),
        (&0.into(), &serde_json::json!([]))
    );
    let (_, metrics) = daemon.get("/metrics").await.expect("it answers");
    assert!(metrics.contains("\namalgam_tables_late 0\n"), "{metrics}");
    assert!(!metrics.contains("\namalgam_source_quiet_until_timestamp_seconds 0\n"), "{metrics}");

    // Told to stop while it waits, it leaves the run to the next process, for which it is no longer quiet.
    daemon.signal("TERM");
    let ended = tokio::time::timeout(STOP_MAX, daemon.child.wait()).await.expect("it ends in time");
    assert!(ended.expect("it ends").success());
    assert_eq!(bench.text("select count(*) from amalgam.run where state = 'running'").await, "1");
    let _daemon = Daemon::start_as(&bench, more, |_| {}).await;
    let first = "select state from amalgam.run order by run_id limit 1";
    until("the run has gone on", async || bench.text(first).await == "succeeded").await;
    assert_eq!(bench.text("select count(*) from raw.payment").await, "3");
}
