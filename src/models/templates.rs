//! Macros called for a node while it is built: each asks the node's own connection.

use super::{
    compile::{self, Manner},
    context::{
        batch::{Batch, with_batch},
        connection::{On, with_connection},
        constant::constant,
        results,
        scope::Scope,
    },
    manifest::{Manifest, Node},
    options::Response,
};
use crate::{
    domain::ModelId,
    error::{Error, Kind, Result},
    warehouse::Session,
};
use chrono::{DateTime, Utc};
use minijinja::value::Value;
use std::{collections::BTreeMap, sync::Arc};

/// Macros for one node.
#[derive(Clone)]
pub(super) struct Templates {
    /// The project.
    pub manifest: Arc<Manifest>,
    /// The node.
    pub id: ModelId,
    /// Its SQL, where it is compiled.
    pub sql: Option<String>,
    /// When the run began.
    pub started: DateTime<Utc>,
    /// `flags.FULL_REFRESH`.
    pub full_refresh: bool,
    /// The batch that is built, of a microbatch model.
    pub turn: Option<Turn>,
}

/// One batch of several.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// The batch.
    pub batch: Batch,
    /// Whether it is the first: hooks that come before run.
    pub is_first: bool,
    /// Whether it is the last: hooks that come after run.
    pub is_last: bool,
    /// Whether it is added to what is there.
    pub is_incremental: bool,
    /// Whether the table for new rows is there from the batch before.
    pub has_table: bool,
}

impl Templates {
    /// Does `work` with the names of the node, on a thread of its own; what it asks goes to `on`.
    pub(super) async fn within<T: Send + 'static>(
        &self,
        on: On<'_, '_>,
        work: impl FnOnce(&Arc<Scope>, &Node) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = self.clone();
        let done = with_connection(on, move |connection| {
            let node = this.manifest.node(&this.id)?;
            let manner = Manner {
                as_new: false,
                full_refresh: this.full_refresh,
                batch: this.turn.map(|turn| turn.batch),
                ..Manner::new(this.started, Some(connection)).aloud(&this.manifest)
            };
            let scope = compile::scope(&this.manifest, node, &manner, this.names(node));
            work(&scope, node)
        });
        done.await?
    }

    /// Names of a materialization alone.
    fn names(&self, node: &Node) -> BTreeMap<&'static str, Value> {
        let config = super::manifest::config_of(node);
        let hooks = |key: &str| config.get(key).map_or_else(|| super::jinja::list(Vec::new()), super::jinja::from_json);
        let mut names = BTreeMap::from([("pre_hooks", hooks("pre-hook")), ("post_hooks", hooks("post-hook"))]);
        if let Some(sql) = &self.sql {
            for name in ["sql", "compiled_code", "compiled_sql"] {
                names.insert(name, sql.as_str().into());
            }
            let mut described = self.manifest.described(node);
            described["compiled_code"] = sql.as_str().into();
            described["compiled_sql"] = sql.as_str().into();
            names.insert("model", with_batch(&described, self.turn.as_ref().map(|turn| &turn.batch)));
        }
        if let Some(turn) = &self.turn {
            let none = || super::jinja::list(Vec::new());
            if !turn.is_first {
                names.insert("pre_hooks", none());
            }
            if !turn.is_last {
                names.insert("post_hooks", none());
            }
            if turn.is_incremental {
                names.insert("is_incremental", constant(true.into()));
                names.insert("should_full_refresh", constant(false.into()));
            }
            let of_turn = [("has_table".into(), turn.has_table.into()), ("is_last".into(), turn.is_last.into())];
            names.insert("batch_turn", super::jinja::dict(of_turn));
        }
        names
    }

    /// Lets the macro of a materialization make the node's relation; what the warehouse answered to its `main`.
    pub(super) async fn materialize(&self, on: On<'_, '_>, word: String) -> Result<Option<Response>> {
        self.within(on, move |scope, node| {
            let (found, _) = materialization(scope, &word)
                .ok_or_else(|| Error::new(Kind::ModelProject, format!("{}: '{word}' is gone", node.file)))?;
            let made = scope.setting.engine.call(&found, &[], &node.file);
            made.map_err(|error| compile::failed(scope, &error))?;
            Ok(results::answered(scope, "main"))
        })
        .await
    }

    /// Runs the hooks before (`pre_hooks`) or after (`post_hooks`) a node that want no transaction.
    pub(super) async fn outside(&self, session: &Session, which: &'static str) -> Result<()> {
        self.within(On::Session(session), move |scope, node| {
            let hooks = scope.extra.get(which).cloned().unwrap_or_default();
            call(scope, node, "amalgam_run_hooks", &[hooks, false.into()]).map(drop)
        })
        .await
    }

    /// Calls a macro by its name and gives what it gives.
    pub(super) async fn call(
        &self,
        on: On<'_, '_>,
        name: &'static str,
        arguments: impl FnOnce(&Arc<Scope>) -> Vec<Value> + Send + 'static,
    ) -> Result<String> {
        self.within(on, move |scope, node| {
            let values = arguments(scope);
            call(scope, node, name, &values).map(|value| value.to_string())
        })
        .await
    }
}

/// Calls a macro by its name.
pub(super) fn call(scope: &Arc<Scope>, node: &Node, name: &str, values: &[Value]) -> Result<Value> {
    let callable = scope
        .macro_named(name)
        .ok_or_else(|| Error::new(Kind::ModelRender, format!("{}: there is no macro {name}", node.file)))?;
    scope.setting.engine.call(&callable, values, &node.file).map_err(|error| compile::failed(scope, &error))
}

/// Whether a project or a package says how a materialization is made.
pub(super) fn is_custom(manifest: &Manifest, word: &str) -> bool {
    let setting = &manifest.setting;
    setting.packages.iter().any(|package| {
        [super::context::scope::ADAPTER, "default"]
            .into_iter()
            .any(|adapter| setting.engine.definition(package, &format!("materialization_{word}_{adapter}")).is_some())
    })
}

/// The macro that makes a materialization: the project's, a package's, ours; the adapter's own before that for all.
pub(super) fn materialization(scope: &Arc<Scope>, word: &str) -> Option<(Value, bool)> {
    let setting = &scope.setting;
    let others = setting.packages.iter().map(String::as_str).filter(|p| *p != setting.project);
    let own = std::iter::once(setting.project.as_str()).chain(others);
    for package in own {
        for adapter in [super::context::scope::ADAPTER, "default"] {
            if let Some(found) = scope.macro_of(package, &format!("materialization_{word}_{adapter}")) {
                return Some((found, true));
            }
        }
    }
    let ours = scope.macro_of(super::context::scope::DBT, &format!("materialization_{word}_default"))?;
    Some((ours, false))
}
