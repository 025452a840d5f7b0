//! One try of one task: begun, done within its time, its end recorded.

use super::{
    Orchestrator, RunRequest, budget::Budget, planning::Project, request::Event, selection::short, writer::Writership,
};
use crate::{
    domain::{ModelId, RunId, TableName, TaskKind, TaskState},
    error::{Error, Kind, Policy, Result},
    models::{BuildOptions, BuildOutcome, Models, Moment, NodeResult, NodeStatus},
    retry::Backoff,
    state::TaskRow,
    sync::{Action, SyncOptions, SyncOutcome},
    telemetry::rounded_seconds,
    traces,
};
use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use serde_json::{Value, json};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::time::Instant;
use tracing::{Instrument, Span, error, info, info_span, warn};

/// One try of one task.
pub(super) struct Attempt {
    pub(super) orchestrator: Orchestrator,
    pub(super) run: RunId,
    pub(super) task: TaskRow,
    pub(super) request: RunRequest,
    /// Nobody asked for it now: a model that would only fail again is not tried.
    pub(super) is_scheduled: bool,
    pub(super) project: Project,
    pub(super) writership: Writership,
    pub(super) budget: Arc<Budget>,
    /// What is told of the task.
    pub(super) trace: Arc<traces::Task>,
}

/// How an attempt ended, as far as the run is concerned.
pub(super) enum End {
    /// Well.
    Succeeded {
        /// Its inputs had not changed.
        unchanged: bool,
    },
    /// It will be tried again.
    Retry {
        /// No earlier than this.
        not_before: DateTime<Utc>,
    },
    /// It is not the time: it goes on by itself, and that cost no attempt.
    Waits {
        /// No earlier than this.
        not_before: DateTime<Utc>,
    },
    /// The task failed.
    Failed(Error),
    /// The control plane does not know of it: its server died with what it had not written down yet, or
    /// an answer of its got lost. The run is read again.
    Unknown,
}

/// What was done, for the record.
struct Done {
    unchanged: bool,
    outcome: Value,
    note: String,
}

impl Attempt {
    /// Waits for leave, and then does it all. Dropping it rolls the work back.
    pub(super) async fn carry_out(self) -> Result<End> {
        let leave = self.orchestrator.bounds.leave(self.task.kind, &self.task.subject).await;
        let span = span(&self.task);
        let end = self.tried().instrument(span).await;
        drop(leave);
        end
    }

    async fn tried(&self) -> Result<End> {
        let o = &self.orchestrator;
        let kind = self.task.kind.as_str();
        let begun = self.writership.persisted(|| o.state.begin_attempt(self.task.id, o.clock.now())).await?;
        let Some(number) = begun else { return Ok(End::Unknown) };
        o.metrics.attempts.with_label_values(&[kind]).inc();
        let trace = self.trace.attempt(number);
        let _running = Running::new(o.metrics.running_tasks.with_label_values(&[kind]));
        self.tell(Event::Begun { run: self.run, kind: self.task.kind, subject: self.task.subject.clone() });
        let began = Instant::now();
        let worked = self.within_its_time().await;
        let elapsed = began.elapsed();
        o.metrics.task_duration.with_label_values(&[kind]).observe(elapsed.as_secs_f64());
        match worked {
            Ok(done) => {
                o.breakers.succeed(self.task.kind);
                trace.counted(&done.outcome);
                let end = self.succeeded(number, done, elapsed).await;
                if let Ok(End::Succeeded { .. }) = end {
                    trace.succeeded();
                }
                end
            }
            Err(error) => {
                let kind = error.kind;
                let end = self.failed(number, error, elapsed).await;
                match end {
                    Ok(End::Waits { .. }) => trace.waits(kind),
                    _ => trace.failed(kind),
                }
                end
            }
        }
    }

    /// The work, ended when its time is up. A panic is a fault of this program and fails the task alone.
    async fn within_its_time(&self) -> Result<Done> {
        let minutes = self.orchestrator.config.sync.timeout_minutes.max(1);
        let work = AssertUnwindSafe(self.work()).catch_unwind();
        match tokio::time::timeout(Duration::from_secs(minutes * 60), work).await {
            Ok(Ok(worked)) => worked,
            Ok(Err(_)) => Err(Error::new(Kind::Internal, "the task panicked")),
            Err(_) => Err(Error::new(Kind::Timeout, format!("not done within {minutes} minutes"))),
        }
    }

    async fn work(&self) -> Result<Done> {
        let subject = self.task.subject.as_str();
        match self.task.kind {
            TaskKind::Sync | TaskKind::Reconcile => {
                let reconcile = self.task.kind == TaskKind::Reconcile;
                let options = SyncOptions { reconcile, ..self.request.sync_options() };
                let outcome = self.orchestrator.syncer.sync_table(&TableName::new(subject), options).await?;
                Ok(Done::table(&outcome))
            }
            TaskKind::Maintenance => {
                let note = self.orchestrator.maintain(subject).await?;
                Ok(Done { unchanged: false, outcome: json!({ "note": note }), note })
            }
            TaskKind::Operation => {
                let moment = Moment::parse(subject).ok_or_else(|| self.gone())?;
                let ended = self.orchestrator.state.tasks(self.run).await?;
                let ended: Vec<NodeResult> = ended.iter().filter_map(|task| result(task, &self.orchestrator)).collect();
                match self.models()?.operate(moment, &ended).await? {
                    (_, Some(failure)) => Err(failure),
                    (done, None) => {
                        let note = format!("{} statements", done.len());
                        Ok(Done { unchanged: false, outcome: json!({ "note": note }), note })
                    }
                }
            }
            TaskKind::Model => {
                let models = self.models()?;
                let model = ModelId::new(subject);
                if !models.has(&model) {
                    return Err(self.gone());
                }
                if self.is_scheduled
                    && !self.request.full
                    && let Some(failure) = models.held(&model).await?
                {
                    return Err(failure);
                }
                let outcome =
                    models.build(&model, BuildOptions { run: Some(self.run), ..self.request.full.into() }).await?;
                Ok(Done::model(&outcome))
            }
        }
    }

    /// The project, which may be another than that of the process that planned the run.
    fn models(&self) -> Result<&Arc<Models>> {
        // Not the kind of the failure to read: tables go on, whatever it is.
        let unread = |e: &Arc<Error>| Error::new(Kind::ModelProject, format!("the models can't be read: {e}"));
        self.project.as_ref().map_err(unread)?.as_ref().ok_or_else(|| self.gone())
    }

    fn gone(&self) -> Error {
        Error::new(Kind::ModelProject, format!("{} is not in the project any more", short(&self.task.subject)))
    }

    async fn succeeded(&self, number: i32, done: Done, elapsed: Duration) -> Result<End> {
        let o = &self.orchestrator;
        let recorded = self
            .writership
            .persisted(|| o.state.succeed(self.task.id, number, done.unchanged, &done.outcome, o.clock.now()))
            .await?;
        if !recorded {
            return Ok(End::Unknown);
        }
        let state = if done.unchanged { TaskState::Unchanged } else { TaskState::Succeeded };
        self.count(state);
        info!(seconds = rounded_seconds(elapsed), state = %state, note = done.note, "done");
        self.tell_end(state, done.note);
        Ok(End::Succeeded { unchanged: done.unchanged })
    }

    async fn failed(&self, number: i32, mut error: Error, elapsed: Duration) -> Result<End> {
        let o = &self.orchestrator;
        let now = o.clock.now();
        if error.policy() == Policy::Wait {
            // Until the quiet hours are over, which is at once where they just ended.
            let not_before = o.source.quiet_until().unwrap_or(now);
            return self.waits(number, &error, not_before).await;
        }
        o.metrics.failures.with_label_values(&[error.kind.as_str()]).inc();
        // Whoever ran it by hand waits for an answer, and gets one when the attempts are used up.
        if let Some(until) =
            o.breakers.fail(self.task.kind, &error, now, |d| o.answers(d)).filter(|_| self.is_scheduled)
        {
            return self.waits(number, &error, until).await;
        }
        let mut delay = match error.policy() {
            Policy::Retry => backoff(&o.config.retry).delay(self.task.failures + 1),
            Policy::Fail | Policy::Halt | Policy::Wait => None,
        };
        if delay.is_some() && !self.budget.spend() {
            delay = None;
            error.context.push_str("; not tried again, because the run has spent its retries");
            o.metrics.retries_refused.with_label_values(&[self.task.kind.as_str()]).inc();
        }
        let not_before = delay.and_then(|d| Some(now + chrono::Duration::from_std(d).ok()?));
        let recorded =
            self.writership.persisted(|| o.state.fail(self.task.id, number, &error, not_before, o.clock.now())).await?;
        if !recorded {
            return Ok(End::Unknown);
        }
        let seconds = rounded_seconds(elapsed);
        let Some(not_before) = not_before else {
            error!(attempt = number, seconds, kind = %error.kind, %error, remedy = error.remedy(), "failed");
            self.count(TaskState::Failed);
            self.tell_end(TaskState::Failed, error.to_string());
            return Ok(End::Failed(error));
        };
        let wait_seconds = rounded_seconds(delay.unwrap_or_default());
        warn!(attempt = number, seconds, wait_seconds, kind = %error.kind, %error, "failed; will be tried again");
        o.metrics.retries.with_label_values(&[self.task.kind.as_str()]).inc();
        self.tell_end(TaskState::Pending, error.to_string());
        Ok(End::Retry { not_before })
    }

    /// It is taken up at that moment, and that cost no attempt.
    async fn waits(&self, number: i32, error: &Error, not_before: DateTime<Utc>) -> Result<End> {
        let o = &self.orchestrator;
        let postpone = || o.state.postpone(self.task.id, number, not_before, o.clock.now());
        if !self.writership.persisted(postpone).await? {
            return Ok(End::Unknown);
        }
        info!(until = not_before.to_rfc3339(), note = %error, "waits");
        self.tell_end(TaskState::Pending, error.to_string());
        Ok(End::Waits { not_before })
    }

    fn count(&self, state: TaskState) {
        self.orchestrator.metrics.tasks.with_label_values(&[self.task.kind.as_str(), state.as_str()]).inc();
    }

    fn tell_end(&self, state: TaskState, note: String) {
        let (run, kind, subject) = (self.run, self.task.kind, self.task.subject.clone());
        self.tell(Event::Ended { run, kind, subject, state, note });
    }

    fn tell(&self, event: Event) {
        // Nobody may be watching.
        let _ = self.orchestrator.events.send(event);
    }
}

impl Done {
    fn table(outcome: &SyncOutcome) -> Self {
        let mut note = match outcome.action {
            Action::Skip => "unchanged".to_owned(),
            Action::Load => format!("{} rows loaded", outcome.rows_inserted),
            Action::Delta | Action::Reconcile => {
                let chunks = match outcome.chunks_quiet + outcome.chunks_walked {
                    0 => String::new(),
                    all => format!("; {} of {all} chunks quiet", outcome.chunks_quiet),
                };
                format!(
                    "{} rows read, {} inserted, {} updated, {} deleted{chunks}",
                    outcome.rows_read, outcome.rows_inserted, outcome.rows_updated, outcome.rows_deleted
                )
            }
        };
        let mut record = json!(outcome);
        if let Some(untold) = outcome.untold {
            let reason = format!("the binary log was not followed: {untold}");
            note.push_str(&format!("; {reason}"));
            record["reason"] = json!(reason);
        }
        Self { unchanged: outcome.action == Action::Skip, outcome: record, note }
    }

    fn model(outcome: &BuildOutcome) -> Self {
        let note = std::iter::once(&outcome.reason).chain(&outcome.unusual).cloned().collect::<Vec<_>>().join("; ");
        Self { unchanged: !outcome.built, outcome: json!(outcome), note }
    }
}

/// How a model ended in this run, for what the project runs at its end; `None` of other tasks, and those that have not.
fn result(task: &TaskRow, orchestrator: &Orchestrator) -> Option<NodeResult> {
    let status = match task.state {
        TaskState::Succeeded | TaskState::Unchanged => NodeStatus::Success,
        TaskState::Failed => NodeStatus::Error,
        TaskState::Skipped | TaskState::Cancelled => NodeStatus::Skipped,
        TaskState::Pending | TaskState::Running => return None,
    };
    let is_model = task.kind == TaskKind::Model;
    is_model.then(|| NodeResult::plain(&task.subject, status, task.error.clone(), orchestrator.clock.now()))
}

/// What the log says of a task on each line: its number, and its table or model.
pub(super) fn span(task: &TaskRow) -> Span {
    let (id, subject) = (task.id.0, task.subject.as_str());
    match task.kind {
        TaskKind::Model => info_span!("task", task = id, model = short(subject)),
        TaskKind::Maintenance => info_span!("task", task = id, maintenance = subject),
        TaskKind::Operation => info_span!("task", task = id, operation = subject),
        TaskKind::Sync | TaskKind::Reconcile => info_span!("task", task = id, table = subject),
    }
}

/// Counts a task as under way until dropped, however it ends.
struct Running(prometheus::IntGauge);

impl Running {
    fn new(gauge: prometheus::IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The bounds of retries that the configuration sets.
pub(super) fn backoff(config: &crate::config::Retry) -> Backoff {
    Backoff {
        attempts_max: config.attempts_max,
        delay_initial: Duration::from_millis(config.delay_milliseconds_initial),
        delay_max: Duration::from_millis(config.delay_milliseconds_max),
    }
}
