//! What a template sees: the root context of one rendering.
//!
//! Names are looked up when they are used, so that a project of many macros costs nothing at the
//! start. Two tasks share it: parsing collects what a model refers to, compiling resolves it.

use super::{
    callable::{Callable, What},
    config::Settings,
    effort::Effort,
    json,
    macros::{MacroCall, Macros, Namespace},
    names::Names,
    relation::Relation,
    run_started::RunStarted,
};
use chrono::{DateTime, Utc};
use minijinja::value::{Object, Value};
use serde_json::{Map, Value as Json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What all renderings of a project have in common.
#[derive(Debug)]
pub(super) struct Shared {
    /// The project's name.
    pub project: String,
    /// Variables, the command's above the project's.
    pub vars: Map<String, Json>,
    /// `target`.
    pub target: Value,
    /// `target.dbname`, where every relation lies.
    pub database: String,
    /// The schema of the source's tables, where no model goes.
    pub raw_schema: String,
    /// Where macros are found.
    pub macros: Macros,
    /// `invocation_id`.
    pub invocation: String,
}

/// The root context of one rendering.
#[derive(Debug)]
pub(super) struct Scope {
    /// What all renderings have in common.
    pub shared: Arc<Shared>,
    /// The node that is rendered.
    pub node: NodeScope,
    /// What the rendering is for.
    pub task: Task,
    /// What a macro gave to `return()` and its caller has not taken yet.
    pub returned: Mutex<Option<Value>>,
    /// What the rendering has taken so far.
    pub effort: Effort,
}

/// The node that is rendered, as far as it knows itself.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeScope {
    /// Its unique id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its relation, once it is known.
    pub this: Option<Relation>,
    /// Its configuration, as far as it is known.
    pub settings: Settings,
}

/// What a rendering is for.
#[derive(Debug)]
pub(super) enum Task {
    /// Collects what the node refers to; nothing is looked up.
    Parse(Mutex<Collected>),
    /// Gives the SQL.
    Compile(Compile),
}

/// What parsing finds in a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Collected {
    /// Calls of `ref`: package where given, name.
    pub refs: Vec<(Option<String>, String)>,
    /// Calls of `source`: source, table.
    pub sources: Vec<(String, String)>,
    /// What `config(…)` was given.
    pub settings: Settings,
}

/// What compiling needs and finds.
#[derive(Debug)]
pub(super) struct Compile {
    /// What names stand for.
    pub names: Arc<Names>,
    /// `is_incremental()`.
    pub incremental: bool,
    /// `flags.FULL_REFRESH`.
    pub full_refresh: bool,
    /// `run_started_at`.
    pub started: DateTime<Utc>,
    /// Ephemeral models that were referred to, by name, in the order of the first reference.
    pub ephemeral: Mutex<Vec<String>>,
}

impl Scope {
    /// A scope for a node.
    pub(super) fn new(shared: Arc<Shared>, node: NodeScope, task: Task) -> Arc<Self> {
        Arc::new(Self { shared, node, task, returned: Mutex::default(), effort: Effort::default() })
    }

    /// Whether names are resolved: `execute`.
    pub(super) fn executes(&self) -> bool {
        matches!(self.task, Task::Compile(_))
    }

    /// What parsing has collected; empty for another task.
    pub(super) fn collected(&self) -> Collected {
        match &self.task {
            Task::Parse(collected) => lock(collected).clone(),
            Task::Compile(_) => Collected::default(),
        }
    }

    /// The value of a name that every template knows.
    fn builtin(self: &Arc<Self>, name: &str) -> Option<Value> {
        if let Some(what) = What::of(name) {
            return Some(Callable::value(self.clone(), what));
        }
        let started = match &self.task {
            Task::Compile(compile) => compile.started,
            Task::Parse(_) => DateTime::UNIX_EPOCH,
        };
        Some(match name {
            "target" => self.shared.target.clone(),
            "this" => self.node.this.clone().map_or(Value::from(()), Value::from_object),
            "execute" => self.executes().into(),
            "flags" => {
                let full = matches!(&self.task, Task::Compile(compile) if compile.full_refresh);
                Value::from_pairs([("FULL_REFRESH", Value::from(full)), ("WHICH", Value::from("build"))])
            }
            "model" => self.describe(),
            "run_started_at" => Value::from_object(RunStarted(started)),
            "invocation_id" => self.shared.invocation.as_str().into(),
            "dbt_version" => "1.10.0".into(),
            "project_name" => self.shared.project.as_str().into(),
            _ => return None,
        })
    }

    fn describe(&self) -> Value {
        let text = |text: &str| Value::from(text);
        let this = self.node.this.as_ref();
        Value::from_pairs([
            ("name", text(&self.node.name)),
            ("unique_id", text(&self.node.id)),
            ("resource_type", text("model")),
            ("package_name", text(&self.shared.project)),
            ("schema", text(this.map_or("", |r| &r.schema))),
            ("alias", text(this.map_or("", |r| &r.name))),
            ("config", json::to_jinja(&Json::Object(self.node.settings.as_map().clone()))),
        ])
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        // A project may replace what is built in, as with dbt.
        if self.shared.macros.in_project(name) {
            return Some(MacroCall::value(self.clone(), name));
        }
        if let Some(value) = self.builtin(name) {
            return Some(value);
        }
        if self.shared.macros.knows(name) {
            return Some(MacroCall::value(self.clone(), name));
        }
        (name == self.shared.project || name == "dbt").then(|| Namespace::value(self.clone()))
    }
}

/// Locks; a panic elsewhere has not left anything half done that matters here.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
