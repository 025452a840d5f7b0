//! One model's file, parsed: what it configures and what it refers to.
//!
//! Guarantee: a file that can't be parsed still gives a model, with its fault and with as much as could
//! be found out, so that others can be told why they have to wait.

use super::{
    config::{self, Materialized, Settings},
    json,
    manifest::{Fault, Node, Setting, SourceRead, id_of, wrong},
    names::Names,
    project::Project,
    properties::PropertyBook,
    relation::Relation,
    render::Templates,
    scope::{NodeScope, Scope, Shared, Task},
};
use crate::{
    domain::TableName,
    error::{Error, Result},
};
use minijinja::value::Value;
use serde_json::Value as Json;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

/// A model between parsing and resolving.
pub(super) struct Draft {
    pub name: String,
    pub file: String,
    pub enabled: bool,
    pub materialized: Materialized,
    pub relation: Relation,
    pub fault: Option<Fault>,
    path: Vec<String>,
    settings: Settings,
    refs: Vec<(Option<String>, String)>,
    sources: Vec<(String, String)>,
}

impl Draft {
    /// Parses a file, unless it could not even be `added` to the templates.
    pub(super) fn read(
        project: &Project,
        templates: &Templates,
        shared: &Arc<Shared>,
        book: &PropertyBook,
        file: &str,
        added: Result<()>,
    ) -> Self {
        let below = project.model_paths.iter().find_map(|p| file.strip_prefix(p.as_str())?.strip_prefix('/'));
        let below = below.unwrap_or(file).trim_end_matches(".sql");
        let path: Vec<String> = below.split('/').map(str::to_owned).collect();
        let name = path.last().cloned().unwrap_or_default();
        let mut draft = Self {
            enabled: true,
            materialized: Materialized::View,
            relation: Relation { database: shared.database.clone(), schema: String::new(), name: name.clone() },
            settings: project.settings(&path.iter().map(String::as_str).collect::<Vec<_>>()),
            refs: Vec::new(),
            sources: Vec::new(),
            fault: None,
            file: file.to_owned(),
            name,
            path,
        };
        let parsed = draft.configure(templates, shared, book).and(added).and_then(|()| {
            // Where the project says that it is off, nobody looks into it.
            if draft.enabled { draft.parse(templates, shared) } else { Ok(()) }
        });
        if let Err(error) = parsed {
            draft.fault = Some(Fault::new(error));
            // Where its last good version lies is asked for all the same.
            if let Ok(relation) = place(templates, &draft.scope(shared, None), file) {
                draft.relation = relation;
            }
        }
        draft
    }

    /// Takes what the project and its properties say of the model.
    fn configure(&mut self, templates: &Templates, shared: &Arc<Shared>, book: &PropertyBook) -> Result<()> {
        // What stands in dbt_project.yml may hold Jinja.
        for (key, value) in self.settings.clone().as_map() {
            if let Json::String(text) = value {
                let scope = Scope::new(shared.clone(), NodeScope::default(), Task::Parse(Mutex::default()));
                self.settings.set(key, templates.render_text(text, "dbt_project.yml", &scope)?.into());
            }
        }
        if let Some(said) = book.settings.get(&self.name) {
            self.settings.merge(said);
        }
        self.enabled = self.settings.flag("enabled") != Some(false);
        Ok(())
    }

    /// Renders the file for what it says of itself.
    fn parse(&mut self, templates: &Templates, shared: &Arc<Shared>) -> Result<()> {
        let scope = self.scope(shared, Some(self.relation.clone()));
        let rendered = templates.render(&self.file, &scope);
        let collected = scope.collected();
        self.settings.merge(collected.settings.as_map());
        (self.refs, self.sources) = (collected.refs, collected.sources);
        rendered?;
        self.enabled = self.settings.flag("enabled") != Some(false);
        self.relation =
            place(templates, &self.scope(shared, None), &self.file)?.checked(&self.file, &shared.raw_schema)?;
        self.materialized = Materialized::of(&self.settings, &self.file)?;
        let not_yet = config::not_yet(&self.settings);
        if !not_yet.is_empty() {
            tracing::warn!(model = %self.name, keys = not_yet.join(", "), "configuration has no effect yet");
        }
        Ok(())
    }

    fn scope(&self, shared: &Arc<Shared>, this: Option<Relation>) -> Arc<Scope> {
        let node = NodeScope {
            id: id_of(shared, &self.name).as_str().to_owned(),
            name: self.name.clone(),
            this,
            settings: self.settings.clone(),
        };
        Scope::new(shared.clone(), node, Task::Parse(Mutex::default()))
    }

    /// Looks up what the model refers to.
    pub(super) fn resolve(mut self, shared: &Shared, names: &Names, setting: &Setting) -> Node {
        let (mut parents, mut sources) = (BTreeSet::new(), BTreeSet::new());
        for (package, name) in &self.refs {
            match names.model(package.as_deref(), name) {
                Ok(_) => {
                    parents.insert(id_of(shared, name));
                }
                Err(what) => self.fault = self.fault.or_else(|| Some(Fault::new(wrong(&self.file, &what)))),
            }
        }
        for (source, table) in &self.sources {
            match names.source(source, table) {
                Ok(relation) => {
                    let is_raw = relation.schema == setting.raw_schema && relation.database == shared.database;
                    let raw = is_raw.then(|| TableName::from(relation.name.as_str()));
                    let (source, table) = (source.clone(), table.clone());
                    sources.insert(SourceRead { source, table, relation: relation.clone(), raw });
                }
                Err(what) => self.fault = self.fault.or_else(|| Some(Fault::new(wrong(&self.file, &what)))),
            }
        }
        Node {
            id: id_of(shared, &self.name),
            name: self.name,
            file: self.file,
            path: self.path,
            settings: self.settings,
            materialized: self.materialized,
            relation: self.relation,
            parents,
            tested_against: BTreeSet::new(),
            sources,
            tests: Vec::new(),
            fault: self.fault,
        }
    }
}

/// Where a model goes: what the project's macros say.
fn place(templates: &Templates, scope: &Arc<Scope>, file: &str) -> Result<Relation> {
    let node = json::to_jinja(&serde_json::json!({
        "name": scope.node.name,
        "unique_id": scope.node.id,
        "resource_type": "model",
        "package_name": scope.shared.project,
        "config": scope.node.settings.as_map(),
    }));
    let ask = |name: &str, custom: Option<String>| {
        let custom = custom.map_or(Value::from(()), Value::from);
        let said = templates.call(scope, name, &[custom, node.clone()], file)?;
        Ok::<_, Error>(said.to_string().trim().to_owned())
    };
    let database = scope.shared.database.clone();
    if let Some(other) = scope.node.settings.text("database").filter(|d| *d != database) {
        return Err(wrong(file, &format!("database '{other}' is not the warehouse's; PostgreSQL can't reach another")));
    }
    Ok(Relation {
        database,
        schema: ask("generate_schema_name", scope.node.settings.text("schema"))?,
        name: ask("generate_alias_name", scope.node.settings.text("alias"))?,
    })
}
