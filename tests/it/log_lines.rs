//! The daemon's log as a machine reads it: each line of a task's says whose it is.

use crate::{
    daemon::Daemon,
    harness::{Bench, Servers, until},
};
use serde_json::Value;

/// What tells of a task's work.
const OF_TASKS: [&str; 3] = ["amalgam::sync", "amalgam::warehouse", "amalgam::orchestrator::attempt"];
/// What tells of a run's.
const OF_RUNS: [&str; 2] = ["amalgam::orchestrator::executor", "amalgam::orchestrator::planning"];

fn project(bench: &Bench) -> String {
    let folder = bench.files().join("project");
    std::fs::create_dir_all(folder.join("models")).expect("a folder can be made");
    std::fs::write(folder.join("dbt_project.yml"), "name: p\n").expect("a file can be written");
    std::fs::write(folder.join("models/broken.sql"), "select no_such_column").expect("a file can be written");
    std::fs::write(folder.join("models/below.sql"), "select * from {{ ref('broken') }}")
        .expect("a file can be written");
    format!("[models]\nproject_dir = \"{}\"\n\n", folder.display())
}

fn is_of(line: &Value, targets: &[&str]) -> bool {
    line["target"].as_str().is_some_and(|target| targets.iter().any(|of| target.starts_with(of)))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_says_its_run_its_task_and_its_table_or_model() {
    let bench = Servers::fresh("log_lines").await;
    bench
        .source("create table patient (PatNum bigint primary key, IsHidden tinyint); insert into patient values (1, 0), (2, 5)")
        .await;
    let more = project(&bench)
        + "[[sync.types]]\ncolumns = \"patient.Is*\"\nas = \"boolean\"\n\n[[schedule]]\nname = \"often\"\ncron = \"*/2 * * * * *\"\n";
    let mut daemon = Daemon::start(&bench, &more).await;
    let mut until_told = async |what: &str, words: &str| {
        until(what, || {
            let told = daemon.log().iter().any(|line| line["message"].as_str().is_some_and(|m| m.contains(words)));
            async move { told }
        })
        .await;
    };
    until_told("a row is set aside", "set aside").await;
    until_told("a run ends", "run ended").await;
    bench.source("alter table patient add Note varchar(10)").await;
    until_told("the table's change is told", "the source's table has changed").await;
    daemon.signal("TERM");
    daemon.child.wait().await.expect("it ends");
    let lines = daemon.log().to_vec();
    let of_tasks: Vec<&Value> = lines.iter().filter(|line| is_of(line, &OF_TASKS)).collect();
    for line in &of_tasks {
        let is_named = line["table"] == "patient" || line["model"] == "broken";
        assert!(line["run"].is_u64() && line["task"].is_u64() && line["schedule"] == "often" && is_named, "{line}");
    }
    for (of, words) in [("table", "set aside"), ("table", "has changed"), ("table", "done"), ("model", "failed")] {
        let told = |line: &&Value| line["message"].as_str().is_some_and(|m| m.contains(words)) && line[of].is_string();
        assert!(of_tasks.iter().any(told), "no line of a {of}: {words}");
    }
    let of_runs: Vec<&Value> = lines.iter().filter(|line| is_of(line, &OF_RUNS)).collect();
    assert!(of_runs.len() > 2 && of_runs.iter().all(|line| line["run"].is_u64()), "{of_runs:#?}");
    let is_skip = |line: &&&Value| line["message"] == "skipped";
    let skips: Vec<&&Value> = of_runs.iter().filter(is_skip).collect();
    let is_named = |line: &&&Value| line["model"] == "below" && line["task"].is_u64();
    assert!(!skips.is_empty() && skips.iter().all(is_named), "{skips:#?}");
}
