//! What people and programs see of the lineage.

use super::super::lineage::{ColumnRef, Graph, NodeKind, Way};
use crate::error::{Error, Kind, Result};
use serde::Serialize;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// The lineage of a project.
#[derive(Clone, Debug)]
pub struct Lineage {
    graph: Graph,
}

/// A column that another one comes from, or goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The unique id of its node.
    pub node: String,
    /// Its name.
    pub column: String,
    /// `direct`: the value is passed on as it is. `transformed`: something happens to it.
    pub way: &'static str,
}

/// A column that decides which rows a node has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowsOrigin {
    /// The unique id of its node.
    pub node: String,
    /// Its name.
    pub column: String,
}

/// What a column comes from, one step up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnOrigins {
    /// Its name.
    pub name: String,
    /// The columns that it comes from.
    pub from: Vec<Origin>,
    /// Why there may be more; empty if there are none.
    pub unresolved: Vec<String>,
}

/// A node with its neighbours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeLineage {
    /// Its unique id.
    pub node: String,
    /// `model`, `seed`, `snapshot`, `source` or `exposure`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The nodes that it reads.
    pub reads: Vec<String>,
    /// The nodes that read it.
    pub read_by: Vec<String>,
    /// The exposures that it reaches, near and far.
    pub exposures: Vec<String>,
    /// Its columns, in order.
    pub columns: Vec<ColumnOrigins>,
    /// What decides which rows it has.
    pub rows: Vec<RowsOrigin>,
    /// Why more may be read, or more columns given.
    pub unresolved: Vec<String>,
}

/// A column, and all that it comes from and goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnLineage {
    /// The unique id of its node.
    pub node: String,
    /// Its name.
    pub column: String,
    /// All columns that it comes from.
    pub upstream: Vec<Origin>,
    /// All columns that come from it.
    pub downstream: Vec<Origin>,
    /// The nodes whose rows it decides, or one that comes from it.
    pub rows_decided: Vec<String>,
    /// The exposures of nodes that have it, or one that comes from it.
    pub exposures: Vec<String>,
    /// Why more may lie above it; empty if nothing does.
    pub unresolved: Vec<String>,
}

impl Lineage {
    pub(super) fn of(graph: Graph) -> Self {
        Self { graph }
    }

    /// Everything, as `lineage.json` has it.
    pub fn json(&self) -> Json {
        serde_json::to_value(&self.graph).expect("names and words are JSON")
    }

    /// The unique ids of all nodes.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.graph.nodes().keys().map(String::as_str)
    }

    /// A node; `None` where there is none of that id.
    pub fn node(&self, id: &str) -> Option<NodeLineage> {
        let node = self.graph.nodes().get(id)?;
        let column = |name: &String| {
            let at = ColumnRef { node: id.to_owned(), column: name.clone() };
            let from = self.graph.origins(&at).map(|(from, way)| origin(from, *way)).collect();
            ColumnOrigins { name: name.clone(), from, unresolved: texts(node.unresolved_columns.get(name)) }
        };
        let rows = self.graph.rows_of(id).map(|c| RowsOrigin { node: c.node.clone(), column: c.column.clone() });
        Some(NodeLineage {
            node: id.to_owned(),
            kind: word(node.kind),
            name: node.name.clone(),
            reads: self.graph.parents(id).map(str::to_owned).collect(),
            read_by: self.graph.children(id).map(str::to_owned).collect(),
            exposures: self.reached(id).into_iter().filter(|id| self.is_exposure(id)).map(str::to_owned).collect(),
            columns: node.columns.iter().map(column).collect(),
            rows: rows.collect(),
            unresolved: texts(Some(&node.unresolved)),
        })
    }

    /// A column by the name of its node, or its unique id, and its own: `orders.total`.
    ///
    /// # Errors
    /// [`Kind::UnknownSelection`]: there is none, or several nodes bear the name.
    pub fn column(&self, name: &str) -> Result<ColumnLineage> {
        let unknown = |text: String| Error::new(Kind::UnknownSelection, text);
        let (of, column) =
            name.rsplit_once('.').ok_or_else(|| unknown(format!("'{name}' is no column: write it as model.column")))?;
        let is_meant = |(id, node): &(&String, &super::super::lineage::Node)| {
            *id == of || node.name == of || id.ends_with(&format!(".{of}"))
        };
        let found: Vec<_> = self.graph.nodes().iter().filter(is_meant).collect();
        let (id, node) = match found[..] {
            [one] => one,
            [] => return Err(unknown(format!("no node is called '{of}'"))),
            _ => {
                let ids: Vec<&str> = found.iter().map(|(id, _)| id.as_str()).collect();
                return Err(unknown(format!("several nodes are called '{of}': {}", ids.join(", "))));
            }
        };
        if !node.columns.iter().any(|known| known == column) {
            let known = node.columns.join(", ");
            return Err(unknown(format!("{of} has no column '{column}'; those that are known: {known}")));
        }
        let at = ColumnRef { node: id.clone(), column: column.to_owned() };
        let list = |found: BTreeMap<ColumnRef, Way>| found.iter().map(|(at, way)| origin(at, *way)).collect();
        let upstream = self.graph.upstream(&at);
        let unresolved = upstream.keys().chain([&at]).flat_map(|at| self.why(at)).collect::<BTreeSet<String>>();
        Ok(ColumnLineage {
            upstream: list(upstream),
            downstream: list(self.graph.downstream(&at)),
            rows_decided: self.graph.rows_decided(&at).into_iter().map(str::to_owned).collect(),
            exposures: self.graph.exposures(&at).into_iter().map(str::to_owned).collect(),
            unresolved: unresolved.into_iter().collect(),
            node: at.node,
            column: at.column,
        })
    }

    /// Why a column may come from more than is known, each with the column.
    fn why(&self, at: &ColumnRef) -> impl Iterator<Item = String> {
        let reasons = self.graph.nodes().get(&at.node).and_then(|node| node.unresolved_columns.get(&at.column));
        reasons.into_iter().flatten().map(|reason| format!("{}.{}: {reason}", at.node, at.column))
    }

    /// The nodes below one.
    fn reached(&self, id: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut left: Vec<&str> = self.graph.children(id).collect();
        while let Some(next) = left.pop() {
            if found.insert(next) {
                left.extend(self.graph.children(next));
            }
        }
        found
    }

    fn is_exposure(&self, id: &str) -> bool {
        self.graph.nodes().get(id).is_some_and(|node| node.kind == NodeKind::Exposure)
    }
}

fn origin(at: &ColumnRef, way: Way) -> Origin {
    let way = match way {
        Way::Direct => "direct",
        Way::Transformed => "transformed",
    };
    Origin { node: at.node.clone(), column: at.column.clone(), way }
}

fn word(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Model => "model",
        NodeKind::Seed => "seed",
        NodeKind::Snapshot => "snapshot",
        NodeKind::Source => "source",
        NodeKind::Exposure => "exposure",
    }
}

fn texts(reasons: Option<&BTreeSet<String>>) -> Vec<String> {
    reasons.into_iter().flatten().cloned().collect()
}
