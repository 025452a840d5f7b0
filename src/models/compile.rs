//! From a parsed node to the SQL that runs, and the file it is written to.

use super::{
    context::{
        batch::Batch,
        connection::Connection,
        relation::PART_PREFIX,
        scope::{FailedSql, Run, Scope, Subject, Task, lock},
        voice::Voice,
    },
    jinja,
    manifest::{Manifest, Node, Resource, explained},
    relation::Relation,
};
use crate::{
    domain::ModelId,
    error::{Error, Kind, Result},
    warehouse::Located,
};
use chrono::{DateTime, Utc};
use minijinja::value::{Kwargs, Value};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How deep ephemeral models may lie in one another; the graph has no cycle, so this is never reached
/// by a project that a person wrote.
const EPHEMERAL_DEPTH_MAX: usize = 64;

/// How a node is compiled.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// `run_started_at`.
    pub started: DateTime<Utc>,
    /// Where templates ask; `None` where there is no warehouse.
    pub connection: Option<Connection>,
    /// Whether the node's relation counts as not there: what a first build would do.
    pub as_new: bool,
    /// `flags.FULL_REFRESH`.
    pub full_refresh: bool,
    /// Relations that stand for others: a version that is tested before it is published.
    pub stands_for: Vec<(Relation, Relation)>,
    /// The span of event time of one batch.
    pub batch: Option<Batch>,
    /// Who hears what templates say.
    pub voice: Voice,
}

impl Manner {
    /// The same, and whoever gave the command hears what templates say.
    pub(super) fn aloud(self, manifest: &Manifest) -> Self {
        Self { voice: Voice::aloud(manifest.setting.says), ..self }
    }

    /// As for a first build, with or without a warehouse. What templates say is logged.
    pub(super) fn new(started: DateTime<Utc>, connection: Option<Connection>) -> Self {
        let voice = Voice::Log;
        Self { started, connection, as_new: true, full_refresh: false, stands_for: Vec::new(), batch: None, voice }
    }
}

/// The scope in which a node, or what belongs to it, is rendered.
pub(super) fn scope(
    manifest: &Arc<Manifest>,
    node: &Node,
    manner: &Manner,
    extra: BTreeMap<&'static str, Value>,
) -> Arc<Scope> {
    scope_of(manifest, Subject::of(node), manner, extra)
}

fn scope_of(
    manifest: &Arc<Manifest>,
    subject: Subject,
    manner: &Manner,
    extra: BTreeMap<&'static str, Value>,
) -> Arc<Scope> {
    let run = Run {
        connection: manner.connection.clone(),
        as_new: manner.as_new,
        full_refresh: manner.full_refresh,
        stands_for: manner.stands_for.clone(),
        batch: manner.batch,
        voice: manner.voice.clone(),
        ..Run::dry(manifest.clone(), manner.started)
    };
    Scope::with(manifest.setting.clone(), subject, Task::Run(run), extra)
}

/// The scope of a text that is no node's.
pub(super) fn text_scope(manifest: &Arc<Manifest>, name: &str, manner: &Manner) -> Arc<Scope> {
    let subject = Subject { name: name.to_owned(), ..Subject::of_package(&manifest.setting.project) };
    scope_of(manifest, subject, manner, BTreeMap::new())
}

/// The SQL of a text that is no node's, as a model of the project would have it.
pub(super) fn compile_text(manifest: &Arc<Manifest>, name: &str, text: &str, manner: &Manner) -> Result<String> {
    let scope = text_scope(manifest, name, manner);
    let rendered = scope.setting.engine.render(name, text, scope.globals());
    let sql = rendered.map_err(|error| failed(&scope, &error))?;
    let mut parts = Vec::new();
    add_parts(manifest, &scope, manner, &mut parts, 0)?;
    Ok(inject(&sql, &parts))
}

/// The SQL of a node, with the ephemeral models that it reads.
pub(super) fn compile(manifest: &Arc<Manifest>, node: &Node, manner: &Manner) -> Result<String> {
    node.sound()?;
    let mut parts = Vec::new();
    let sql = compile_into(manifest, node, manner, &mut parts, 0)?;
    Ok(inject(&sql, &parts))
}

fn compile_into(
    manifest: &Arc<Manifest>,
    node: &Node,
    manner: &Manner,
    parts: &mut Vec<(String, String)>,
    depth: usize,
) -> Result<String> {
    if depth > EPHEMERAL_DEPTH_MAX {
        return Err(Error::new(Kind::ModelRender, format!("{}: ephemeral models lie too deep", node.file)));
    }
    let scope = scope(manifest, node, manner, BTreeMap::new());
    let rendered = match &node.generic {
        Some(_) => render_test(node, &scope),
        None => {
            let rendered = scope.setting.engine.render(&node.file, &node.source, scope.globals());
            rendered.map_err(|error| error.below(node.first_line, &node.source))
        }
    };
    let sql = rendered.map_err(|error| failed(&scope, &error))?;
    add_parts(manifest, &scope, manner, parts, depth)?;
    Ok(sql)
}

/// The ephemeral models that a rendering referred to, each once.
fn add_parts(
    manifest: &Arc<Manifest>,
    scope: &Scope,
    manner: &Manner,
    parts: &mut Vec<(String, String)>,
    depth: usize,
) -> Result<()> {
    let referred = scope.run().map(|run| std::mem::take(&mut *lock(&run.parts))).unwrap_or_default();
    for id in referred {
        let below = manifest.node(&ModelId::new(id))?;
        let name = format!("{PART_PREFIX}{}", below.relation.name);
        if parts.iter().any(|(known, _)| *known == name) {
            continue;
        }
        // What a part reads is not filtered: its rows are, by its reader.
        let inner = compile_into(manifest, below, &Manner { batch: None, ..manner.clone() }, parts, depth + 1)?;
        parts.push((name, inner));
    }
    Ok(())
}

/// The query of a generic test: what its macro gives for its arguments.
fn render_test(node: &Node, scope: &Arc<Scope>) -> std::result::Result<String, jinja::JinjaError> {
    let missing = |what: &str| jinja::JinjaError::new(&node.file, 1, format!("test {}: {what}", node.name));
    let generic = node.generic.as_ref().ok_or_else(|| missing("it is no generic test"))?;
    let name = format!("test_{}", generic.word);
    let callable = match &generic.namespace {
        Some(package) => scope.macro_of(package, &name),
        None => scope.macro_named(&name),
    };
    let callable = callable.ok_or_else(|| missing("its macro is gone"))?;
    let engine = &scope.setting.engine;
    let mut given = Vec::new();
    for (key, value) in &generic.arguments {
        given.push((key.clone(), argument(scope, node, key, value)?));
    }
    let sql = engine.call(&callable, &[Value::from(Kwargs::from_iter(given))], &node.file)?;
    Ok(sql.to_string().trim().to_owned())
}

/// The value of a test's argument: texts are rendered, and a text that is a call of `ref` or the like is one.
fn argument(
    scope: &Arc<Scope>,
    node: &Node,
    key: &str,
    value: &serde_json::Value,
) -> std::result::Result<Value, jinja::JinjaError> {
    let engine = &scope.setting.engine;
    Ok(match value {
        serde_json::Value::String(text) if key != "column_name" => {
            let trimmed = text.trim();
            let calls = ["ref", "source", "var", "env_var", "doc"];
            let is_call = trimmed.ends_with(')')
                && calls
                    .iter()
                    .any(|word| trimmed.strip_prefix(word).is_some_and(|rest| rest.trim_start().starts_with('(')));
            if text.contains("{{") || text.contains("{%") {
                engine.evaluate(&node.file, text, scope.globals())?
            } else if is_call {
                engine.evaluate(&node.file, &format!("{{{{ {trimmed} }}}}"), scope.globals())?
            } else {
                text.as_str().into()
            }
        }
        serde_json::Value::Array(items) => {
            let items = items.iter().map(|item| argument(scope, node, "", item));
            jinja::list(items.collect::<std::result::Result<_, _>>()?)
        }
        serde_json::Value::Object(map) => {
            let mut pairs = Vec::new();
            for (name, value) in map {
                pairs.push((Value::from(name.as_str()), argument(scope, node, "", value)?));
            }
            jinja::dict(pairs)
        }
        other => jinja::from_json(other),
    })
}

/// What a template failed with: its own fault, or the statement that the warehouse refused.
pub(super) fn failed(scope: &Scope, error: &jinja::JinjaError) -> Error {
    let sql = scope.run().and_then(|run| lock(&run.failure).take());
    match sql {
        None => explained(error),
        Some(FailedSql { located, sql }) if located.error.kind == Kind::WarehouseQuery => {
            refused(error.called_from.as_ref().unwrap_or(&error.file), &sql, located)
        }
        Some(FailedSql { located, .. }) => located.error.during(&error.file),
    }
}

/// What the warehouse says of a statement that it refused, with the lines that it speaks of.
pub(super) fn refused(place: &str, sql: &str, Located { error, position }: Located) -> Error {
    if error.kind != Kind::WarehouseQuery {
        return error;
    }
    let line = position.and_then(|at| (at as usize).checked_sub(1)).map(|at| line_of(sql, at));
    let excerpt = line.map_or_else(String::new, |line| jinja::excerpt(sql, line, 0));
    Error::new(Kind::ModelSql, format!("{place}: {}{excerpt}", error.context))
}

/// The line that holds a character, both counted as people do and from zero respectively.
pub(super) fn line_of(text: &str, character: usize) -> usize {
    1 + text.chars().take(character).filter(|c| *c == '\n').count()
}

impl Manifest {
    /// Writes the compiled SQL below the target folder, where dbt writes it; the file's path. `None`
    /// where nothing can be written: a read-only project is built all the same.
    pub(super) fn write_compiled(&self, node: &Node, sql: &str) -> Option<PathBuf> {
        self.write_compiled_to(node, self.compiled_path(node), sql)
    }

    /// Writes the compiled SQL of one batch, where dbt writes it.
    pub(super) fn write_batch(&self, node: &Node, batch: &Batch, sql: &str) {
        let path = self.compiled_path(node);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{stem}_{}.sql", batch.name());
        self.write_compiled_to(node, path.with_extension("").join(name), sql);
    }

    fn write_compiled_to(&self, node: &Node, path: PathBuf, sql: &str) -> Option<PathBuf> {
        match write_if_changed(&path, sql) {
            Ok(()) => Some(path),
            Err(error) => {
                tracing::debug!(model = %node.id, path = %path.display(), %error, "compiled SQL is not kept");
                None
            }
        }
    }

    /// Where the compiled SQL of a node is written to.
    pub(super) fn compiled_path(&self, node: &Node) -> PathBuf {
        let file = match &node.generic {
            Some(_) => format!("{}/{}", node.file, node.path),
            None if node.resource == Resource::UnitTest => format!("{}/models/{}.sql", node.file, node.name),
            None => node.file.clone(),
        };
        self.project.target_path.join("compiled").join(&node.package).join(file)
    }
}

fn write_if_changed(path: &Path, sql: &str) -> std::io::Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|have| have == sql) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, sql)
}

/// Puts ephemeral models in front of a query, into its own `with` where it has one.
pub(super) fn inject(sql: &str, parts: &[(String, String)]) -> String {
    if parts.is_empty() {
        return sql.to_owned();
    }
    let list: Vec<String> = parts.iter().map(|(name, sql)| format!(" {name} as (\n{sql}\n)")).collect();
    let list = list.join(",");
    let start = sql.len() - skip_blank(sql).len();
    let (head, body) = sql.split_at(start);
    let Some(after) = keyword(body, "with") else {
        return format!("{head}with{list}\n{body}");
    };
    let gap = after.len() - skip_blank(after).len();
    match keyword(&after[gap..], "recursive") {
        Some(rest) => format!("{head}with recursive{list},{rest}"),
        None => format!("{head}with{list},{after}"),
    }
}

/// What follows a keyword at the start of a text.
fn keyword<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word)).map(|_| &text[word.len()..])?;
    (!rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')).then_some(rest)
}

/// Whether an SQL holds nothing but blanks and comments.
pub(super) fn is_blank(sql: &str) -> bool {
    skip_blank(sql).is_empty()
}

/// A text without the blanks and comments at its start.
fn skip_blank(text: &str) -> &str {
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start();
        rest = if let Some(line) = trimmed.strip_prefix("--") {
            line.find('\n').map_or("", |end| &line[end..])
        } else if let Some(block) = trimmed.strip_prefix("/*") {
            block.find("*/").map_or("", |end| &block[end + 2..])
        } else {
            return trimmed;
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ephemeral_models_go_into_the_querys_own_with() {
        let parts = [("__dbt__cte__a".to_owned(), "select 1".to_owned())];
        assert_eq!(inject("select 2", &parts), "with __dbt__cte__a as (\nselect 1\n)\nselect 2");
        assert_eq!(
            inject("-- with what\nWITH b as (select 1) select 2", &parts),
            "-- with what\nwith __dbt__cte__a as (\nselect 1\n), b as (select 1) select 2"
        );
        assert!(inject("with recursive b as (x) y", &parts).starts_with("with recursive __dbt__cte__a as ("));
        assert!(inject("withdrawn", &parts).ends_with(")\nwithdrawn"));
    }
}
