//! Which columns a column comes from.
//!
//! Pure: SQL text and a lookup of relations go in, columns come out; no catalog is read and nothing is kept. `names` folds
//! names, `bounds` says what is too much to be followed, `query`, `select`, `from` and `expr` follow the tree of the
//! parser, `scope` says what a name means, `graph` puts the answers of a project together.
//! Guarantee: no column is named that a value doesn't come from. Where a name can't be told, the answer says so.
//! Refuses to know types and functions of a database: what a function in a `from` gives is known of the commonest alone.

mod bounds;
mod expr;
mod flow;
mod from;
mod functions;
mod graph;
mod names;
mod naming;
mod parts;
mod query;
mod scope;
mod select;
mod sets;
#[cfg(test)]
mod tests;
mod with;

use flow::{Flow, Numbered, Shape};
pub(in crate::models) use graph::{Graph, Node, NodeKind};
pub(in crate::models) use names::RelationName;
use query::Answer;
use serde::{Deserialize, Serialize};
use sqlparser::{ast::Statement, dialect::PostgreSqlDialect, parser::Parser, tokenizer::Tokenizer};
use std::collections::{BTreeMap, BTreeSet};
use with::Named;

/// Columns that PostgreSQL allows a query (`MaxTupleAttributeNumber`).
const COLUMNS_MAX: usize = 1664;
/// Steps that a query may take: names resolved and expressions visited. Thousands of columns take some ten thousand.
const STEPS_MAX: usize = 5_000_000;

/// A relation that may be read: a model, a seed, a snapshot or a table of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::models) struct Known {
    /// Its unique id.
    pub(in crate::models) id: String,
    /// Its columns in order, as the warehouse's catalog names them.
    pub(in crate::models) columns: Vec<String>,
}

/// A column of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(in crate::models) struct ColumnRef {
    /// The node's unique id.
    pub(in crate::models) node: String,
    /// The column.
    pub(in crate::models) column: String,
}

/// How a value comes from a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::models) enum Way {
    /// As it is, maybe under another name.
    Direct,
    /// Through an expression, an aggregate or a function.
    Transformed,
}

/// What something comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::models) struct Origins {
    /// The columns that it comes from, for certain.
    pub(in crate::models) from: BTreeMap<ColumnRef, Way>,
    /// Why there may be more; empty if there are none.
    pub(in crate::models) unresolved: BTreeSet<String>,
}

/// A column that a query gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::models) struct OutputColumn {
    /// Its name, as PostgreSQL gives it.
    pub(in crate::models) name: String,
    /// Where its value comes from.
    pub(in crate::models) origins: Origins,
}

/// What is known of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::models) struct QueryLineage {
    /// Its columns, in order.
    pub(in crate::models) columns: Vec<OutputColumn>,
    /// What decides which rows there are: joins, conditions, groups, limits.
    pub(in crate::models) rows: Origins,
    /// Every column that it names, used or not: without one of them, it fails.
    pub(in crate::models) reads: BTreeSet<ColumnRef>,
    /// The nodes that it reads.
    pub(in crate::models) nodes: BTreeSet<String>,
    /// Why it may give more columns than those above; empty if it does not.
    pub(in crate::models) unresolved: BTreeSet<String>,
}

impl QueryLineage {
    /// Nothing is known, and why.
    pub(in crate::models) fn unresolved(reason: &str) -> Self {
        let reasons = BTreeSet::from([reason.to_owned()]);
        let rows = Origins { unresolved: reasons.clone(), ..Origins::default() };
        Self { rows, unresolved: reasons, ..Self::default() }
    }
}

/// What a query, as PostgreSQL would get it, is made of. `part` tells the node that a query of a `with` stands for, by its
/// name: it is followed for its columns alone.
///
/// It is followed on a thread of its own, whose stack is as large as the deepest query needs.
pub(in crate::models) fn of_query(
    sql: &str,
    lookup: impl Fn(&RelationName) -> Option<Known> + Sync,
    part: impl Fn(&str) -> Option<String> + Sync,
) -> QueryLineage {
    if sql.len() > bounds::SQL_BYTES_MAX {
        return QueryLineage::unresolved("the query is too long to be followed");
    }
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("lineage".to_owned())
            .stack_size(bounds::STACK_BYTES)
            .spawn_scoped(scope, || followed(sql, &lookup, &part))
            .ok()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_else(|| QueryLineage::unresolved("the query couldn't be followed"))
    })
}

fn followed(
    sql: &str,
    lookup: &dyn Fn(&RelationName) -> Option<Known>,
    part: &dyn Fn(&str) -> Option<String>,
) -> QueryLineage {
    let dialect = PostgreSqlDialect {};
    // The parser's own words quote the SQL, and with it values: they are not told.
    let Ok(tokens) = Tokenizer::new(&dialect, sql).tokenize_with_location() else {
        return QueryLineage::unresolved("the query couldn't be parsed");
    };
    if let Some(reason) = bounds::exceeded(tokens.iter().map(|token| &token.token)) {
        return QueryLineage::unresolved(&format!("the query is too large to be followed: {reason}"));
    }
    if bounds::misread(tokens.iter().map(|token| &token.token)) {
        return QueryLineage::unresolved("isnull isn't followed: is null says the same");
    }
    let mut parser =
        Parser::new(&dialect).with_recursion_limit(bounds::DESCENTS_MAX).with_tokens_with_locations(tokens);
    let query = match parser.parse_statements().map(<[Statement; 1]>::try_from) {
        Err(_) => return QueryLineage::unresolved("the query couldn't be parsed"),
        Ok(Ok([Statement::Query(query)])) => query,
        Ok(_) => return QueryLineage::unresolved("it isn't one query"),
    };
    let mut analysis = Analysis::new(lookup, part);
    let answer = analysis.query(&query, None);
    analysis.told(&answer)
}

/// A query being followed.
struct Analysis<'l> {
    lookup: &'l dyn Fn(&RelationName) -> Option<Known>,
    part: &'l dyn Fn(&str) -> Option<String>,
    numbered: Numbered,
    /// The queries of `with` that can be seen, the nearest last.
    named: Vec<Named>,
    /// Which of them were read though they stand behind.
    read_pending: BTreeSet<usize>,
    /// Which of them were read while they were being followed.
    read_growing: BTreeSet<usize>,
    reads: BTreeSet<u32>,
    nodes: BTreeSet<String>,
    steps_left: usize,
    /// Why nothing more is followed.
    stopped: Option<String>,
}

impl<'l> Analysis<'l> {
    fn new(lookup: &'l dyn Fn(&RelationName) -> Option<Known>, part: &'l dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            lookup,
            part,
            numbered: Numbered::default(),
            named: Vec::new(),
            read_pending: BTreeSet::new(),
            read_growing: BTreeSet::new(),
            reads: BTreeSet::new(),
            nodes: BTreeSet::new(),
            steps_left: STEPS_MAX,
            stopped: None,
        }
    }

    /// Takes steps; whether there are any left.
    fn spend(&mut self, steps: usize) -> bool {
        match self.steps_left.checked_sub(steps) {
            Some(left) if self.stopped.is_none() => self.steps_left = left,
            Some(_) => return false,
            None => self.stop("it takes too many steps to be followed".to_owned()),
        }
        self.stopped.is_none()
    }

    fn stop(&mut self, reason: String) {
        self.steps_left = 0;
        self.stopped.get_or_insert(reason);
    }

    /// Columns that the query names.
    fn read(&mut self, flow: &Flow) {
        self.spend(flow.from.len());
        self.reads.extend(flow.from.keys());
    }

    fn told(self, answer: &Answer) -> QueryLineage {
        if let Some(reason) = self.stopped {
            return QueryLineage::unresolved(&reason);
        }
        let Answer { shape: Shape { columns, open }, rows } = answer;
        let column = |column: &flow::Column| OutputColumn {
            name: column.name.to_string(),
            origins: self.numbered.origins(&column.flow),
        };
        let unresolved = match open {
            None => BTreeSet::new(),
            Some(open) if open.unresolved.is_empty() => {
                BTreeSet::from(["the columns of a function aren't known".to_owned()])
            }
            Some(open) => open.unresolved.iter().map(|reason| reason.to_string()).collect(),
        };
        QueryLineage {
            columns: columns.iter().map(column).collect(),
            rows: self.numbered.origins(rows),
            reads: self.reads.iter().map(|number| self.numbered.column(*number)).collect(),
            nodes: self.nodes,
            unresolved,
        }
    }
}
