//! Random tables, random histories, random faults: once healed, both sides are equal, value for value.
//!
//! A history makes a few tables of random types, keys and engines, then writes to them and alters them
//! between syncs that are cut off, slowed, called off and refused. Two kinds: in a *told* history each
//! mode is only given what it promises to find (`merge` stamped edits, `append` new keys and emptied logs,
//! `replace` and `stream` anything), and plain syncs must end equal; in a *silent* one anything happens, and a
//! reconciliation must. Rows that the source has deleted may be kept, by rule; those that are set aside may not,
//! in no version. All share one source, whose binary log is rotated and purged by any of them.
//! `HISTORIES` (200 unless told otherwise) and `HISTORY_SEED` (printed where one fails) are read from the environment.

mod script;
mod values;

use crate::{
    harness::{Bench, ROWS_LOGGED, Servers, start_with},
    proxy::{Fault, Proxy},
};
use amalgam::{
    config::{Config, TableOverride, TypeRule},
    demo::servers::{self, Server},
    domain::{BadText, Deletes, SyncMode, TableName},
    error::{Error, Kind},
    source::{Source, Untold},
    state::State,
    sync::{Action, Differences, SyncOptions, SyncOutcome, Syncer},
    telemetry::Metrics,
    warehouse::Warehouse,
};
use script::{Script, Table};
use std::{sync::Arc, time::Duration};

/// Histories told at once: as many as the machine has cores, about.
const LANES: usize = 3;
/// The first seed, unless told otherwise.
const SEED: u64 = 20_261_122;
/// A healed sync is tried so often: a fault may have left a connection in the pool.
const HEALED_TRIES: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn random_histories_end_with_both_sides_equal() {
    let number = |name: &str, otherwise| std::env::var(name).map_or(otherwise, |n| n.parse().expect("a number"));
    let (histories, first): (u64, u64) = (number("HISTORIES", 200), number("HISTORY_SEED", SEED));
    let flags = [&ROWS_LOGGED[..], &["--max-binlog-size=256K"]].concat();
    let server = Arc::new(start_with(servers::Kind::MariaDb, "histories", &flags));
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..LANES {
        let server = Arc::clone(&server);
        lanes.spawn(async move {
            let mut streamed = Streamed::default();
            for seed in (first..first + histories).skip(lane).step_by(LANES) {
                history(seed, &server, &mut streamed).await;
            }
            streamed
        });
    }
    let mut streamed = Streamed::default();
    while let Some(ended) = lanes.join_next().await {
        let lane = ended.expect("a history tells its seed where it fails");
        streamed.followed += lane.followed;
        streamed.compared += lane.compared;
    }
    println!("{histories} histories from seed {first}; of tables that follow the log: {streamed:?}");
    assert!(histories < 100 || streamed.followed > histories / 10, "{streamed:?}");
}

/// Syncs of tables that are to follow the log.
#[derive(Clone, Copy, Debug, Default)]
struct Streamed {
    followed: u64,
    compared: u64,
}

impl Streamed {
    fn count(&mut self, table: &Table, outcome: &SyncOutcome, seed: u64) {
        if table.mode != SyncMode::Stream {
            return;
        }
        assert_ne!(outcome.untold, Some(Untold::NotUnderstood), "seed {seed} {}", table.name);
        match (outcome.action, outcome.untold) {
            (Action::Delta, None) => self.followed += 1,
            (_, Some(_)) => self.compared += 1,
            _ => {}
        }
    }
}

async fn history(seed: u64, server: &Server, streamed: &mut Streamed) {
    let mut script = Script::new(seed);
    let bench = Servers::fresh_at("history", server).await;
    let (source, warehouse) =
        (Proxy::before(bench.config().source.port).await, Proxy::before(bench.config().warehouse.port).await);
    let mut config = bench.config();
    (config.source.port, config.warehouse.port) = (source.port(), warehouse.port());
    config.source.connect_seconds_max = 2;
    config.warehouse.connect_seconds_max = 2;
    config.source.range_rows = script.pick(&[1, 7, 100, 50_000]);
    config.sync.chunk_rows = script.pick(&[3, 20, 10_000]);
    config.sync.batch_bytes_max = script.pick(&[64, 4_000, 1 << 20]);
    config.sync.load_part_bytes = script.pick(&[1, 3_000, 64 << 20]);
    config.source.bad_text = script.pick(&[BadText::Replace, BadText::Quarantine]);
    config.sync.deletes = script.pick(&[Deletes::Hard, Deletes::Soft, Deletes::Ignore]);
    if script.one_in(3) {
        // Flags hold any number: most of these rows are set aside.
        let (columns, declared) = ("*.*".to_owned(), Some("tinyint(1)".to_owned()));
        config.sync.types.push(TypeRule { columns, declared, becomes: "boolean".to_owned() });
    }
    // A second is what a stamp is rounded down to.
    config.sync.overlap_seconds = 1;
    bench.source(&script.create()).await;
    for table in script.tables() {
        let by_hand = TableOverride { mode: Some(table.mode), ..TableOverride::default() };
        config.tables.insert(table.name.clone(), by_hand);
    }
    State::new(&bench.config().warehouse).migrate().await.expect("the control plane can be made");
    let config = Arc::new(config);
    for step in 0..script.pick(&[2, 3, 5]) {
        let statements = script.step();
        bench.source(&statements).await;
        let troubles = [(&source, script.fault()), (&warehouse, script.fault())];
        for (proxy, fault) in &troubles {
            proxy.set(*fault);
        }
        let syncer = syncer(&config);
        for at in 0..script.tables().len() {
            let name: TableName = script.tables()[at].name.as_str().into();
            let options = SyncOptions { full: script.one_in(12), reconcile: script.one_in(6), every_row: false };
            let patience = Duration::from_millis(script.pick(&[30, 150, 600]));
            // Called off at any moment, as by a crash: what is dropped must leave nothing half done.
            let Ok(ended) = tokio::time::timeout(patience, syncer.sync_table(&name, options)).await else { continue };
            match ended {
                Ok(outcome) => streamed.count(&script.tables()[at], &outcome, seed),
                Err(error) => {
                    let in_trouble = troubles.iter().any(|(_, fault)| *fault != Fault::None);
                    assert!(in_trouble && excused(&error), "seed {seed} step {step} {name}: {:?} {error}", error.kind);
                }
            }
        }
        source.set(Fault::None);
        warehouse.set(Fault::None);
    }
    let syncer = syncer(&config);
    for at in 0..script.tables().len() {
        if script.tables()[at].mode == SyncMode::Stream {
            end_equal(&syncer, &script.tables()[at], script.is_told(), config.sync.deletes, seed).await;
            // Both sides are equal, and the log alone tells what comes then.
            bench.source(&script.write(at)).await;
            let (outcome, _) = end_equal(&syncer, &script.tables()[at], true, config.sync.deletes, seed).await;
            streamed.count(&script.tables()[at], &outcome, seed);
        }
    }
    for table in script.tables() {
        let (outcome, found) = end_equal(&syncer, table, script.is_told(), config.sync.deletes, seed).await;
        streamed.count(table, &outcome, seed);
        if found.quarantined + found.kept == 0 {
            assert_told_alike(&bench, table, seed).await;
        }
        if let Some(same_key) = table.same_key() {
            let older = format!(
                "select count(*) from raw.{name} t, amalgam.quarantine q where q.source_table = '{name}' and {same_key}",
                name = table.name
            );
            assert_eq!(
                bench.text(&older).await,
                "0",
                "seed {seed} {}: it stands there in an older version",
                table.name
            );
        }
        if !script.is_told() || table.mode == SyncMode::Stream {
            let listed = format!("select count(*) from amalgam.quarantine where source_table = '{}'", table.name);
            let listed: u64 = bench.text(&listed).await.parse().expect("a count");
            // Equal rows of a table without key are one entry.
            assert!(
                listed <= found.quarantined && (listed == 0) == (found.quarantined == 0),
                "seed {seed} {}: {listed}",
                table.name
            );
        }
    }
    bench.leave().await;
}

fn syncer(config: &Arc<Config>) -> Syncer {
    let source = Source::new(&config.source).expect("the source's settings are right");
    let warehouse = Warehouse::new(&config.warehouse).expect("the warehouse's settings are right");
    Syncer::new(source, warehouse, Arc::clone(config), Arc::new(Metrics::default()))
}

/// What the last sync did, and what a comparison finds at the end.
async fn end_equal(syncer: &Syncer, table: &Table, told: bool, rule: Deletes, seed: u64) -> (SyncOutcome, Differences) {
    let name = table.name.as_str().into();
    let options = SyncOptions { reconcile: !told, ..SyncOptions::default() };
    let mut last = None;
    for _ in 0..HEALED_TRIES {
        match syncer.sync_table(&name, options).await {
            Ok(outcome) => {
                let found = syncer.verify_table(&name).await;
                let found = found.unwrap_or_else(|e| panic!("seed {seed} {name}: {e}"));
                let kept = if rule == Deletes::Ignore { found.kept } else { 0 };
                let equal =
                    Differences { rows: found.rows, quarantined: found.quarantined, kept, ..Differences::default() };
                assert_eq!(found, equal, "seed {seed} {name} ({:?})", table.mode);
                return (outcome, found);
            }
            Err(error) => last = Some(error),
        }
    }
    panic!("seed {seed} {name}: not in step after {HEALED_TRIES} tries: {last:?}");
}

/// A second opinion, which goes through neither our reader nor our encoder: numbers, texts and bytes as both
/// servers themselves write them.
async fn assert_told_alike(bench: &Bench, table: &Table, seed: u64) {
    let (asked_there, asked_here) = table.words();
    let [mut there, mut here] = [bench.source_texts(&asked_there).await, bench.texts(&asked_here).await];
    there.sort();
    here.sort();
    assert_eq!(there, here, "seed {seed} {}: {asked_there}", table.name);
}

/// What a fault on the way may be told as.
fn excused(error: &Error) -> bool {
    matches!(
        error.kind,
        Kind::SourceUnreachable
            | Kind::SourceLost
            | Kind::WarehouseUnreachable
            | Kind::WarehouseLost
            | Kind::WarehouseBusy
            | Kind::WarehouseConflict
    )
}
