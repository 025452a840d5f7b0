//! The graph of a project, from its manifest, its queries and the columns of its relations. Pure.

use super::{
    super::{
        context::relation::PART_PREFIX,
        lineage::{Graph, Known, NodeKind, QueryLineage, RelationName, of_query},
        manifest::{Manifest, Node, Resource},
        seed::Seed,
    },
    Columns, Query, has_relation,
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

/// What names in queries stand for.
struct Names<'m> {
    database: &'m str,
    /// The ids of relations, by schema and name.
    relations: HashMap<(&'m str, &'m str), &'m str>,
    /// The ids of ephemeral models, by the names of the queries that they become.
    parts: HashMap<String, &'m str>,
}

impl<'m> Names<'m> {
    fn of(manifest: &'m Manifest) -> Self {
        let place = |node: &'m Node| ((node.relation.schema.as_str(), node.relation.name.as_str()), node.id.as_str());
        let sources = manifest.sources.values();
        let sources = sources.map(|s| ((s.relation.schema.as_str(), s.relation.name.as_str()), s.id.as_str()));
        let part = |node: &'m Node| (format!("{PART_PREFIX}{}", node.relation.name), node.id.as_str());
        Self {
            database: &manifest.setting.database,
            // A model over a source's table of the same name comes last.
            relations: sources.chain(manifest.nodes.values().filter(|node| has_relation(node)).map(place)).collect(),
            parts: manifest.nodes.values().filter(|node| node.is_ephemeral()).map(part).collect(),
        }
    }

    fn id(&self, name: &RelationName) -> Option<&'m str> {
        let is_here = name.database.as_deref().is_none_or(|database| database == self.database);
        // A name without its schema means what the search path of whoever asks says.
        self.relations.get(&(name.schema.as_deref()?, &name.name)).copied().filter(|_| is_here)
    }

    fn part(&self, name: &str) -> Option<String> {
        self.parts.get(name).map(|id| (*id).to_owned())
    }
}

/// Draws all nodes, and the columns of those whose queries are given, which come parents first.
pub(super) fn draw(manifest: &Manifest, queries: &[Query], columns: &Columns) -> Graph {
    let mut graph = Graph::default();
    let there = |schema: &str, name: &str| columns.get(&(schema.to_owned(), name.to_owned())).cloned();
    for source in manifest.sources.values() {
        let said =
            || source.columns.iter().filter_map(|column| Some(column.get("name")?.as_str()?.to_owned())).collect();
        let columns = there(&source.relation.schema, &source.relation.name).unwrap_or_else(said);
        graph.add_node(&source.id, NodeKind::Source, &source.name, columns);
    }
    for node in manifest.nodes.values() {
        let kind = match node.resource {
            Resource::Model => NodeKind::Model,
            Resource::Seed => NodeKind::Seed,
            Resource::Snapshot => NodeKind::Snapshot,
            _ => continue,
        };
        let columns = match there(&node.relation.schema, &node.relation.name) {
            Some(columns) if has_relation(node) => columns,
            None if kind == NodeKind::Seed => Seed::read(node).map(|seed| seed.names().to_vec()).unwrap_or_default(),
            _ => Vec::new(),
        };
        graph.add_node(node.id.as_str(), kind, &node.name, columns);
        let sources = node.sources.iter().map(|source| source.id.as_str());
        for read in node.parents.iter().map(|id| id.as_str()).chain(sources) {
            graph.add_edge(read, node.id.as_str());
        }
    }
    for exposure in manifest.exposures.values() {
        graph.add_node(&exposure.id, NodeKind::Exposure, &exposure.name, Vec::new());
        for read in &exposure.parents {
            graph.add_edge(read, &exposure.id);
        }
    }
    let names = Names::of(manifest);
    for (id, sql) in queries {
        let lineage = match sql {
            Ok(sql) => {
                let known = |name: &RelationName| {
                    let id = names.id(name)?;
                    let columns = &graph.nodes().get(id)?.columns;
                    (!columns.is_empty()).then(|| Known { id: id.to_owned(), columns: columns.clone() })
                };
                of_query(sql, known, |name| names.part(name))
            }
            Err(kind) => QueryLineage::unresolved(&format!("the query couldn't be compiled: {kind}")),
        };
        graph.add_query(id.as_str(), &lineage);
    }
    graph
}

/// Schemas and names of the project's relations that queries name.
pub(super) fn named(manifest: &Manifest, queries: &[Query]) -> BTreeSet<(String, String)> {
    let names = Names::of(manifest);
    let found = Mutex::new(BTreeSet::new());
    for sql in queries.iter().filter_map(|(_, sql)| sql.as_ref().ok()) {
        let note = |name: &RelationName| {
            if let (Some(_), Some(schema)) = (names.id(name), &name.schema) {
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.insert((schema.clone(), name.name.clone()));
            }
            None
        };
        of_query(sql, note, |name| names.part(name));
    }
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}
