//! What nodes refer to, looked up by name.

use super::{Fault, Names, Node, Resource, SourceRead, hint, load::Read, wrong};
use crate::domain::{ModelId, TableName};
use std::collections::{BTreeMap, BTreeSet};

/// Nodes with their references looked up; and those that leave the graph by that.
pub(super) fn resolved(
    mut nodes: BTreeMap<ModelId, Node>,
    read: &Read,
    names: &Names,
) -> (BTreeMap<ModelId, Node>, Vec<Node>) {
    let groups: BTreeMap<ModelId, (Option<String>, Option<String>, String)> = nodes
        .iter()
        .map(|(id, node)| {
            (id.clone(), (node.settings.text("access"), node.settings.text("group"), node.package.clone()))
        })
        .collect();
    let known: BTreeSet<&str> = read.properties.of("groups").iter().map(|group| group.name.as_str()).collect();
    let mut gone = Vec::new();
    for node in nodes.values_mut() {
        if !resolve(node, read, names) {
            gone.push(node.id.clone());
        }
        if let Some(group) = node.settings.text("group").filter(|group| !known.contains(group.as_str())) {
            let what = format!("there is no group '{group}'{}", hint(&group, &known));
            node.fault = node.fault.take().or_else(|| Some(Fault::new(wrong(&node.file, what))));
        }
        for parent in &node.parents {
            let Some((Some(access), group, _)) = groups.get(parent).map(|(a, g, p)| (a, g, p)) else { continue };
            if access == "private" && group != &node.settings.text("group") {
                let group = group.as_deref().unwrap_or_default();
                let what = format!("{parent} is private to the group '{group}', and {} is not in it", node.name);
                node.fault = node.fault.take().or_else(|| Some(Fault::new(wrong(&node.file, what))));
            }
        }
    }
    let off = gone.iter().filter_map(|id| nodes.remove(id)).collect();
    (nodes, off)
}

/// Looks up what the node refers to; whether it stays in the graph. A test of what is not there leaves it, as with dbt:
/// with a warning, or in silence where what it names is off.
pub(super) fn resolve(node: &mut Node, read: &Read, names: &Names) -> bool {
    let mut lost = Vec::new();
    for call in &node.refs {
        match names.resolve(call, &node.package) {
            Ok(id) => drop(node.parents.insert(id.clone())),
            Err(what) => lost.push(what),
        }
    }
    for (source, table) in &node.source_calls {
        match names.source(source, table, &node.package) {
            Ok(found) => {
                let relation = &found.relation;
                let is_raw = relation.schema == read.setting.raw_schema && relation.database == read.setting.database;
                let raw = is_raw.then(|| TableName::from(relation.name.as_str()));
                node.sources.insert(SourceRead { id: found.id.clone(), relation: relation.clone(), raw });
            }
            Err(what) => lost.push(what),
        }
    }
    let Some(first) = lost.first().filter(|_| node.fault.is_none()) else { return true };
    if node.resource != Resource::Test {
        node.fault = Some(Fault::new(wrong(&node.file, first)));
        return true;
    }
    if let Some(lost) = lost.iter().find(|lost| !lost.is_off) {
        let what = format!("{}: test {}: {lost}; it is left out", node.place(), node.name);
        read.warn("NodeNotFoundOrDisabled", what);
    }
    node.settings.set("enabled", false.into());
    false
}
