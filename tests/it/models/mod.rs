//! Models on a real PostgreSQL: what is built and why, what readers see, and what hangs on a model.

mod changes;
mod command;
mod console;
mod dependents;
mod generic_tests;
mod history;
mod lineage;
mod microbatch;
mod packages;
mod practice;
mod project;
mod publish;
mod shared_scans;
mod templates;
mod unit_tests;
mod verbs;

use crate::harness::{Bench, Servers};
use amalgam::{
    config::Config,
    domain::{Clock, ModelId},
    error::Error,
    models::{BuildOutcome, Models},
    state::State,
    telemetry::Metrics,
    warehouse::Warehouse,
};
use std::{path::Path, sync::Arc};

const PROJECT: &str = "name: p\nmodels:\n  p:\n    +schema: marts\n";
const SOURCES: &str = "
sources:
  - name: od
    schema: raw
    tables:
      - name: payment
";

/// A project in a folder, and a warehouse that holds `raw.payment`.
struct Shop {
    bench: Bench,
    config: Config,
}

impl Shop {
    async fn open(name: &str) -> Self {
        let bench = Servers::fresh(name).await;
        let mut config = bench.config();
        config.models.project_dir = Some(bench.files().join("project"));
        config.models.schema = "analytics".to_owned();
        State::new(&config.warehouse).migrate().await.expect("migrations run");
        bench
            .warehouse(
                "create schema raw; create table raw.payment (id int, amount numeric, day date);
                 insert into raw.payment values (1, 10, '2024-01-01'), (2, 20, '2024-01-02');
                 insert into amalgam.table_state (source_table, mode, shape, row_count, source_read_at)
                 values ('payment', 'replace', '{}', 2, now())",
            )
            .await;
        let shop = Self { bench, config };
        shop.write("dbt_project.yml", PROJECT);
        shop.write("models/sources.yml", SOURCES);
        shop.write("models/pay.sql", "select id, amount, day from {{ source('od', 'payment') }}");
        shop
    }

    fn root(&self) -> &Path {
        self.config.models.project_dir.as_deref().expect("it was set at the start")
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.root().join(file);
        std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder can be made");
        std::fs::write(path, text).expect("a file can be written");
    }

    fn load(&self) -> Result<Models, Error> {
        self.load_at(Clock::system())
    }

    fn load_at(&self, clock: Clock) -> Result<Models, Error> {
        let warehouse = Warehouse::new(&self.config.warehouse).expect("a pool needs no server");
        let models = Models::load(&self.config, warehouse, Arc::new(Metrics::default()), clock);
        models.map(|m| m.expect("a project is named"))
    }

    async fn build(&self, name: &str) -> Result<BuildOutcome, Error> {
        self.load()?.build(&id(name), false).await
    }

    /// Builds, and tells why; empty where nothing was built.
    async fn reason(&self, name: &str) -> String {
        let outcome = self.build(name).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        if outcome.built { outcome.reason } else { String::new() }
    }

    async fn touch(&self, sql: &str) {
        let both = format!("begin; {sql}; update amalgam.table_state set data_version = data_version + 1; commit");
        self.bench.warehouse(&both).await;
    }
}

fn id(name: &str) -> ModelId {
    ModelId::new(format!("model.p.{name}"))
}
