//! A dbt project built.
//!
//! Owns everything between a project's files and its published relations. `reading/` takes what lies on disk, `jinja/`
//! renders it on the stock engine, `context/` is what a template sees, `builtin/` are dbt's own macros, `manifest/` is
//! every node and the graph, `lineage/` which columns a column comes from and `descent/` that of the whole project,
//! `packages/` fetches what is taken from elsewhere; [`decide`] says what must be built, [`build`]
//! does it through [`materialize`] and [`testing`]. Refuses to schedule: which models, and when, is the orchestrator's,
//! which sees [`Models`] alone.
//! Guarantee: a model is built, tested and published in one transaction, or its last good version stays.

mod agenda;
mod artifacts;
mod build;
mod builtin;
mod checksum;
mod clean;
mod clone;
mod compile;
mod compile_all;
mod context;
mod decide;
mod defer;
mod descent;
mod doubled;
mod freshness;
mod heed;
mod history;
mod hold;
mod jinja;
mod ledger;
mod lineage;
mod load;
mod manifest;
mod materialize;
mod microbatch;
mod operation;
mod options;
mod packages;
mod plan;
mod profile;
mod reading;
mod relation;
mod results;
mod run_operation;
mod seed;
mod seen;
mod select;
mod show;
mod spread;
mod templates;
mod testing;
mod turn;
mod units;
mod verdict;
mod wall_clock;

use crate::{
    domain::{Clock, ModelId, TableName},
    error::{Error, Kind, Result},
    telemetry::Metrics,
    warehouse::Warehouse,
};
pub use agenda::{Agenda, Duty, Step};
pub use artifacts::Catalog;
use chrono::{DateTime, Utc};
pub use clean::{Cleaned, clean};
pub use clone::{Cloned, Elsewhere};
pub use context::{SAMPLE, Says};
pub use descent::{ColumnLineage, ColumnOrigins, Lineage, NodeLineage, Origin, RowsOrigin};
pub use freshness::Freshness;
pub use heed::checked_warnings;
use manifest::Manifest;
pub use operation::Moment;
pub use options::{BatchSpan, BuildOptions, Response, TestChoice, Told};
pub use packages::{Added, DepsOptions, InstalledPackage, PackageOrigin, install_packages};
pub use profile::{ProfileChoice, take_profile};
pub use results::{NodeResult, NodeStatus, Performed};
pub use select::{Indirect, Selected, Selection};
use serde::Serialize;
use serde_json::Value as Json;
pub use show::{Looked, Preview};
pub use spread::STACK_BYTES;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};
pub use verdict::{TestStatus, TestVerdict};

/// A project, parsed, and the warehouse to build it in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Models {
    manifest: Arc<Manifest>,
    warehouse: Warehouse,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// One model of the project, as far as the graph needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelNode {
    /// Its unique id.
    pub id: ModelId,
    /// The models it reads.
    pub models: Vec<ModelId>,
    /// The models that only its tests compare with: better built before it, but their failure is not
    /// its own.
    pub after: Vec<ModelId>,
    /// The source's tables it reads from the raw schema.
    pub tables: Vec<TableName>,
    /// Whether what reads it goes on with its last good version where it fails: `on_error: continue`.
    pub continues: bool,
}

/// One model, as a person sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelSummary {
    /// Its name.
    pub name: String,
    /// How it becomes a relation; `unreadable` where its own file can't be used.
    pub materialized: String,
    /// The relation.
    pub relation: String,
    /// How many tests it has.
    pub tests: usize,
    /// Its file.
    pub file: String,
}

/// What a build of one model did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BuildOutcome {
    /// Whether anything was built or tested; if not, nothing it depends on had changed.
    pub built: bool,
    /// Why, in words.
    pub reason: String,
    /// Rows of the published relation; `None` for views.
    pub rows: Option<u64>,
    /// Tests of warning severity that failed, by name.
    pub warnings: Vec<String>,
    /// How it took longer, or has fewer rows, than its builds usually do: each in words.
    pub unusual: Vec<String>,
    /// What each test said.
    pub tests: Vec<TestVerdict>,
}

impl BuildOutcome {
    /// Of a model that is left as it is.
    fn nothing(reason: &str, tests: Vec<TestVerdict>) -> Self {
        let (reason, warnings, unusual) = (reason.to_owned(), Vec::new(), Vec::new());
        Self { built: false, reason, rows: None, warnings, unusual, tests }
    }
}

impl Models {
    /// Keeps the project until the process ends: to take thousands of nodes apart takes a command as long as to look at
    /// the warehouse, and gives nothing back.
    pub fn keep(&self) {
        std::mem::forget(self.manifest.clone());
    }

    /// The models and what they read, parents first.
    pub fn nodes(&self) -> Vec<ModelNode> {
        let node = |id: &ModelId| {
            let node = self.manifest.nodes.get(id).filter(|node| !node.is_empty())?;
            Some(ModelNode {
                id: id.clone(),
                models: node.parents.iter().filter(|p| self.has(p)).cloned().collect(),
                after: self
                    .manifest
                    .after
                    .get(id)
                    .into_iter()
                    .flatten()
                    .filter(|a| !node.parents.contains(*a) && self.has(a))
                    .cloned()
                    .collect(),
                tables: node.sources.iter().filter_map(|s| s.raw.clone()).collect(),
                continues: node.continues(),
            })
        };
        self.manifest.dag.order().iter().filter_map(node).collect()
    }

    /// Whether the project has this model, and in its file is something.
    pub fn has(&self, model: &ModelId) -> bool {
        self.manifest.nodes.get(model).is_some_and(|node| node.resource.is_built() && !node.is_empty())
    }

    /// What a selection names, parents first: dbt's syntax (`name`, `fold*`, `+a`, `b+`, `2+c`, `tag:`,
    /// `path:`, `config.materialized:`, `source:`; a comma for both, several for either).
    pub fn select(&self, select: &[String], exclude: &[String]) -> Result<Vec<ModelId>> {
        select::built(&self.manifest, select, exclude)
    }

    /// All that a selection means, tests, sources and exposures too. `state`: the folder of an earlier run's
    /// artifacts.
    ///
    /// # Errors
    /// A part can't be understood, or names a node that there is none of.
    pub fn find(&self, selection: &Selection, state: Option<&Path>) -> Result<Selected> {
        let before = state.map(select::Before::read).transpose()?;
        let found = select::find(&self.manifest, selection, before.as_ref())?;
        match found.unknown.first() {
            Some(unknown) => Err(Error::new(Kind::UnknownSelection, unknown.clone())),
            None => Ok(found),
        }
    }

    /// The nodes among some that become relations, parents first.
    pub fn in_order(&self, ids: &BTreeSet<String>) -> Vec<ModelId> {
        self.manifest.dag.order().iter().filter(|id| ids.contains(id.as_str())).cloned().collect()
    }

    /// A node, a table of a source or an exposure as `manifest.json` has it; null where there is none.
    pub fn described(&self, id: &str) -> Json {
        let of_source = || self.manifest.sources.get(id).map(manifest::described_source);
        let of_exposure = || self.manifest.exposures.get(id).map(manifest::described_exposure);
        match self.manifest.describe(id) {
            Json::Null => of_source().or_else(of_exposure).unwrap_or_default(),
            node => node,
        }
    }

    /// What becomes of a warning of dbt's name: an error of that kind where `--warn-error` asks for it; else whether it
    /// is told.
    ///
    /// # Errors
    /// It ends the command.
    pub fn warned(&self, event: &str, kind: Kind, what: &str) -> Result<bool> {
        match heed::heed(&self.manifest.setting.flags, event) {
            heed::Heed::Fail => Err(Error::new(kind, format!("{what} ({event}, an error by --warn-error)"))),
            heeded => Ok(heeded == heed::Heed::Tell),
        }
    }

    /// Sees that the warehouse can be reached.
    ///
    /// # Errors
    /// It can't.
    pub async fn reach(&self) -> Result<()> {
        self.warehouse.session().await.map(drop)
    }

    /// The folder for what commands leave behind.
    pub fn target_folder(&self) -> &Path {
        &self.manifest.project.target_path
    }

    /// Writes `manifest.json` below the target folder. `compiled`: the SQL of what was compiled, by unique id.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn write_manifest(&self, compiled: &BTreeMap<&str, &str>) -> Result<()> {
        self.manifest.write(self.clock.now(), compiled)
    }

    /// The window of event time through which nodes see what they read, where the command asked for one.
    pub fn sample(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        self.manifest.setting.sample.map(|window| (window.from, window.until))
    }

    /// The name of a node, as people say it.
    pub fn name(&self, id: &str) -> String {
        let node = self.manifest.nodes.get(&ModelId::new(id));
        let shown = |node: &manifest::Node| match &node.unit {
            Some(unit) => unit.shown(node),
            None => node.name.clone(),
        };
        node.map_or_else(|| id.to_owned(), shown)
    }

    /// A model as a person sees it.
    pub fn summary(&self, model: &ModelId) -> Result<ModelSummary> {
        let node = self.manifest.node(model)?;
        Ok(ModelSummary {
            name: node.name.clone(),
            materialized: node.fault.as_ref().map_or_else(|| node.materialized(), |_| "unreadable".to_owned()),
            relation: materialize::shown(&node.relation),
            tests: self.manifest.tests_of(model).count(),
            file: node.file.clone(),
        })
    }

    /// What is wrong with models' own files and with their unit tests, parents first. Building one of these models
    /// fails with the same, and what reads them can't be built.
    pub fn faults(&self) -> Vec<Error> {
        let nodes = self.manifest.dag.order().iter().filter_map(|id| self.manifest.nodes.get(id));
        let with_units = nodes.flat_map(|node| std::iter::once(node).chain(self.manifest.units_of(&node.id)));
        with_units.filter_map(|node| node.sound().err()).collect()
    }
}
