//! Models built side by side, parents first.

use crate::{
    cli::{Context, Outcome, failure, output},
    domain::ModelId,
    error::Error,
    models::{
        BuildOptions, BuildOutcome, Ended, ModelNode, Models, Moment, TestStatus, TestVerdict, Told, UnitVerdict,
    },
    telemetry::rounded_seconds,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};
use tokio::task::JoinSet;

/// One line of the summary.
#[derive(Debug, Serialize)]
struct Line {
    model: String,
    status: &'static str,
    rows: Option<u64>,
    tests: String,
    seconds: f64,
    reason: String,
}

/// A model that waits for its turn.
struct Waiting {
    node: ModelNode,
    for_: BTreeSet<ModelId>,
}

pub(super) async fn build(
    models: Models,
    ids: Vec<ModelId>,
    options: BuildOptions,
    threads: usize,
    context: &Context,
) -> anyhow::Result<Outcome> {
    let chosen: BTreeSet<ModelId> = ids.into_iter().collect();
    let waits =
        |node: &ModelNode| node.models.iter().chain(&node.after).filter(|id| chosen.contains(*id)).cloned().collect();
    let nodes = models.nodes();
    let continuing: BTreeSet<ModelId> = nodes.iter().filter(|n| n.continues).map(|n| n.id.clone()).collect();
    let mut waiting: Vec<Waiting> = nodes
        .into_iter()
        .filter(|node| chosen.contains(&node.id))
        .map(|node| Waiting { for_: waits(&node), node })
        .collect();
    models.operate(Moment::Start, &[]).await?;
    let mut ends = Vec::new();
    let mut running: JoinSet<(ModelId, f64, Result<BuildOutcome, Error>, Told)> = JoinSet::new();
    let mut lost: BTreeMap<ModelId, String> = BTreeMap::new();
    let mut lines = Vec::new();
    let mut failed = false;
    while !waiting.is_empty() || !running.is_empty() {
        while running.len() < threads.max(1) {
            let Some(at) = waiting.iter().position(|w| w.for_.is_empty()) else { break };
            let Waiting { node, .. } = waiting.remove(at);
            if let Some(cause) = node.models.iter().find_map(|parent| lost.get(parent)) {
                lines.push(skipped(&models, &node.id, cause)?);
                ends.push(Ended { id: node.id.clone(), status: "skipped", seconds: 0.0, message: None });
                if !node.continues {
                    lost.insert(node.id.clone(), cause.clone());
                }
                release(&mut waiting, &node.id);
                continue;
            }
            let (models, options) = (models.clone(), options.clone());
            running.spawn(async move {
                let since = Instant::now();
                let mut told = Told::default();
                let outcome = models.build_telling(&node.id, &options, &mut told).await;
                (node.id, rounded_seconds(since.elapsed()), outcome, told)
            });
        }
        let Some(ended) = running.join_next().await else { continue };
        let (id, seconds, outcome, told) = ended?;
        for unit in &told.units {
            tell_unit(unit);
        }
        let name = models.summary(&id)?.name;
        release(&mut waiting, &id);
        match outcome {
            Ok(outcome) => {
                for what in &outcome.unusual {
                    eprintln!("warning: {name} {what}");
                }
                ends.push(Ended { id, status: "success", seconds, message: None });
                lines.push(built(name, seconds, &outcome));
            }
            Err(error) => {
                ends.push(Ended { id: id.clone(), status: "error", seconds, message: Some(error.to_string()) });
                failed = true;
                failure::tell(&name, &error);
                if !continuing.contains(&id) {
                    lost.insert(id, name.clone());
                }
                lines.push(Line {
                    model: name,
                    status: "failed",
                    rows: None,
                    tests: String::new(),
                    seconds,
                    reason: error.kind.to_string(),
                });
            }
        }
    }
    if let Err(error) = models.operate(Moment::End, &ends).await {
        failed = true;
        failure::tell("on-run-end", &error);
    }
    output::rows(context.format(), &lines)?;
    let count = |status: &str| lines.iter().filter(|l| l.status == status).count();
    eprintln!(
        "{} built, {} unchanged, {} failed, {} skipped",
        count("built"),
        count("unchanged"),
        count("failed"),
        count("skipped")
    );
    Ok(if failed { Outcome::Failed } else { Outcome::Done })
}

/// Tells of a unit test that did not pass.
pub(super) fn tell_unit(unit: &UnitVerdict) {
    if let Some(message) = &unit.message {
        eprintln!("unit test {}: {}: {message}\n", unit.name, unit.status.as_str());
    }
}

fn release(waiting: &mut [Waiting], ended: &ModelId) {
    for one in waiting {
        one.for_.remove(ended);
    }
}

fn skipped(models: &Models, id: &ModelId, cause: &str) -> anyhow::Result<Line> {
    let model = models.summary(id)?.name;
    let reason = format!("{cause} failed");
    Ok(Line { model, status: "skipped", rows: None, tests: String::new(), seconds: 0.0, reason })
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
