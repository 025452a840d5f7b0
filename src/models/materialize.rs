//! From SQL to a published relation: made beside the old one, tested, and put in its place, all in the
//! caller's transaction.
//!
//! Guarantee: a reader sees the old version or the new one, whole; what hangs on the relation, and
//! what people gave it, is there afterwards or nothing has happened.

use super::{
    config::Materialized,
    generic_test::TestVerdict,
    manifest::{Manifest, Node},
    relation::Relation,
    render, testing,
};
use crate::{
    error::{Error, Kind, Result},
    telemetry::Metrics,
    warehouse::{Dependents, Located, Transaction, Trappings, dependents, quote, relation},
};
use chrono::{DateTime, Utc};
use std::path::PathBuf;

/// One model on its way into the warehouse.
pub(super) struct Work<'a> {
    /// The project.
    pub manifest: &'a Manifest,
    /// The model.
    pub node: &'a Node,
    /// Its SQL.
    pub sql: &'a str,
    /// Where that was written to.
    pub file: Option<PathBuf>,
    /// When the run began.
    pub started: DateTime<Utc>,
    /// Where verdicts are counted.
    pub metrics: &'a Metrics,
}

/// What was made.
pub(super) struct Made {
    /// Rows; `None` for a view.
    pub rows: Option<i64>,
    /// What the tests said.
    pub tests: Vec<TestVerdict>,
}

/// The kind of what bears a name: PostgreSQL's relkind.
pub(super) async fn relkind(transaction: &Transaction<'_>, of: &Relation) -> Result<Option<char>> {
    let sql = "select c.relkind::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
               where n.nspname = $1 and c.relname = $2";
    let row = transaction.query_opt(sql, &[&of.schema, &of.name], "looking for a relation").await?;
    Ok(row.and_then(|row| row.get::<_, String>(0).chars().next()))
}

impl Work<'_> {
    /// Makes the relation anew beside the old one, tests it, and puts it in its place.
    pub(super) async fn replace(&self, transaction: &Transaction<'_>) -> Result<Made> {
        let target = &self.node.relation;
        let new = target.provisional();
        let (word, kind) = match self.node.materialized {
            Materialized::View => ("view", "v"),
            _ => ("table", "r"),
        };
        let prefix = format!("create {word} {} as (\n", new.quoted());
        let rows = self.execute(transaction, &prefix, "\n)").await?;
        if kind == "r" {
            transaction.batch(&format!("analyze {}", new.quoted()), "analyzing a new table").await?;
        }
        let tests =
            testing::run(transaction, self.manifest, self.node, &new.quoted(), self.started, self.metrics).await?;
        testing::judge(self.node, &tests)?;
        if kind == "r" {
            // Before the swap: readers of the old one wait for a rename, not for indexes.
            self.index(transaction, &new).await?;
        }
        self.swap(transaction, &new, kind).await?;
        let rows = (kind == "r").then(|| i64::try_from(rows).unwrap_or(i64::MAX));
        Ok(Made { rows, tests })
    }

    /// Puts the new relation in the old one's place. Locks are taken here, as late as can be.
    async fn swap(&self, transaction: &Transaction<'_>, new: &Relation, kind: &str) -> Result<()> {
        let target = &self.node.relation;
        let rename = format!("alter table {} rename to {}", new.quoted(), quote(&target.name));
        let Some(old) = dependents::oid(transaction, &target.schema, &target.name).await? else {
            return transaction.batch(&rename, "publishing a model").await;
        };
        let hanging = match Dependents::take(transaction, &target.schema, &target.name).await {
            Ok(hanging) => hanging,
            // What hangs on it is not ours to take off: it may stay where the columns do.
            Err(error) if error.kind == Kind::Dependent => {
                return if self.fill(transaction, new, kind).await? { Ok(()) } else { Err(error) };
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
        hanging.restore(transaction, |schema, name| self.present_definition(schema, name)).await
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
                    self.index(transaction, target).await?;
                }
                Ok(true)
            }
            Err(error) if matches!(error.kind, Kind::WarehouseQuery | Kind::WarehouseDenied) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What a view of this project, which no longer fits as it was published, says now: it would be
    /// built next, and must not hold up what it reads.
    fn present_definition(&self, schema: &str, name: &str) -> Option<String> {
        let is_it = |n: &&Node| n.relation.schema == schema && n.relation.name == name;
        let node = self.manifest.nodes.values().find(is_it).filter(|n| n.materialized == Materialized::View)?;
        let manner = super::compile::Manner { incremental: false, full_refresh: false, started: self.started };
        self.manifest.compile(node, manner).ok()
    }

    /// Makes the indexes of the configuration that a relation does not have yet.
    ///
    /// An index is known by a digest of what it is; behind that its name is chance, because those of
    /// the old relation and of the new one stand beside each other for a while.
    async fn index(&self, transaction: &Transaction<'_>, on: &Relation) -> Result<()> {
        let Some(serde_json::Value::Array(indexes)) = self.node.settings.get("indexes") else { return Ok(()) };
        for index in indexes {
            let columns: Vec<String> =
                index["columns"].as_array().into_iter().flatten().filter_map(|c| c.as_str()).map(quote).collect();
            if columns.is_empty() {
                return Err(Error::new(Kind::ModelProject, format!("{}: an index has no columns", self.node.file)));
            }
            let digest = super::checksum::of([self.node.relation.quoted().as_str(), &index.to_string()]);
            let known = format!("{}{}", dependents::OWN_INDEX_PREFIX, &digest[..16]);
            if has_index(transaction, on, &known).await? {
                continue;
            }
            let unique = if index["unique"] == true { "unique " } else { "" };
            let method = index["type"].as_str().map_or_else(String::new, |m| format!(" using {}", quote(m)));
            let name = quote(&format!("{known}_{:016x}", fastrand::u64(..)));
            let sql = format!("create {unique}index {name} on {}{method} ({})", on.quoted(), columns.join(", "));
            transaction.batch(&sql, "making an index").await.map_err(|e| self.blame(e))?;
        }
        Ok(())
    }

    /// Runs the model's SQL between a beginning and an end; an error points into the compiled file.
    pub(super) async fn execute(&self, transaction: &Transaction<'_>, prefix: &str, suffix: &str) -> Result<u64> {
        let statement = format!("{prefix}{}{suffix}", self.sql);
        transaction.execute_located(&statement, "running it").await.map_err(|Located { error, position }| {
            if error.kind != Kind::WarehouseQuery {
                return error.during(format!("model {}", self.node.name));
            }
            let file =
                self.file.as_ref().map_or_else(|| format!("compiled {}", self.node.file), |f| f.display().to_string());
            let prefix = prefix.chars().count();
            let line = position.and_then(|p| (p as usize).checked_sub(prefix + 1)).map(|at| line_of(self.sql, at));
            let place = line.map_or_else(String::new, |line| format!(":{line}"));
            let excerpt = line.map_or_else(String::new, |line| render::excerpt(self.sql, line));
            Error::new(Kind::ModelSql, format!("{file}{place}: {}{excerpt}", error.context))
        })
    }

    pub(super) fn blame(&self, error: Error) -> Error {
        match error.kind {
            Kind::WarehouseQuery => Error::new(Kind::ModelSql, format!("{}: {}", self.node.file, error.context)),
            _ => error,
        }
    }
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

/// The line that holds a character, both counted as people do and from zero respectively.
fn line_of(text: &str, character: usize) -> usize {
    1 + text.chars().take(character).filter(|c| *c == '\n').count()
}

/// How a relation is named in messages about it.
pub(super) fn shown(of: &Relation) -> String {
    relation(&of.schema, &of.name)
}
