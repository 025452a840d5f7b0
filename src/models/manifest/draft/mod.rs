//! Nodes made of files: models, seeds, snapshots, singular tests, analyses; and what runs before and after all.
//!
//! Guarantee: a file that can't be parsed still gives a node, with its fault and with as much as could be found out,
//! so that others can be told why they have to wait.

mod check;
mod node;
mod piece;

use super::{
    super::{
        reading::{Entry, File, ProjectFile, files},
        spread::spread,
    },
    Names, Node, Resource,
    load::{Read, shown},
    resolve,
    said::{SaidOf, said_of},
    wrong,
};
use crate::{domain::ModelId, error::Result};
use node::made;
use piece::{Piece, pieces_of};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Files that a thread is worth, at least.
const PIECES_MIN: usize = 16;

/// Nodes between parsing and resolving.
#[derive(Default)]
pub(super) struct Drafts {
    nodes: BTreeMap<ModelId, Node>,
    disabled: Vec<Node>,
    /// Properties that nodes took: file and name.
    used: BTreeSet<(String, String)>,
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
                below: package.below(&entry.file).to_owned(),
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

    /// Nodes that `ref` can name, and whether each is disabled.
    pub(super) fn named(&self) -> impl Iterator<Item = (&Node, bool)> {
        let enabled = self.nodes.values().map(|node| (node, false));
        enabled.chain(self.disabled.iter().map(|node| (node, true))).filter(|(node, _)| node.resource.is_built())
    }

    /// Refuses what does not go together.
    pub(super) fn check(&self, read: &Read) -> Result<()> {
        check::relations(self.nodes.values())?;
        check::names(self.nodes.values())?;
        let is_used = |entry: &Entry| self.used.contains(&(entry.file.clone(), entry.name.clone()));
        check::properties(read, &self.nodes, is_used)
    }

    /// The enabled nodes, their references looked up; and those that are off.
    pub(super) fn resolved(self, read: &Read, names: &Names) -> (BTreeMap<ModelId, Node>, Vec<Node>) {
        let (nodes, off) = resolve::resolved(self.nodes, read, names);
        (nodes, [self.disabled, off].concat())
    }
}
