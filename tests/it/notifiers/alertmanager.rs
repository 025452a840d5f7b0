//! The real Alertmanager, told by the daemon itself.

use super::{PATIENCE, Practice, notify};
use crate::{harness::until_within, monitoring::Program};
use serde_json::Value;
use std::fs;
use tokio::process::Command;

/// The alert on a model, where Alertmanager has it and takes it to be so.
async fn active(alertmanager: &Program, model: &str) -> Option<Value> {
    let alerts = alertmanager.ask("/api/v2/alerts?active=true").await?;
    alerts.as_array()?.iter().find(|alert| alert["labels"]["model"] == model).cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn alertmanager_is_told_as_by_prometheus_and_that_it_is_over() {
    let practice = Practice::new("notify_alertmanager").await;
    let file = practice.bench.files().join("alertmanager.yml");
    fs::write(&file, "route: {receiver: none}\nreceivers: [{name: none}]\n").expect("a file can be written");
    let mut command = Command::new("prometheus-alertmanager");
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!("--storage.path={}", practice.bench.files().join("alertmanager").display()));
    command.arg("--cluster.listen-address=");
    let alertmanager = Program::start(command).await;
    let url = format!("url = \"http://{}\"", alertmanager.address);
    let daemon = practice.daemon(&notify("am", "alertmanager", &url)).await;
    practice.until_well(&daemon).await;
    practice.break_it("income");
    until_within(PATIENCE, "it has the alert", async || active(&alertmanager, "income").await.is_some()).await;
    let alert = active(&alertmanager, "income").await.expect("it was just there");
    let labels: Value = serde_json::json!({
        "alertname": "AmalgamModelFailing", "job": "amalgam", "severity": "warning", "model": "income",
    });
    assert_eq!(alert["labels"], labels);
    assert_eq!(alert["annotations"]["runbook"], "docs/runbooks/model-failing.md");
    assert!(!alert.to_string().contains("hunter3"), "{alert:#}");
    // It groups and silences by itself: it is told the consequence too.
    until_within(PATIENCE, "it has the consequence", async || {
        let alerts = alertmanager.ask("/api/v2/alerts").await.unwrap_or_default();
        alerts.as_array().is_some_and(|all| all.iter().any(|a| a["labels"]["alertname"] == "AmalgamRunsFailing"))
    })
    .await;
    practice.mend("income");
    until_within(PATIENCE, "it is over", async || active(&alertmanager, "income").await.is_none()).await;
}
