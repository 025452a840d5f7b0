//! Making up for a run that failed, and saying beforehand what a run would do.

use super::*;
use std::process::Output;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_resumed_from_what_failed_and_a_dry_run_writes_nothing() {
    let bench = Servers::fresh("resumed").await;
    bench.source(PRACTICE).await;
    write_project(&bench);
    let more = models_section(&bench);
    let run = async |arguments: &[&str]| -> Output {
        let mut command = bench.amalgam_with(&more);
        command.args(["--log-filter", "off", "--format", "json", "run"]).args(arguments);
        command.output().await.expect("it ends")
    };
    let told = |output: &Output| -> serde_json::Value {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {error}"))
    };
    let runs = async || bench.text("select count(*) from amalgam.run").await;

    // Before anything has run, there is nothing to make up for, and looking makes no schema.
    let nothing = run(&["--resume"]).await;
    assert!(!nothing.status.success() && String::from_utf8_lossy(&nothing.stderr).contains("nothing has run yet"));
    assert!(run(&["--dry-run"]).await.status.success());
    assert_eq!(bench.text("select to_regnamespace('amalgam') is null").await, "t");

    let model = bench.files().join("project/models/stg_payment.sql");
    std::fs::write(&model, "select no_such_column from {{ source('od', 'payment') }}").expect("a file can be written");
    assert_eq!(run(&[]).await.status.code(), Some(1));
    let ended = "select string_agg(split_part(subject, '.', 3) || ' ' || state, ', ' order by task_id) from amalgam.task where state not in ('succeeded', 'unchanged')";
    assert_eq!(bench.text(ended).await, "stg_payment failed, collections skipped");

    let dry = told(&run(&["--resume", "--dry-run"]).await);
    let models: Vec<&str> =
        dry["models"].as_array().expect("a list").iter().filter_map(|m| m["model"].as_str()).collect();
    assert_eq!(
        (models, dry["tables"].as_array().map(Vec::len)),
        (vec!["stg_payment", "collections"], Some(0)),
        "{dry:#}"
    );
    assert_eq!(runs().await, "1");

    std::fs::write(&model, STG_PAYMENT).expect("a file can be written");
    let made_up = told(&run(&["--resume", "1"]).await);
    let done: Vec<&str> =
        made_up["tasks"].as_array().expect("a list").iter().filter_map(|t| t["subject"].as_str()).map(short).collect();
    assert_eq!(
        (done, &made_up["run"]["state"]),
        (vec!["stg_payment", "collections"], &"succeeded".into()),
        "{made_up:#}"
    );
    until_value(&bench, "total", "collections", "120.5").await;

    let nothing = run(&["--resume"]).await;
    let said = String::from_utf8_lossy(&nothing.stdout).into_owned();
    assert!(nothing.status.success() && said.contains("run 2 ended well"), "{said}");
    assert_eq!(runs().await, "2");
    assert_eq!(run(&["--resume", "77"]).await.status.code(), Some(2));
    assert_eq!(run(&["--resume", "--full"]).await.status.code(), Some(2));
}

fn short(subject: &str) -> &str {
    amalgam::orchestrator::short(subject)
}
