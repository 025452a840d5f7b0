//! Work on many tables at once, with progress shown.

use super::{Context, Outcome, failure};
use crate::{
    domain::{Table, TableName},
    error::{Policy, Result},
    telemetry::rounded_seconds,
};
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{io::IsTerminal, time::Instant};
use tokio::task::JoinSet;

/// What became of one table.
pub(super) struct Done<T> {
    pub table: TableName,
    pub result: Result<T>,
    pub seconds: f64,
}

/// The names of the tables, those with most bytes first: the longest work must not begin last.
pub(super) fn largest_first<'a>(tables: impl Iterator<Item = &'a Table>) -> Vec<TableName> {
    let mut tables: Vec<&Table> = tables.collect();
    tables.sort_by_key(|t| std::cmp::Reverse(t.data_bytes));
    tables.into_iter().map(|t| t.name.clone()).collect()
}

/// Does the work on every table, `[sync] parallel_tables` at once, each on a thread of the runtime. A
/// failure is told when it happens; one that no other table could escape ends it all.
pub(super) async fn work<T, F>(
    context: &Context,
    doing: &'static str,
    tables: Vec<TableName>,
    each: impl Fn(TableName) -> F,
) -> anyhow::Result<Vec<Done<T>>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let at_once = context.config()?.sync.parallel_tables;
    let bar = progress(doing, tables.len());
    let mut todo = tables.into_iter();
    let mut working = JoinSet::new();
    let mut done = Vec::new();
    loop {
        for table in todo.by_ref().take(at_once - working.len()) {
            let (started, work) = (Instant::now(), each(table.clone()));
            working.spawn(async move {
                let result = work.await;
                Done { table, result, seconds: rounded_seconds(started.elapsed()) }
            });
        }
        let Some(one) = working.join_next().await else { break };
        let one = one.context("a table's work panicked")?;
        bar.inc(1);
        bar.set_message(one.table.to_string());
        match one.result {
            Err(error) if matches!(error.policy(), Policy::Halt | Policy::Wait) => {
                bar.finish_and_clear();
                return Err(error.into());
            }
            Err(ref error) => bar.suspend(|| failure::tell(&format!("{doing} {}", one.table), error)),
            Ok(_) => {}
        }
        done.push(one);
    }
    bar.finish_and_clear();
    Ok(done)
}

/// Failed where any table failed.
pub(super) fn outcome<T>(done: &[Done<T>]) -> Outcome {
    if done.iter().all(|d| d.result.is_ok()) { Outcome::Done } else { Outcome::Failed }
}

/// A bar on a terminal; nothing elsewhere, where the result is printed at the end.
fn progress(doing: &'static str, tables: usize) -> ProgressBar {
    let length = u64::try_from(tables).expect("a count of tables is small");
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {elapsed} {msg}")
        .expect("the template names only known fields");
    ProgressBar::with_draw_target(Some(length), target).with_style(style).with_prefix(doing)
}
