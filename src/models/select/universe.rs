//! Everything that can be selected, and who reads whom.

use crate::{
    domain::ModelId,
    models::manifest::{Exposure, Manifest, Node, Resource, Source},
};
use std::collections::{BTreeMap, BTreeSet};

/// What can be selected.
#[derive(Clone, Copy)]
pub(super) enum Thing<'a> {
    /// A model, seed, snapshot, test or analysis.
    Node(&'a Node),
    /// A table of a source.
    Source(&'a Source),
    /// What people make of the models.
    Exposure(&'a Exposure),
}

impl<'a> Thing<'a> {
    pub(super) fn resource_type(self) -> &'static str {
        match self {
            Self::Node(node) => node.resource.as_str(),
            Self::Source(_) => "source",
            Self::Exposure(_) => "exposure",
        }
    }

    pub(super) fn name(self) -> &'a str {
        match self {
            Self::Node(node) => &node.name,
            Self::Source(source) => &source.name,
            Self::Exposure(exposure) => &exposure.name,
        }
    }

    pub(super) fn package(self) -> &'a str {
        match self {
            Self::Node(node) => &node.package,
            Self::Source(source) => &source.package,
            Self::Exposure(exposure) => &exposure.package,
        }
    }

    pub(super) fn file(self) -> &'a str {
        match self {
            Self::Node(node) => &node.file,
            Self::Source(source) => &source.file,
            Self::Exposure(exposure) => &exposure.file,
        }
    }

    pub(super) fn fqn(self) -> &'a [String] {
        match self {
            Self::Node(node) => &node.fqn,
            Self::Source(source) => &source.fqn,
            Self::Exposure(exposure) => &exposure.fqn,
        }
    }

    pub(super) fn tags(self) -> Vec<String> {
        match self {
            Self::Node(node) => node.settings.texts("tags"),
            Self::Source(source) => source.settings.texts("tags"),
            Self::Exposure(exposure) => exposure.settings.texts("tags"),
        }
    }

    pub(super) fn node(self) -> Option<&'a Node> {
        match self {
            Self::Node(node) => Some(node),
            _ => None,
        }
    }

    /// Whether it comes with what it is about.
    pub(super) fn is_test(self) -> bool {
        self.resource_type().ends_with("test")
    }
}

/// All things, and the edges between them.
pub(super) struct Universe<'a> {
    /// By unique id.
    pub things: BTreeMap<&'a str, Thing<'a>>,
    /// What each reads.
    pub parents: BTreeMap<&'a str, Vec<&'a str>>,
    children: BTreeMap<&'a str, Vec<&'a str>>,
}

/// Ids.
pub(super) type Ids<'a> = BTreeSet<&'a str>;

impl<'a> Universe<'a> {
    /// That of a project.
    pub(super) fn of(manifest: &'a Manifest) -> Self {
        let mut things = BTreeMap::new();
        let mut parents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for node in manifest.nodes.values().filter(|n| n.resource != Resource::Operation) {
            let sources = node.sources.iter().map(|s| s.id.as_str());
            parents.insert(node.id.as_str(), node.parents.iter().map(ModelId::as_str).chain(sources).collect());
            things.insert(node.id.as_str(), Thing::Node(node));
        }
        for source in manifest.sources.values() {
            things.insert(&source.id, Thing::Source(source));
        }
        for exposure in manifest.exposures.values() {
            parents.insert(&exposure.id, exposure.parents.iter().map(String::as_str).collect());
            things.insert(&exposure.id, Thing::Exposure(exposure));
        }
        let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (child, of) in &parents {
            for parent in of {
                children.entry(parent).or_default().push(child);
            }
        }
        Self { things, parents, children }
    }

    /// What is reached upwards in so many steps.
    pub(super) fn above(&self, from: &Ids<'a>, steps: usize) -> Ids<'a> {
        reach(&self.parents, from, steps)
    }

    /// What is reached downwards in so many steps.
    pub(super) fn below(&self, from: &Ids<'a>, steps: usize) -> Ids<'a> {
        reach(&self.children, from, steps)
    }

    /// The tests one step below.
    pub(super) fn tests_of(&self, ids: &Ids<'a>) -> Ids<'a> {
        let is_test = |id: &&str| self.things.get(id).is_some_and(|thing| thing.is_test());
        self.below(ids, 1).into_iter().filter(is_test).collect()
    }

    /// Whether all that a thing reads is in a set.
    pub(super) fn reads_only(&self, id: &str, of: &Ids<'a>) -> bool {
        self.parents.get(id).is_none_or(|parents| parents.iter().all(|parent| of.contains(parent)))
    }
}

fn reach<'a>(edges: &BTreeMap<&'a str, Vec<&'a str>>, from: &Ids<'a>, steps: usize) -> Ids<'a> {
    let mut found = Ids::new();
    let mut edge = from.clone();
    let mut left = steps;
    while left > 0 && !edge.is_empty() {
        let next = edge.iter().flat_map(|id| edges.get(id).into_iter().flatten().copied());
        edge = next.filter(|id| !found.contains(id)).collect();
        found.extend(&edge);
        left -= 1;
    }
    found
}
