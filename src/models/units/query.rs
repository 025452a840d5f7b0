//! The SQL of a unit test: the model's query with the given rows in place of its inputs, beside the expected rows.

use super::super::{
    compile::{self, Manner},
    context::{
        connection::Connection,
        relation::RelationValue,
        scope::{Run, Scope, Subject, Task, lock},
        unit::UnitView,
        voice::Voice,
    },
    jinja,
    manifest::{Manifest, Node, Resource, UnitInput, UnitRows, UnitTest, described_unit, explained},
    relation::Relation,
    templates,
};
use crate::{
    domain::ModelId,
    error::{Error, Kind, Result},
    warehouse::Answer,
};
use chrono::{DateTime, Utc};
use minijinja::value::Value;
use serde_json::{Map, Value as Json, json};
use std::{collections::BTreeMap, sync::Arc};

/// Asks for the rows of both sides. `compiled` takes the model's query, once it is known.
pub(super) fn ask(
    manifest: &Arc<Manifest>,
    test: &Node,
    started: DateTime<Utc>,
    connection: &Connection,
    compiled: &mut Option<String>,
) -> Result<Answer> {
    test.sound()?;
    let unit = test.unit.as_ref().ok_or_else(|| wrong(test, "it is no unit test"))?;
    let tested = manifest.node(&unit.model)?;
    tested.sound()?;
    let asking = Asking { manifest, test, unit, tested, started, connection };
    let sql = compiled.insert(asking.compiled()?).clone();
    manifest.write_compiled(test, &sql);
    let scope = asking.scope(asking.subject(), None);
    let query = templates::call(&scope, test, "unit_test_query", &[sql.into()])?.to_string();
    connection.ask(&query, true).map_err(|located| match located.error.kind {
        Kind::WarehouseQuery => {
            let line =
                located.position.and_then(|at| (at as usize).checked_sub(1)).map(|at| compile::line_of(&query, at));
            let excerpt = line.map_or_else(String::new, |line| jinja::excerpt(&query, line, 0));
            Error::new(Kind::ModelSql, format!("{}: {}{excerpt}", shown(test), located.error.context))
        }
        _ => located.error,
    })
}

struct Asking<'a> {
    manifest: &'a Arc<Manifest>,
    test: &'a Node,
    unit: &'a UnitTest,
    tested: &'a Node,
    started: DateTime<Utc>,
    connection: &'a Connection,
}

impl Asking<'_> {
    fn scope(&self, subject: Subject, unit: Option<UnitView>) -> Arc<Scope> {
        let run = Run {
            connection: Some(self.connection.clone()),
            as_new: false,
            unit: unit.map(Box::new),
            voice: Voice::aloud(self.manifest.setting.says),
            ..Run::dry(self.manifest.clone(), self.started)
        };
        Scope::with(self.manifest.setting.clone(), subject, Task::Run(run), BTreeMap::new())
    }

    /// The test as templates see it: with the configuration of its model.
    fn subject(&self) -> Subject {
        let mut settings = self.tested.settings.clone();
        settings.set("materialized", "unit".into());
        let (rows, sql) = match &self.unit.expect.rows {
            UnitRows::Rows(rows) => (rows.iter().cloned().map(Json::Object).collect(), Json::Null),
            UnitRows::Sql(sql) => (Json::Array(Vec::new()), sql.as_str().into()),
        };
        settings.set("expected_rows", rows);
        settings.set("expected_sql", sql);
        let mut described = described_unit(self.test);
        described["alias"] = self.test.name.as_str().into();
        described["database"] = self.test.relation.database.as_str().into();
        described["tested_node_unique_id"] = self.unit.model.as_str().into();
        described["config"] = settings.json();
        let this = Some(RelationValue::of(&self.test.relation, None));
        Subject { settings, this, description: Some(described), ..Subject::of(self.test) }
    }

    /// The model's query over the given rows.
    fn compiled(&self) -> Result<String> {
        let setting = &self.manifest.setting;
        let vars = setting.vars.get(&self.tested.package).or_else(|| setting.vars.get(&setting.project));
        let view = UnitView::new(self.manifest, self.unit, vars.cloned().unwrap_or_default());
        let names = view.parts.clone();
        // The model's own package: its macros and names come first.
        let subject = Subject { package: self.tested.package.clone(), ..self.subject() };
        let scope = self.scope(subject, Some(view));
        let rendered = setting.engine.render(&self.tested.file, &self.tested.source, scope.globals());
        let sql = rendered.map_err(|mut error| {
            error.line = error.line.map(|line| line + self.tested.first_line);
            let error = compile::failed(&scope, &error);
            Error::new(error.kind, format!("{}: {}", shown(self.test), error.context))
        })?;
        let mut parts = Vec::new();
        for id in scope.run().map(|run| std::mem::take(&mut *lock(&run.parts))).unwrap_or_default() {
            let Some(input) = self.unit.given.iter().find(|input| input.id == id) else { continue };
            parts.push((names.get(&id).cloned().unwrap_or_default(), self.rows_of(input)?));
        }
        Ok(compile::inject(&sql, &parts))
    }

    /// The query that gives the rows of an input.
    fn rows_of(&self, input: &UnitInput) -> Result<String> {
        let node = self.manifest.nodes.get(&ModelId::new(input.id.as_str()));
        let source = self.manifest.sources.get(&input.id);
        let (name, relation) = match (node, source) {
            (Some(node), _) => (&node.name, &node.relation),
            (None, Some(source)) => (&source.name, &source.relation),
            (None, None) => return Err(wrong(self.test, "an input of it is gone")),
        };
        let subject = Subject {
            id: input.id.clone(),
            name: name.clone(),
            resource: Resource::Model,
            this: Some(RelationValue::of(relation, None)),
            description: Some(json!({
                "name": name, "alias": relation.name, "schema": relation.schema, "database": relation.database,
                "unique_id": input.id, "resource_type": "model", "config": {"materialized": "ephemeral"},
            })),
            ..Subject::of_package(&self.test.package)
        };
        let scope = self.scope(subject, None);
        match &input.fixture.rows {
            UnitRows::Sql(sql) => {
                let rendered = self.manifest.setting.engine.render(&self.test.file, sql, scope.globals());
                rendered.map_err(|error| explained(&error))
            }
            UnitRows::Rows(rows) => {
                let types = match node {
                    Some(node) if !self.is_there(relation)? => self.types_of(node)?,
                    _ => Value::from(()),
                };
                let rows = Json::Array(rows.iter().cloned().map(Json::Object).collect());
                let sql = templates::call(&scope, self.test, "get_fixture_sql", &[jinja::from_json(&rows), types])?;
                Ok(sql.to_string())
            }
        }
    }

    fn is_there(&self, relation: &Relation) -> Result<bool> {
        let name = relation.quoted().replace('\'', "''");
        let answer = self.connection.ask(&format!("select to_regclass('{name}') is not null"), true);
        let answer = answer.map_err(|located| located.error)?;
        Ok(answer.rows.first().and_then(|row| row.first()).is_some_and(|cell| cell.as_deref() == Some("t")))
    }

    /// Columns of a model that is no relation, or none yet, from its query as for a first build; dbt refuses here.
    fn types_of(&self, node: &Node) -> Result<Value> {
        if node.resource != Resource::Model {
            return Ok(Value::from(()));
        }
        let manner = Manner::new(self.started, Some(self.connection.clone()));
        let sql = compile::compile(self.manifest, node, &manner)?;
        let asked = self.connection.ask(&format!("select * from (\n{sql}\n) as given limit 0"), true);
        let answer = asked.map_err(|located| match located.error.kind {
            Kind::WarehouseQuery => {
                let what = format!("the columns of '{}' can't be told: {}", node.name, located.error.context);
                Error::new(Kind::ModelSql, format!("{}: {what}", shown(self.test)))
            }
            _ => located.error,
        })?;
        let types = answer.columns.into_iter().map(|(name, kind)| (name.to_lowercase(), type_named(&kind)));
        Ok(jinja::from_json(&Json::Object(types.collect::<Map<_, _>>())))
    }
}

/// A type of the catalog as SQL takes it: arrays have an underscore there.
fn type_named(kind: &str) -> Json {
    kind.strip_prefix('_').map_or_else(|| kind.to_owned(), |of| format!("{of}[]")).into()
}

fn shown(test: &Node) -> String {
    format!("{}: unit test {}", test.file, test.name)
}

fn wrong(test: &Node, what: &str) -> Error {
    Error::new(Kind::ModelTest, format!("{}: {what}", shown(test)))
}
