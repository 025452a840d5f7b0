//! What a run took, span by span, for whoever looks at it in Jaeger, Tempo or Grafana: a run, within it its
//! planning and its tasks, within those their attempts.
//!
//! Owns what is told of a run to a collector (OTLP over HTTP), and how.
//! Guarantee: nobody waits for a collector. What it does not take in time, or takes too slowly, is lost, counted and
//! told once; a stop waits [`FLUSH_TIME_MAX`] for it.
//! Guarantee: names of tables, models and schedules, numbers, states and kinds of failures are told; no text of an
//! error, no SQL, and so no cell's value. Log lines and spans of other crates never get here.
//! Without the feature `otel` nothing is told, and nothing of this is in the program.

#[cfg(feature = "otel")]
mod collector;
#[cfg(feature = "otel")]
mod sending;
#[cfg(feature = "otel")]
mod span;

#[cfg(not(feature = "otel"))]
#[path = "silent.rs"]
mod span;

use crate::{
    config,
    domain::{RunId, RunState, TaskId, TaskKind},
    error::Kind,
};
use serde_json::Value;
use span::{Exporter, Span};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How long a stop waits for the collector to take the last spans. With what is drained before, it stays within the
/// five seconds that a stop may take.
pub const FLUSH_TIME_MAX: Duration = Duration::from_millis(750);

/// What names a collector to any program.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Tells of runs, where somebody is named who listens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Traces(Arc<Exporter>);

impl Traces {
    /// By its configuration and OpenTelemetry's own variables. Connects to nothing, before there is a run to tell of.
    pub fn new(config: &config::Traces) -> Self {
        Self(Arc::new(Exporter::new(config)))
    }

    /// A run begins, or goes on as it was planned by a process before this one. By hand it has no schedule.
    pub fn run(&self, run: RunId, schedule: &str, goes_on: bool) -> Run {
        let span = match schedule {
            "" => self.0.root(format_args!("run")),
            schedule => self.0.root(format_args!("run {schedule}")),
        };
        span.number("amalgam.run.id", run.0);
        span.truth("amalgam.run.goes_on", goes_on);
        if !schedule.is_empty() {
            span.word("amalgam.schedule", schedule);
        }
        Run { tasks: Mutex::default(), skipped: AtomicU64::new(0), span }
    }

    /// Sends what has not been sent, for [`FLUSH_TIME_MAX`] at most. What follows is told to nobody.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

/// A run under way. Dropped without an end, it was interrupted.
#[derive(Debug)]
pub struct Run {
    /// Those that were begun and have not ended. Before the run's own span, so that they end before it.
    tasks: Mutex<BTreeMap<TaskId, Arc<Task>>>,
    skipped: AtomicU64,
    span: Span,
}

impl Run {
    /// What its trace is found by; `None` where it is not told.
    pub fn trace_id(&self) -> Option<String> {
        self.span.trace_id()
    }

    /// It is planned.
    pub fn planning(&self) -> Planning {
        Planning(self.span.child(format_args!("plan")))
    }

    /// A task of it is taken up, for the first time or again. Nodes have short names.
    pub fn task(&self, id: TaskId, kind: TaskKind, name: &str) -> Arc<Task> {
        let begun = || Arc::new(Task::begun(&self.span, id, kind, name));
        Arc::clone(self.tasks().entry(id).or_insert_with(begun))
    }

    /// A task ended well.
    pub fn task_succeeded(&self, id: TaskId, unchanged: bool) {
        if let Some(Task(span)) = self.tasks().remove(&id).as_deref() {
            span.end(if unchanged { "unchanged" } else { "succeeded" });
        }
    }

    /// No attempt at a task is left, or none would help.
    pub fn task_failed(&self, id: TaskId, kind: Kind) {
        if let Some(Task(span)) = self.tasks().remove(&id).as_deref() {
            span.fail(kind.as_str());
            span.end("failed");
        }
    }

    fn tasks(&self) -> MutexGuard<'_, BTreeMap<TaskId, Arc<Task>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many tasks more are not begun, because something above them failed.
    pub fn skipped(&self, tasks: usize) {
        self.skipped.fetch_add(tasks as u64, Ordering::Relaxed);
    }

    /// It ended, and what was wrong with the run itself.
    pub fn ended(&self, state: RunState, cause: Option<Kind>) {
        self.tasks().clear();
        self.span.number("amalgam.tasks.skipped", self.skipped.load(Ordering::Relaxed).cast_signed());
        match (state, cause) {
            (RunState::Failed, None) => self.span.fail("task_failed"),
            (RunState::Failed, Some(kind)) => self.span.fail(kind.as_str()),
            _ => {}
        }
        self.span.end(state.as_str());
    }
}

/// A run is being planned.
#[derive(Debug)]
pub struct Planning(Span);

impl Planning {
    /// It is planned; or not, because it was told to stop.
    pub fn ended(self, planned: Result<bool, Kind>) {
        match planned {
            Ok(true) => self.0.end("succeeded"),
            Ok(false) => {}
            Err(kind) => {
                self.0.fail(kind.as_str());
                self.0.end("failed");
            }
        }
    }
}

/// A task, from its first attempt to its end, with all it waits for in between.
#[derive(Debug)]
pub struct Task(Span);

impl Task {
    fn begun(run: &Span, id: TaskId, kind: TaskKind, name: &str) -> Self {
        let span = run.child(format_args!("{kind} {name}"));
        span.number("amalgam.task.id", id.0);
        span.word("amalgam.task.kind", kind.as_str());
        let key = match kind {
            TaskKind::Sync | TaskKind::Reconcile => "amalgam.table",
            TaskKind::Model => "amalgam.model",
            TaskKind::Maintenance => "amalgam.maintenance",
            TaskKind::Operation => "amalgam.operation",
        };
        span.word(key, name);
        Self(span)
    }

    /// One more attempt begins.
    pub fn attempt(&self, number: i32) -> Attempt {
        let span = self.0.child(format_args!("attempt {number}"));
        span.number("amalgam.attempt.number", number.into());
        Attempt(span)
    }
}

/// One try of a task. Dropped without an end, it was interrupted.
#[derive(Debug)]
pub struct Attempt(Span);

impl Attempt {
    /// What it counted, once its work is done: numbers at the top of its record, and verdicts of tests.
    pub fn counted(&self, record: &Value) {
        for (name, count) in record.as_object().into_iter().flatten() {
            if let Some(count) = count.as_i64() {
                self.0.number(format!("amalgam.{name}"), count);
            }
        }
        if let Some(action) = record["action"].as_str() {
            self.0.word("amalgam.action", action);
        }
        let tests = record["tests"].as_array().map(Vec::as_slice).unwrap_or_default();
        for status in ["pass", "warn", "fail", "skip"] {
            let count = tests.iter().filter(|test| test["status"] == status).count();
            if count > 0 {
                self.0.number(format!("amalgam.tests.{status}"), i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
    }

    /// It ended well, and that is recorded.
    pub fn succeeded(&self) {
        self.0.end("succeeded");
    }

    /// It failed.
    pub fn failed(&self, kind: Kind) {
        self.0.fail(kind.as_str());
        self.0.end("failed");
    }

    /// It was not the time for it, and that costs no attempt.
    pub fn waits(&self, kind: Kind) {
        self.0.word("amalgam.waits_for", kind.as_str());
        self.0.end("interrupted");
    }
}

/// Which of OpenTelemetry's variables name a collector, whether or not they are to be heeded.
fn named_by(variable: impl Fn(&str) -> Option<String>) -> Option<(&'static str, String)> {
    ENDPOINTS.into_iter().find_map(|name| Some((name, variable(name).filter(|value| !value.is_empty())?)))
}

/// Whether OpenTelemetry's variables say that nothing is to be told.
fn is_disabled(variable: impl Fn(&str) -> Option<String>) -> bool {
    let says = |name: &str, word: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
    says("OTEL_SDK_DISABLED", "true") || says("OTEL_TRACES_EXPORTER", "none")
}

fn of_process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_of_any_program_name_the_collector_or_switch_it_off() {
        let with = |set: &'static [(&str, &str)]| {
            move |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(named_by(with(&[])), None);
        assert_eq!(named_by(with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")])), None);
        let both = &[("OTEL_EXPORTER_OTLP_ENDPOINT", "a"), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "b")];
        assert_eq!(named_by(with(both)).map(|(_, value)| value).as_deref(), Some("b"));
        assert!(!is_disabled(with(&[("OTEL_TRACES_EXPORTER", "otlp")])));
        assert!(is_disabled(with(&[("OTEL_SDK_DISABLED", "true")])));
        assert!(is_disabled(with(&[("OTEL_TRACES_EXPORTER", "none")])));
    }
}
