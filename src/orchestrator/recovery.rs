//! Takes over what a process before this one left: attempts under way count as interrupted, their
//! tasks wait again, and the run goes on. A task with which the process died again and again fails: else one
//! table that takes more memory than there is would end each process that comes, and all the others' work with it.
//!
//! A run that only a newer program understands is left to it as it is: this one may stand in for it for a while,
//! in the middle of an upgrade or after a step back.

use super::{Orchestrator, RunRequest, executor::BegunRun};
use crate::{
    domain::{RunId, RunState},
    error::{Error, Kind, Result},
    state::RunRow,
};
use tracing::{error, info, warn};

/// So often in one run the daemon may die with a task.
const DEATHS_MAX: i64 = 3;

/// How a run came to be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Its process died: one that stops leaves no attempt under way.
    ByDead,
    /// This process does not know how it stands.
    InDoubt,
}

/// What a process before this one left.
pub(super) struct Leftover {
    /// Runs to go on with.
    pub(super) runs: Vec<BegunRun>,
    /// Runs of a newer program.
    pub(super) newer: Vec<RunId>,
}

impl Orchestrator {
    /// The runs to go on with, of those that `is_left`. Only for the writer: nobody else works on them.
    pub(super) async fn take_over(&self, left: Left, is_left: impl Fn(RunId) -> bool) -> Result<Leftover> {
        let mut leftover = Leftover { runs: Vec::new(), newer: Vec::new() };
        for row in self.state.running_runs().await?.into_iter().filter(|r| is_left(RunId(r.run_id))) {
            let run = RunId(row.run_id);
            match self.orphan(row, left).await? {
                Some(orphan) => leftover.runs.push(orphan),
                None => leftover.newer.push(run),
            }
        }
        Ok(leftover)
    }

    /// The run by hand to go on with, where one was left that asked for the same. Others by hand are
    /// called off; those of schedules are left to the daemon.
    pub(super) async fn take_over_by_hand(&self, request: &RunRequest) -> Result<Option<BegunRun>> {
        let mut found = None;
        for row in self.state.running_runs().await?.into_iter().filter(|r| r.schedule.is_none()) {
            let run = RunId(row.run_id);
            // Whoever typed it sees it die, and need not type it again.
            match self.orphan(row, Left::InDoubt).await? {
                Some(orphan) if orphan.request == *request && found.is_none() => found = Some(orphan),
                None => {}
                Some(_) => {
                    let cause = Error::new(Kind::Cancelled, "its process died, and another run was asked for");
                    self.state.end_run(run, RunState::Cancelled, Some(&cause), self.clock.now()).await?;
                }
            }
        }
        Ok(found)
    }

    /// `None`: a newer program's.
    async fn orphan(&self, row: RunRow, left: Left) -> Result<Option<BegunRun>> {
        let run = RunId(row.run_id);
        let request = serde_json::from_value(row.request.0).ok().filter(|_| row.is_known);
        let Some(request) = request else {
            warn!(run = run.0, "the run is left to a newer program, which began it: this one does not know all of it");
            return Ok(None);
        };
        if left == Left::ByDead {
            self.bury(run).await?;
        }
        let by = (left == Left::ByDead).then_some(Kind::ProcessDied);
        let interrupted = self.state.interrupt(run, by, self.clock.now()).await?;
        info!(run = run.0, interrupted, "the run goes on where it was left");
        Ok(Some(BegunRun {
            id: run,
            schedule: row.schedule.unwrap_or_default(),
            request,
            is_planned: row.planned_at.is_some(),
            in_part: row.error.is_some(),
        }))
    }

    /// Fails the tasks with which the process died too often.
    async fn bury(&self, run: RunId) -> Result<()> {
        for (task, number) in self.state.died_with(run, DEATHS_MAX - 1).await? {
            let text = format!("the process died {DEATHS_MAX} times while it was at work on this");
            let cause = Error::new(Kind::ProcessDied, text);
            error!(run = run.0, task = task.0, kind = %cause.kind, error = %cause, remedy = cause.remedy(), "failed");
            self.state.fail(task, number, &cause, None, self.clock.now()).await?;
        }
        Ok(())
    }
}
