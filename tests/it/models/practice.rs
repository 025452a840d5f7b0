//! The models of this repository, over the invented practice.

use crate::harness::{Bench, Servers};
use amalgam::{
    demo::{
        practice::{DATABASE, Practice, Size},
        servers::{Kind as ServerKind, Server as PrivateServer},
    },
    domain::{Clock, TableName},
    models::{Models, TestStatus},
    source::Source,
    state::State,
    sync::{SyncOptions, Syncer},
    telemetry::Metrics,
    warehouse::Warehouse,
};
use std::{collections::BTreeSet, path::Path, sync::Arc};

/// The models of this repository, and a warehouse that holds what they read of the invented practice.
pub(super) struct Office {
    pub(super) bench: Bench,
    pub(super) models: Models,
    _server: PrivateServer,
}

impl Office {
    pub(super) async fn open(name: &str) -> Self {
        let server = crate::harness::start(ServerKind::MariaDb, name);
        Practice::new(server.socket())
            .fill(Size { patients: 200, seed: 7 }, &Clock::system(), |_| {})
            .await
            .expect("it fills");
        let bench = Servers::fresh(name).await;
        let mut config = bench.config();
        config.source.port = server.port();
        config.source.user = "root".to_owned();
        config.source.database = DATABASE.to_owned();
        config.models.project_dir = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("sql_models"));
        State::new(&config.warehouse).migrate().await.expect("migrations run");
        let (source, metrics) = (Source::new(&config.source).expect("a pool"), Arc::new(Metrics::default()));
        let warehouse = Warehouse::new(&config.warehouse).expect("a pool");
        let models = Models::load(&config, warehouse.clone(), Arc::clone(&metrics), Clock::system())
            .expect("a good project")
            .expect("named");
        let syncer = Syncer::new(source, warehouse, Arc::new(config), metrics);
        let nodes = models.nodes();
        let tables: BTreeSet<&TableName> = nodes.iter().flat_map(|n| &n.tables).collect();
        assert_eq!(tables.len(), 10, "{tables:?}");
        for table in tables {
            syncer.sync_table(table, SyncOptions::default()).await.expect("a table comes over");
        }
        Self { bench, models, _server: server }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_of_this_repository_agree_with_the_practice() {
    let Office { bench, models, .. } = Office::open("models_of_repository").await;
    let nodes = models.nodes();
    let mut warned = Vec::new();
    for node in &nodes {
        let outcome = models.build(&node.id, false).await.unwrap_or_else(|e| panic!("{}: {e}", node.id));
        warned.extend(outcome.warnings);
        assert!(outcome.tests.iter().all(|t| t.status != TestStatus::Skip), "{}", node.id);
    }
    assert!(warned.is_empty(), "{warned:?}");
    for (fact, wrong) in AGREEMENTS {
        assert_eq!(bench.text(wrong).await, "0", "{fact}");
    }
    let again = futures_util::future::join_all(nodes.iter().map(|n| models.build(&n.id, false))).await;
    assert!(again.into_iter().all(|o| !o.expect("looked at").built));
}

/// What must hold between the marts and the practice's own books: a fact, and a query for what breaks it.
const AGREEMENTS: &[(&str, &str)] = &[
    (
        "the aging owes what the practice's own balances say",
        "select count(*) from raw.patient p full join marts.mart_ar_aging a on a.patient_id = p.\"PatNum\"
         where coalesce(a.balance, 0) <> coalesce(p.\"EstBalance\", 0)::numeric(12, 2)",
    ),
    (
        "the ages and the unapplied credit make up the balance",
        "select count(*) from marts.mart_ar_aging
         where balance_0_30 + balance_31_60 + balance_61_90 + balance_over_90 - unapplied_credit <> balance",
    ),
    (
        "the days' amounts make up the receivables",
        "select count(*) from (select sum(net_production - collections) as owed from marts.mart_daily_production_collections) d,
         (select sum(balance) as owed from marts.mart_ar_aging) a where d.owed <> a.owed",
    ),
    ("some money is owed", "select 1 - least(1, count(*)) from marts.mart_ar_aging where balance > 0"),
    (
        "every appointment on the schedule is told once",
        "select count(*) - (select count(*) from raw.appointment where \"AptStatus\" in (1, 2, 4, 5)) from marts.mart_appointments",
    ),
    (
        "the rates add up to the appointments",
        "select sum(appointments) - (select count(*) from marts.mart_appointments) from marts.mart_no_show_rate",
    ),
    (
        "the history holds today's total",
        "select count(*) from marts.mart_ar_history h where h.balance <> (select sum(balance) from marts.mart_ar_aging)",
    ),
];
