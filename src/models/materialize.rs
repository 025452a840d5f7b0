//! From SQL to a published relation: made beside the old one, tested, and put in its place, all in the
//! caller's transaction.
//!
//! Guarantee: a reader sees the old version or the new one, whole; what hangs on the relation, and
//! what people gave it, is there afterwards or nothing has happened.

use super::{
    compile::{is_blank, line_of},
    context::{
        connection::{Hanging, On},
        index::known as index_known,
        relation::RelationValue,
    },
    doubled, jinja,
    manifest::{Manifest, Node, Resource},
    microbatch::Batches,
    options::{Response, TestChoice, Told},
    relation::Relation,
    templates::{self, Templates},
    testing::{self, Round},
};
use crate::{
    error::{Error, Kind, Result},
    telemetry::Metrics,
    warehouse::{Dependents, Located, Transaction, Trappings, dependents, quote, relation},
};
use chrono::{DateTime, Utc};
use minijinja::value::Value;
use std::{
    path::PathBuf,
    sync::{Arc, PoisonError},
};

/// One node on its way into the warehouse.
pub(super) struct Work<'a> {
    /// The project.
    pub manifest: &'a Arc<Manifest>,
    /// The node.
    pub node: &'a Node,
    /// Its SQL.
    pub sql: &'a str,
    /// Where that was written to.
    pub file: Option<PathBuf>,
    /// When the run began.
    pub started: DateTime<Utc>,
    /// Which tests are run.
    pub choice: &'a TestChoice,
    /// Where verdicts are counted.
    pub metrics: &'a Metrics,
    /// Its macros.
    pub templates: Templates,
    /// Of a microbatch model: its batches.
    pub batches: Option<Batches>,
}

/// The kind of what bears a name: PostgreSQL's relkind.
pub(super) async fn relkind(transaction: &Transaction<'_>, of: &Relation) -> Result<Option<char>> {
    let sql = "select c.relkind::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
               where n.nspname = $1 and c.relname = $2";
    let row = transaction.query_opt(sql, &[&of.schema, &of.name], "looking for a relation").await?;
    Ok(row.and_then(|row| row.get::<_, String>(0).chars().next()))
}

impl Work<'_> {
    /// Makes the relation, tests it, and publishes it; gives its rows, `None` for a view. `told` takes what the tests
    /// say, be it a failure, and what the warehouse answered.
    pub(super) async fn make(&self, transaction: &Transaction<'_>, told: &mut Told) -> Result<Option<i64>> {
        let materialized = self.node.materialized();
        let is_query = self.node.resource != Resource::Seed && !templates::is_custom(self.manifest, &materialized);
        if is_query && is_blank(self.sql) {
            let what = "its SQL is empty: what is left of its Jinja are comments at most; write a query, or set enabled to false";
            return Err(Error::new(Kind::ModelSql, format!("{}: {what}", self.node.file)));
        }
        let hanging = Hanging::default();
        let word = materialized.clone();
        let find =
            move |scope: &Arc<_>, _: &Node| Ok(templates::materialization(scope, &word).map(|(_, is_own)| is_own));
        let found = self.templates.within(On::Transaction(transaction, &hanging), find).await?;
        match (found, materialized.as_str()) {
            (Some(false), "view" | "table") => self.replace(transaction, told).await,
            (Some(_), _) => match &self.batches {
                Some(batches) => self.in_batches(transaction, materialized, batches, told).await,
                None => self.by_macro(transaction, materialized, told).await,
            },
            (None, other) => Err(Error::new(
                Kind::ModelProject,
                format!(
                    "{}: there is no materialization '{other}'; view, table, incremental, ephemeral and materialized_view \
                     are, and what the project and its packages define",
                    self.node.file
                ),
            )),
        }
    }

    /// Makes the relation anew beside the old one, tests it, and puts it in its place.
    async fn replace(&self, transaction: &Transaction<'_>, told: &mut Told) -> Result<Option<i64>> {
        let target = &self.node.relation;
        let new = target.provisional();
        let (create, kind) = match self.node.materialized().as_str() {
            "view" => ("get_create_view_as_sql", "v"),
            _ => ("get_create_table_as_sql", "r"),
        };
        let hanging = Hanging::default();
        let on = On::Transaction(transaction, &hanging);
        self.hooks(on, "pre_hooks").await?;
        let (beside, sql) = (new.clone(), self.sql.to_owned());
        let statement = self
            .templates
            .call(on, create, move |_| {
                let relation = RelationValue::of(&beside, Some(if kind == "v" { "view" } else { "table" })).value();
                if kind == "v" { vec![relation, sql.into()] } else { vec![false.into(), relation, sql.into()] }
            })
            .await?;
        self.execute(transaction, &statement).await?;
        let mut rows = None;
        if kind == "r" {
            transaction.batch(&format!("analyze {}", new.quoted()), "analyzing a new table").await?;
            rows = Some(count(transaction, &new).await?);
        }
        let code = if kind == "v" { "CREATE VIEW" } else { "SELECT" };
        told.response = Some(Response { code: code.to_owned(), rows: rows.and_then(|n| u64::try_from(n).ok()) });
        let has_more =
            self.node.settings.get("post_hook").and_then(|v| v.as_array()).is_some_and(|all| !all.is_empty());
        let stands_for = [(target.clone(), new.clone())];
        if !has_more {
            self.test(transaction, &stands_for, told).await?;
        }
        if kind == "r" {
            // Before the swap: readers of the old one wait for a rename, not for indexes.
            let beside = RelationValue::of(&new, Some("table"));
            self.templates.call(on, "create_indexes", move |_| vec![beside.value()]).await?;
        }
        let was_there = self.swap(transaction, &new, kind).await?;
        self.finish(on, was_there).await?;
        if has_more {
            // What its hooks have done is tested too.
            self.test(transaction, &[], told).await?;
        }
        restore(transaction, hanging, |schema, name| self.present_definition(schema, name)).await?;
        Ok(rows)
    }

    /// Lets a materialization's own macro make the relation, and tests it before anybody sees it.
    async fn by_macro(&self, transaction: &Transaction<'_>, word: String, told: &mut Told) -> Result<Option<i64>> {
        let hanging = Hanging::default();
        told.response = self.templates.materialize(On::Transaction(transaction, &hanging), word).await?;
        self.made(transaction, hanging, told).await
    }

    /// Tests what a materialization's own macro has made.
    pub(super) async fn made(
        &self,
        transaction: &Transaction<'_>,
        hanging: Hanging,
        told: &mut Told,
    ) -> Result<Option<i64>> {
        restore(transaction, hanging, |schema, name| self.present_definition(schema, name)).await?;
        self.test(transaction, &[], told).await?;
        Ok(match relkind(transaction, &self.node.relation).await? {
            Some('r' | 'm') => Some(count(transaction, &self.node.relation).await?),
            _ => None,
        })
    }

    async fn test(
        &self,
        transaction: &Transaction<'_>,
        stands_for: &[(Relation, Relation)],
        told: &mut Told,
    ) -> Result<()> {
        let tests = testing::of(self.manifest, self.node, self.choice);
        let round = Round { stands_for, is_build: true, started: self.started, metrics: self.metrics };
        told.tests = testing::run(transaction, self.manifest, &tests, round).await?;
        testing::judge(self.node, &told.tests)
    }

    /// Runs the hooks before or after a node.
    async fn hooks(&self, on: On<'_, '_>, which: &'static str) -> Result<()> {
        self.templates
            .within(on, move |scope, node| {
                let hooks = scope.extra.get(which).cloned().unwrap_or_default();
                templates::call(scope, node, "run_hooks", &[hooks, true.into()]).map(drop)
            })
            .await
    }

    /// Grants, comments and hooks of a relation that is in its place.
    async fn finish(&self, on: On<'_, '_>, was_there: bool) -> Result<()> {
        self.templates
            .within(on, move |scope, node| {
                let this = scope.subject.this.clone().map_or_else(|| Value::from(()), RelationValue::value);
                if let Some(grants) = node.settings.get("grants") {
                    let values = [this.clone(), jinja::from_json(grants), was_there.into()];
                    templates::call(scope, node, "apply_grants", &values)?;
                }
                if node.settings.get("persist_docs").is_some() {
                    let described =
                        jinja::from_json(&scope.run().map(|run| run.manifest.described(node)).unwrap_or_default());
                    templates::call(scope, node, "persist_docs", &[this, described])?;
                }
                Ok(())
            })
            .await?;
        self.hooks(on, "post_hooks").await
    }

    /// Puts the new relation in the old one's place. Locks are taken here, as late as can be.
    /// Tells whether there was one.
    async fn swap(&self, transaction: &Transaction<'_>, new: &Relation, kind: &str) -> Result<bool> {
        let target = &self.node.relation;
        let rename = format!("alter table {} rename to {}", new.quoted(), quote(&target.name));
        let Some(old) = dependents::oid(transaction, &target.schema, &target.name).await? else {
            transaction.batch(&rename, "publishing a model").await?;
            return Ok(false);
        };
        let hanging = match Dependents::take(transaction, &target.schema, &target.name).await {
            Ok(hanging) => hanging,
            // What hangs on it is not ours to take off: it may stay where the columns do.
            Err(error) if error.kind == Kind::Dependent => {
                return if self.fill(transaction, new, kind).await? { Ok(true) } else { Err(error) };
            }
            Err(error) => return Err(error),
        };
        let trappings = Trappings::of(transaction, old, kind).await?;
        let word = match relkind(transaction, target).await? {
            Some('v') => "view",
            Some('m') => "materialized view",
            Some('f') => "foreign table",
            _ => "table",
        };
        transaction.batch(&format!("drop {word} {}", target.quoted()), "replacing a model").await?;
        transaction.batch(&rename, "publishing a model").await?;
        trappings.give(transaction, &target.schema, &target.name).await?;
        hanging.restore(transaction, |schema, name| self.present_definition(schema, name)).await?;
        Ok(true)
    }

    /// Gives the old relation what the new one has and leaves it in its place. Slower than a swap, and
    /// it leaves dead rows; but nothing that hangs on it is touched, and nobody waits for a lock. `false`
    /// where the old one can't hold it.
    async fn fill(&self, transaction: &Transaction<'_>, new: &Relation, kind: &str) -> Result<bool> {
        let target = &self.node.relation;
        let (had, has) =
            (columns_of(transaction, &target.quoted()).await?, columns_of(transaction, &new.quoted()).await?);
        let old = relkind(transaction, target).await?;
        if had != has || old.is_none_or(|old| kind != old.to_string()) {
            return Ok(false);
        }
        let statements = if kind == "v" {
            format!("create or replace view {} as (\n{}\n); drop view {}", target.quoted(), self.sql, new.quoted())
        } else {
            let columns: Vec<String> = has.iter().map(|(name, _)| quote(name)).collect();
            let (columns, old, new) = (columns.join(", "), target.quoted(), new.quoted());
            format!("delete from {old}; insert into {old} ({columns}) select {columns} from {new}; drop table {new}")
        };
        // A foreign key or a trigger may refuse it: then what hangs there is the cause that counts.
        match transaction.batch(&statements, "publishing a model in place").await {
            Ok(()) => {
                if kind == "r" {
                    self.missing_indexes(transaction).await?;
                }
                Ok(true)
            }
            Err(error) if matches!(error.kind, Kind::WarehouseQuery | Kind::WarehouseDenied) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes the indexes of the configuration that the relation in its place does not have yet.
    async fn missing_indexes(&self, transaction: &Transaction<'_>) -> Result<()> {
        let target = &self.node.relation;
        let Some(serde_json::Value::Array(indexes)) = self.node.settings.get("indexes") else { return Ok(()) };
        for index in indexes {
            if has_index(transaction, target, &index_known(&target.quoted(), index)).await? {
                continue;
            }
            let hanging = Hanging::default();
            let (there, index) = (RelationValue::of(target, Some("table")), index.clone());
            let on = On::Transaction(transaction, &hanging);
            let create = move |_: &_| vec![there.value(), jinja::from_json(&index)];
            let sql = self.templates.call(on, "get_create_index_sql", create).await?;
            transaction.batch(&sql, "making an index").await?;
        }
        Ok(())
    }

    /// What a view of this project, which no longer fits as it was published, says now: it would be
    /// built next, and must not hold up what it reads.
    fn present_definition(&self, schema: &str, name: &str) -> Option<String> {
        let is_it = |n: &&Node| n.relation.schema == schema && n.relation.name == name;
        let node = self.manifest.nodes.values().find(is_it).filter(|n| n.resource == Resource::Model)?;
        let manner = super::compile::Manner::new(self.started, None);
        (node.materialized() == "view").then(|| super::compile::compile(self.manifest, node, &manner).ok()).flatten()
    }

    /// Runs a statement that holds the model's SQL; an error points into the compiled file.
    async fn execute(&self, transaction: &Transaction<'_>, statement: &str) -> Result<()> {
        let done = transaction.answer(statement, false, "running it").await;
        done.map(drop).map_err(|Located { error, position }| {
            if error.kind != Kind::WarehouseQuery {
                return error.during(format!("model {}", self.node.name));
            }
            let file =
                self.file.as_ref().map_or_else(|| format!("compiled {}", self.node.file), |f| f.display().to_string());
            let before = statement.find(self.sql.trim()).map_or(0, |at| statement[..at].chars().count());
            let line = position
                .and_then(|p| (p as usize).checked_sub(before + 1))
                .map(|at| line_of(self.sql.trim(), at))
                .or_else(|| doubled::line(self.sql.trim(), &error.context));
            let place = line.map_or_else(String::new, |line| format!(":{line}"));
            let excerpt = line.map_or_else(String::new, |line| jinja::excerpt(self.sql.trim(), line, 0));
            Error::new(Kind::ModelSql, format!("{file}{place}: {}{excerpt}", error.context))
        })
    }
}

/// Makes again what hung on relations that a build has dropped.
pub(super) async fn restore(
    transaction: &Transaction<'_>,
    hanging: Hanging,
    present: impl Fn(&str, &str) -> Option<String>,
) -> Result<()> {
    for dropped in hanging.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let (schema, name) = (&dropped.relation.schema, &dropped.relation.name);
        if dependents::oid(transaction, schema, name).await?.is_some() {
            dropped.trappings.give(transaction, schema, name).await?;
        }
        dropped.dependents.restore(transaction, &present).await?;
    }
    Ok(())
}

async fn count(transaction: &Transaction<'_>, of: &Relation) -> Result<i64> {
    let sql = format!("select count(*) from {}", of.quoted());
    Ok(transaction.query_one(&sql, &[], "counting a model's rows").await?.get(0))
}

/// Whether a relation has an index whose name begins so.
async fn has_index(transaction: &Transaction<'_>, of: &Relation, prefix: &str) -> Result<bool> {
    let sql = "select exists (select from pg_catalog.pg_index x join pg_catalog.pg_class i on i.oid = x.indexrelid \
               where x.indrelid = to_regclass($1) and starts_with(i.relname::text, $2))";
    let row = transaction.query_one(sql, &[&of.quoted(), &prefix], "looking at a relation's indexes").await?;
    Ok(row.get(0))
}

/// Names and types of a relation's columns, in order.
pub(super) async fn columns_of(transaction: &Transaction<'_>, of: &str) -> Result<Vec<(String, String)>> {
    let sql = "select attname::text, pg_catalog.format_type(atttypid, atttypmod) from pg_catalog.pg_attribute \
               where attrelid = to_regclass($1) and attnum > 0 and not attisdropped and attgenerated = '' order by attnum";
    let rows = transaction.query(sql, &[&of], "looking at a relation's columns").await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// How a relation is named in messages about it.
pub(super) fn shown(of: &Relation) -> String {
    relation(&of.schema, &of.name)
}
