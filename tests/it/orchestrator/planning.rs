//! What is run, what is told of it, and what is tried again.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_runs_what_it_names_and_history_tells_of_it() {
    let bench = Servers::fresh("selection").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let more = models_section(&bench);
    let run = async |arguments: &[&str]| {
        let mut command = bench.amalgam_with(&more);
        let output =
            command.args(["--format", "json", "--log-filter", "off"]).args(arguments).output().await.expect("it ends");
        (
            output.status.code(),
            serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, told, error) = run(&["run", "--select", "+patients"]).await;
    assert_eq!(code, Some(0), "{error}");
    let subjects: Vec<_> = told["tasks"].as_array().expect("a list").iter().map(|t| t["subject"].clone()).collect();
    assert_eq!(subjects, ["patient", "model.p.patients"]);
    assert_eq!(value(&bench, "n", &relation(&bench, "patients").await).await.as_deref(), Some("2"));

    let (code, _, error) = run(&["run", "--select", "pateint"]).await;
    assert_eq!(code, Some(1));
    let (_, runs, _) = run(&["history"]).await;
    assert_eq!(runs[0]["state"], "failed", "{error}");
    assert!(runs[0]["error"].as_str().is_some_and(|e| e.contains("pateint")), "{runs:#}");
    let (_, one, _) = run(&["history", "1"]).await;
    assert_eq!(one["tasks"][0]["attempts"][0]["state"], "succeeded");
    let (code, _, error) = run(&["history", "99"]).await;
    assert_eq!(code, Some(2));
    assert!(error.contains("there is no run 99") && error.contains(Kind::UnknownRun.policy().1), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_can_not_be_read_is_told_and_the_tables_are_synced() {
    let bench = Servers::fresh("unread").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let broken = bench.files().join("project/models/broken.yml");
    std::fs::write(&broken, "models: [").expect("a file can be written");
    let more = models_section(&bench);
    let run = async || {
        let mut command = bench.amalgam_with(&more);
        let output = command.args(["--log-format", "json", "--log-filter", "error", "run"]).output().await;
        let output = output.expect("it ends");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, log) = run().await;
    assert_eq!((code, log.lines().count()), (Some(1), 1), "{log}");
    assert!(log.contains("the models can't be read") && log.contains("broken.yml"), "{log}");
    assert_eq!(bench.text("select count(*) from raw.payment").await, "2");
    let told = status(&bench, &more).await;
    let failing = &told["runs_failing"][0];
    assert_eq!(failing["error_kind"], Kind::ModelProject.as_str(), "{told:#}");
    assert!(failing["error"].as_str().is_some_and(|e| e.contains("broken.yml")), "{told:#}");
    assert_eq!(failing["remedy"], Kind::ModelProject.policy().1);
    let output = bench.amalgam_with(&more).arg("status").output().await.expect("it ends");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("run 1 by hand failed") && shown.contains("broken.yml"), "{shown}");
    let planned = bench.amalgam_with(&more).arg("plan").output().await.expect("it ends");
    assert_eq!(planned.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&planned.stderr).contains("broken.yml"));

    std::fs::remove_file(&broken).expect("it is there");
    assert_eq!(run().await, (Some(0), String::new()));
    assert_eq!(status(&bench, &more).await["runs_failing"], serde_json::json!([]));
    assert_eq!(value(&bench, "total", &relation(&bench, "collections").await).await.as_deref(), Some("120.5"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_goes_on_without_its_project_says_why_its_models_fail() {
    let bench = Servers::fresh("unread_later").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let orchestrator = orchestrator(config(&bench));
    let state = orchestrator.state();
    state.migrate().await.expect("the schema can be made");
    // What a process left that died when it had planned its run.
    let request = serde_json::to_value(RunRequest::default()).expect("a request is JSON");
    let at = orchestrator.clock().now();
    let run =
        state.begin_run(&NewRun { schedule: None, fire_at: None, cause: None, request, at }).await.expect("it begins");
    let task = |kind, subject: &str| NewTask { kind, subject: subject.to_owned(), weight: 0 };
    let tasks = vec![task(TaskKind::Sync, "payment"), task(TaskKind::Model, "model.p.stg_payment")];
    state.plan_run(run, &Plan { tasks, ..Plan::default() }, at).await.expect("it is planned");
    std::fs::write(bench.files().join("project/models/broken.yml"), "models: [").expect("a file can be written");

    let ended = orchestrator.run_once(RunRequest::default(), Stop::default()).await.expect("it goes on");
    assert_eq!((ended.run, ended.state), (run, RunState::Failed));
    let tasks = state.task_records(run).await.expect("they are there");
    assert_eq!(tasks[0].state, "succeeded");
    assert!(tasks[1].error.as_deref().is_some_and(|e| e.contains("broken.yml")), "{tasks:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_halts_a_run_is_logged_once() {
    let bench = Servers::fresh("halts").await;
    bench.source(PRACTICE).await;
    let held = bench.lock_source("payment").await;
    let mut command = bench.amalgam_with("");
    command.args(["--log-format", "json", "--log-filter", "error", "--set", "source.user=halted"]);
    command.args(["run", "--select", "payment"]);
    bench.source(&format!("create user 'halted'@'%'; grant select on {}.* to 'halted'@'%'", bench.database())).await;
    let halting = async {
        // It reads by then, and has to connect again once its connection is cut.
        bench.until_session("a table is waited for", WAITS_FOR_TABLE).await;
        bench.source("drop user 'halted'@'%'; kill user 'halted'@'%'").await;
    };
    let (output, ()) = tokio::join!(command.output(), halting);
    drop(held);
    let output = output.expect("it ends");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), log.lines().count()), (Some(1), 1), "{log}");
    assert!(log.contains(Kind::SourceAuth.as_str()), "{log}");
    assert_eq!(bench.text("select distinct error_kind from amalgam.run").await, Kind::SourceAuth.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_says_what_a_run_would_do_with_tables_and_models_and_why() {
    let bench = Servers::fresh("outlook").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let orchestrator = orchestrator(config(&bench));
    let outlook = async || orchestrator.outlook(&RunRequest::default()).await.expect("both databases answer");
    let shown = async || -> Vec<(String, ModelAction, String)> {
        let models = outlook().await.models;
        models
            .into_iter()
            .map(|m| (amalgam::orchestrator::short(m.model.as_str()).to_owned(), m.action, m.reason))
            .collect()
    };
    let first = shown().await;
    assert!(
        first.len() == 3 && first.iter().all(|(_, a, r)| *a == ModelAction::Build && r == "never built"),
        "{first:?}"
    );
    assert_eq!(bench.text("select to_regnamespace('amalgam') is null").await, "t", "looking changes nothing");
    assert_eq!(
        orchestrator.run_once(RunRequest::default(), Stop::default()).await.expect("it runs").state,
        RunState::Succeeded
    );
    until("all is up to date", || async {
        orchestrator.run_once(RunRequest::default(), Stop::default()).await.expect("it runs");
        shown().await.iter().all(|(_, action, _)| *action == ModelAction::Skip)
    })
    .await;
    bench.source("insert into payment (PatNum, PayAmt) values (2, 7)").await;
    let below =
        |name: &str, above: &str| (name.to_owned(), ModelAction::BuildIfChanged, format!("{above} may bring changes"));
    let mut models = shown().await;
    models.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        models,
        [
            below("collections", "stg_payment"),
            ("patients".to_owned(), ModelAction::Skip, "inputs unchanged".to_owned()),
            below("stg_payment", "payment"),
        ]
    );

    let command = bench.amalgam_with(&models_section(&bench)).args(["--format", "json", "plan"]).output().await;
    let told: serde_json::Value = serde_json::from_slice(&command.expect("it ends").stdout).expect("it is JSON");
    assert_eq!(told["tables"].as_array().map(Vec::len), Some(1), "{told:#}");
    assert_eq!(
        (&told["tables"][0]["table"], &told["models"][0]["action"]),
        (&"payment".into(), &"build_if_changed".into())
    );
    let command = bench
        .amalgam_with(&models_section(&bench))
        .args(["plan", "patients", "payment"])
        .output()
        .await
        .expect("it ends");
    insta::assert_snapshot!(String::from_utf8_lossy(&command.stdout), @r"
    table    mode     mode reason                               action     reason                 rows
    payment  replace  small (3 rows), so all of it is compared  reconcile  changed at the source     3
    1 table: 1 to do, 0 unchanged

    model     action  reason
    patients  skip    inputs unchanged
    1 model: 0 to do, 1 up to date
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_failed_for_good_is_tried_again_when_something_changes_or_by_hand() {
    let bench = Servers::fresh("held").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let model = bench.files().join("project/models/stg_payment.sql");
    std::fs::write(&model, r#"select 1 / ("PayAmt" - 100)::int as amount from {{ source('od', 'payment') }}"#)
        .expect("a file can be written");
    let more = models_section(&bench) + "[[schedule]]\nname = \"often\"\ncron = \"* * * * * *\"\n";
    let mut daemon = Daemon::start(&bench, &more).await;
    let ended_runs = async || -> u32 {
        bench
            .text("select count(*) from amalgam.task where subject like '%stg_payment' and state = 'failed'")
            .await
            .parse()
            .expect("a number")
    };
    let tried_at =
        async || bench.text("select failed_at from amalgam.model_state where model_id like '%stg_payment'").await;
    let until_runs = async |more: u32| {
        let wanted = ended_runs().await + more;
        until("the schedule has come by", || async { ended_runs().await >= wanted }).await;
    };
    until("it fails", || async {
        bench.text("select to_regclass('amalgam.task') is not null").await == "t" && ended_runs().await > 0
    })
    .await;
    // A write in the very second of the look makes a table be read again, but changes no row.
    let tried = tried_at().await;
    until_runs(3).await;
    assert_eq!(tried_at().await, tried);
    let told = status(&bench, &more).await;
    assert_eq!(told["models_failing"], 1, "{told:#}");
    assert!(
        told["subjects"][0]["error"].as_str().is_some_and(|e| e.contains("nothing it reads has changed since")),
        "{told:#}"
    );

    daemon.signal("TERM");
    assert!(daemon.child.wait().await.expect("it ends").success());
    let before = tried_at().await;
    let by_hand = bench.amalgam_with(&more).args(["--log-filter", "off", "run"]).output().await.expect("it ends");
    assert_eq!(by_hand.status.code(), Some(1));
    assert_ne!(tried_at().await, before, "by hand it is tried");

    let _daemon = Daemon::start(&bench, &more).await;
    let before = tried_at().await;
    bench.source("insert into payment (PatNum, PayAmt) values (1, 7)").await;
    until("it is tried again with the new row", || async { tried_at().await != before }).await;
    std::fs::write(&model, STG_PAYMENT).expect("a file can be written");
    until_value(&bench, "total", "collections", "127.5").await;
    until("nothing fails any more", || async { status(&bench, &more).await["models_failing"] == 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_thousands_of_branches_is_built_and_does_not_end_the_daemon() {
    let bench = Servers::fresh("branches").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let (branches, sum) = ("{% elif false %}b".repeat(4_000), "+1".repeat(10_000));
    let sql = format!("select {{% if false %}}a{branches}{{% endif %}} {{{{ 1{sum} }}}} as n");
    std::fs::write(bench.files().join("project/models/long.sql"), sql).expect("a file can be written");
    let more = models_section(&bench) + "[[schedule]]\nname = \"often\"\ncron = \"*/2 * * * * *\"\n";
    let mut daemon = Daemon::start(&bench, &more).await;
    until_value(&bench, "n", "long", "10001").await;
    assert!(daemon.child.try_wait().expect("it can be asked").is_none());
}
