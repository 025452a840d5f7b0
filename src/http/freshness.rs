//! What the metrics tell of freshness, read from the control plane at each scrape: right after a restart
//! too, and on a process that only stands by.

use crate::{
    domain::{RunState, unusual::Unusual},
    error::{Kind, Result},
    models::TestStatus,
    orchestrator::{Orchestrator, is_late, short},
    state::{ModelHealth, RunHealth, ScheduleRow, TableHealth},
    sync::is_chosen,
    telemetry::Metrics,
};
use chrono::{DateTime, Utc};
use prometheus::IntGaugeVec;
use std::time::Duration;

/// How long a scrape waits for the control plane.
const READ_SECONDS_MAX: u64 = 3;

/// Renews the families that are read from this process, and from the control plane. When that does not answer,
/// they stay as they were: a timestamp stays true.
pub(super) async fn renew(orchestrator: &Orchestrator) {
    let metrics = orchestrator.metrics();
    metrics.source_quiet_until.set(orchestrator.quiet_until().map_or(0, |end| end.timestamp()));
    pools(orchestrator);
    // By another configuration there may be fewer.
    metrics.certificate_expiry.reset();
    for (peer, at) in orchestrator.certificates() {
        metrics.certificate_expiry.with_label_values(&[peer]).set(at.timestamp());
    }
    match tokio::time::timeout(Duration::from_secs(READ_SECONDS_MAX), read(orchestrator)).await {
        Ok(Ok(())) => {}
        // Whether the warehouse answers is told, and logged, by the watch over its health.
        Ok(Err(_)) | Err(_) => metrics.scrape_failures.inc(),
    }
}

fn pools(orchestrator: &Orchestrator) {
    let metrics = orchestrator.metrics();
    let tell = |pool, used, idle, max| {
        metrics.connections.with_label_values(&[pool, "used"]).set(count(used));
        metrics.connections.with_label_values(&[pool, "idle"]).set(count(idle));
        metrics.connections_max.with_label_values(&[pool]).set(count(max));
    };
    metrics.connections.reset();
    metrics.connections_max.reset();
    for (pool, used, max) in orchestrator.source().pool_sizes() {
        tell(pool, used, 0, max);
    }
    let (warehouse, state) = (orchestrator.warehouse().pool_sizes(), orchestrator.state().pool_sizes());
    for (pool, (open, idle, max)) in [("warehouse", warehouse), ("state", state)] {
        tell(pool, open.saturating_sub(idle), idle, max);
    }
}

/// Reads all of it before any of it is shown: half a picture would be a wrong one.
async fn read(orchestrator: &Orchestrator) -> Result<()> {
    let (state, metrics) = (orchestrator.state(), orchestrator.metrics());
    let (tables, models) = (state.table_health().await?, state.model_health().await?);
    let gone = state.gone_tables().await?;
    let (schedules, runs) = (state.schedules().await?, state.run_health().await?);
    let (quarantined, verdicts) = (state.quarantined().await?, state.verdicts().await?);
    show_tables(metrics, &tables, orchestrator.late_before());
    metrics.tables_gone.set(count(gone.iter().filter(|t| is_chosen(&orchestrator.config().sync, &t.name)).count()));
    metrics.quarantined_rows.reset();
    for (table, rows) in quarantined {
        metrics.quarantined_rows.with_label_values(&[&table]).set(rows);
    }
    show_models(metrics, &models);
    for status in TestStatus::ALL {
        let tests = verdicts.get(status.as_str()).copied().unwrap_or_default();
        metrics.model_verdicts.with_label_values(&[status.as_str()]).set(tests);
    }
    show_schedules(metrics, &schedules);
    show_runs(metrics, &runs);
    Ok(())
}

fn show_tables(metrics: &Metrics, tables: &[TableHealth], late: Option<DateTime<Utc>>) {
    metrics.tables.set(count(tables.len()));
    metrics.tables_late.set(count(tables.iter().filter(|t| is_late(t.fresh_at, late)).count()));
    metrics.table_synced.reset();
    metrics.table_source.reset();
    metrics.table_rows.reset();
    metrics.table_failures.reset();
    for table in tables {
        let name = table.name.as_str();
        show_time(&metrics.table_synced, name, table.fresh_at);
        show_time(&metrics.table_source, name, table.source_at);
        if let Some(rows) = table.row_count {
            metrics.table_rows.with_label_values(&[name]).set(rows);
        }
        metrics.table_failures.with_label_values(&[name]).set(table.failures_in_a_row.into());
    }
}

fn show_models(metrics: &Metrics, models: &[ModelHealth]) {
    metrics.model_failing.reset();
    metrics.model_unusual.reset();
    metrics.model_published.reset();
    for model in models {
        let name = short(&model.name);
        metrics.model_failing.with_label_values(&[name]).set(model.failing_since.is_some().into());
        for what in Unusual::ALL.map(Unusual::as_str) {
            let is_so = model.last.unusual.iter().any(|unusual| unusual == what);
            metrics.model_unusual.with_label_values(&[name, what]).set(is_so.into());
        }
        show_time(&metrics.model_published, name, model.good_at);
    }
    let held_back = models.iter().filter(|m| m.error_kind.as_deref() == Some(Kind::ModelTest.as_str()));
    metrics.models_held_back.set(count(held_back.count()));
}

fn show_schedules(metrics: &Metrics, schedules: &[ScheduleRow]) {
    metrics.schedule_next_fire.reset();
    metrics.schedule_last_fire.reset();
    metrics.schedule_paused.reset();
    for schedule in schedules {
        let name = schedule.name.as_str();
        show_time(&metrics.schedule_next_fire, name, schedule.next_fire_at);
        show_time(&metrics.schedule_last_fire, name, schedule.last_fire_at);
        metrics.schedule_paused.with_label_values(&[name]).set(schedule.paused.into());
        // They are there before anything is counted: an increase from nothing to 1 is none to Prometheus.
        metrics.fires_skipped.with_label_values(&[name]);
        for state in RunState::ALL.iter().filter(|state| **state != RunState::Running) {
            metrics.runs.with_label_values(&[name, state.as_str()]);
        }
    }
}

fn show_runs(metrics: &Metrics, runs: &[RunHealth]) {
    metrics.run_succeeded.reset();
    metrics.run_started.reset();
    metrics.run_failures.reset();
    metrics.run_seconds.reset();
    metrics.run_rows.reset();
    for run in runs {
        let schedule = run.schedule.as_str();
        show_time(&metrics.run_succeeded, schedule, run.succeeded_at);
        show_time(&metrics.run_started, schedule, run.running_since);
        metrics.run_failures.with_label_values(&[schedule]).set(run.failures_in_a_row);
        let Some(seconds) = run.seconds else { continue };
        metrics.run_seconds.with_label_values(&[schedule]).set(seconds);
        for (operation, rows) in [
            ("read", run.rows_read),
            ("insert", run.rows_inserted),
            ("update", run.rows_updated),
            ("delete", run.rows_deleted),
        ] {
            metrics.run_rows.with_label_values(&[schedule, operation]).set(rows);
        }
    }
}

fn show_time(family: &IntGaugeVec, label: &str, at: Option<DateTime<Utc>>) {
    if let Some(at) = at {
        family.with_label_values(&[label]).set(at.timestamp());
    }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
