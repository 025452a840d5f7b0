//! What a command does with what is selected, and in what order. Pure.
//!
//! A node's tests run with its build. Those whose node is not built, and those of sources alone, are steps of their own:
//! what is made from all that such a test reads waits for it, and is skipped where it fails.

use super::{
    Models, TestChoice,
    manifest::{Manifest, Node},
};
use crate::domain::ModelId;
use std::collections::{BTreeMap, BTreeSet};

/// What is to be done, in an order that can be kept.
#[derive(Clone, Debug)]
pub struct Agenda {
    /// The steps; each names others by their place.
    pub steps: Vec<Step>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub duty: Duty,
    /// Steps that must have ended well.
    pub needs: BTreeSet<usize>,
    /// Steps that must have ended.
    pub after: BTreeSet<usize>,
    /// Whether what needs it goes on where it fails: `on_error: continue`.
    pub continues: bool,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Duty {
    /// A node is built, with these of its tests.
    Build(ModelId, TestChoice),
    /// Tests are run on what is published.
    Test(Vec<ModelId>),
    /// Nothing: an exposure is somebody else's.
    Exposure(String),
}

impl Duty {
    /// Everything whose end this step tells: unique ids, that of the node first.
    pub(super) fn ids(&self) -> Vec<&str> {
        match self {
            Self::Build(id, TestChoice::These(tests)) => {
                std::iter::once(id).chain(tests).map(ModelId::as_str).collect()
            }
            Self::Build(id, _) => vec![id.as_str()],
            Self::Test(tests) => tests.iter().map(ModelId::as_str).collect(),
            Self::Exposure(id) => vec![id],
        }
    }
}

impl Models {
    /// What is done with a selection; `kinds` are dbt's types of resources that the command is about.
    pub fn agenda(&self, ids: &BTreeSet<String>, kinds: &[&str]) -> Agenda {
        let manifest = &*self.manifest;
        let is_chosen = |node: &&Node| {
            ids.contains(node.id.as_str()) && kinds.contains(&node.resource.as_str()) && !node.is_empty()
        };
        let chosen: BTreeSet<&ModelId> = manifest.nodes.values().filter(is_chosen).map(|node| &node.id).collect();
        let exposures: Vec<&str> = match kinds.contains(&"exposure") {
            true => manifest.exposures.keys().map(String::as_str).filter(|id| ids.contains(*id)).collect(),
            false => Vec::new(),
        };
        Planner::new(manifest, chosen).agenda(&exposures)
    }
}

/// What tests have in common that are one step: what they wait for, what they hold up, and a relation.
type Kin<'a> = (BTreeSet<usize>, BTreeSet<usize>, &'a str);

struct Planner<'a> {
    manifest: &'a Manifest,
    chosen: BTreeSet<&'a ModelId>,
    /// Steps that build, by their node.
    builds: BTreeMap<&'a ModelId, usize>,
    /// Of each node that becomes a relation: the nearest above it that are built.
    nearest: BTreeMap<&'a ModelId, BTreeSet<usize>>,
    children: BTreeMap<&'a str, Vec<&'a ModelId>>,
}

impl<'a> Planner<'a> {
    fn new(manifest: &'a Manifest, chosen: BTreeSet<&'a ModelId>) -> Self {
        let is_made = |id: &&ModelId| {
            chosen.contains(id) && manifest.nodes.get(*id).is_some_and(|n| !n.is_ephemeral() || n.fault.is_some())
        };
        let order = manifest.dag.order();
        let builds: BTreeMap<&ModelId, usize> = order.iter().filter(is_made).zip(0..).collect();
        let mut children: BTreeMap<&str, Vec<&ModelId>> = BTreeMap::new();
        for id in order {
            let Some(node) = manifest.nodes.get(id) else { continue };
            let sources = node.sources.iter().map(|source| source.id.as_str());
            for parent in node.parents.iter().map(ModelId::as_str).chain(sources) {
                children.entry(parent).or_default().push(id);
            }
        }
        let mut this = Self { manifest, chosen, builds, nearest: BTreeMap::new(), children };
        for id in order {
            let Some(node) = manifest.nodes.get(id) else { continue };
            let near = this.near(node.parents.iter());
            this.nearest.insert(id, near);
        }
        this
    }

    /// The steps that build some nodes, or what is nearest above them.
    fn near<'b>(&self, ids: impl Iterator<Item = &'b ModelId>) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        for id in ids {
            match self.builds.get(id) {
                Some(step) => drop(found.insert(*step)),
                None => found.extend(self.nearest.get(id).into_iter().flatten()),
            }
        }
        found
    }

    fn agenda(&self, exposures: &[&str]) -> Agenda {
        let mut steps: Vec<Step> = Vec::with_capacity(self.builds.len());
        let mut with_node = BTreeSet::new();
        let mut in_order: Vec<(&usize, &&ModelId)> = self.builds.iter().map(|(id, step)| (step, id)).collect();
        in_order.sort();
        for (_, id) in in_order {
            let (tests, units) = (self.manifest.tests_of(id), self.manifest.units_of(id));
            let tests: BTreeSet<ModelId> =
                tests.chain(units).map(|test| &test.id).filter(|test| self.chosen.contains(test)).cloned().collect();
            with_node.extend(tests.iter().cloned());
            let after = self.manifest.after.get(id).into_iter().flatten();
            steps.push(Step {
                needs: self.nearest.get(id).cloned().unwrap_or_default(),
                after: after.filter_map(|id| self.builds.get(id).copied()).collect(),
                continues: self.manifest.nodes.get(*id).is_some_and(Node::continues),
                duty: Duty::Build(
                    (*id).clone(),
                    if tests.is_empty() { TestChoice::None } else { TestChoice::These(tests) },
                ),
            });
        }
        // Those that wait for the same and hold up the same, of one relation.
        let mut groups: BTreeMap<Kin<'_>, Vec<ModelId>> = BTreeMap::new();
        let of_chosen = self.chosen.iter().filter_map(|id| self.manifest.nodes.get(*id));
        for test in of_chosen.filter(|node| node.resource.is_test() && !with_node.contains(&node.id)) {
            let sources = test.sources.iter().map(|source| source.id.as_str());
            let read: Vec<&str> = test.parents.iter().map(ModelId::as_str).chain(sources).collect();
            let first = read.first().copied().unwrap_or_default();
            let key = (self.near(test.parents.iter()), self.made_from_all(&read), first);
            groups.entry(key).or_default().push(test.id.clone());
        }
        for ((needs, holds, _), tests) in groups {
            let place = steps.len();
            for held in holds {
                steps[held].needs.insert(place);
            }
            steps.push(Step { duty: Duty::Test(tests), needs, after: BTreeSet::new(), continues: false });
        }
        for id in exposures {
            let parents = self.manifest.exposures.get(*id).map(|exposure| exposure.parents.iter());
            let parents: Vec<ModelId> = parents.into_iter().flatten().map(|id| ModelId::new(id.as_str())).collect();
            let needs = self.near(parents.iter());
            steps.push(Step {
                duty: Duty::Exposure((*id).to_owned()),
                needs,
                after: BTreeSet::new(),
                continues: false,
            });
        }
        Agenda { steps }
    }

    /// The steps that build what is made from every one of some.
    fn made_from_all(&self, ids: &[&str]) -> BTreeSet<usize> {
        let mut common: Option<BTreeSet<usize>> = None;
        if self.builds.is_empty() {
            return BTreeSet::new();
        }
        for id in ids {
            let below = self.below(id);
            common = Some(common.map_or_else(|| below.clone(), |common| &common & &below));
        }
        common.unwrap_or_default()
    }

    /// The steps that build what is made from a node or source, at any distance.
    fn below(&self, id: &str) -> BTreeSet<usize> {
        let (mut found, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![id]);
        while let Some(id) = open.pop() {
            for child in self.children.get(id).into_iter().flatten() {
                if seen.insert(*child) {
                    found.extend(self.builds.get(*child));
                    open.push(child.as_str());
                }
            }
        }
        found
    }
}
