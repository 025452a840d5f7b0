//! What is asked of the databases for the metrics alone, from time to time; and the series that are there
//! before anything has happened.

use super::Orchestrator;
use crate::{
    domain::{ChangeKind, TaskKind, TaskState},
    error::{Kind, Result},
    models::TestStatus,
    source::Untold,
    telemetry::Metrics,
};
use chrono::{DateTime, Utc};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// How often it is asked: a disk fills in hours, a certificate expires in days.
const ASK_AGAIN_SECONDS: u64 = 300;
/// And after an answer that did not come.
const ASK_AGAIN_DOWN_SECONDS: u64 = 10;

impl Orchestrator {
    /// Asks how large the warehouse is, and has both servers show their certificates, until told to stop.
    pub(super) async fn measure(&self, stop: CancellationToken) {
        let asks = async {
            loop {
                let (size, shown) = tokio::join!(self.ask_size(), self.source.look_at_certificates());
                let answered = size.and(shown);
                let seconds = if answered.is_ok() { ASK_AGAIN_SECONDS } else { ASK_AGAIN_DOWN_SECONDS };
                if let Err(error) = answered {
                    // Whether the databases answer is told, and logged, by the watch over their health.
                    debug!(kind = %error.kind, %error, "the metrics of the databases are as they were");
                }
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
        };
        stop.run_until_cancelled(asks).await;
    }

    async fn ask_size(&self) -> Result<()> {
        self.metrics.warehouse_size.set(self.warehouse.size_bytes().await?);
        Ok(())
    }

    /// By server: when the first of the certificates expires that it last showed.
    pub fn certificates(&self) -> impl Iterator<Item = (&'static str, DateTime<Utc>)> {
        let of_warehouse = self.warehouse.certificate_expires_at().map(|at| ("warehouse", at));
        self.source.certificates().chain(of_warehouse)
    }
}

/// Has the counters be there that are known by name. Prometheus sees no increase where a series begins with 1.
pub(super) fn begin_at_nought(metrics: &Metrics) {
    for kind in TaskKind::ALL.iter().map(|kind| kind.as_str()) {
        for family in [&metrics.attempts, &metrics.retries, &metrics.retries_refused] {
            family.with_label_values(&[kind]);
        }
        metrics.task_duration.with_label_values(&[kind]);
        metrics.running_tasks.with_label_values(&[kind]);
        for state in TaskState::ALL.iter().filter(|s| !matches!(s, TaskState::Pending | TaskState::Running)) {
            metrics.tasks.with_label_values(&[kind, state.as_str()]);
        }
    }
    for kind in Kind::ALL {
        metrics.failures.with_label_values(&[kind.as_str()]);
    }
    for operation in ["insert", "update", "delete"] {
        metrics.rows_written.with_label_values(&[operation]);
    }
    for outcome in ["quiet", "walked"] {
        metrics.chunks.with_label_values(&[outcome]);
    }
    for change in ChangeKind::ALL {
        metrics.schema_changes.with_label_values(&[change.as_str()]);
    }
    for reason in Untold::ALL {
        metrics.log_not_followed.with_label_values(&[reason.as_str()]);
    }
    for status in TestStatus::ALL {
        metrics.model_tests.with_label_values(&[status.as_str()]);
    }
}
