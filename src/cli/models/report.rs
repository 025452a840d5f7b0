//! What people are told of the steps of an agenda.

use crate::{
    cli::{failure, output, output::Format},
    error::Error,
    models::{Agenda, BuildOutcome, Duty, Models, NodeResult, NodeStatus, Performed, TestStatus, TestVerdict},
};
use serde::Serialize;

/// One line about a node.
#[derive(Debug, Serialize)]
struct Line {
    model: String,
    status: &'static str,
    rows: Option<u64>,
    tests: String,
    seconds: f64,
    reason: String,
}

/// One line about a test.
#[derive(Debug, Serialize)]
struct TestLine {
    test: String,
    status: &'static str,
    failures: Option<i64>,
}

/// What has come of the steps that ended.
#[derive(Default)]
pub(super) struct Report {
    pub(super) results: Vec<NodeResult>,
    lines: Vec<Line>,
    tests: Vec<TestLine>,
    pub(super) has_failed: bool,
}

impl Report {
    /// Takes how statements of the project ended.
    pub(super) fn operations(&mut self, (results, failure): (Vec<NodeResult>, Option<Error>)) {
        if let Some(error) = failure {
            self.has_failed = true;
            failure::tell("running the project's statements", &error);
        }
        self.results.extend(results);
    }

    pub(super) fn take(&mut self, models: &Models, duty: &Duty, performed: Performed) -> anyhow::Result<()> {
        self.has_failed |= performed.is_bad();
        let Performed { results, build } = performed;
        for result in &results {
            let is_node = matches!(duty, Duty::Build(id, _) if id.as_str() == result.id);
            match &result.message {
                // A node's own failure is told with its remedy, below.
                Some(message) if !is_node && result.status != NodeStatus::Skipped => {
                    eprintln!("{} {}: {message}", kind_of(&result.id), models.name(&result.id));
                }
                _ => {}
            }
        }
        match duty {
            Duty::Build(id, _) => {
                let name = models.summary(id)?.name;
                let own = results.last();
                for what in build.iter().flatten().flat_map(|outcome| &outcome.unusual) {
                    eprintln!("warning: {name} {what}");
                }
                self.lines.push(match (&build, own) {
                    (Some(Ok(outcome)), Some(own)) => built(name, own.seconds, outcome),
                    (Some(Err(error)), own) => {
                        failure::tell(&name, error);
                        let seconds = own.map_or(0.0, |own| own.seconds);
                        plain(name, "failed", seconds, error.kind.to_string())
                    }
                    (_, own) => {
                        let why = own.and_then(|own| own.message.clone()).unwrap_or_default();
                        plain(name, "skipped", 0.0, why)
                    }
                });
            }
            Duty::Test(_) => self.tests.extend(results.iter().map(|result| TestLine {
                test: models.name(&result.id),
                status: result.status.as_str(),
                failures: result.failures,
            })),
            Duty::Exposure(_) => {}
        }
        self.results.extend(results);
        Ok(())
    }

    /// Prints a line about each node that was built, or about each test.
    pub(super) fn print(&self, agenda: &Agenda, format: Format) -> anyhow::Result<()> {
        if agenda.steps.iter().any(|step| matches!(step.duty, Duty::Build(..))) || self.tests.is_empty() {
            output::rows(format, &self.lines)?;
            for line in self.tests.iter().filter(|line| line.status != "pass") {
                eprintln!("test {}: {}", line.test, line.status);
            }
        } else {
            output::rows(format, &self.tests)?;
        }
        Ok(())
    }

    /// dbt's last line.
    pub(super) fn summary(&self) -> String {
        use NodeStatus as S;
        let count = |words: &[S]| self.results.iter().filter(|r| words.contains(&r.status)).count();
        format!(
            "Done. PASS={} WARN={} ERROR={} SKIP={} NO-OP={} TOTAL={}",
            count(&[S::Success, S::Pass]),
            count(&[S::Warn]),
            count(&[S::Error, S::Fail]),
            count(&[S::Skipped]),
            count(&[S::NoOp]),
            self.results.len()
        )
    }
}

/// `test`, `unit test`: what a unique id is of.
fn kind_of(id: &str) -> String {
    id.split('.').next().unwrap_or_default().replace('_', " ")
}

fn plain(model: String, status: &'static str, seconds: f64, reason: String) -> Line {
    Line { model, status, rows: None, tests: String::new(), seconds, reason }
}

fn built(model: String, seconds: f64, outcome: &BuildOutcome) -> Line {
    let status = if outcome.built { "built" } else { "unchanged" };
    let tests = if outcome.built { tally(&outcome.tests) } else { String::new() };
    Line { model, status, rows: outcome.rows, tests, seconds, reason: outcome.reason.clone() }
}

/// `12 passed`, or `11 passed, 1 warned`.
fn tally(verdicts: &[TestVerdict]) -> String {
    let words = [
        (TestStatus::Pass, "passed"),
        (TestStatus::Warn, "warned"),
        (TestStatus::Fail, "failed"),
        (TestStatus::Skip, "not run"),
    ];
    let count = |status| verdicts.iter().filter(|v| v.status == status).count();
    let parts = words.into_iter().map(|(status, word)| (count(status), word)).filter(|(n, _)| *n > 0);
    parts.map(|(n, word)| format!("{n} {word}")).collect::<Vec<_>>().join(", ")
}
