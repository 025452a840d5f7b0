//! Tests that are counted together: compiled in one go, and run in as few scans as what they count allows.
//!
//! Guarantee: the verdicts and counts are those that each test has by itself. What is refused, found by a count that is
//! not exact, or not known by its shape is left to be run alone. docs/adr/0023.

use super::{
    Round,
    asks::Asks,
    batch::{Batch, Countable, batches},
    bound_of, judged,
    shape::shape,
    stored, unjudged,
};
use crate::{
    error::{Policy, Result},
    models::{
        compile::{self, Manner},
        context::{
            connection::{On, with_connection},
            scope::DBT,
            voice::Voice,
        },
        manifest::{Manifest, Node},
        verdict::TestVerdict,
    },
    telemetry::rounded_seconds,
    warehouse::Transaction,
};
use std::{sync::Arc, time::Instant};

const DOING: &str = "testing a model";
/// What the sorts of one statement may take of the server's memory together; more goes to its disk.
const SORT_MEBIBYTES: usize = 256;

/// What is known of a test before it is run by itself.
pub(super) enum Known {
    /// Nothing.
    Nothing,
    /// Its SQL.
    Compiled(String),
    /// What it said.
    Verdict(TestVerdict),
}

/// Compiles tests that run in the transaction, and counts those that can be counted together. `are_ready`: whether what
/// each reads is there. `amalgam_test` is a savepoint to return to.
///
/// # Errors
/// The warehouse fails; a statement that it refuses leaves its tests to be run alone.
pub(super) async fn known(
    transaction: &Transaction<'_>,
    manifest: &Arc<Manifest>,
    tests: &[&Node],
    are_ready: &[bool],
    round: Round<'_>,
) -> Result<Vec<Known>> {
    // What is kept is counted where it lies.
    let is_counted =
        |test: &Node| test.fault.is_none() && stored::kept(manifest, test).is_ok_and(|kept| kept.is_none());
    let wanted: Vec<bool> = tests.iter().zip(are_ready).map(|(test, is_ready)| *is_ready && is_counted(test)).collect();
    let compiled = compiled(transaction, manifest, tests, &wanted, round).await?;
    let is_own = has_own_sql(manifest);
    let countable = |(place, sql): (usize, &Option<String>)| {
        let shape = shape(sql.as_ref().filter(|_| !is_own)?)?;
        Some(Countable { place, shape, asks: asks(tests[place])? })
    };
    let countable: Vec<Countable> = compiled.iter().enumerate().filter_map(countable).collect();
    let mut known: Vec<Known> = compiled.into_iter().map(|sql| sql.map_or(Known::Nothing, Known::Compiled)).collect();
    let mut open = batches(countable);
    while let Some(batch) = open.pop() {
        let since = Instant::now();
        let answer = counted(transaction, &batch).await;
        match answer {
            Ok(rows) => {
                let seconds = rounded_seconds(since.elapsed() / u32::try_from(rows.len().max(1)).unwrap_or(u32::MAX));
                for (countable, row) in batch.tests.iter().zip(rows) {
                    let (Some(row), Some(known)) = (row, known.get_mut(countable.place)) else { continue };
                    let Known::Compiled(sql) = known else { continue };
                    let test = tests[countable.place];
                    let mut verdict = TestVerdict { compiled: Some(sql.clone()), seconds, ..unjudged(test) };
                    // What is no number is told when it is run alone.
                    if judged(manifest, test, &row, &mut verdict).is_ok() {
                        *known = Known::Verdict(verdict);
                    }
                }
            }
            Err(error) if error.policy() == Policy::Fail => {
                transaction.batch("rollback to savepoint amalgam_test", DOING).await?;
                // One of them is refused; it is run alone in the end, and the others don't have to be.
                open.extend(batch.halves());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(known)
}

/// The SQL of the tests that are wanted; what can't be compiled tells why when it is run alone.
async fn compiled(
    transaction: &Transaction<'_>,
    manifest: &Arc<Manifest>,
    tests: &[&Node],
    wanted: &[bool],
    round: Round<'_>,
) -> Result<Vec<Option<String>>> {
    let ids: Vec<_> = tests.iter().zip(wanted).map(|(test, wanted)| wanted.then(|| test.id.clone())).collect();
    let mut all: Vec<Option<String>> = Vec::with_capacity(ids.len());
    while all.len() < ids.len() {
        let (manifest, ids) = (manifest.clone(), ids[all.len()..].to_vec());
        let (stands_for, started) = (round.stands_for.to_vec(), round.started);
        let hanging = Default::default();
        let (some, is_refused) = with_connection(On::Transaction(transaction, &hanging), move |connection| {
            let voice = Voice::held(manifest.setting.says);
            let manner = Manner { as_new: false, stands_for, voice, ..Manner::new(started, Some(connection)) };
            let mut some = Vec::with_capacity(ids.len());
            for id in &ids {
                let Some(id) = id else {
                    some.push(None);
                    continue;
                };
                let sql = manifest.node(id).and_then(|test| {
                    let sql = compile::compile(&manifest, test, &manner)?;
                    manifest.write_compiled(test, &sql);
                    Ok(sql)
                });
                let is_refused = sql.is_err();
                // One that is refused says all of it again, alone.
                if is_refused {
                    manner.voice.forget()
                } else {
                    manner.voice.release()
                }
                some.push(sql.ok());
                if is_refused {
                    // It may have asked the warehouse what that refused.
                    return (some, true);
                }
            }
            (some, false)
        })
        .await?;
        all.extend(some);
        if is_refused {
            transaction.batch("rollback to savepoint amalgam_test", DOING).await?;
        }
    }
    Ok(all)
}

/// Whether a package writes by itself what a test asks of its rows.
fn has_own_sql(manifest: &Manifest) -> bool {
    let names = ["get_test_sql", "default__get_test_sql", "postgres__get_test_sql"];
    let packages = manifest.setting.packages.iter().filter(|package| *package != DBT);
    packages.into_iter().any(|of| names.iter().any(|name| manifest.setting.engine.definition(of, name).is_some()))
}

fn asks(test: &Node) -> Option<Asks> {
    let limit = match stored::limit(test) {
        None => None,
        Some(limit) => Some(limit.as_u64()?),
    };
    let fail_calc = test.settings.text("fail_calc").unwrap_or_else(|| "count(*)".to_owned());
    Asks::of(&fail_calc, &bound_of(test, "warn_if"), &bound_of(test, "error_if"), limit)
}

/// What [`judged`] looks at, of each test; `None` where it must be run alone to say.
async fn counted(transaction: &Transaction<'_>, batch: &Batch) -> Result<Vec<Option<Vec<Option<String>>>>> {
    if batch.sorts() {
        let mebibytes = SORT_MEBIBYTES / batch.counts().len().clamp(1, SORT_MEBIBYTES);
        let more = format!(
            "select set_config('work_mem', '{mebibytes}MB', true) \
             where pg_size_bytes(current_setting('work_mem')) < pg_size_bytes('{mebibytes}MB')"
        );
        transaction.batch(&more, DOING).await?;
    }
    let row = transaction.query_one(&batch.sql(), &[], DOING).await?;
    if batch.sorts() {
        // Gives the memory back; nothing else was done since.
        transaction.batch("rollback to savepoint amalgam_test", DOING).await?;
    }
    let truth = |is: bool| Some(if is { "t" } else { "f" }.to_owned());
    let one = |(at, test): (usize, &Countable)| {
        let first = at * 4;
        let is_known = test.shape.is_exact || row.get::<_, i64>(first) == 0;
        is_known.then(|| vec![row.get(first + 1), truth(row.get(first + 2)), truth(row.get(first + 3))])
    };
    Ok(batch.tests.iter().enumerate().map(one).collect())
}
