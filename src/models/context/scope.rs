//! What a template sees: the names of one rendering.
//!
//! Names are looked up when they are used, so that a project of a thousand macros costs nothing at the start. They
//! are searched as dbt does: the node's package, the project, dbt's functions, the packages by their names, dbt's own
//! macros. Two tasks share it: parsing collects what a node refers to, running resolves it.

use super::{
    super::{
        jinja::{self, Engine},
        manifest::{Manifest, Node, RefCall, Resource},
        reading::Settings,
        relation::Relation,
    },
    batch::{Window, with_batch},
    connection::Connection,
    functions::{self, Function},
    relation::RelationValue,
    unit::UnitView,
    voice::{Says, Voice},
};
use crate::warehouse::Located;
use chrono::{DateTime, Utc};
use minijinja::value::{Object, ObjectRepr, Value};
use serde_json::{Map, Value as Json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

/// The package of dbt's own macros.
pub(in crate::models) const DBT: &str = "dbt";
/// The adapter whose macros are preferred.
pub(in crate::models) const ADAPTER: &str = "postgres";

/// What all renderings of a project have in common.
#[derive(Debug)]
pub(in crate::models) struct Setting {
    /// Jinja, with every macro.
    pub engine: Engine,
    /// The project's name.
    pub project: String,
    /// Every package, the project among them.
    pub packages: BTreeSet<String>,
    /// Variables as each package's nodes see them.
    pub vars: BTreeMap<String, Map<String, Json>>,
    /// Where macros are searched, by namespace: `dispatch` of the project.
    pub dispatch: BTreeMap<String, Vec<String>>,
    /// `target`.
    pub target: Json,
    /// `target.dbname`, where every relation lies.
    pub database: String,
    /// `target.schema`.
    pub schema: String,
    /// The schema of the source's tables, where no model goes.
    pub raw_schema: String,
    /// `flags`, and `invocation_args_dict`.
    pub flags: Map<String, Json>,
    /// `invocation_id`.
    pub invocation: String,
    /// What models and snapshots see of what has an event time: `--sample`.
    pub sample: Option<Window>,
    /// Who hears what templates say; `None` where it is logged.
    pub says: Option<Says>,
}

/// The names of one rendering.
#[derive(Debug)]
pub(in crate::models) struct Scope {
    /// What all renderings have in common.
    pub setting: Arc<Setting>,
    /// The node that is rendered.
    pub subject: Subject,
    /// What the rendering is for.
    pub task: Task,
    /// What `statement` and `store_result` have kept, by name.
    pub results: Mutex<BTreeMap<String, Value>>,
    /// Names of this rendering alone: `sql`, `results`, …
    pub extra: BTreeMap<&'static str, Value>,
    described: OnceLock<Value>,
}

/// The node that is rendered, as far as it knows itself.
#[derive(Clone, Debug)]
pub(in crate::models) struct Subject {
    /// Its unique id; empty where there is no node.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its package.
    pub package: String,
    /// What it is.
    pub resource: Resource,
    /// Its relation, once it is known.
    pub this: Option<RelationValue>,
    /// Its configuration, as far as it is known.
    pub settings: Settings,
    /// What `model` is, where no manifest has it yet.
    pub description: Option<Json>,
}

impl Subject {
    /// Of what belongs to a package and to no node.
    pub(in crate::models) fn of_package(package: &str) -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            package: package.to_owned(),
            resource: Resource::Operation,
            this: None,
            settings: Settings::default(),
            description: None,
        }
    }

    /// Of a node.
    pub(in crate::models) fn of(node: &Node) -> Self {
        let kind = match node.materialized().as_str() {
            "view" => Some("view"),
            "materialized_view" => Some("materialized_view"),
            "table" | "incremental" | "seed" | "snapshot" => Some("table"),
            _ => None,
        };
        let has_relation = node.resource.is_built() || node.resource == Resource::Test;
        Self {
            id: node.id.as_str().to_owned(),
            name: node.name.clone(),
            package: node.package.clone(),
            resource: node.resource,
            this: has_relation.then(|| {
                let kind = if node.resource.is_built() { kind } else { None };
                RelationValue { quote: node.quoting, ..RelationValue::of(&node.relation, kind) }
            }),
            settings: node.settings.clone(),
            description: None,
        }
    }
}

/// What a rendering is for.
#[derive(Debug)]
pub(in crate::models) enum Task {
    /// Collects what the node refers to; nothing is looked up.
    Parse(Mutex<Collected>),
    /// Resolves names and may ask the warehouse.
    Run(Run),
}

/// What parsing finds in a node.
#[derive(Clone, Debug, Default)]
pub(in crate::models) struct Collected {
    /// Calls of `ref`.
    pub refs: Vec<RefCall>,
    /// Calls of `source`: source, table.
    pub sources: Vec<(String, String)>,
    /// What each call of `config(…)` was given.
    pub configs: Vec<Map<String, Json>>,
}

/// What running needs and finds.
#[derive(Debug)]
pub(in crate::models) struct Run {
    /// The project.
    pub manifest: Arc<Manifest>,
    /// Where SQL is asked; `None` where there is no warehouse.
    pub connection: Option<Connection>,
    /// Who hears what the template says.
    pub voice: Voice,
    /// `run_started_at`.
    pub started: DateTime<Utc>,
    /// Whether the node's relation counts as not there: what a first build would do.
    pub as_new: bool,
    /// Whether everything is to be made from scratch.
    pub full_refresh: bool,
    /// Relations that stand for others: a version that is tested before it is published.
    pub stands_for: Vec<(Relation, Relation)>,
    /// Ephemeral models that were referred to, in the order of the first reference.
    pub parts: Mutex<Vec<String>>,
    /// Of a microbatch: what its inputs are seen through.
    pub batch: Option<super::batch::Batch>,
    /// Of a unit test: what stands in for what is there.
    pub unit: Option<Box<UnitView>>,
    /// The statement that failed, with the failure whole: Jinja's own errors carry a text alone.
    pub failure: Mutex<Option<FailedSql>>,
}

/// A statement of a template that the warehouse refused.
#[derive(Debug)]
pub(in crate::models) struct FailedSql {
    /// The failure, and its place.
    pub located: Located,
    /// The statement.
    pub sql: String,
}

impl Run {
    /// For a look that changes nothing and sees no warehouse.
    pub(in crate::models) fn dry(manifest: Arc<Manifest>, started: DateTime<Utc>) -> Self {
        Self {
            manifest,
            connection: None,
            voice: Voice::Log,
            started,
            as_new: true,
            full_refresh: false,
            stands_for: Vec::new(),
            parts: Mutex::default(),
            batch: None,
            unit: None,
            failure: Mutex::default(),
        }
    }
}

impl Scope {
    /// A scope.
    pub(in crate::models) fn new(setting: Arc<Setting>, subject: Subject, task: Task) -> Arc<Self> {
        Self::with(setting, subject, task, BTreeMap::new())
    }

    /// A scope with names of its own.
    pub(in crate::models) fn with(
        setting: Arc<Setting>,
        subject: Subject,
        task: Task,
        extra: BTreeMap<&'static str, Value>,
    ) -> Arc<Self> {
        let (results, described) = (Mutex::default(), OnceLock::new());
        Arc::new(Self { setting, subject, task, results, extra, described })
    }

    /// As the engine takes it.
    pub(in crate::models) fn globals(self: &Arc<Self>) -> Value {
        Value::from_dyn_object(self.clone())
    }

    /// The value of an expression in the names of this rendering.
    pub(in crate::models) fn evaluated(self: &Arc<Self>, text: &str) -> Result<Value, minijinja::Error> {
        let evaluated = self.setting.engine.evaluate(&self.subject.name, text, self.globals());
        evaluated.map_err(jinja::JinjaError::into_error)
    }

    /// Whether names are resolved: `execute`.
    pub(in crate::models) fn executes(&self) -> bool {
        matches!(self.task, Task::Run(_))
    }

    /// What running needs; `None` while parsing.
    pub(in crate::models) fn run(&self) -> Option<&Run> {
        match &self.task {
            Task::Run(run) => Some(run),
            Task::Parse(_) => None,
        }
    }

    /// What parsing has collected; empty for another task.
    pub(in crate::models) fn collected(&self) -> Collected {
        match &self.task {
            Task::Parse(collected) => lock(collected).clone(),
            Task::Run(_) => Collected::default(),
        }
    }

    /// What stands in for what is there, in a unit test.
    pub(super) fn unit(&self) -> Option<&UnitView> {
        self.run()?.unit.as_deref()
    }

    /// Variables as the node sees them.
    pub(in crate::models) fn vars(&self) -> Option<&Map<String, Json>> {
        if let Some(unit) = self.unit() {
            return Some(&unit.vars);
        }
        let vars = &self.setting.vars;
        vars.get(&self.subject.package).or_else(|| vars.get(&self.setting.project))
    }

    /// The macro of a package.
    pub(in crate::models) fn macro_of(self: &Arc<Self>, package: &str, name: &str) -> Option<Value> {
        let definition = self.setting.engine.definition(package, name)?;
        Some(self.setting.engine.macro_value(definition, self.globals()))
    }

    /// The macro that a name without a package means.
    pub(in crate::models) fn macro_named(self: &Arc<Self>, name: &str) -> Option<Value> {
        self.own_macro(name).or_else(|| self.macro_of(DBT, name))
    }

    fn own_macro(self: &Arc<Self>, name: &str) -> Option<Value> {
        let own = &self.subject.package;
        let of_package = if *own == DBT { None } else { self.macro_of(own, name) };
        of_package
            .or_else(|| if *own == self.setting.project { None } else { self.macro_of(&self.setting.project, name) })
    }

    /// `model`: the node as its artifact describes it.
    fn model(&self) -> Value {
        let described = || match (&self.task, &self.subject.description) {
            (_, Some(description)) => description.clone(),
            (Task::Run(run), None) => run.manifest.describe(&self.subject.id),
            (Task::Parse(_), None) => Json::Null,
        };
        let batch = self.run().and_then(|run| run.batch.as_ref());
        self.described.get_or_init(|| with_batch(&described(), batch)).clone()
    }

    fn plain(self: &Arc<Self>, name: &str) -> Option<Value> {
        let started = self.run().map_or(DateTime::UNIX_EPOCH, |run| run.started);
        let this = self.subject.this.as_ref();
        Some(match name {
            "target" | "env" => jinja::from_json(&self.setting.target),
            "this" if self.unit().is_some() => {
                self.run().zip(self.unit()).map_or(Value::from(()), |(run, unit)| unit.this(run))
            }
            "this" => this.map_or(Value::from(()), |this| functions::stand_in(self, this.clone()).value()),
            "database" => this.and_then(|t| t.database.as_deref()).unwrap_or(&self.setting.database).into(),
            "schema" => this.and_then(|t| t.schema.as_deref()).unwrap_or(&self.setting.schema).into(),
            "execute" => self.executes().into(),
            "flags" => super::flags::value(self),
            "invocation_args_dict" => super::flags::arguments(self),
            "model" => self.model(),
            "graph" => self.run().map_or_else(|| Value::from(()), |run| run.manifest.graph()),
            "run_started_at" => jinja::datetime(started),
            "invocation_id" => self.setting.invocation.as_str().into(),
            "dbt_version" => super::DBT_VERSION.into(),
            "project_name" => self.setting.project.as_str().into(),
            "thread_id" => "Thread-1".into(),
            "dbt_metadata_envs" => jinja::from_json(&Json::Object(Map::new())),
            "selected_resources" => jinja::from_json(&Json::Array(Vec::new())),
            "sql_now" => "now()".into(),
            "context_macro_stack" | "pre_hooks" | "post_hooks" | "sql" | "compiled_code" | "compiled_sql" => {
                Value::from(())
            }
            "modules" => self.setting.engine.modules(),
            "context" => self.globals(),
            _ => return None,
        })
    }
}

impl Object for Scope {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        if name == jinja::GLOBALS {
            return Some(self.globals());
        }
        if let Some(value) = self.extra.get(name) {
            return Some(value.clone());
        }
        let is_macro = || self.own_macro(name).is_some() || self.macro_of(DBT, name).is_some();
        if let Some(value) = self.unit().and_then(|unit| unit.overridden(None, name, is_macro)) {
            return Some(value);
        }
        // A project may replace what is built in.
        if let Some(found) = self.own_macro(name) {
            return Some(found);
        }
        if let Some(function) = Function::of(name) {
            return Some(function.value(self.clone()));
        }
        if let Some(value) = self.plain(name) {
            return Some(value);
        }
        if name == DBT || self.setting.packages.contains(name) {
            return Some(Namespace::value(self.clone(), name));
        }
        self.macro_of(DBT, name)
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }
}

/// A package as a value: `dbt_utils.star(…)`.
#[derive(Debug)]
struct Namespace {
    scope: Arc<Scope>,
    package: String,
}

impl Namespace {
    fn value(scope: Arc<Scope>, package: &str) -> Value {
        Value::from_object(Self { scope, package: package.to_owned() })
    }
}

impl Object for Namespace {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        let found = self.scope.macro_of(&self.package, name)?;
        let unit = self.scope.unit().and_then(|unit| unit.overridden(Some(&self.package), name, || true));
        Some(unit.unwrap_or(found))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }
}

/// Locks; a panic elsewhere has not left anything half done that matters here.
pub(in crate::models) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
