//! All properties files of a project, read into one book; and `target`.

use super::{
    generic_test::GenericTest,
    names::hint,
    project::Project,
    relation::Relation,
    render::Templates,
    schema,
    scope::{NodeScope, Scope, Shared, Task},
    yaml,
};
use crate::error::{Error, Kind, Result};
use minijinja::value::Value;
use serde_json::{Map, Value as Json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// What the properties files say.
#[derive(Debug, Default)]
pub(super) struct PropertyBook {
    /// Tables of sources, by source and table.
    pub sources: BTreeMap<(String, String), Relation>,
    /// Configuration, by model.
    pub settings: BTreeMap<String, Map<String, Json>>,
    /// Tests and where they are said, by model.
    pub tests: BTreeMap<String, Vec<(GenericTest, String)>>,
    files: BTreeMap<String, String>,
}

impl PropertyBook {
    /// Reads every YAML file below the model paths.
    pub(super) fn read(project: &Project, templates: &Templates, shared: &Arc<Shared>) -> Result<Self> {
        let mut book = Self::default();
        for file in project.files(&project.model_paths, &["yml", "yaml"])? {
            let properties: schema::Properties = yaml::read(&project.root.join(&file), &file)?;
            let scope = Scope::new(shared.clone(), NodeScope::default(), Task::Parse(Mutex::default()));
            let render = |text: &str| templates.render_text(text, &file, &scope);
            for source in properties.sources.unwrap_or_default() {
                book.add_source(source, shared, &file, render)?;
            }
            for model in properties.models.unwrap_or_default() {
                book.add_model(model, &file)?;
            }
        }
        Ok(book)
    }

    fn add_source(
        &mut self,
        source: schema::Source,
        shared: &Shared,
        file: &str,
        render: impl Fn(&str) -> Result<String>,
    ) -> Result<()> {
        let wrong = |what: String| Error::new(Kind::ModelProject, format!("{file}: {what}"));
        if source.name.is_empty() {
            return Err(wrong("a source has no name".to_owned()));
        }
        let schema = render(source.schema.as_deref().unwrap_or(&source.name))?;
        let database = source.database.as_deref().map(&render).transpose()?;
        let database = database.filter(|d| !d.is_empty()).unwrap_or_else(|| shared.database.clone());
        for table in source.tables.unwrap_or_default() {
            if table.name.is_empty() {
                return Err(wrong(format!("a table of source {} has no name", source.name)));
            }
            let name = render(table.identifier.as_deref().unwrap_or(&table.name))?;
            let relation = Relation { database: database.clone(), schema: schema.clone(), name };
            let key = (source.name.clone(), table.name);
            if self.sources.contains_key(&key) {
                return Err(wrong(format!("source {}.{} is said twice", key.0, key.1)));
            }
            self.sources.insert(key, relation);
        }
        Ok(())
    }

    fn add_model(&mut self, model: schema::Model, file: &str) -> Result<()> {
        let shown = format!("{file}: model {}", model.name);
        if model.name.is_empty() {
            return Err(Error::new(Kind::ModelProject, format!("{file}: a model has no name")));
        }
        if let Some(twin) = self.files.insert(model.name.clone(), file.to_owned()) {
            return Err(Error::new(Kind::ModelProject, format!("{shown} is also said in {twin}")));
        }
        let mut tests = Vec::new();
        for entry in model.tests.iter().flatten() {
            tests.extend(GenericTest::parse(&model.name, None, entry, &shown)?.map(|t| (t, shown.clone())));
        }
        for column in model.columns.iter().flatten() {
            let shown = format!("{shown}, column {}", column.name);
            let quoted = column.quote.unwrap_or(false);
            for entry in column.tests.iter().flatten() {
                let test = GenericTest::parse(&model.name, Some((&column.name, quoted)), entry, &shown)?;
                tests.extend(test.map(|t| (t, shown.clone())));
            }
        }
        self.tests.insert(model.name.clone(), tests);
        self.settings.insert(model.name, model.config.unwrap_or_default());
        Ok(())
    }

    /// Warns of what is said about models that aren't there, as dbt does.
    pub(super) fn warn_unknown<'a>(&self, models: impl Iterator<Item = &'a String> + Clone) {
        for (name, file) in &self.files {
            if !models.clone().any(|known| known == name) {
                tracing::warn!(%file, model = %name, "there is no such model{}", hint(name, models.clone()));
            }
        }
    }
}

/// Where models go: dbt's `target`.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Its name.
    pub name: String,
    /// Its profile; none: the project's own.
    pub profile: Option<String>,
    /// The default schema.
    pub schema: String,
    /// The database.
    pub database: String,
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The user.
    pub user: String,
    /// Models built at once.
    pub threads: usize,
}

impl Target {
    /// As a value of Jinja. The password is no part of it.
    pub(super) fn value(&self, own_profile: &str) -> Value {
        Value::from_pairs([
            ("name", Value::from(self.name.as_str())),
            ("target_name", self.name.as_str().into()),
            ("profile_name", self.profile.as_deref().unwrap_or(own_profile).into()),
            ("schema", self.schema.as_str().into()),
            ("type", "postgres".into()),
            ("dbname", self.database.as_str().into()),
            ("database", self.database.as_str().into()),
            ("host", self.host.as_str().into()),
            ("port", self.port.into()),
            ("user", self.user.as_str().into()),
            ("threads", self.threads.into()),
        ])
    }
}
