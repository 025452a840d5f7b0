//! One node of a project: what was said of it, what it reads, and where it goes.

use super::super::{
    context::relation::Policy,
    reading::{Settings, Step, line_of},
    relation::Relation,
};
use super::UnitTest;
use crate::{
    domain::{ModelId, TableName},
    error::{Error, Kind, Result},
};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::models) enum Resource {
    /// A query that becomes a relation.
    Model,
    /// A CSV file that becomes a table.
    Seed,
    /// A table that keeps the history of a query's rows.
    Snapshot,
    /// A query whose rows are failures.
    Test,
    /// Rows that a model shall give for rows that stand in for what it reads.
    UnitTest,
    /// A query that is compiled and never run.
    Analysis,
    /// What runs before and after everything: `on-run-start`, `on-run-end`, `run-operation`.
    Operation,
}

impl Resource {
    /// dbt's word, which begins the unique id.
    pub(in crate::models) fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
            Self::Test => "test",
            Self::UnitTest => "unit_test",
            Self::Analysis => "analysis",
            Self::Operation => "operation",
        }
    }

    /// Whether it becomes a relation that `ref` can name.
    pub(in crate::models) fn is_built(self) -> bool {
        matches!(self, Self::Model | Self::Seed | Self::Snapshot)
    }

    /// Whether it says something of others.
    pub(in crate::models) fn is_test(self) -> bool {
        matches!(self, Self::Test | Self::UnitTest)
    }
}

/// A call of `ref`.
#[derive(Serialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::models) struct RefCall {
    /// The package, where it was named.
    pub package: Option<String>,
    /// The name.
    pub name: String,
    /// The version, where it was named.
    pub version: Option<String>,
}

/// A table of a source that a node reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::models) struct SourceRead {
    /// The source table's unique id.
    pub id: String,
    /// Where it is.
    pub relation: Relation,
    /// The table of the raw schema, where it is one.
    pub raw: Option<TableName>,
}

/// What makes a node a generic test.
#[derive(Clone, Debug)]
pub(in crate::models) struct GenericTest {
    /// Its word: `not_null`.
    pub word: String,
    /// The package it was called of: `dbt_utils` in `dbt_utils.expression_is_true`.
    pub namespace: Option<String>,
    /// What its macro is given; texts may hold Jinja.
    pub arguments: Map<String, Json>,
    /// The column it is about.
    pub column: Option<String>,
    /// Its place among all tests, in the order in which they are said.
    pub place: usize,
    /// The node that it was said of; `None` for a source's table.
    pub attached: Option<ModelId>,
    /// The steps to it in its file.
    pub steps: Vec<Step>,
}

/// One node.
#[derive(Clone, Debug)]
pub(in crate::models) struct Node {
    /// Its unique id.
    pub id: ModelId,
    /// What it is.
    pub resource: Resource,
    /// Its package.
    pub package: String,
    /// Its name.
    pub name: String,
    /// Its file, relative to the package's root.
    pub file: String,
    /// Its file, relative to the folder of its kind.
    pub path: String,
    /// The package's root.
    pub root: Arc<PathBuf>,
    /// Package, folders and name: what selections and configuration go by.
    pub fqn: Vec<String>,
    /// Its text: as written, or the call that stands for a test of properties.
    pub source: Arc<str>,
    /// Its line in the file from which its text begins, counted from zero: snapshots lie inside a block.
    pub first_line: usize,
    /// SHA-256 of what it is written in: a file, a block of one, the parts of a unit test. Tests of properties have none.
    pub checksum: String,
    /// Its configuration.
    pub settings: Settings,
    /// The relation it becomes.
    pub relation: Relation,
    /// Which parts of its name are quoted.
    pub quoting: Policy,
    /// For people.
    pub description: String,
    /// What is said of its columns, by name.
    pub columns: Map<String, Json>,
    /// Constraints of the whole relation.
    pub constraints: Vec<Json>,
    /// The properties file that speaks of it, as `package://file`.
    pub patch: Option<String>,
    /// The version, where it has versions.
    pub version: Option<Json>,
    /// The version that `ref` takes where none is named.
    pub latest_version: Option<Json>,
    /// When it is to be gone.
    pub deprecation_date: Option<String>,
    /// What it refers to.
    pub refs: Vec<RefCall>,
    /// The tables of sources it names: source and table.
    pub source_calls: Vec<(String, String)>,
    /// Macros it calls, by unique id.
    pub macros: BTreeSet<String>,
    /// Nodes it reads.
    pub parents: BTreeSet<ModelId>,
    /// Tables of sources it reads.
    pub sources: BTreeSet<SourceRead>,
    /// What makes it a generic test.
    pub generic: Option<GenericTest>,
    /// What makes it a unit test.
    pub unit: Option<Arc<UnitTest>>,
    /// Why it can't be used; everything above is then what could be found out.
    pub fault: Option<Fault>,
}

impl Node {
    /// How it becomes a relation: a word of dbt or of a materialization that somebody wrote.
    pub(in crate::models) fn materialized(&self) -> String {
        let usual = match self.resource {
            Resource::Model | Resource::Analysis | Resource::Operation => "view",
            Resource::Seed => "seed",
            Resource::Snapshot => "snapshot",
            Resource::Test => "test",
            Resource::UnitTest => "unit",
        };
        self.settings.text("materialized").unwrap_or_else(|| usual.to_owned())
    }

    /// Whether its file holds nothing: it is there, and nobody makes or runs it.
    pub(in crate::models) fn is_empty(&self) -> bool {
        use Resource as R;
        matches!(self.resource, R::Model | R::Snapshot | R::Test | R::Analysis) && self.source.is_empty()
    }

    /// Whether it is a part of the queries that read it.
    pub(in crate::models) fn is_ephemeral(&self) -> bool {
        self.resource == Resource::Model && self.settings.text("materialized").as_deref() == Some("ephemeral")
    }

    /// Whether what reads it goes on with its last good version where it fails.
    pub(in crate::models) fn continues(&self) -> bool {
        self.settings.text("on_error").as_deref() == Some("continue")
    }

    /// Where it is written, for people: its file; of a generic test, and of a statement of the
    /// project, with the line, for which the file is read again.
    pub(in crate::models) fn place(&self) -> String {
        let at = self.name.rsplit('-').next().and_then(|at| at.parse::<usize>().ok());
        let (steps, below) = match (&self.generic, at) {
            (Some(generic), _) => (generic.steps.clone(), String::new()),
            (None, Some(at)) if self.resource == Resource::Operation => {
                let steps = vec![Step::Key(self.path.clone()), Step::Item(at)];
                (steps, format!(": {}, entry {}", self.path, at + 1))
            }
            _ => return self.file.clone(),
        };
        let text = std::fs::read_to_string(self.root.join(&self.file)).unwrap_or_default();
        let line = line_of(&text, &steps).map_or_else(String::new, |line| format!(":{line}"));
        format!("{}{line}{below}", self.file)
    }

    /// Refuses a node whose own file can't be used.
    pub(in crate::models) fn sound(&self) -> Result<()> {
        self.fault.as_ref().map_or(Ok(()), |fault| Err(fault.error()))
    }
}

/// What is wrong with a node's own file. It is that node's failure, not the project's.
#[derive(Clone, Debug)]
pub(in crate::models) struct Fault {
    kind: Kind,
    context: String,
}

impl Fault {
    /// Keeps an error that has nothing below it.
    pub(in crate::models) fn new(error: Error) -> Self {
        Self { kind: error.kind, context: error.context }
    }

    /// The error again: each who needs the node meets it.
    pub(in crate::models) fn error(&self) -> Error {
        Error::new(self.kind, self.context.clone())
    }
}
