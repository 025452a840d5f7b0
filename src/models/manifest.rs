//! A project, parsed: every model with what it reads, and the graph of them.
//!
//! Guarantee: what is wrong with one model's own file is that model's fault alone; the others are there.

use super::{
    config::{Materialized, Settings},
    draft::Draft,
    generic_test::GenericTest,
    macros::Macros,
    names::{Names, Referred},
    project::Project,
    properties::{PropertyBook, Target},
    relation::Relation,
    render::Templates,
    scope::{NodeScope, Scope, Shared, Task},
};
use crate::{
    dag::Dag,
    domain::{ModelId, TableName},
    error::{Error, Kind, Result},
};
use serde_json::{Map, Value as Json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

/// A project, parsed.
#[derive(Debug)]
pub(super) struct Manifest {
    /// Its own file.
    pub project: Project,
    /// Its templates.
    pub templates: Templates,
    /// What all renderings have in common.
    pub shared: Arc<Shared>,
    /// What names stand for.
    pub names: Arc<Names>,
    /// Every enabled model.
    pub nodes: BTreeMap<ModelId, Node>,
    /// Who must wait for whom: for what is read and for what tests compare with.
    pub dag: Dag<ModelId>,
}

/// One model.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its unique id.
    pub id: ModelId,
    /// Its name.
    pub name: String,
    /// Its file, relative to the project; also its template's name.
    pub file: String,
    /// Its folders below the model path and its name.
    pub path: Vec<String>,
    /// Its configuration.
    pub settings: Settings,
    /// How it becomes a relation.
    pub materialized: Materialized,
    /// The relation it becomes.
    pub relation: Relation,
    /// Models it reads.
    pub parents: BTreeSet<ModelId>,
    /// Models that only its tests read.
    pub tested_against: BTreeSet<ModelId>,
    /// Tables of sources it reads.
    pub sources: BTreeSet<SourceRead>,
    /// Its tests.
    pub tests: Vec<AttachedTest>,
    /// Why its own file can't be used; everything above it is then what could be found out.
    pub fault: Option<Fault>,
}

/// What is wrong with a model's own file. It is that model's failure, not the project's.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    kind: Kind,
    context: String,
}

impl Fault {
    /// Keeps an error that has nothing below it.
    pub(super) fn new(error: Error) -> Self {
        Self { kind: error.kind, context: error.context }
    }

    /// The error again: each who needs the model meets it.
    pub(super) fn error(&self) -> Error {
        Error::new(self.kind, self.context.clone())
    }
}

impl Node {
    /// Refuses a model whose own file can't be used.
    pub(super) fn sound(&self) -> Result<()> {
        self.fault.as_ref().map_or(Ok(()), |fault| Err(fault.error()))
    }
}

/// A table of a source that a model reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SourceRead {
    /// The source's name.
    pub source: String,
    /// The table's name in the project.
    pub table: String,
    /// Where it is.
    pub relation: Relation,
    /// The table of the raw schema, where it is one.
    pub raw: Option<TableName>,
}

/// A test, and the model whose build runs it.
#[derive(Clone, Debug)]
pub(super) struct AttachedTest {
    /// The test.
    pub test: GenericTest,
    /// The model that is tested.
    pub subject: ModelId,
    /// Where it is said, for messages.
    pub shown: String,
    /// Whether what it compares with can't be read: then it waits, as for a relation that isn't there.
    pub waits: bool,
}

/// What the command and the configuration say about a project.
#[derive(Debug)]
pub(super) struct Setting {
    /// `target`, and where everything goes.
    pub target: Target,
    /// Variables above the project's.
    pub vars: Map<String, Json>,
    /// The schema of the source's tables.
    pub raw_schema: String,
    /// `invocation_id`.
    pub invocation: String,
}

impl Manifest {
    /// Reads and parses a project.
    pub(super) fn load(project: Project, setting: Setting) -> Result<Self> {
        let mut macros = Macros::default();
        let mut templates = Templates::new(&mut macros)?;
        for file in project.files(&project.macro_paths, &["sql"])? {
            let source = text(&project, &file)?;
            templates.add(&file, &source)?;
            macros.add(&file, &source, true);
        }
        let mut vars = project.vars();
        vars.extend(setting.vars.clone());
        let shared = Arc::new(Shared {
            project: project.name.clone(),
            vars,
            target: setting.target.value(&project.profile),
            database: setting.target.database.clone(),
            raw_schema: setting.raw_schema.clone(),
            macros,
            invocation: setting.invocation.clone(),
        });
        let book = PropertyBook::read(&project, &templates, &shared)?;
        let files = project.files(&project.model_paths, &["sql"])?;
        let mut drafts = BTreeMap::new();
        for file in files {
            let added = text(&project, &file).and_then(|source| templates.add(&file, &source));
            let draft = Draft::read(&project, &templates, &shared, &book, &file, added);
            if let Some(twin) = drafts.insert(draft.name.clone(), draft) {
                return Err(wrong(&twin.file, &format!("there are two models named '{}'", twin.name)));
            }
        }
        Self::assemble(project, templates, shared, book, drafts, &setting)
    }

    fn assemble(
        project: Project,
        templates: Templates,
        shared: Arc<Shared>,
        book: PropertyBook,
        drafts: BTreeMap<String, Draft>,
        setting: &Setting,
    ) -> Result<Self> {
        book.warn_unknown(drafts.keys());
        let mut names = Names { project: project.name.clone(), sources: book.sources, ..Names::default() };
        let mut relations: BTreeMap<Relation, String> = BTreeMap::new();
        for draft in drafts.values() {
            let referred = match (draft.enabled, draft.materialized) {
                (false, _) => Referred::Disabled,
                (true, _) if draft.fault.is_some() => Referred::Faulty,
                (true, Materialized::Ephemeral) => Referred::Ephemeral,
                (true, _) => {
                    if let Some(twin) = relations.insert(draft.relation.clone(), draft.file.clone()) {
                        return Err(wrong(&draft.file, &format!("{} is also the relation of {twin}", draft.relation)));
                    }
                    Referred::Relation(draft.relation.clone())
                }
            };
            names.models.insert(draft.name.clone(), referred);
        }
        let names = Arc::new(names);
        let mut nodes = BTreeMap::new();
        for draft in drafts.into_values().filter(|d| d.enabled) {
            let node = draft.resolve(&shared, &names, setting);
            nodes.insert(node.id.clone(), node);
        }
        let graph = |nodes: &BTreeMap<ModelId, Node>| {
            let edges = nodes.values().map(|n| (n.id.clone(), n.parents.union(&n.tested_against).cloned().collect()));
            Dag::new(edges).map_err(|cycle| Error::new(Kind::ModelProject, cycle.to_string()))
        };
        let mut dag = graph(&nodes)?;
        for (model, tests) in book.tests {
            let Some(id) = nodes.values().find(|n| n.name == model).map(|n| n.id.clone()) else { continue };
            for (test, shown) in tests {
                let attached = AttachedTest { test, subject: id.clone(), shown, waits: false };
                if attach(&mut nodes, &dag, &templates, &shared, &names, attached)? {
                    dag = graph(&nodes)?;
                }
            }
        }
        Ok(Self { project, templates, shared, names, nodes, dag })
    }

    /// The model of that name.
    pub(super) fn by_name(&self, name: &str) -> Option<&Node> {
        self.nodes.get(&id_of(&self.shared, name))
    }

    /// The model with that id.
    pub(super) fn node(&self, id: &ModelId) -> Result<&Node> {
        self.nodes.get(id).ok_or_else(|| Error::new(Kind::ModelProject, format!("there is no model {id}")))
    }
}

/// Gives a test to the model whose build can run it: the tested one, unless what it is compared with
/// is made from the tested one; then that one, which is later. Tells whether the graph gained an edge.
fn attach(
    nodes: &mut BTreeMap<ModelId, Node>,
    dag: &Dag<ModelId>,
    templates: &Templates,
    shared: &Arc<Shared>,
    names: &Arc<Names>,
    mut attached: AttachedTest,
) -> Result<bool> {
    let mut gained = false;
    let mut runner = attached.subject.clone();
    if let Some(expression) = attached.test.expression() {
        let scope = Scope::new(shared.clone(), NodeScope::default(), Task::Parse(Mutex::default()));
        templates.evaluate(expression, &attached.shown, &scope)?;
        let collected = scope.collected();
        for (source, table) in &collected.sources {
            names.source(source, table).map_err(|e| wrong(&attached.shown, &e))?;
        }
        for (package, name) in &collected.refs {
            let referred = names.model(package.as_deref(), name).map_err(|e| wrong(&attached.shown, &e))?;
            attached.waits |= matches!(referred, Referred::Faulty);
            let other = id_of(shared, name);
            if other == attached.subject {
                continue;
            }
            if dag.descendants(&attached.subject).contains(&other) {
                runner = other;
            } else if let Some(subject) = nodes.get_mut(&attached.subject) {
                gained |= subject.tested_against.insert(other);
            }
        }
    }
    if let Some(node) = nodes.get_mut(&runner) {
        node.tests.push(attached);
    }
    Ok(gained)
}

/// The unique id of a model, as dbt makes it.
pub(super) fn id_of(shared: &Shared, name: &str) -> ModelId {
    ModelId::new(format!("model.{}.{name}", shared.project))
}

fn text(project: &Project, file: &str) -> Result<String> {
    std::fs::read_to_string(project.root.join(file)).map_err(|e| wrong(file, &e.to_string()))
}

/// Something is wrong with the project, at a place.
pub(super) fn wrong(shown: &str, what: &str) -> Error {
    Error::new(Kind::ModelProject, format!("{shown}: {what}"))
}
