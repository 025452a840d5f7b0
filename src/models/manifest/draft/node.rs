//! One node, from its piece.

use super::{
    super::{
        super::{
            checksum,
            context::{
                relation::Policy,
                scope::{Scope, Subject, Task},
            },
            reading::{ProjectFile, Settings},
            relation::Relation,
        },
        Fault, Node, Resource,
        load::{Read, explained},
        place,
        said::{Said, SaidOfOne, configure, describe, latest_of},
        wrong,
    },
    piece::Piece,
};
use crate::{domain::ModelId, error::Result};
use serde_json::Map;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

/// The node of a piece, with its fault where it has one.
pub(super) fn made(
    read: &Read,
    package: &ProjectFile,
    piece: &Piece<'_>,
    entry: Option<&SaidOfOne<'_>>,
) -> Result<Node> {
    let mut node = draft(read, package, piece, entry);
    let said: Said<'_> =
        entry.into_iter().flat_map(|(entry, version)| version.iter().copied().chain([&entry.map])).collect();
    let entry = entry.map(|(entry, _)| *entry);
    let configured = configure(read, package, &mut node, entry, &said);
    let described = describe(read, &mut node, entry, &said);
    // Where the project says that it is off, nobody looks into it.
    let is_off = |node: &Node| node.settings.flag("enabled") == Some(false);
    if !is_off(&node) {
        described?;
    }
    let parsed = configured.and_then(|()| if is_off(&node) { Ok(()) } else { parse(read, &mut node) });
    if let Err(error) = parsed {
        node.fault = Some(Fault::new(error));
        if let Ok(relation) = place::of(read, &node) {
            node.relation = relation;
        }
    }
    Ok(node)
}

/// A node with what its place says of it.
fn draft(read: &Read, package: &ProjectFile, piece: &Piece<'_>, entry: Option<&SaidOfOne<'_>>) -> Node {
    let mut fqn = vec![package.name.clone()];
    if piece.resource == Resource::Analysis {
        fqn.push("analysis".to_owned());
    }
    if piece.resource == Resource::Operation {
        fqn.push("hooks".to_owned());
    }
    let folders = piece.below.rsplit_once('/').map_or("", |(folders, _)| folders);
    fqn.extend(folders.split('/').filter(|f| !f.is_empty()).map(str::to_owned));
    // One that is written in properties has no file of its own.
    if piece.resource == Resource::Snapshot && piece.below.ends_with(".sql") {
        let stem = piece.below.rsplit('/').next().unwrap_or_default();
        fqn.push(stem.split('.').next().unwrap_or_default().to_owned());
    }
    let version = entry.and_then(|(_, version)| version.and_then(|v| v.get("v")).cloned());
    let name = version.as_ref().and(entry).map_or_else(|| piece.name.clone(), |(entry, _)| entry.name.clone());
    let shown_version = version.as_ref().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
    fqn.push(name.clone());
    fqn.extend(shown_version.iter().map(|v| format!("v{v}")));
    let suffix = shown_version.map_or_else(String::new, |v| format!(".v{v}"));
    let id = ModelId::new(format!("{}.{}.{name}{suffix}", piece.resource.as_str(), package.name));
    let text = if piece.resource == Resource::Seed { "" } else { &*piece.text };
    let checksum = checksum::plain(piece.text.trim());
    let above = text.len() - text.trim_start().len();
    let above = text[..above].matches('\n').count();
    Node {
        id,
        resource: piece.resource,
        package: package.name.clone(),
        file: piece.file.clone(),
        path: piece.below.clone(),
        root: Arc::new(package.root.clone()),
        fqn,
        source: text.trim().into(),
        first_line: piece.first_line + above,
        checksum,
        settings: Settings::default(),
        relation: Relation { database: read.setting.database.clone(), schema: String::new(), name: name.clone() },
        quoting: Policy::ALL,
        description: String::new(),
        columns: Map::new(),
        constraints: Vec::new(),
        patch: entry.map(|(entry, _)| format!("{}://{}", entry.package, entry.file)),
        latest_version: version.as_ref().and(entry).and_then(|(entry, _)| latest_of(entry)),
        version,
        deprecation_date: None,
        refs: Vec::new(),
        source_calls: Vec::new(),
        macros: BTreeSet::new(),
        parents: BTreeSet::new(),
        sources: BTreeSet::new(),
        generic: None,
        unit: None,
        fault: None,
        name,
    }
}

/// Renders the node for what it says of itself.
fn parse(read: &Read, node: &mut Node) -> Result<()> {
    if node.resource != Resource::Seed {
        let subject = Subject { this: None, ..Subject::of(node) };
        let scope = Scope::new(read.setting.clone(), subject, Task::Parse(Mutex::default()));
        let rendered = read.setting.engine.render(&node.file, &node.source, scope.globals());
        // What a foreign key points to is read too.
        let of_columns = node.columns.values().filter_map(|column| column["constraints"].as_array());
        let constraints = node.constraints.iter().chain(of_columns.flatten());
        for to in constraints.filter_map(|constraint| constraint["to"].as_str()).filter(|to| to.trim().ends_with(')')) {
            let shown =
                node.patch.as_ref().and_then(|patch| patch.split_once("://")).map_or(&*node.file, |(_, file)| file);
            let text = format!("{{{{ {to} }}}}");
            read.setting.engine.evaluate(shown, &text, scope.globals()).map_err(|error| explained(&error))?;
        }
        let collected = scope.collected();
        for config in &collected.configs {
            node.settings.merge(config);
        }
        (node.refs, node.source_calls) = (collected.refs, collected.sources);
        rendered.map_err(|error| match node.resource {
            // The line is that of the statement, and not of the file.
            Resource::Operation => wrong(&node.place(), format!("{}{}", error.message, error.excerpt)),
            _ => explained(&error.below(node.first_line, &node.source)),
        })?;
    }
    node.quoting = node.settings.get("quoting").map_or(read.own().quoting(), |said| read.own().quoting().said(said));
    node.relation = place::of(read, node)?;
    node.quoting.fold(&mut node.relation);
    if node.resource.is_built() {
        node.relation = node.relation.clone().checked(&node.file, &read.setting.raw_schema)?;
    }
    Ok(())
}
