//! Tests of a node, run in the transaction that will publish it.
//!
//! [`together`] counts those that can be in as few scans as that takes: [`shape`] knows them by their SQL, [`batch`]
//! writes the statement. The others run one by one.

mod asks;
mod batch;
mod parts;
mod plain;
mod shape;
pub(super) mod stored;
mod together;

use super::{
    TestChoice,
    compile::{self, Manner},
    context::connection::{On, with_connection},
    heed,
    manifest::{Manifest, Node},
    relation::Relation,
    templates,
    verdict::{TestStatus, TestVerdict},
};
use crate::{
    error::{Error, Kind, Policy, Result},
    telemetry::{Metrics, rounded_seconds},
    warehouse::Transaction,
};
use chrono::{DateTime, Utc};
use minijinja::value::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};
use stored::Kept;
use together::Known;

/// Failed tests named in one error, at most.
const NAMED_MAX: usize = 10;

/// The tests among some that a node's build runs.
pub(super) fn of<'a>(manifest: &'a Manifest, node: &Node, choice: &TestChoice) -> Vec<&'a Node> {
    manifest.tests_of(&node.id).filter(|test| choice.has(&test.id)).collect()
}

/// How tests are run.
#[derive(Clone, Copy)]
pub(super) struct Round<'a> {
    /// Relations that stand for those that are published.
    pub stands_for: &'a [(Relation, Relation)],
    /// Whether they run with the build of their node: what they compare with may come later the first time.
    pub is_build: bool,
    /// When the run began.
    pub started: DateTime<Utc>,
    /// Where verdicts are counted.
    pub metrics: &'a Metrics,
}

/// Runs tests and counts what they say.
///
/// # Errors
/// The warehouse fails; what is wrong with a test is its verdict.
pub(super) async fn run(
    transaction: &Transaction<'_>,
    manifest: &Arc<Manifest>,
    tests: &[&Node],
    round: Round<'_>,
) -> Result<Vec<TestVerdict>> {
    const DOING: &str = "testing a model";
    let mut verdicts = Vec::with_capacity(tests.len());
    if tests.is_empty() {
        return Ok(verdicts);
    }
    transaction.batch("savepoint amalgam_test", DOING).await?;
    let are_ready = are_ready(transaction, manifest, tests, round).await?;
    let known = together::known(transaction, manifest, tests, &are_ready, round).await?;
    for ((test, is_ready), known) in tests.iter().zip(are_ready).zip(known) {
        let since = Instant::now();
        let mut verdict = unjudged(test);
        let compiled = match known {
            Known::Verdict(known) => {
                round.metrics.model_tests.with_label_values(&[known.status.as_str()]).inc();
                verdicts.push(known);
                continue;
            }
            Known::Compiled(sql) => Some(sql),
            Known::Nothing => None,
        };
        if !is_ready && test.fault.is_none() {
            verdict.status = TestStatus::Skip;
        } else if let Err(error) = run_one(transaction, manifest, test, round, compiled, &mut verdict).await {
            if error.policy() != Policy::Fail {
                return Err(error);
            }
            (verdict.status, verdict.message) = (TestStatus::Error, Some(error.to_string()));
            transaction.batch("rollback to savepoint amalgam_test", DOING).await?;
        } else if stored::kept(manifest, test)?.is_some() {
            // What it keeps must outlast the failure of a later one.
            transaction.batch("savepoint amalgam_test", DOING).await?;
        }
        verdict.seconds = rounded_seconds(since.elapsed());
        round.metrics.model_tests.with_label_values(&[verdict.status.as_str()]).inc();
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

/// A test that has found nothing yet.
fn unjudged(test: &Node) -> TestVerdict {
    TestVerdict {
        id: test.id.clone(),
        name: test.name.clone(),
        status: TestStatus::Pass,
        failures: 0,
        message: None,
        compiled: None,
        seconds: 0.0,
        kept_since: None,
    }
}

/// `compiled`: its SQL, where it is known already.
async fn run_one(
    transaction: &Transaction<'_>,
    manifest: &Arc<Manifest>,
    test: &Node,
    round: Round<'_>,
    compiled: Option<String>,
    verdict: &mut TestVerdict,
) -> Result<()> {
    test.sound()?;
    let (whole, id) = (manifest.clone(), test.id.clone());
    let (stands_for, started) = (round.stands_for.to_vec(), round.started);
    let hanging = Default::default();
    let kept = stored::kept(manifest, test)?;
    let (compiled, sql) = with_connection(On::Transaction(transaction, &hanging), move |connection| {
        let test = whole.node(&id)?;
        let manner = Manner { as_new: false, stands_for, ..Manner::new(started, Some(connection)).aloud(&whole) };
        let compiled = match compiled {
            Some(compiled) => compiled,
            None => {
                let compiled = compile::compile(&whole, test, &manner)?;
                whole.write_compiled(test, &compiled);
                compiled
            }
        };
        let counted = match &kept {
            // Counted where they lie: the query is asked once.
            Some(Kept::Table) => {
                let from = format!("select * from {}", test.relation.provisional().quoted());
                counted(&whole, test, &manner, &from, false)?
            }
            _ => counted(&whole, test, &manner, &compiled, true)?,
        };
        Ok::<_, Error>((compiled, counted))
    })
    .await??;
    if kept == Some(Kept::Table) {
        stored::fill(transaction, test, &compiled).await?;
    }
    verdict.compiled = Some(compiled);
    let answer = transaction.answer(&sql, true, &format!("test {}", test.name)).await;
    let answer = answer.map_err(|located| compile::refused(&test.place(), &sql, located))?;
    judged(manifest, test, answer.rows.first().map(Vec::as_slice).unwrap_or_default(), verdict)
}

/// One row: failures, whether to warn, whether to fail.
fn counted(manifest: &Arc<Manifest>, test: &Node, manner: &Manner, sql: &str, is_limited: bool) -> Result<String> {
    let limit = stored::limit(test)
        .filter(|_| is_limited)
        .map_or_else(|| Value::from(()), |limit| super::jinja::from_json(&limit));
    let scope = compile::scope(manifest, test, manner, BTreeMap::new());
    let values = [
        Value::from(sql),
        test.settings.text("fail_calc").unwrap_or_else(|| "count(*)".to_owned()).into(),
        bound_of(test, "warn_if").into(),
        bound_of(test, "error_if").into(),
        limit,
    ];
    templates::call(&scope, test, "get_test_sql", &values).map(|value| value.to_string())
}

/// The outcome that follows from what the SQL gave.
fn judged(manifest: &Manifest, test: &Node, row: &[Option<String>], verdict: &mut TestVerdict) -> Result<()> {
    let cell = |at: usize| row.get(at).and_then(Option::as_deref);
    let wrong = |what: &str| Error::new(Kind::ModelTest, format!("{}: test {}: {what}", test.file, test.name));
    let failures = match cell(0) {
        None => return Err(wrong("its fail_calc gave null; it must give a number")),
        Some(text) => text.parse::<f64>().map_err(|_| wrong("its fail_calc gave no number"))?,
    };
    let is = |at: usize| cell(at) == Some("t");
    let warns = test.settings.text("severity").is_some_and(|s| s.eq_ignore_ascii_case("warn"));
    let (status, bound) = match (warns, is(1), is(2)) {
        (false, _, true) => (TestStatus::Fail, "error_if"),
        (_, true, _) if heed::tests_fail(&manifest.setting.flags) => (TestStatus::Fail, "warn_if"),
        (_, true, _) => (TestStatus::Warn, "warn_if"),
        _ => (TestStatus::Pass, ""),
    };
    #[expect(clippy::cast_possible_truncation, reason = "a count of rows, or what somebody made of it")]
    let failures = failures as i64;
    verdict.status = status;
    if status != TestStatus::Pass {
        let configured = if status == TestStatus::Fail { "fail" } else { "warn" };
        let plural = if failures == 1 { "" } else { "s" };
        let bound = bound_of(test, bound);
        verdict.failures = failures;
        verdict.message = Some(format!("Got {failures} result{plural}, configured to {configured} if {bound}"));
    }
    Ok(())
}

/// How many failures are too many, as configured.
fn bound_of(test: &Node, key: &str) -> String {
    test.settings.text(key).unwrap_or_else(|| "!= 0".to_owned())
}

/// Whether every relation that a test reads is there; asked of a build alone.
async fn are_ready(
    transaction: &Transaction<'_>,
    manifest: &Manifest,
    tests: &[&Node],
    round: Round<'_>,
) -> Result<Vec<bool>> {
    if !round.is_build {
        return Ok(vec![true; tests.len()]);
    }
    // `None`: what it reads can't be made.
    let read = |test: &Node| -> Option<Vec<String>> {
        let mut names = Vec::new();
        for parent in test.parents.iter().filter_map(|id| manifest.nodes.get(id)) {
            if parent.fault.is_some() {
                return None;
            }
            let stands = round.stands_for.iter().any(|(published, _)| *published == parent.relation);
            if parent.resource.is_built() && !parent.is_ephemeral() && !stands {
                names.push(manifest.place_of(parent).quoted());
            }
        }
        Some(names)
    };
    let read: Vec<Option<Vec<String>>> = tests.iter().map(|test| read(test)).collect();
    let names: BTreeSet<&str> = read.iter().flatten().flatten().map(String::as_str).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let sql = "select name from unnest($1::text[]) as wanted (name) where to_regclass(name) is null";
    let missing = match names.is_empty() {
        true => Vec::new(),
        false => transaction.query(sql, &[&names], "looking for relations").await?,
    };
    let missing: BTreeSet<String> = missing.iter().map(|row| row.get(0)).collect();
    let is_ready =
        |names: &Option<Vec<String>>| names.as_ref().is_some_and(|all| !all.iter().any(|n| missing.contains(n)));
    Ok(read.iter().map(is_ready).collect())
}

/// Refuses a version whose tests of error severity failed, or could not be run.
pub(super) fn judge(node: &Node, verdicts: &[TestVerdict]) -> Result<()> {
    let named = |verdict: &TestVerdict| match (verdict.status, verdict.failures) {
        (TestStatus::Error, _) => {
            let first = verdict.message.as_deref().and_then(|message| message.lines().next()).unwrap_or_default();
            format!("{} ({first})", verdict.name)
        }
        (_, failures) => format!("{} ({failures} failure{})", verdict.name, if failures == 1 { "" } else { "s" }),
    };
    refuse(node, "tests", verdicts.iter().filter(|v| v.status.is_bad()).map(named).collect())
}

/// Refuses a model where anything of a kind failed, and names the first of it.
pub(super) fn refuse(node: &Node, what: &str, failed: Vec<String>) -> Result<()> {
    if failed.is_empty() {
        return Ok(());
    }
    let more = failed.len().saturating_sub(NAMED_MAX);
    let mut named = failed[..failed.len() - more].join(", ");
    if more > 0 {
        named.push_str(&format!(" and {more} more"));
    }
    Err(Error::new(Kind::ModelTest, format!("{}: {what} failed: {named}", node.name)))
}
