//! What must hold of all nodes together.

use super::super::{
    super::{reading::Entry, relation::Relation},
    Node, Resource, hint,
    load::Read,
    wrong,
};
use crate::{domain::ModelId, error::Result};
use std::collections::{BTreeMap, HashMap};

/// Refuses two nodes of one relation.
pub(super) fn relations<'a>(nodes: impl Iterator<Item = &'a Node>) -> Result<()> {
    let mut relations: BTreeMap<&Relation, &Node> = BTreeMap::new();
    for node in nodes.filter(|n| n.resource.is_built() && !n.is_ephemeral() && n.fault.is_none()) {
        if let Some(twin) = relations.insert(&node.relation, node) {
            return Err(wrong(&node.file, format!("{} is also the relation of {}", node.relation, twin.file)));
        }
    }
    Ok(())
}

/// Refuses a model, a seed and a snapshot of one name.
pub(super) fn names<'a>(nodes: impl Iterator<Item = &'a Node>) -> Result<()> {
    let mut by_name: HashMap<(&str, Resource), &Node> = HashMap::new();
    for node in nodes.filter(|n| n.resource.is_built() && n.version.is_none()) {
        let twin = [Resource::Model, Resource::Seed, Resource::Snapshot]
            .into_iter()
            .filter(|kind| *kind != node.resource)
            .find_map(|kind| by_name.get(&(node.name.as_str(), kind)).filter(|twin| twin.package == node.package));
        if let Some(twin) = twin {
            return Err(wrong(&node.file, format!("'{}' is also the name of {}", node.name, twin.file)));
        }
        by_name.insert((&node.name, node.resource), node);
    }
    Ok(())
}

/// Refuses what is said twice of a node, and warns of what is said of nodes that aren't there, as dbt does. `is_used`:
/// whether a node took it.
pub(super) fn properties(read: &Read, nodes: &BTreeMap<ModelId, Node>, is_used: impl Fn(&Entry) -> bool) -> Result<()> {
    for (list, resource) in [("models", Resource::Model), ("seeds", Resource::Seed), ("snapshots", Resource::Snapshot)]
    {
        let mut described: HashMap<(&str, &str), &Entry> = HashMap::new();
        for entry in read.properties.of(list) {
            let twin = described.insert((&entry.package, &entry.name), entry);
            if let Some(twin) = twin.filter(|&twin| is_used(twin) || is_used(entry)) {
                let shown = |entry: &Entry| read.place_of(entry);
                let what = format!("{} '{}' is described in {} already", resource.as_str(), entry.name, shown(twin));
                return Err(wrong(&shown(entry), what));
            }
            if entry.package != read.own().name || is_used(entry) {
                continue;
            }
            let known = nodes.values().filter(|n| n.resource == resource).map(|n| n.name.as_str());
            let hint = hint(&entry.name, known);
            let what = format!("{}: there is no {} '{}'{hint}", read.place_of(entry), resource.as_str(), entry.name);
            read.warn("NoNodeForYamlKey", what);
        }
    }
    Ok(())
}
