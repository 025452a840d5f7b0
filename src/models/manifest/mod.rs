//! A project, parsed: every node with what it reads, and the graph of them.
//!
//! Owns what dbt calls the manifest. [`load`] reads a project into it, [`draft`] makes a node of a file, [`generic`]
//! makes tests of what properties say, [`attach`] finds whose build runs a test. Refuses to run anything.
//! Guarantee: what is wrong with one node's own file is that node's fault alone; the others are there.

mod attach;
mod calls;
mod configured;
mod describe;
mod docs;
mod draft;
mod exposures;
mod generic;
mod load;
mod names;
mod node;
mod place;
mod resolve;
mod said;
mod sources;
mod test_name;
mod unit_rows;
mod units;

pub(super) use calls::{environment_in, macro_id};
pub(super) use configured::{config_of, usual};
pub(super) use describe::{Described, described_exposure, described_source, relation_name};
pub(super) use exposures::Exposure;
pub(super) use load::{Given, explained};
pub(super) use names::{Names, SourceTable};
pub(super) use node::{Fault, GenericTest, Node, RefCall, Resource, SourceRead};
pub(super) use said::version_order;
pub(super) use sources::Source;
pub(super) use unit_rows::UnitRows;
pub(super) use units::{UnitInput, UnitTest, described_unit};

use super::{
    checksum,
    context::scope::Setting,
    reading::{Entry, ProjectFile, selectors::Selector},
    relation::Relation,
};
use crate::{
    dag::Dag,
    domain::ModelId,
    error::{Error, Kind, Result},
};
use minijinja::value::Value;
use serde_json::Value as Json;
use std::{
    collections::BTreeMap,
    fmt::Display,
    sync::{Arc, OnceLock},
};

/// A project, parsed.
#[derive(Debug)]
pub(super) struct Manifest {
    /// Its own file.
    pub project: ProjectFile,
    /// What all renderings have in common.
    pub setting: Arc<Setting>,
    /// What names stand for.
    pub names: Names,
    /// Every enabled node.
    pub nodes: BTreeMap<ModelId, Node>,
    /// Tables of sources, by unique id.
    pub sources: BTreeMap<String, Source>,
    /// What people make of the models, by unique id.
    pub exposures: BTreeMap<String, Exposure>,
    /// Groups, as written.
    pub groups: Vec<Entry>,
    /// Texts of docs blocks, by package and name.
    pub docs: BTreeMap<(String, String), String>,
    /// Selections by name: `selectors.yml`.
    pub selectors: Vec<Selector>,
    /// What is off.
    pub unused: Unused,
    /// Tests, by the node whose build runs them; those of sources alone under no node.
    pub tests: BTreeMap<ModelId, Vec<ModelId>>,
    /// Unit tests, by the model that they are of.
    pub units: BTreeMap<ModelId, Vec<ModelId>>,
    /// Nodes that must be built before others only because tests compare with them.
    pub after: BTreeMap<ModelId, Vec<ModelId>>,
    /// Nodes that become relations: who must wait for whom.
    pub dag: Dag<ModelId>,
    /// Models that are read elsewhere.
    pub deferred: BTreeMap<ModelId, Relation>,
    graph: OnceLock<Value>,
    surroundings: OnceLock<String>,
}

/// What a project has and says that it does not want.
#[derive(Debug)]
pub(super) struct Unused {
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Tables of sources.
    pub sources: Vec<Source>,
    /// Exposures.
    pub exposures: Vec<Exposure>,
}

impl Manifest {
    /// The node with that id.
    pub(super) fn node(&self, id: &ModelId) -> Result<&Node> {
        self.nodes.get(id).ok_or_else(|| Error::new(Kind::ModelProject, format!("there is no node {id}")))
    }

    /// Where a node's readers find it.
    pub(super) fn place_of<'a>(&'a self, node: &'a Node) -> &'a Relation {
        self.deferred.get(&node.id).unwrap_or(&node.relation)
    }

    /// The checksum of what any template may call or ask for: macros, variables, the target, and the environment as far
    /// as macros name it.
    pub(super) fn surroundings(&self) -> &str {
        self.surroundings.get_or_init(|| {
            let setting = &self.setting;
            let vars = setting.vars.iter().map(|(package, vars)| format!("{package} {}", Json::Object(vars.clone())));
            let mut macros: Vec<String> = setting
                .engine
                .definitions()
                .map(|d| format!("{} {} {:?}", calls::macro_id(d), d.body, environment_in(&d.body)))
                .collect();
            macros.sort_unstable();
            let target = format!("{:?} {}", setting.dispatch, setting.target);
            let all: Vec<String> = vars.chain([target]).chain(macros).collect();
            checksum::of(all.iter().map(String::as_str))
        })
    }

    /// The unit tests of a model.
    pub(super) fn units_of(&self, id: &ModelId) -> impl Iterator<Item = &Node> {
        self.units.get(id).into_iter().flatten().filter_map(|test| self.nodes.get(test))
    }

    /// The tests that a node's build runs.
    pub(super) fn tests_of(&self, id: &ModelId) -> impl Iterator<Item = &Node> {
        self.tests.get(id).into_iter().flatten().filter_map(|test| self.nodes.get(test))
    }
}

/// `; did you mean 'x'?`, where a name is near the one that was asked for.
pub(super) fn hint<N: Display>(name: &str, known: impl IntoIterator<Item = N>) -> String {
    let near = known
        .into_iter()
        .map(|known| known.to_string())
        .map(|known| (strsim::damerau_levenshtein(name, &known), known))
        .min()
        .filter(|(distance, known)| *distance <= 1 + known.len().min(name.len()) / 4);
    near.map_or_else(String::new, |(_, known)| format!("; did you mean '{known}'?"))
}

/// That a package is not there, and how it comes to be.
pub(super) fn no_package<'a>(name: &str, known: impl IntoIterator<Item = &'a String>) -> String {
    let hint = hint(name, known);
    format!(": there is no package '{name}'{hint}; name it in packages.yml, and `amalgam models deps` installs it")
}

/// Something is wrong with the project, at a place.
pub(super) fn wrong(shown: &str, what: impl Display) -> Error {
    Error::new(Kind::ModelProject, format!("{shown}: {what}"))
}
