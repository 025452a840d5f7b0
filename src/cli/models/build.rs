//! The steps of an agenda side by side, each after what it needs.

use super::report::Report;
use crate::{
    cli::{Context, Outcome},
    models::{Agenda, BuildOptions, Duty, Models, Moment, Performed},
    telemetry::rounded_seconds,
};
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
    report.print(&agenda, context.format())?;
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
