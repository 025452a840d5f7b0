//! What the metrics tell of freshness, read from the control plane at each scrape: right after a restart
//! too, and on a process that only stands by.

use crate::{
    error::Result,
    orchestrator::{Orchestrator, is_late, short},
};
use std::time::Duration;

/// How long a scrape waits for the control plane.
const READ_SECONDS_MAX: u64 = 3;

/// Renews the families that are read from the control plane. When it does not answer, they stay as they
/// were: a timestamp stays true.
pub(super) async fn renew(orchestrator: &Orchestrator) {
    let metrics = orchestrator.metrics();
    metrics.source_quiet_until.set(orchestrator.quiet_until().map_or(0, |end| end.timestamp()));
    let (open, idle) = orchestrator.warehouse().pool_sizes();
    metrics.warehouse_connections.with_label_values(&["idle"]).set(count(idle));
    metrics.warehouse_connections.with_label_values(&["used"]).set(count(open.saturating_sub(idle)));
    let (open, idle) = orchestrator.state().pool_sizes();
    metrics.state_connections.with_label_values(&["idle"]).set(count(idle));
    metrics.state_connections.with_label_values(&["used"]).set(count(open.saturating_sub(idle)));
    match tokio::time::timeout(Duration::from_secs(READ_SECONDS_MAX), read(orchestrator)).await {
        Ok(Ok(())) => {}
        // Whether the warehouse answers is told, and logged, by the watch over its health.
        Ok(Err(_)) | Err(_) => metrics.scrape_failures.inc(),
    }
}

async fn read(orchestrator: &Orchestrator) -> Result<()> {
    let (state, metrics) = (orchestrator.state(), orchestrator.metrics());
    let (tables, models) = (state.table_health().await?, state.model_health().await?);
    let (schedules, successes) = (state.schedules().await?, state.last_successes().await?);
    let late = orchestrator.late_before();
    let late = tables.iter().filter(|t| t.failing_since.is_none() && is_late(t.fresh_at, late)).count();
    metrics.tables_late.set(count(late));
    metrics.table_synced.reset();
    metrics.table_failures.reset();
    for table in tables {
        if let Some(at) = table.fresh_at {
            metrics.table_synced.with_label_values(&[&table.name]).set(at.timestamp());
        }
        metrics.table_failures.with_label_values(&[&table.name]).set(table.failures_in_a_row.into());
    }
    metrics.quarantined_rows.reset();
    for (table, rows) in state.quarantined().await? {
        metrics.quarantined_rows.with_label_values(&[&table]).set(rows);
    }
    metrics.model_failing.reset();
    metrics.model_published.reset();
    for model in models {
        let name = [short(&model.name)];
        metrics.model_failing.with_label_values(&name).set(model.failing_since.is_some().into());
        if let Some(at) = model.good_at {
            metrics.model_published.with_label_values(&name).set(at.timestamp());
        }
    }
    metrics.schedule_next_fire.reset();
    metrics.schedule_last_fire.reset();
    for schedule in schedules {
        let name = [schedule.name.as_str()];
        if let Some(at) = schedule.next_fire_at {
            metrics.schedule_next_fire.with_label_values(&name).set(at.timestamp());
        }
        if let Some(at) = schedule.last_fire_at {
            metrics.schedule_last_fire.with_label_values(&name).set(at.timestamp());
        }
    }
    metrics.run_succeeded.reset();
    for (schedule, at) in successes {
        metrics.run_succeeded.with_label_values(&[&schedule]).set(at.timestamp());
    }
    Ok(())
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
