//! The steps of an agenda side by side, each after what it needs.

use crate::{
    cli::{Context, Outcome, failure, output},
    error::Error,
    models::{
        Agenda, BuildOptions, BuildOutcome, Duty, Models, Moment, NodeResult, NodeStatus, Performed, TestStatus,
        TestVerdict,
    },
    telemetry::rounded_seconds,
};
use serde::Serialize;
use serde_json::Value as Json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};
use tokio::task::JoinSet;

/// How the steps are done.
pub(super) struct Manner {
    /// How nodes are built.
    pub options: BuildOptions,
    /// Steps at once.
    pub threads: usize,
    /// Whether nothing more is begun once anything failed.
    pub fail_fast: bool,
    /// What the command was given, in dbt's words.
    pub arguments: Json,
}

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

/// Does an agenda.
pub(super) async fn perform(
    models: Models,
    agenda: Agenda,
    manner: Manner,
    context: &Context,
) -> anyhow::Result<Outcome> {
    let since = Instant::now();
    // The project is told at once, beside the work; again at the end, with the SQL that came of it.
    let told = models.clone();
    let told = tokio::task::spawn_blocking(move || told.write_manifest(&BTreeMap::new()));
    let mut report = Report::default();
    report.operations(models.operate(Moment::Start, &[]).await?);
    let begun = report.results.len();
    if report.has_failed {
        for step in &agenda.steps {
            report.take(&models, &step.duty, models.skip(step, "on-run-start failed"))?;
        }
    } else {
        walk(&models, &agenda, &manner, &mut report).await?;
        report.operations(models.operate(Moment::End, &report.results[begun..]).await?);
    }
    if agenda.steps.iter().any(|step| matches!(step.duty, Duty::Build(..))) || report.tests.is_empty() {
        output::rows(context.format(), &report.lines)?;
        for line in report.tests.iter().filter(|line| line.status != "pass") {
            eprintln!("test {}: {}", line.test, line.status);
        }
    } else {
        output::rows(context.format(), &report.tests)?;
    }
    let compiled = report.results.iter().filter_map(|result| Some((result.id.as_str(), result.compiled.as_deref()?)));
    let compiled: BTreeMap<&str, &str> = compiled.collect();
    told.await??;
    if !compiled.is_empty() {
        models.write_manifest(&compiled)?;
    }
    models.write_results(&report.results, rounded_seconds(since.elapsed()), &manner.arguments)?;
    eprintln!("{}", report.summary());
    Ok(if report.has_failed { Outcome::Failed } else { Outcome::Done })
}

/// Steps that have not begun, and what they wait for.
struct Waiting {
    /// By the place in the agenda: how many steps must end first.
    left: Vec<usize>,
    /// Who waits for whom.
    readers: BTreeMap<usize, Vec<usize>>,
    ready: BTreeSet<usize>,
}

impl Waiting {
    fn of(agenda: &Agenda) -> Self {
        let mut readers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut left = Vec::with_capacity(agenda.steps.len());
        for (place, step) in agenda.steps.iter().enumerate() {
            let before = &step.needs | &step.after;
            left.push(before.len());
            for other in before {
                readers.entry(other).or_default().push(place);
            }
        }
        let ready = (0..left.len()).filter(|place| left[*place] == 0).collect();
        Self { left, readers, ready }
    }

    fn ended(&mut self, place: usize) {
        for reader in self.readers.remove(&place).unwrap_or_default() {
            self.left[reader] -= 1;
            if self.left[reader] == 0 {
                self.ready.insert(reader);
            }
        }
    }
}

async fn walk(models: &Models, agenda: &Agenda, manner: &Manner, report: &mut Report) -> anyhow::Result<()> {
    let mut settled = models.settled(agenda, &manner.options).await?;
    // What is not as it was then, and what is made from that.
    let mut moved: BTreeSet<usize> = BTreeSet::new();
    let mut waiting = Waiting::of(agenda);
    let mut running: JoinSet<(usize, Performed)> = JoinSet::new();
    // What can't go on, and what that is because of.
    let mut lost: BTreeMap<usize, String> = BTreeMap::new();
    loop {
        while running.len() < manner.threads.max(1) {
            let Some(place) = waiting.ready.pop_first() else { break };
            let step = &agenda.steps[place];
            let stopped = (manner.fail_fast && report.has_failed).then(|| "--fail-fast: something failed".to_owned());
            let why = stopped.or_else(|| {
                let cause = step.needs.iter().find_map(|needed| lost.get(needed))?;
                Some(format!("{cause} failed"))
            });
            if step.needs.union(&step.after).any(|before| moved.contains(before)) {
                settled.remove(&place);
                moved.insert(place);
            }
            let Some(why) = why else {
                if let Some(performed) = settled.remove(&place) {
                    report.take(models, &step.duty, performed)?;
                    waiting.ended(place);
                    continue;
                }
                let (models, step, options) = (models.clone(), step.clone(), manner.options.clone());
                running.spawn(async move { (place, models.perform(&step, &options).await) });
                continue;
            };
            if !step.continues {
                lost.insert(place, why.trim_end_matches(" failed").to_owned());
            }
            report.take(models, &step.duty, models.skip(step, &why))?;
            waiting.ended(place);
        }
        let Some(ended) = running.join_next().await else { return Ok(()) };
        let (place, performed) = ended?;
        let step = &agenda.steps[place];
        if matches!(&performed.build, Some(build) if build.as_ref().is_ok_and(|outcome| outcome.built)) {
            moved.insert(place);
        }
        if performed.is_bad() && !step.continues {
            lost.insert(place, name_of(models, &step.duty, &performed)?);
        }
        report.take(models, &step.duty, performed)?;
        waiting.ended(place);
    }
}

/// What failed in a step, by its name.
fn name_of(models: &Models, duty: &Duty, performed: &Performed) -> anyhow::Result<String> {
    Ok(match duty {
        Duty::Build(id, _) => models.summary(id)?.name,
        _ => {
            let bad = performed.results.iter().find(|result| result.status.is_bad());
            bad.map_or_else(String::new, |result| models.name(&result.id))
        }
    })
}

/// What has come of the steps that ended.
#[derive(Default)]
struct Report {
    results: Vec<NodeResult>,
    lines: Vec<Line>,
    tests: Vec<TestLine>,
    has_failed: bool,
}

impl Report {
    /// Takes how statements of the project ended.
    fn operations(&mut self, (results, failure): (Vec<NodeResult>, Option<Error>)) {
        if let Some(error) = failure {
            self.has_failed = true;
            failure::tell("running the project's statements", &error);
        }
        self.results.extend(results);
    }

    fn take(&mut self, models: &Models, duty: &Duty, performed: Performed) -> anyhow::Result<()> {
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

    /// dbt's last line.
    fn summary(&self) -> String {
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
