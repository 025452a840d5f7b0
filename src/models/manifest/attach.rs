//! Whose build runs a test, and in what order nodes are built.

use super::{Node, Resource};
use crate::{
    dag::Dag,
    domain::ModelId,
    error::{Error, Kind, Result},
};
use std::collections::{BTreeMap, BTreeSet};

/// What was found.
pub(super) struct Attached {
    /// Tests, by the node whose build runs them.
    pub tests: BTreeMap<ModelId, Vec<ModelId>>,
    /// What must be built before a node only because its tests compare with it.
    pub after: BTreeMap<ModelId, Vec<ModelId>>,
    /// Who must wait for whom.
    pub dag: Dag<ModelId>,
}

/// Gives each test to the node that is built last of those it reads, so that it finds all of them new. The one it is
/// said of runs it, unless another is made from that one.
pub(super) fn attach(nodes: &BTreeMap<ModelId, Node>) -> Result<Attached> {
    let built = || nodes.values().filter(|n| n.resource.is_built());
    let graph = |after: &BTreeMap<ModelId, BTreeSet<ModelId>>| {
        let edges = built().map(|node| {
            let more = after.get(&node.id).into_iter().flatten().cloned();
            let is_built = |id: &&ModelId| nodes.get(*id).is_some_and(|n| n.resource.is_built());
            let parents = node.parents.iter().filter(is_built).cloned();
            (node.id.clone(), parents.chain(more).collect::<BTreeSet<_>>().into_iter().collect())
        });
        Dag::new(edges).map_err(|cycle| Error::new(Kind::ModelProject, cycle.to_string()))
    };
    let mut after: BTreeMap<ModelId, BTreeSet<ModelId>> = BTreeMap::new();
    let mut dag = graph(&after)?;
    let mut tests: BTreeMap<ModelId, Vec<ModelId>> = BTreeMap::new();
    let mut all: Vec<&Node> = nodes.values().filter(|n| n.resource == Resource::Test).collect();
    // In the order in which they are said, those of files of their own last.
    all.sort_by_key(|test| test.generic.as_ref().map_or(usize::MAX, |generic| generic.place));
    for test in all {
        let read = relations_of(nodes, test);
        let Some(first) = read.first() else { continue };
        let said_of = test.generic.as_ref().and_then(|g| g.attached.clone()).filter(|id| read.contains(id));
        let mut runner = said_of.unwrap_or_else(|| first.clone());
        if read.len() > 1 {
            // The last in the order of the graph among those that are made from the one it is said of.
            let below = dag.descendants(&runner);
            if let Some(last) = dag.order().iter().rev().find(|id| read.contains(*id) && below.contains(*id)) {
                runner = last.clone();
            }
            let above = dag.ancestors(&runner);
            let waits: Vec<ModelId> =
                read.iter().filter(|id| **id != runner && !above.contains(*id)).cloned().collect();
            let below = dag.descendants(&runner);
            let mut is_changed = false;
            for other in waits.into_iter().filter(|other| !below.contains(other)) {
                is_changed |= after.entry(runner.clone()).or_default().insert(other);
            }
            if is_changed {
                dag = graph(&after)?;
            }
        }
        tests.entry(runner).or_default().push(test.id.clone());
    }
    let after = after.into_iter().map(|(id, others)| (id, others.into_iter().collect())).collect();
    Ok(Attached { tests, after, dag })
}

/// The nodes that become relations which a test reads: what an ephemeral model is made of stands for it, and it for
/// itself where it reads none.
fn relations_of(nodes: &BTreeMap<ModelId, Node>, test: &Node) -> BTreeSet<ModelId> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&ModelId> = test.parents.iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        let Some(node) = nodes.get(id).filter(|_| seen.insert(id.clone())) else { continue };
        if node.is_ephemeral() && node.fault.is_none() && !node.parents.is_empty() {
            open.extend(&node.parents);
        } else if node.resource.is_built() {
            found.insert(id.clone());
        }
    }
    found
}
