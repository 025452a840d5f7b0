//! From a parsed model to the SQL that runs, and the file it is written to.

use super::{
    manifest::{Manifest, Node},
    scope::{Compile, NodeScope, Scope, Task, lock},
};
use crate::error::{Error, Kind, Result};
use chrono::{DateTime, Utc};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// How deep ephemeral models may lie in one another; the graph has no cycle, so this is never reached
/// by a project that a person wrote.
const EPHEMERAL_DEPTH_MAX: usize = 64;

/// How a model is compiled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// `is_incremental()`.
    pub incremental: bool,
    /// `flags.FULL_REFRESH`.
    pub full_refresh: bool,
    /// `run_started_at`.
    pub started: DateTime<Utc>,
}

/// The name under which an ephemeral model stands in the query of its reader: dbt's.
pub(super) fn part_name(model: &str) -> String {
    format!("__dbt__cte__{model}")
}

impl Manifest {
    /// The SQL of a model.
    pub(super) fn compile(&self, node: &Node, manner: Manner) -> Result<String> {
        node.sound()?;
        let mut parts = Vec::new();
        let sql = self.compile_into(node, manner, &mut parts, 0)?;
        Ok(inject(&sql, &parts))
    }

    fn compile_into(
        &self,
        node: &Node,
        manner: Manner,
        parts: &mut Vec<(String, String)>,
        depth: usize,
    ) -> Result<String> {
        if depth > EPHEMERAL_DEPTH_MAX {
            return Err(Error::new(Kind::ModelRender, format!("{}: ephemeral models lie too deep", node.file)));
        }
        let scope = self.scope(node, manner);
        let sql = self.templates.render(&node.file, &scope)?;
        let Task::Compile(compile) = &scope.task else { return Ok(sql) };
        let referred = std::mem::take(&mut *lock(&compile.ephemeral));
        for name in referred {
            if parts.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let below = self.by_name(&name).ok_or_else(|| {
                Error::new(Kind::ModelRender, format!("{}: ref('{name}'): there is no such model", node.file))
            })?;
            let inner = self.compile_into(below, manner, parts, depth + 1)?;
            parts.push((name, inner));
        }
        Ok(sql)
    }

    /// The scope in which a model, or what is said about it, is compiled.
    pub(super) fn scope(&self, node: &Node, manner: Manner) -> Arc<Scope> {
        let own = NodeScope {
            id: node.id.as_str().to_owned(),
            name: node.name.clone(),
            this: Some(node.relation.clone()),
            settings: node.settings.clone(),
        };
        let Manner { incremental, full_refresh, started } = manner;
        let names = self.names.clone();
        let compile = Compile { names, incremental, full_refresh, started, ephemeral: Mutex::default() };
        Scope::new(self.shared.clone(), own, Task::Compile(compile))
    }

    /// Writes the compiled SQL below the target folder, where dbt writes it; the file's path. `None`,
    /// with a warning, where nothing can be written: a read-only project is built all the same.
    pub(super) fn write_compiled(&self, node: &Node, sql: &str) -> Option<PathBuf> {
        let path = self.project.target_path.join("compiled").join(&self.project.name).join(&node.file);
        match write_if_changed(&path, sql) {
            Ok(()) => Some(path),
            Err(error) => {
                tracing::debug!(model = %node.id, path = %path.display(), %error, "compiled SQL is not kept");
                None
            }
        }
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
fn inject(sql: &str, parts: &[(String, String)]) -> String {
    if parts.is_empty() {
        return sql.to_owned();
    }
    let list: Vec<String> = parts.iter().map(|(name, sql)| format!(" {} as (\n{sql}\n)", part_name(name))).collect();
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
        let parts = [("a".to_owned(), "select 1".to_owned())];
        assert_eq!(inject("select 2", &parts), "with __dbt__cte__a as (\nselect 1\n)\nselect 2");
        assert_eq!(
            inject("-- with what\nWITH b as (select 1) select 2", &parts),
            "-- with what\nwith __dbt__cte__a as (\nselect 1\n), b as (select 1) select 2"
        );
        assert!(inject("with recursive b as (x) y", &parts).starts_with("with recursive __dbt__cte__a as ("));
        assert!(inject("withdrawn", &parts).ends_with(")\nwithdrawn"));
    }
}
