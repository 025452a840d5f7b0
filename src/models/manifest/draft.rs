//! Nodes made of files: models, seeds, snapshots, singular tests, analyses; and what runs before and after all.
//!
//! Guarantee: a file that can't be parsed still gives a node, with its fault and with as much as could be found out,
//! so that others can be told why they have to wait.

use super::{
    super::{
        context::{
            relation::Policy,
            scope::{Scope, Subject, Task},
        },
        jinja::{self, BlockKind, Definition},
        reading::{Entry, File, ProjectFile, Settings, files},
        relation::Relation,
        spread::spread,
    },
    Fault, Names, Node, Resource, SourceRead,
    load::{Read, explained, shown},
    place,
    said::{Said, SaidOf, SaidOfOne, configure, describe, latest_of, said_of},
    wrong,
};
use crate::{
    domain::{ModelId, TableName},
    error::Result,
};
use serde_json::{Map, Value as Json};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

/// Files that a thread is worth, at least.
const PIECES_MIN: usize = 16;

/// Nodes between parsing and resolving.
#[derive(Default)]
pub(super) struct Drafts {
    nodes: BTreeMap<ModelId, Node>,
    disabled: Vec<Node>,
    /// Properties that no node took.
    used: BTreeSet<(String, String)>,
}

/// One file, or one block of it, that becomes a node.
struct Piece<'a> {
    resource: Resource,
    name: String,
    file: String,
    below: String,
    text: Cow<'a, str>,
    first_line: usize,
}

impl Drafts {
    /// Parses the files of a package.
    pub(super) fn read(&mut self, read: &Read, package: &ProjectFile) -> Result<()> {
        for (kind, resource, ending) in [
            ("model-paths", Resource::Model, "sql"),
            ("seed-paths", Resource::Seed, "csv"),
            ("analysis-paths", Resource::Analysis, "sql"),
            ("test-paths", Resource::Test, "sql"),
            ("snapshot-paths", Resource::Snapshot, "sql"),
        ] {
            let files = files(package, kind, &[ending])?;
            let is_generic = |file: &&File| {
                resource == Resource::Test
                    && ["generic/", "fixtures/"].iter().any(|folder| file.below.starts_with(folder))
            };
            let mut pieces = Vec::new();
            for file in files.iter().filter(|file| !is_generic(file)) {
                pieces.extend(pieces_of(package, file, resource)?);
            }
            self.add(read, package, &pieces, &said_of(read, package, resource))?;
        }
        self.add_written_snapshots(read, package)?;
        self.add_hooks(read, package)
    }

    /// Snapshots that properties describe whole: `relation:` instead of a query.
    fn add_written_snapshots(&mut self, read: &Read, package: &ProjectFile) -> Result<()> {
        let entries = said_of(read, package, Resource::Snapshot);
        let whole = read.properties.of("snapshots").iter().filter(|e| e.package == package.name);
        let piece = |entry: &'_ Entry| {
            let relation = entry.map.get("relation").and_then(Json::as_str)?;
            Some(Piece {
                resource: Resource::Snapshot,
                name: entry.name.clone(),
                file: entry.file.clone(),
                below: entry.file.split_once('/').map_or(entry.file.as_str(), |(_, below)| below).to_owned(),
                text: format!("select * from {{{{ {relation} }}}}").into(),
                first_line: 0,
            })
        };
        self.add(read, package, &whole.filter_map(piece).collect::<Vec<_>>(), &entries)
    }

    fn add_hooks(&mut self, read: &Read, package: &ProjectFile) -> Result<()> {
        for key in ["on-run-start", "on-run-end"] {
            let piece = |(at, text): (usize, String)| Piece {
                resource: Resource::Operation,
                name: format!("{}-{key}-{at}", package.name),
                file: "dbt_project.yml".to_owned(),
                below: key.to_owned(),
                text: text.into(),
                first_line: 0,
            };
            let pieces: Vec<Piece<'_>> = package.statements(key).into_iter().enumerate().map(piece).collect();
            self.add(read, package, &pieces, &HashMap::new())?;
        }
        Ok(())
    }

    fn add(&mut self, read: &Read, package: &ProjectFile, pieces: &[Piece<'_>], said: &SaidOf<'_>) -> Result<()> {
        let made = spread(pieces, PIECES_MIN, |piece| made(read, package, piece, said.get(&piece.name)));
        for (piece, node) in pieces.iter().zip(made) {
            let node = node?;
            if let Some((entry, _)) = said.get(&piece.name) {
                self.used.insert((entry.file.clone(), entry.name.clone()));
            }
            if node.settings.flag("enabled") == Some(false) {
                self.disabled.push(node);
                continue;
            }
            if let Some(twin) = self.nodes.insert(node.id.clone(), node) {
                let (kind, shown) = (twin.resource.as_str(), shown(read.own(), package, &piece.file));
                let what = format!("there are two {kind}s named '{}'; the other is in {}", twin.name, twin.file);
                return Err(wrong(&shown, what));
            }
        }
        Ok(())
    }

    /// Refuses two nodes of one relation, and warns of what is said about nodes that aren't there, as dbt does.
    pub(super) fn finish(&self, read: &Read) -> Result<()> {
        let mut relations: BTreeMap<&Relation, &Node> = BTreeMap::new();
        for node in self.nodes.values().filter(|n| n.resource.is_built() && !n.is_ephemeral() && n.fault.is_none()) {
            if let Some(twin) = relations.insert(&node.relation, node) {
                return Err(wrong(&node.file, format!("{} is also the relation of {}", node.relation, twin.file)));
            }
        }
        let mut by_name: HashMap<(&str, Resource), &Node> = HashMap::new();
        for node in self.nodes.values().filter(|n| n.resource.is_built() && n.version.is_none()) {
            let twin = [Resource::Model, Resource::Seed, Resource::Snapshot]
                .into_iter()
                .filter(|kind| *kind != node.resource)
                .find_map(|kind| by_name.get(&(node.name.as_str(), kind)).filter(|twin| twin.package == node.package));
            if let Some(twin) = twin {
                return Err(wrong(&node.file, format!("'{}' is also the name of {}", node.name, twin.file)));
            }
            by_name.insert((&node.name, node.resource), node);
        }
        for (list, resource) in
            [("models", Resource::Model), ("seeds", Resource::Seed), ("snapshots", Resource::Snapshot)]
        {
            let mut described: HashMap<(&str, &str), &Entry> = HashMap::new();
            let is_used = |entry: &Entry| self.used.contains(&(entry.file.clone(), entry.name.clone()));
            for entry in read.properties.of(list) {
                let twin = described.insert((&entry.package, &entry.name), entry);
                if let Some(twin) = twin.filter(|&twin| is_used(twin) || is_used(entry)) {
                    let shown = |entry: &Entry| read.place_of(entry);
                    let what =
                        format!("{} '{}' is described in {} already", resource.as_str(), entry.name, shown(twin));
                    return Err(wrong(&shown(entry), what));
                }
                if entry.package != read.own().name || is_used(entry) {
                    continue;
                }
                let known = self.nodes.values().filter(|n| n.resource == resource).map(|n| n.name.as_str());
                let hint = super::hint(&entry.name, known);
                let what =
                    format!("{}: there is no {} '{}'{hint}", read.place_of(entry), resource.as_str(), entry.name);
                read.warn("NoNodeForYamlKey", what);
            }
        }
        Ok(())
    }

    /// Nodes that `ref` can name, and whether each is disabled.
    pub(super) fn named(&self) -> impl Iterator<Item = (&Node, bool)> {
        let enabled = self.nodes.values().map(|node| (node, false));
        enabled.chain(self.disabled.iter().map(|node| (node, true))).filter(|(node, _)| node.resource.is_built())
    }

    /// The enabled nodes, their references looked up; and those that are off.
    pub(super) fn resolved(self, read: &Read, names: &Names) -> (BTreeMap<ModelId, Node>, Vec<Node>) {
        let mut nodes = self.nodes;
        let groups: BTreeMap<ModelId, (Option<String>, Option<String>, String)> = nodes
            .iter()
            .map(|(id, node)| {
                (id.clone(), (node.settings.text("access"), node.settings.text("group"), node.package.clone()))
            })
            .collect();
        let known: BTreeSet<&str> = read.properties.of("groups").iter().map(|group| group.name.as_str()).collect();
        let mut disabled = self.disabled;
        let mut gone = Vec::new();
        for node in nodes.values_mut() {
            if !resolve(node, read, names) {
                gone.push(node.id.clone());
            }
            if let Some(group) = node.settings.text("group").filter(|group| !known.contains(group.as_str())) {
                let what = format!("there is no group '{group}'{}", super::hint(&group, &known));
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
        disabled.extend(gone.iter().filter_map(|id| nodes.remove(id)));
        (nodes, disabled)
    }
}

/// What becomes nodes in a file: all of it, or each of its snapshots.
fn pieces_of<'a>(package: &ProjectFile, file: &'a File, resource: Resource) -> Result<Vec<Piece<'a>>> {
    let stem = file.below.rsplit('/').next().unwrap_or(&file.below);
    let piece = |resource: Resource, name: &str, text: Cow<'a, str>, first_line: usize| Piece {
        resource,
        name: name.to_owned(),
        file: file.path.clone(),
        below: file.below.clone(),
        text,
        first_line,
    };
    let has_blocks = resource == Resource::Snapshot || file.text.contains("endsnapshot");
    if has_blocks && resource != Resource::Seed {
        let found = jinja::definitions(&package.name, &file.path, &file.text).map_err(|e| explained(&e))?.0;
        let snapshots = found.into_iter().filter(|block| block.kind == BlockKind::Snapshot);
        let piece = |block: Definition| piece(Resource::Snapshot, &block.name, block.body.into(), block.line - 1);
        let pieces: Vec<Piece<'_>> = snapshots.map(piece).collect();
        if !pieces.is_empty() || resource == Resource::Snapshot {
            return Ok(pieces);
        }
    }
    let name = stem.trim_end_matches(if resource == Resource::Seed { ".csv" } else { ".sql" });
    Ok(vec![piece(resource, name, file.text.as_str().into(), 0)])
}

/// The node of a piece, with its fault where it has one.
fn made(read: &Read, package: &ProjectFile, piece: &Piece<'_>, entry: Option<&SaidOfOne<'_>>) -> Result<Node> {
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
    let checksum = super::super::checksum::plain(piece.text.trim());
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
