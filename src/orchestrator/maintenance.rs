//! Keeps the control plane in order: tasks of a run by schedule, each when it is due.
//!
//! Nothing waits for them, and they wait for nothing. Each may be done again at any time.

use super::Orchestrator;
use crate::{
    domain::TaskKind,
    error::{Error, Kind, Result},
    state::NewTask,
};

/// Forgets runs that ended long ago, and builds of models.
const HISTORY: &str = "history";
/// Drops what begun loads have left of tables that are not kept in step any more.
const LEFTOVERS: &str = "leftovers";
/// Takes dead rows out of the control plane's tables, and has the server look at them anew.
const STATISTICS: &str = "statistics";

/// How often runs are forgotten some at a time, at most; what is left is for the next time.
const ROUNDS_MAX: u32 = 1_000;
/// A load that nobody went on with for so long has been left.
const LEFT_DAYS: i32 = 7;

impl Orchestrator {
    /// The maintenance that is due.
    pub(super) async fn maintenance(&self) -> Result<Vec<NewTask>> {
        let hours = self.config.runs.maintenance_hours;
        if hours == 0 {
            return Ok(Vec::new());
        }
        let due = self.state.maintenance_due(&[HISTORY, LEFTOVERS, STATISTICS], hours, self.clock.now()).await?;
        Ok(due.into_iter().map(|subject| NewTask { kind: TaskKind::Maintenance, subject, weight: 0 }).collect())
    }

    /// Does it; what was done, in words.
    pub(super) async fn maintain(&self, subject: &str) -> Result<String> {
        match subject {
            HISTORY => self.forget().await,
            LEFTOVERS => {
                let dropped = self.warehouse.drop_left_loads(LEFT_DAYS).await?;
                Ok(format!("{dropped} loads dropped that were left"))
            }
            STATISTICS => {
                let tables = self.warehouse.vacuum_control_plane().await?;
                Ok(format!("{tables} tables looked at"))
            }
            _ => Err(Error::new(Kind::Internal, "this version knows no such maintenance")),
        }
    }

    async fn forget(&self) -> Result<String> {
        let days = self.config.runs.history_days;
        for _ in 0..ROUNDS_MAX {
            if !self.state.forget_runs(days, self.clock.now()).await? {
                break;
            }
        }
        self.state.forget_builds(days, self.clock.now()).await?;
        Ok(format!("runs and builds of more than {days} days ago are forgotten"))
    }
}
