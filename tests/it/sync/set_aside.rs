//! Rows whose newer version has no place in the warehouse: the older one leaves, whatever becomes of rows
//! that the source has deleted, and however the newer one was found.

use super::{FULL, RECONCILE, differences, in_mode, sync, syncer_with};
use crate::harness::{Bench, Servers};
use amalgam::{
    config::{Config, TableOverride, TypeRule},
    domain::{BadText, Deletes, SyncMode},
    sync::{Action, Differences, SyncOptions},
};

const PLAIN: SyncOptions = SyncOptions { full: false, reconcile: false, every_row: false };
const RULES: [Deletes; 3] = [Deletes::Hard, Deletes::Soft, Deletes::Ignore];

/// A way on which a bad row is found.
struct Way {
    name: &'static str,
    key: &'static str,
    options: SyncOptions,
    action: Action,
    change: fn(&mut Config),
}

const WAYS: [Way; 6] = [
    Way { name: "compared", key: "int", options: RECONCILE, action: Action::Reconcile, change: |_| {} },
    Way {
        name: "in_chunks",
        key: "int",
        options: RECONCILE,
        action: Action::Reconcile,
        change: |config| (config.sync.chunk_rows, config.source.range_rows) = (2, 1),
    },
    Way {
        name: "stamped",
        key: "int",
        options: PLAIN,
        action: Action::Delta,
        change: |config| drop(config.tables.insert("t".to_owned(), in_mode(SyncMode::Merge))),
    },
    Way { name: "by_text", key: "varchar(9)", options: RECONCILE, action: Action::Reconcile, change: |_| {} },
    Way { name: "loaded", key: "varchar(9)", options: FULL, action: Action::Load, change: |_| {} },
    Way {
        name: "in_parts",
        key: "int",
        options: FULL,
        action: Action::Load,
        change: |config| config.sync.load_part_bytes = 1,
    },
];

/// Key, value, and whether the row is stamped, of every row of `t`.
async fn rows(bench: &Bench, rule: Deletes) -> String {
    let gone = if rule == Deletes::Soft { "case when _deleted_at is not null then 'gone' end" } else { "null" };
    bench.text(&format!("select string_agg(concat_ws(' ', k, v, {gone}), ', ' order by k::text) from raw.t")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_version_of_a_row_that_is_set_aside_leaves_under_every_rule() {
    for way in WAYS {
        for rule in RULES {
            let told = format!("{} {rule}", way.name);
            let bench = Servers::fresh("older").await;
            bench
                .source(&format!(
                    "create table t (k {} primary key, v varchar(20), ts timestamp not null default current_timestamp \
                     on update current_timestamp) engine=MyISAM; \
                     insert into t (k, v) select seq, seq from seq_1_to_9;",
                    way.key
                ))
                .await;
            let syncer = syncer_with(&bench, |config| {
                (way.change)(config);
                let numeric = TypeRule { columns: "t.v".to_owned(), declared: None, becomes: "numeric".to_owned() };
                config.sync.types.push(numeric);
                config.sync.deletes = rule;
            })
            .await;
            sync(&syncer, PLAIN).await;
            sync(&syncer, RECONCILE).await;
            bench.source("update t set v = 'no number' where k in (2, 5);").await;
            // Compared before it is mended: what stands there is untrue, and not what a rule keeps.
            let found = differences(&syncer).await;
            let untrue = Differences { rows: 9, surplus: 2, quarantined: 2, ..Differences::default() };
            assert_eq!(found, untrue, "{told}");
            let outcome = sync(&syncer, way.options).await;
            assert_eq!((outcome.action, outcome.rows_quarantined), (way.action, 2), "{told}");
            assert_eq!(rows(&bench, rule).await, "1 1, 3 3, 4 4, 6 6, 7 7, 8 8, 9 9", "{told}");
            let found = differences(&syncer).await;
            assert_eq!(found, Differences { rows: 9, quarantined: 2, ..Differences::default() }, "{told}");
            assert_eq!(bench.text("select row_count from amalgam.table_state").await, "7", "{told}");
            let again = sync(&syncer, RECONCILE).await;
            assert!(!again.changed() && again.rows_quarantined == 2, "{told}: {again:?}");
            // One is mended, the other deleted.
            bench.source("update t set v = '22' where k = 2; delete from t where k = 5;").await;
            sync(&syncer, way.options).await;
            sync(&syncer, RECONCILE).await;
            assert_eq!(rows(&bench, rule).await, "1 1, 2 22, 3 3, 4 4, 6 6, 7 7, 8 8, 9 9", "{told}");
            assert_eq!(bench.text("select count(*) from amalgam.quarantine").await, "0", "{told}");
            assert_eq!(bench.text("select row_count from amalgam.table_state").await, "8", "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stamped_row_leaves_when_the_source_has_it_again_and_it_is_set_aside() {
    let bench = Servers::fresh("back_and_bad").await;
    bench.source("create table t (k int primary key, v text); insert into t values (1, 'a'), (2, 'b');").await;
    let syncer = syncer_with(&bench, |config| {
        config.source.bad_text = BadText::Quarantine;
        config
            .tables
            .insert("t".to_owned(), TableOverride { deletes: Some(Deletes::Soft), ..TableOverride::default() });
    })
    .await;
    sync(&syncer, PLAIN).await;
    bench.source("delete from t where k = 2;").await;
    sync(&syncer, PLAIN).await;
    assert_eq!(rows(&bench, Deletes::Soft).await, "1 a, 2 b gone");
    bench.source("insert into t values (2, concat('b', char(0)));").await;
    let outcome = sync(&syncer, PLAIN).await;
    assert_eq!((outcome.rows_quarantined, outcome.rows_deleted), (1, 0), "it was as good as absent before");
    assert_eq!(rows(&bench, Deletes::Soft).await, "1 a");
    assert_eq!(bench.text("select row_count from amalgam.table_state").await, "1");
}
