//! Carries a run out: its tasks in parallel within bounds, each attempt a row.
//!
//! Guarantee: what ended well is not done again after a restart; an attempt that was interrupted
//! costs no retry budget; an outage of the control plane stops the run for a while and never ends it.

use super::{
    Orchestrator, RunRequest,
    attempt::{self, Attempt, End},
    bounds::Lane,
    budget::Budget,
    graph::Graph,
    planning::Project,
    request::Event,
    selection::short,
    vitals::{Heart, Loop},
    writer::Writership,
};
use crate::{
    domain::{RunId, RunState, TaskId, TaskKind, TaskState},
    error::{Error, Kind, Policy, Result},
    traces,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, warn};

/// How often a run looks whether it may go on.
pub(super) const POLL: Duration = Duration::from_secs(1);

/// How long the last word on a run may take: without it, the next start finds out by itself.
pub(super) const RECORD_TIME_MAX: Duration = Duration::from_secs(2);

/// How often a run is read again before it is given up.
const READ_AGAIN_MAX: u32 = 10;

/// How work is stopped from outside.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Nothing new begins; what is under way may end.
    pub drain: CancellationToken,
    /// What is under way is rolled back.
    pub abort: CancellationToken,
}

/// A run that has begun, here or in a process before this one.
pub(super) struct BegunRun {
    pub(super) id: RunId,
    /// Empty: by hand.
    pub(super) schedule: String,
    pub(super) request: RunRequest,
    /// Its tasks are known since before a restart.
    pub(super) is_planned: bool,
    /// Part of it could not be planned.
    pub(super) in_part: bool,
}

impl BegunRun {
    /// One of which nothing is known yet but what is asked for.
    pub(super) fn new(id: RunId, schedule: String, request: RunRequest) -> Self {
        Self { id, schedule, request, is_planned: false, in_part: false }
    }
}

/// One run being carried out.
pub(super) struct Execution {
    pub(super) orchestrator: Orchestrator,
    pub(super) begun: BegunRun,
    pub(super) writership: Writership,
    pub(super) stop: Stop,
    /// Stopped, it is called off for good, and not continued by the next process.
    is_cancelled_by_stop: bool,
    /// What is told of it.
    pub(super) trace: traces::Run,
}

/// What is under way, and what goes wrong with the run as a whole.
struct Progress {
    graph: Graph,
    budget: Arc<Budget>,
    running: JoinSet<(TaskId, TaskKind, Result<End>)>,
    /// How many are under way of those that share a bound.
    at_work: BTreeMap<Lane, usize>,
    halted: Option<Error>,
    /// The control plane knows something else.
    astray: bool,
}

/// What came of carrying a run out.
pub(super) enum Outcome {
    /// It ended, and that is recorded: how, and what went wrong with the run itself.
    Ended(RunState, Option<String>),
    /// It waits for the next process.
    Interrupted,
    /// It ended for this process alone: the control plane refused to record it.
    Unrecorded(Error),
}

/// How the tasks of a run ended.
enum Ran {
    /// The process stops, or another took the run over.
    Interrupted,
    /// Each came to its own end.
    Ended {
        /// Whether one of them failed.
        failed: bool,
    },
    /// One failed in a way that leaves no hope for the others, and has told its story.
    Halted(Error),
    /// What the control plane knows is not what this process knows: it is read again.
    Astray,
}

impl Execution {
    /// Of a run that has begun. `is_cancelled_by_stop`: see there.
    pub(super) fn new(
        orchestrator: &Orchestrator,
        begun: BegunRun,
        writership: Writership,
        stop: Stop,
        is_cancelled_by_stop: bool,
    ) -> Self {
        let trace = orchestrator.traces.run(begun.id, &begun.schedule, begun.is_planned);
        Self { orchestrator: orchestrator.clone(), begun, writership, stop, is_cancelled_by_stop, trace }
    }

    /// Plans the run, unless that was done before, and carries it out.
    pub(super) async fn carry_out(mut self) -> Outcome {
        let heart = self.orchestrator.heart(Loop::Run(self.begun.id));
        // It asks both databases, and waits for the end of quiet hours.
        let planning = self.trace.planning();
        let planned = heart.polled(self.planned()).await;
        planning.ended(planned.as_ref().map(Option::is_some).map_err(|error| error.kind));
        let planned = match planned {
            Ok(Some(planned)) => planned,
            Ok(None) => return self.interrupted().await,
            Err(error) => return self.failed(error).await,
        };
        let mut ran = self.tasks(&planned.project, &heart).await;
        for _ in 0..READ_AGAIN_MAX {
            if !matches!(ran, Ok(Ran::Astray)) {
                break;
            }
            ran = self.read_again(&planned.project, &heart).await;
        }
        match ran {
            Ok(Ran::Interrupted) => self.interrupted().await,
            Ok(Ran::Ended { failed }) if !failed && !planned.in_part => self.ended(RunState::Succeeded, None).await,
            Ok(Ran::Ended { .. }) => self.ended(RunState::Failed, None).await,
            Ok(Ran::Halted(error)) => self.ended(RunState::Failed, Some(error)).await,
            Ok(Ran::Astray) => {
                self.failed(Error::new(Kind::Internal, "what was recorded of the run keeps getting lost")).await
            }
            Err(error) => self.failed(error).await,
        }
    }

    /// Goes on from what the control plane knows, as a new process would.
    async fn read_again(&mut self, project: &Project, heart: &Heart) -> Result<Ran> {
        warn!("the control plane knows another state of the run; it is read again");
        let o = self.orchestrator.clone();
        match heart.polled(self.persisted(|| o.state.interrupt(self.begun.id, None, o.clock.now()))).await? {
            Some(_) => self.tasks(project, heart).await,
            None => Ok(Ran::Interrupted),
        }
    }

    /// Runs every task to its end.
    async fn tasks(&mut self, project: &Project, heart: &Heart) -> Result<Ran> {
        let state = self.orchestrator.state.clone();
        let run = self.begun.id;
        let Some(rows) = heart.polled(self.persisted(|| state.tasks(run))).await? else { return Ok(Ran::Interrupted) };
        let budget = Arc::new(Budget::new(&self.orchestrator.config.retry, &rows));
        let graph = Graph::new(rows).map_err(|cycle| Error::new(Kind::Internal, cycle.to_string()))?;
        let (running, at_work) = (JoinSet::new(), BTreeMap::new());
        let mut p = Progress { graph, budget, running, at_work, halted: None, astray: false };
        let skips = p.graph.overdue_skips();
        heart.polled(self.skipped(&p.graph, skips)).await?;
        let (mut is_stuck, mut unrecorded) = (false, None);
        while !p.astray {
            heart.beat();
            // Asked once a turn: a lock that comes back in between must not look like a run that is stuck.
            let may_begin = self.writership.is_held() && !self.stop.drain.is_cancelled() && p.halted.is_none();
            let is_quiet = self.orchestrator.source.quiet_until().is_some();
            // Before and after: another run may close the breaker in between.
            let was_held_back = is_quiet || !self.orchestrator.breakers.are_closed();
            if may_begin {
                self.start_tasks(&mut p, project, is_quiet);
            }
            let waits = p.halted.is_none() && !p.graph.is_done() && !self.stop.drain.is_cancelled();
            let is_held_back = was_held_back || !self.orchestrator.breakers.are_closed();
            is_stuck = may_begin && waits && !is_held_back && p.running.is_empty() && p.graph.next_retry().is_none();
            if p.running.is_empty() && (!waits || is_stuck) {
                break;
            }
            // Where only the end of what is under way is waited for, the loop turns to show that it lives.
            let pause = if waits { self.pause(&p) } else { POLL };
            tokio::select! {
                Some(done) = p.running.join_next() => {
                    if let Err(error) = heart.polled(self.take_end(&mut p, done)).await {
                        unrecorded = Some(error);
                        break;
                    }
                }
                () = tokio::time::sleep(pause) => {}
                () = self.stop.drain.cancelled(), if !self.stop.drain.is_cancelled() => {}
                () = self.stop.abort.cancelled() => break,
                () = self.writership.lost() => break,
            }
        }
        // Dropping an attempt rolls its transaction back; waited for, so that nothing goes on behind.
        p.running.shutdown().await;
        if let Some(error) = unrecorded {
            return Err(error);
        }
        Ok(match p.halted {
            Some(error) => Ran::Halted(error),
            None if p.astray => Ran::Astray,
            None if p.graph.count(TaskState::Running) > 0 => Ran::Interrupted,
            None if p.graph.is_done() => Ran::Ended { failed: p.graph.count(TaskState::Failed) > 0 },
            // They wait, and for nothing that will come.
            None if is_stuck => {
                return Err(Error::new(Kind::Internal, "tasks wait for something that never ends"));
            }
            None => Ran::Interrupted,
        })
    }

    /// Starts what may start, as far as there is room; within quiet hours, models alone.
    fn start_tasks(&self, p: &mut Progress, project: &Project, is_quiet: bool) {
        let o = &self.orchestrator;
        let now = o.clock.now();
        p.graph.wait_no_longer_than(now + Duration::from_millis(o.config.retry.delay_milliseconds_max));
        loop {
            let at_work = &p.at_work;
            let room = |kind: TaskKind| {
                let may = (!kind.reads_source() || !is_quiet) && o.breakers.let_pass(kind, now);
                may && at_work.values().sum::<usize>() < o.bounds.in_all()
                    && at_work.get(&kind.into()).copied().unwrap_or(0) < o.bounds.at_once(kind.into())
            };
            let Some(task) = p.graph.start(now, room) else { return };
            o.breakers.begin(task.kind, now);
            *p.at_work.entry(task.kind.into()).or_default() += 1;
            let (id, kind) = (task.id, task.kind);
            let trace = self.trace.task(id, kind, task_name(kind, &task.subject));
            let attempt = Attempt {
                orchestrator: o.clone(),
                run: self.begun.id,
                task,
                request: self.begun.request.clone(),
                is_scheduled: !self.begun.schedule.is_empty(),
                project: project.clone(),
                writership: self.writership.clone(),
                budget: Arc::clone(&p.budget),
                trace,
            };
            p.running.spawn(async move { (id, kind, attempt.carry_out().await) }.in_current_span());
        }
    }

    /// Until the next retry is due, or a moment: the writer's lock may be back by then.
    fn pause(&self, p: &Progress) -> Duration {
        let now = self.orchestrator.clock.now();
        // What is due may be held back, by what may end any moment.
        let due = p.graph.next_retry().filter(|_| self.orchestrator.breakers.are_closed());
        due.and_then(|t| (t - now).to_std().ok()).unwrap_or(POLL).clamp(Duration::from_millis(5), POLL)
    }

    /// Takes in how an attempt ended, and what that means for the others.
    async fn take_end(
        &mut self,
        p: &mut Progress,
        done: Result<(TaskId, TaskKind, Result<End>), tokio::task::JoinError>,
    ) -> Result<()> {
        // An attempt catches its own panics: only the attempts of a run that is dropped are aborted.
        let (id, kind, end) =
            done.map_err(|e| Error::new(Kind::Internal, format!("an attempt ended without a result: {e}")))?;
        *p.at_work.entry(kind.into()).or_default() -= 1;
        match end? {
            End::Succeeded { unchanged } => {
                self.trace.task_succeeded(id, unchanged);
                p.graph.succeed(id, unchanged);
            }
            End::Retry { not_before } => p.graph.retry(id, not_before),
            End::Waits { not_before } => p.graph.wait(id, not_before),
            End::Failed(error) => {
                self.trace.task_failed(id, error.kind);
                let skips = p.graph.fail(id, error.to_string());
                self.skipped(&p.graph, skips).await?;
                if error.policy() == Policy::Halt && p.halted.is_none() {
                    p.halted = Some(error);
                    p.graph.halt();
                }
            }
            End::Unknown => p.astray = true,
        }
        Ok(())
    }

    /// Records what is skipped. `None`: interrupted.
    async fn skipped(&self, graph: &Graph, skips: Vec<(TaskId, String)>) -> Result<Option<()>> {
        if skips.is_empty() {
            return Ok(Some(()));
        }
        let (state, now) = (self.orchestrator.state.clone(), self.orchestrator.clock.now());
        for (id, cause) in &skips {
            let task = graph.task(*id);
            attempt::span(task).in_scope(|| info!(cause, "skipped"));
            self.orchestrator.metrics.tasks.with_label_values(&[task.kind.as_str(), TaskState::Skipped.as_str()]).inc();
        }
        self.trace.skipped(skips.len());
        self.persisted(|| state.skip(&skips, now)).await
    }

    /// Does something at the control plane, however long it is away. `None`: told to stop meanwhile.
    ///
    /// # Errors
    /// What does not heal by itself, as the table in `error.rs` has it.
    pub(super) async fn persisted<T, F>(&self, action: impl Fn() -> F) -> Result<Option<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let patient = self.writership.persisted(action);
        tokio::select! {
            biased;
            done = patient => done.map(Some),
            () = self.stop.abort.cancelled() => Ok(None),
            () = self.writership.lost() => Ok(None),
        }
    }

    /// Ends the run for what went wrong with the run itself.
    async fn failed(&mut self, cause: Error) -> Outcome {
        error!(kind = %cause.kind, error = %cause, remedy = cause.remedy(), "the run failed");
        self.ended(RunState::Failed, Some(cause)).await
    }

    /// Ends the run. Whatever failed has been told.
    async fn ended(&mut self, state: RunState, cause: Option<Error>) -> Outcome {
        let o = self.orchestrator.clone();
        let now = o.clock.now();
        match self.persisted(|| o.state.end_run(self.begun.id, state, cause.as_ref(), now)).await {
            Ok(Some(())) => {}
            Ok(None) => return self.interrupted().await,
            Err(error) => {
                error!(kind = %error.kind, %error, remedy = error.remedy(), "the end of the run is not recorded");
                return Outcome::Unrecorded(error);
            }
        }
        o.metrics.runs.with_label_values(&[self.begun.schedule.as_str(), state.as_str()]).inc();
        o.vitals().ended(self.begun.id, state);
        info!(state = %state, "run ended");
        self.trace.ended(state, cause.as_ref().map(|error| error.kind));
        Outcome::Ended(state, cause.map(|c| c.to_string()))
    }

    /// Leaves the run to the next process, or calls it off for good.
    async fn interrupted(&mut self) -> Outcome {
        let o = &self.orchestrator;
        let now = o.clock.now();
        // Who may not write any more leaves the run to whoever may.
        if !self.writership.is_held() {
            return Outcome::Interrupted;
        }
        // One try each: who comes next finds out by itself what was under way.
        let recording = async {
            if self.is_cancelled_by_stop {
                let cause = Error::new(Kind::Cancelled, "the run was called off");
                return o.state.end_run(self.begun.id, RunState::Cancelled, Some(&cause), now).await;
            }
            o.state.interrupt(self.begun.id, None, now).await.map(drop)
        };
        let recorded = tokio::time::timeout(RECORD_TIME_MAX, recording).await;
        let recorded = recorded.unwrap_or_else(|_| Err(Error::new(Kind::WarehouseLost, "no answer in time")));
        if let Err(error) = recorded {
            error!(kind = %error.kind, %error, "the interruption of the run is not recorded");
        }
        info!(cancelled = self.is_cancelled_by_stop, "run interrupted");
        if !self.is_cancelled_by_stop {
            return Outcome::Interrupted;
        }
        self.trace.ended(RunState::Cancelled, None);
        Outcome::Ended(RunState::Cancelled, None)
    }

    /// Tells whoever watches.
    pub(super) fn tell(&self, event: Event) {
        // Nobody may be watching.
        let _ = self.orchestrator.events.send(event);
    }
}

/// What a person calls it.
fn task_name(kind: TaskKind, subject: &str) -> &str {
    if kind == TaskKind::Model { short(subject) } else { subject }
}
