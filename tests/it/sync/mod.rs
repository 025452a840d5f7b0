//! One table in step, on real servers.

mod behind;
mod changes;
mod character_sets;
mod chunks;
mod clerks;
mod deletes;
mod drift;
mod file_order;
mod gaps;
mod gentle;
mod kinds;
mod loads;
mod logs;
mod meddled;
mod names;
mod own_keys;
mod quiet;
mod replica;
mod rules;
mod servers_settings;
mod set_aside;
mod shapes;
mod slow;
mod stamps;
mod statistics;
mod stream;
mod types;

use crate::harness::{self, Bench};
use amalgam::{
    config::{Config, TableOverride},
    domain::{Catalog, Clock, SyncMode, TableName},
    source::Source,
    sync::{Differences, SyncOptions, SyncOutcome, Syncer},
    telemetry::Metrics,
};
use std::sync::Arc;

const PLAIN: SyncOptions = SyncOptions { full: false, reconcile: false, every_row: false };
const RECONCILE: SyncOptions = SyncOptions { full: false, reconcile: true, every_row: false };
const FULL: SyncOptions = SyncOptions { full: true, reconcile: false, every_row: false };

/// A table whose edits the server stamps.
const STAMPED: &str = "create table t (k int primary key, v int, s timestamp not null default current_timestamp \
                       on update current_timestamp) engine=MyISAM;";

/// A syncer over a bench, with a configuration of the test's own.
async fn syncer_with(bench: &Bench, change: impl FnOnce(&mut Config)) -> Syncer {
    syncer_that_counts(bench, change).await.0
}

/// The same, and what it counts.
async fn syncer_that_counts(bench: &Bench, change: impl FnOnce(&mut Config)) -> (Syncer, Arc<Metrics>) {
    let mut config = bench.config();
    change(&mut config);
    let metrics = Arc::new(Metrics::default());
    (harness::syncer(config, &Clock::system(), &metrics).await, metrics)
}

async fn syncer(bench: &Bench) -> Syncer {
    syncer_with(bench, |_| {}).await
}

/// The same, with the mode of table `t` chosen by hand: small tables are otherwise compared whole.
async fn syncer_in_mode(bench: &Bench, mode: SyncMode) -> Syncer {
    syncer_with(bench, |config| {
        config.tables.insert("t".to_owned(), in_mode(mode));
    })
    .await
}

fn in_mode(mode: SyncMode) -> TableOverride {
    TableOverride { mode: Some(mode), ..TableOverride::default() }
}

/// The source as configured, and what it holds.
async fn described(config: &Config) -> (Source, Catalog) {
    let source = Source::new(&config.source).expect("the settings are right");
    let catalog = source.describe(None, |_| true).await.expect("described");
    (source, catalog)
}

async fn sync(syncer: &Syncer, options: SyncOptions) -> SyncOutcome {
    syncer.sync_table(&TableName::from("t"), options).await.expect("the table is synced")
}

/// Waits until the source's clock shows another second: a table tells of it when it was made, and no more. MyISAM
/// reads it from a clock that only the kernel's ticks move, which is some milliseconds behind.
async fn another_second(bench: &Bench) {
    let second =
        async |behind: &str| bench.source_texts(&format!("select floor(unix_timestamp(now(6)) - {behind})")).await;
    let now = second("0").await;
    harness::until("another second", || async { second("0.1").await > now }).await;
}

async fn differences(syncer: &Syncer) -> Differences {
    syncer.verify_table(&TableName::from("t")).await.expect("the table is compared")
}

/// Asserts that both sides are equal, and that the comparison saw `rows` rows.
async fn assert_equal(syncer: &Syncer, rows: u64) {
    assert_eq!(differences(syncer).await, Differences { rows, ..Differences::default() });
}
