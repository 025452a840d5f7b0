//! `/healthz`: what there is to know, in one JSON object. Always 200: whoever wants a verdict asks
//! `/readyz`.

use super::App;
use crate::{error::Result, orchestrator::is_late};
use axum::{Json, extract::State};
use serde_json::{Value, json};
use std::time::Duration;

/// How long an answer waits for the control plane.
const READ_SECONDS_MAX: u64 = 3;

pub(super) async fn healthz(State(app): State<App>) -> Json<Value> {
    let health = app.health.borrow().clone();
    let reading = async {
        let _one = app.reading.lock().await;
        known(&app).await
    };
    let known = tokio::time::timeout(Duration::from_secs(READ_SECONDS_MAX), reading).await;
    let known = known.ok().and_then(Result::ok).unwrap_or(Value::Null);
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "now": app.orchestrator.clock().now(),
        "ready": health.is_ready(),
        "writer": app.orchestrator.metrics().writer.get() == 1,
        "source": health.source,
        "quiet_until": app.orchestrator.quiet_until(),
        "warehouse": health.warehouse,
        "migrated": health.migrated,
        "known": known,
    }))
}

/// What the control plane knows; `null` while it does not answer.
async fn known(app: &App) -> Result<Value> {
    let state = app.orchestrator.state();
    let (tables, models) = (state.table_health().await?, state.model_health().await?);
    let schedules = state.schedules().await?;
    let late = app.orchestrator.late_before();
    let failing = |name: &str, since: Option<chrono::DateTime<chrono::Utc>>, kind: &Option<String>| {
        since.map(|since| json!({ "name": name, "since": since, "error_kind": kind }))
    };
    Ok(json!({
        "tables": tables.len(),
        "tables_oldest_fresh_at": tables.iter().filter_map(|t| t.fresh_at).min(),
        "tables_failing": tables.iter().filter_map(|t| failing(&t.name, t.failing_since, &t.error_kind)).collect::<Vec<_>>(),
        "tables_late": tables.iter().filter(|t| t.failing_since.is_none() && is_late(t.fresh_at, late)).count(),
        "rows_quarantined": state.quarantined().await?,
        "models": models.len(),
        "models_failing": models.iter().filter_map(|m| failing(&m.name, m.failing_since, &m.error_kind)).collect::<Vec<_>>(),
        "schedules": schedules
            .iter()
            .map(|s| json!({ "name": s.name, "next_fire_at": s.next_fire_at, "last_fire_at": s.last_fire_at }))
            .collect::<Vec<_>>(),
        "runs_running": state.running_runs().await?.iter().map(|r| r.run_id).collect::<Vec<_>>(),
    }))
}
