//! The lineage of a project: nodes, and columns, and which come from which.
//!
//! Written as JSON it is plain lists (`nodes`, `edges`, `columns`, `rows`), so that whatever draws it needs to know nothing
//! of how it was found.

use super::{ColumnRef, Origins, QueryLineage, Way};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a node of the graph is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::models) enum NodeKind {
    /// A model.
    Model,
    /// A seed.
    Seed,
    /// A snapshot.
    Snapshot,
    /// A table of a source.
    Source,
    /// What reads models outside of the project.
    Exposure,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::models) struct Node {
    /// What it is.
    pub(in crate::models) kind: NodeKind,
    /// Its name.
    pub(in crate::models) name: String,
    /// Its columns, in order, as far as they are known.
    pub(in crate::models) columns: Vec<String>,
    /// Why more may be read by it, or more columns given, than the graph has.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(in crate::models) unresolved: BTreeSet<String>,
    /// The same of one column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(in crate::models) unresolved_columns: BTreeMap<String, BTreeSet<String>>,
}

/// The lineage of a project. Its nodes are added first, then what they read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub(in crate::models) struct Graph {
    nodes: BTreeMap<String, Node>,
    /// (what is read, what reads it)
    edges: BTreeSet<(String, String)>,
    up: Edges,
    down: Edges,
    /// The nodes whose rows a column decides.
    rows: BTreeMap<ColumnRef, BTreeSet<String>>,
}

/// From each column to those next to it.
type Edges = BTreeMap<ColumnRef, BTreeMap<ColumnRef, Way>>;

impl Graph {
    /// Adds a node, with the columns that the catalog says it has; none where it isn't there.
    pub(in crate::models) fn add_node(&mut self, id: &str, kind: NodeKind, name: &str, columns: Vec<String>) {
        let (unresolved, unresolved_columns) = (BTreeSet::new(), BTreeMap::new());
        let node = Node { kind, name: name.to_owned(), columns, unresolved, unresolved_columns };
        self.nodes.insert(id.to_owned(), node);
    }

    /// Adds that one node reads another.
    pub(in crate::models) fn add_edge(&mut self, read: &str, reader: &str) {
        self.edges.insert((read.to_owned(), reader.to_owned()));
    }

    /// Adds what a node's query said. Columns that the catalog doesn't have of the node are left out: it goes before.
    /// Those that it alone has are made by something else.
    pub(in crate::models) fn add_query(&mut self, id: &str, lineage: &QueryLineage) {
        for read in &lineage.nodes {
            self.add_edge(read, id);
        }
        let node = self.nodes.get_mut(id).expect("nodes are added before their queries");
        if node.columns.is_empty() {
            node.columns = lineage.columns.iter().map(|column| column.name.clone()).collect();
        }
        node.unresolved.extend(lineage.unresolved.iter().chain(&lineage.rows.unresolved).cloned());
        let is_given = |name: &String| lineage.columns.iter().any(|column| column.name == *name);
        let mut reasons = lineage.unresolved.clone();
        if reasons.is_empty() {
            reasons.insert("the query doesn't give it".to_owned());
        }
        for name in node.columns.iter().filter(|name| !is_given(name)) {
            node.unresolved_columns.entry(name.clone()).or_default().extend(reasons.iter().cloned());
        }
        for column in &lineage.columns {
            let node = self.nodes.get_mut(id).expect("it was there a moment ago");
            if !node.columns.contains(&column.name) {
                continue;
            }
            let Origins { from, unresolved } = &column.origins;
            if !unresolved.is_empty() {
                node.unresolved_columns.entry(column.name.clone()).or_default().extend(unresolved.iter().cloned());
            }
            let to = ColumnRef { node: id.to_owned(), column: column.name.clone() };
            for (from, way) in from {
                self.link(from.clone(), to.clone(), *way);
            }
        }
        for from in lineage.rows.from.keys() {
            self.rows.entry(from.clone()).or_default().insert(id.to_owned());
        }
    }

    /// The nodes by their ids.
    pub(in crate::models) fn nodes(&self) -> &BTreeMap<String, Node> {
        &self.nodes
    }

    /// The nodes that one reads.
    pub(in crate::models) fn parents(&self, id: &str) -> impl Iterator<Item = &str> {
        self.edges.iter().filter(move |(_, reader)| reader == id).map(|(read, _)| read.as_str())
    }

    /// The nodes that read one.
    pub(in crate::models) fn children(&self, id: &str) -> impl Iterator<Item = &str> {
        self.edges.iter().filter(move |(read, _)| read == id).map(|(_, reader)| reader.as_str())
    }

    /// The columns that the values of a column come from, one step up.
    pub(in crate::models) fn origins(&self, column: &ColumnRef) -> impl Iterator<Item = (&ColumnRef, &Way)> {
        self.up.get(column).into_iter().flatten()
    }

    /// The columns that decide which rows a node has, one step up.
    pub(in crate::models) fn rows_of(&self, id: &str) -> impl Iterator<Item = &ColumnRef> {
        self.rows.iter().filter(move |(_, nodes)| nodes.contains(id)).map(|(column, _)| column)
    }

    /// All columns that the values of a column come from, near and far.
    pub(in crate::models) fn upstream(&self, column: &ColumnRef) -> BTreeMap<ColumnRef, Way> {
        reached(&self.up, column)
    }

    /// All columns whose values come from a column, near and far.
    pub(in crate::models) fn downstream(&self, column: &ColumnRef) -> BTreeMap<ColumnRef, Way> {
        reached(&self.down, column)
    }

    /// The nodes of which a column, or one that comes from it, decides which rows they have.
    pub(in crate::models) fn rows_decided(&self, column: &ColumnRef) -> BTreeSet<&str> {
        let below = self.downstream(column);
        let columns = std::iter::once(column).chain(below.keys());
        columns.filter_map(|column| self.rows.get(column)).flatten().map(String::as_str).collect()
    }

    /// The exposures of nodes that have a column, or one that comes from it.
    pub(in crate::models) fn exposures(&self, column: &ColumnRef) -> BTreeSet<&str> {
        let below = self.downstream(column);
        let holders: BTreeSet<&str> =
            std::iter::once(column).chain(below.keys()).map(|column| column.node.as_str()).collect();
        let exposure = |id: &str| self.nodes.get(id).is_some_and(|node| node.kind == NodeKind::Exposure);
        let edges = self.edges.iter().filter(|(read, reader)| holders.contains(read.as_str()) && exposure(reader));
        edges.map(|(_, reader)| reader.as_str()).collect()
    }

    fn link(&mut self, from: ColumnRef, to: ColumnRef, way: Way) {
        for (edges, one, other) in [(&mut self.up, &to, &from), (&mut self.down, &from, &to)] {
            let known = edges.entry(one.clone()).or_default().entry(other.clone()).or_insert(way);
            *known = (*known).max(way);
        }
    }
}

/// What can be reached; a column that comes unchanged by one way and changed by another counts as changed.
fn reached(edges: &Edges, start: &ColumnRef) -> BTreeMap<ColumnRef, Way> {
    let mut found: BTreeMap<ColumnRef, Way> = BTreeMap::new();
    let mut left = vec![(start, Way::Direct)];
    // Each column is passed twice at most: once for each way.
    while let Some((column, so_far)) = left.pop() {
        for (next, way) in edges.get(column).into_iter().flatten() {
            let way = so_far.max(*way);
            let known = found.get(next).copied();
            if known.is_none_or(|known| known < way) {
                found.insert(next.clone(), way);
                left.push((next, way));
            }
        }
    }
    found
}

/// The graph as JSON has it.
#[derive(Serialize, Deserialize)]
struct Written {
    nodes: BTreeMap<String, Node>,
    edges: Vec<NodeEdge>,
    columns: Vec<ColumnEdge>,
    rows: Vec<RowEdge>,
}

#[derive(Serialize, Deserialize)]
struct NodeEdge {
    from: String,
    to: String,
}

#[derive(Serialize, Deserialize)]
struct ColumnEdge {
    from: ColumnRef,
    to: ColumnRef,
    way: Way,
}

#[derive(Serialize, Deserialize)]
struct RowEdge {
    from: ColumnRef,
    to: String,
}

impl From<Graph> for Written {
    fn from(graph: Graph) -> Self {
        let columns = graph
            .up
            .into_iter()
            .flat_map(|(to, from)| from.into_iter().map(move |(from, way)| ColumnEdge { from, to: to.clone(), way }));
        let rows = graph
            .rows
            .into_iter()
            .flat_map(|(from, nodes)| nodes.into_iter().map(move |to| RowEdge { from: from.clone(), to }));
        Self {
            nodes: graph.nodes,
            edges: graph.edges.into_iter().map(|(from, to)| NodeEdge { from, to }).collect(),
            columns: columns.collect(),
            rows: rows.collect(),
        }
    }
}

impl From<Written> for Graph {
    fn from(written: Written) -> Self {
        let mut graph = Self { nodes: written.nodes, ..Self::default() };
        graph.edges = written.edges.into_iter().map(|edge| (edge.from, edge.to)).collect();
        for edge in written.columns {
            graph.link(edge.from, edge.to, edge.way);
        }
        for edge in written.rows {
            graph.rows.entry(edge.from).or_default().insert(edge.to);
        }
        graph
    }
}
