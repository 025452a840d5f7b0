//! What is left of a run that has ended: what failed, was skipped or called off, and what hangs on it.
//!
//! It is asked for as a run of its own: a run that has ended stays as it was.

use super::{Orchestrator, RunRequest};
use crate::{
    domain::{RunId, RunState, TaskKind, TaskState},
    error::{Error, Kind, Result},
    state::TaskRecord,
};

/// How many runs are looked through for the newest that has ended.
const LOOKED_THROUGH_MAX: u32 = 100;

impl Orchestrator {
    /// The run of that number, or the newest that has ended, and what is to be asked for to make up for it; `None`:
    /// it ended well. Changes nothing.
    ///
    /// # Errors
    /// There is no such run, it has not ended, or the server fails.
    pub async fn rest_of(&self, run: Option<RunId>) -> Result<(RunId, Option<RunRequest>)> {
        let unknown = |text: String| Error::new(Kind::UnknownRun, text);
        if !self.state.is_migrated().await? {
            return Err(unknown("nothing has run yet".to_owned()));
        }
        let found = match run {
            Some(run) => self.state.run_record(run).await?,
            None => {
                let ended = |r: &crate::state::RunRecord| r.ended_at.is_some();
                self.state.history(LOOKED_THROUGH_MAX).await?.into_iter().find(ended)
            }
        };
        let record = found.ok_or_else(|| match run {
            Some(run) => unknown(format!("there is no run {run}")),
            None => unknown("no run has ended yet".to_owned()),
        })?;
        let run = RunId(record.run_id);
        if record.ended_at.is_none() {
            return Err(unknown(format!("run {run} has not ended: it goes on by itself, or as soon as a daemon runs")));
        }
        if record.state == RunState::Succeeded.as_str() {
            return Ok((run, None));
        }
        let request = serde_json::from_value(record.request.0)
            .map_err(|_| Error::new(Kind::Internal, "what the run was asked for is not known to this version"))?;
        Ok((run, Some(rest(request, &self.state.task_records(run).await?))))
    }
}

/// What makes up for a run that was asked for so and came to this. A run that has no task that failed could not be
/// planned, as a whole or in part: all of it is asked for again, and what is done needs nothing.
fn rest(request: RunRequest, tasks: &[TaskRecord]) -> RunRequest {
    // Maintenance comes again by itself, and what the project wants done with its models comes with these.
    let is_left = |task: &&TaskRecord| {
        ![TaskKind::Maintenance, TaskKind::Operation].map(TaskKind::as_str).contains(&task.kind.as_str())
            && !matches!(TaskState::parse(&task.state), Some(TaskState::Succeeded | TaskState::Unchanged))
    };
    let select: Vec<String> = tasks.iter().filter(is_left).map(|task| format!("{}+", task.subject)).collect();
    if select.is_empty() { request } else { RunRequest { select, ..request } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(subject: &str, state: TaskState) -> TaskRecord {
        TaskRecord {
            task_id: 1,
            kind: "sync".to_owned(),
            subject: subject.to_owned(),
            state: state.as_str().to_owned(),
            started_at: None,
            ended_at: None,
            outcome: None,
            error_kind: None,
            error: None,
            attempts: Vec::new(),
        }
    }

    #[test]
    fn what_did_not_end_well_is_asked_for_with_what_hangs_on_it_and_as_it_was() {
        let tasks = TaskState::ALL.iter().map(|state| task(state.as_str(), *state)).collect::<Vec<_>>();
        let request = RunRequest { full: true, ..RunRequest::default() };
        let rest = rest(request, &tasks);
        assert_eq!(rest.select, ["pending+", "running+", "failed+", "skipped+", "cancelled+"]);
        assert!(rest.full && !rest.reconcile);
    }

    #[test]
    fn a_run_that_could_not_be_planned_is_asked_for_again() {
        let request = RunRequest { select: vec!["payment".to_owned()], ..RunRequest::default() };
        assert_eq!(rest(request.clone(), &[task("payment", TaskState::Succeeded)]), request);
    }
}
