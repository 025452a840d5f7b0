//! A dbt project built.
//!
//! Owns everything between a project's files and its published relations: [`project`] and
//! [`properties`] are read, [`render`] turns Jinja into SQL, [`manifest`] is the graph, [`decide`] says
//! what must be built, [`build`] does it. Refuses to schedule: which models, and when, is the
//! orchestrator's, which sees [`Models`] alone.
//! Guarantee: a model is built, tested and published in one transaction, or its last good version stays.

mod arguments;
mod build;
mod callable;
mod checksum;
mod compile;
mod config;
mod decide;
mod draft;
mod effort;
mod generic_test;
mod hold;
mod increment;
mod json;
mod ledger;
mod macros;
mod manifest;
mod materialize;
mod methods;
mod names;
mod project;
mod properties;
mod relation;
mod render;
mod run_started;
mod schema;
mod scope;
mod seen;
mod select;
mod testing;
mod wall_clock;
mod yaml;

use crate::{
    config as configuration,
    domain::{Clock, ModelId, TableName},
    error::{Error, Result},
    telemetry::Metrics,
    warehouse::Warehouse,
};
pub use generic_test::{Severity, TestStatus, TestVerdict};
use manifest::{Manifest, Setting};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BuildOutcome {
    /// Whether anything was built or tested; if not, nothing it depends on had changed.
    pub built: bool,
    /// Why, in words.
    pub reason: String,
    /// Rows of the published relation; `None` for views.
    pub rows: Option<u64>,
    /// Tests of warning severity that failed, by name.
    pub warnings: Vec<String>,
    /// What each test said.
    pub tests: Vec<TestVerdict>,
}

impl Models {
    /// Reads and parses the project; `None` where the configuration names none.
    pub fn load(
        config: &configuration::Config,
        warehouse: Warehouse,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Result<Option<Self>> {
        let Some(root) = &config.models.project_dir else { return Ok(None) };
        let project = project::Project::read(root)?;
        let mut vars = ledger::vars(&config.models);
        // The project's sources lie where the sync puts them, unless somebody says otherwise.
        vars.entry("raw_schema").or_insert_with(|| config.warehouse.raw_schema.clone().into());
        let setting = Setting {
            target: properties::Target {
                name: config.models.target.clone(),
                profile: config.models.profile.clone(),
                schema: config.models.schema.clone(),
                database: config.warehouse.database.clone(),
                host: config.warehouse.host.clone(),
                port: config.warehouse.port,
                user: config.warehouse.user.clone(),
                threads: config.models.threads,
            },
            vars,
            raw_schema: config.warehouse.raw_schema.clone(),
            invocation: checksum::of([fastrand::u128(..).to_string().as_str()])[..32].to_owned(),
        };
        let manifest = Arc::new(Manifest::load(project, setting)?);
        Ok(Some(Self { manifest, warehouse, metrics, clock }))
    }

    /// The models and what they read, parents first.
    pub fn nodes(&self) -> Vec<ModelNode> {
        let node = |id: &ModelId| {
            let node = self.manifest.nodes.get(id)?;
            Some(ModelNode {
                id: id.clone(),
                models: node.parents.iter().cloned().collect(),
                after: node.tested_against.difference(&node.parents).cloned().collect(),
                tables: node.sources.iter().filter_map(|s| s.raw.clone()).collect(),
            })
        };
        self.manifest.dag.order().iter().filter_map(node).collect()
    }

    /// Whether the project has this model.
    pub fn has(&self, model: &ModelId) -> bool {
        self.manifest.nodes.contains_key(model)
    }

    /// What a selection names, parents first: dbt's syntax (`name`, `fold*`, `+a`, `b+`, `2+c`, `tag:`,
    /// `path:`, `config.materialized:`, `source:`; a comma for both, several for either).
    pub fn select(&self, select: &[String], exclude: &[String]) -> Result<Vec<ModelId>> {
        select::select(&self.manifest, select, exclude)
    }

    /// A model as a person sees it.
    pub fn summary(&self, model: &ModelId) -> Result<ModelSummary> {
        let node = self.manifest.node(model)?;
        Ok(ModelSummary {
            name: node.name.clone(),
            materialized: node.fault.as_ref().map_or(node.materialized.as_str(), |_| "unreadable").to_owned(),
            relation: materialize::shown(&node.relation),
            tests: node.tests.len(),
            file: node.file.clone(),
        })
    }

    /// What is wrong with models' own files, parents first. Building one of these models fails with the
    /// same, and what reads them can't be built.
    pub fn faults(&self) -> Vec<Error> {
        let nodes = self.manifest.dag.order().iter().filter_map(|id| self.manifest.nodes.get(id));
        nodes.filter_map(|node| node.sound().err()).collect()
    }

    /// The SQL of a model, as for a first build; also written below the target folder.
    pub fn compile(&self, model: &ModelId) -> Result<String> {
        let node = self.manifest.node(model)?;
        let started = self.clock.now();
        let manner = compile::Manner { incremental: false, full_refresh: false, started };
        let sql = self.manifest.compile(node, manner)?;
        self.manifest.write_compiled(node, &sql);
        Ok(sql)
    }

    /// The tests of each model, by name; for a person.
    pub fn tests(&self) -> BTreeMap<ModelId, Vec<String>> {
        let names = |node: &manifest::Node| node.tests.iter().map(|t| t.test.name.clone()).collect();
        self.manifest.nodes.values().map(|node| (node.id.clone(), names(node))).collect()
    }
}
