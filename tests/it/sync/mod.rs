//! One table in step, on real servers.

mod changes;
mod chunks;
mod deletes;
mod drift;
mod file_order;
mod gentle;
mod kinds;
mod loads;
mod logs;
mod quiet;
mod replica;
mod rules;
mod set_aside;
mod shapes;
mod stamps;
mod statistics;
mod stream;
mod types;

use crate::harness::Bench;
use amalgam::{
    config::TableOverride,
    domain::{SyncMode, TableName},
    source::Source,
    state::State,
    sync::{Differences, SyncOptions, SyncOutcome, Syncer},
    telemetry::Metrics,
    warehouse::Warehouse,
};
use std::sync::Arc;

const RECONCILE: SyncOptions = SyncOptions { full: false, reconcile: true, every_row: false };
const FULL: SyncOptions = SyncOptions { full: true, reconcile: false, every_row: false };

/// A syncer over a bench, with a configuration of the test's own.
async fn syncer_with(bench: &Bench, change: impl FnOnce(&mut amalgam::config::Config)) -> Syncer {
    syncer_that_counts(bench, change).await.0
}

/// The same, and what it counts.
async fn syncer_that_counts(
    bench: &Bench,
    change: impl FnOnce(&mut amalgam::config::Config),
) -> (Syncer, Arc<Metrics>) {
    let mut config = bench.config();
    change(&mut config);
    State::new(&config.warehouse).migrate().await.expect("the control plane can be made");
    let source = Source::new(&config.source).expect("the source's settings are right");
    let warehouse = Warehouse::new(&config.warehouse).expect("the warehouse's settings are right");
    let metrics = Arc::new(Metrics::default());
    (Syncer::new(source, warehouse, Arc::new(config), Arc::clone(&metrics)), metrics)
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

async fn sync(syncer: &Syncer, options: SyncOptions) -> SyncOutcome {
    syncer.sync_table(&TableName::from("t"), options).await.expect("the table is synced")
}

async fn differences(syncer: &Syncer) -> Differences {
    syncer.verify_table(&TableName::from("t")).await.expect("the table is compared")
}

/// Asserts that both sides are equal, and that the comparison saw `rows` rows.
async fn assert_equal(syncer: &Syncer, rows: u64) {
    assert_eq!(differences(syncer).await, Differences { rows, ..Differences::default() });
}
