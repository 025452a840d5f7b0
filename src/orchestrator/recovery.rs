//! Takes over what a process before this one left: attempts under way count as interrupted, their
//! tasks wait again, and the run goes on.

use super::{Orchestrator, RunRequest};
use crate::{
    domain::{RunId, RunState},
    error::{Error, Kind, Result},
    state::RunRow,
};
use tracing::info;

/// A run that goes on.
pub(super) struct Orphan {
    pub(super) run: RunId,
    pub(super) schedule: String,
    pub(super) request: RunRequest,
    pub(super) is_planned: bool,
    pub(super) in_part: bool,
}

impl Orchestrator {
    /// The runs to go on with, of those that `is_left`. Only for the writer: nobody else works on them.
    pub(super) async fn take_over(&self, is_left: impl Fn(RunId) -> bool) -> Result<Vec<Orphan>> {
        let mut orphans = Vec::new();
        for row in self.state.running_runs().await?.into_iter().filter(|r| is_left(RunId(r.run_id))) {
            orphans.extend(self.orphan(row).await?);
        }
        Ok(orphans)
    }

    /// The run by hand to go on with, where one was left that asked for the same. Others by hand are
    /// called off; those of schedules are left to the daemon.
    pub(super) async fn take_over_by_hand(&self, request: &RunRequest) -> Result<Option<Orphan>> {
        let mut found = None;
        for row in self.state.running_runs().await?.into_iter().filter(|r| r.schedule.is_none()) {
            let run = RunId(row.run_id);
            match self.orphan(row).await? {
                Some(orphan) if orphan.request == *request && found.is_none() => found = Some(orphan),
                _ => {
                    let cause = Error::new(Kind::Cancelled, "its process died, and another run was asked for");
                    self.state.end_run(run, RunState::Cancelled, Some(&cause), self.clock.now()).await?;
                }
            }
        }
        Ok(found)
    }

    async fn orphan(&self, row: RunRow) -> Result<Option<Orphan>> {
        let run = RunId(row.run_id);
        let Ok(request) = serde_json::from_value(row.request.0) else {
            let cause = Error::new(Kind::Internal, "what the run was asked for is not known to this version");
            self.state.end_run(run, RunState::Failed, Some(&cause), self.clock.now()).await?;
            return Ok(None);
        };
        let interrupted = self.state.interrupt(run, self.clock.now()).await?;
        info!(run = run.0, interrupted, "the run goes on where it was left");
        Ok(Some(Orphan {
            run,
            schedule: row.schedule.unwrap_or_default(),
            request,
            is_planned: row.planned_at.is_some(),
            in_part: row.error.is_some(),
        }))
    }
}
