//! `show`: the first rows of what a query gives, with nothing built.

use super::{
    Models, compile,
    context::connection::{Connection, On, with_connection},
    jinja,
    manifest::{Manifest, Node, Resource},
};
use crate::{
    domain::ModelId,
    error::{Error, Kind, Result},
    warehouse::Answer,
};
use minijinja::value::{Kwargs, Value};
use serde_json::{Map, Value as Json};
use std::{collections::BTreeMap, sync::Arc};

/// The name of a query that is no node's.
const INLINE: &str = "inline_query";
/// So many digits are the same as a number of JSON's readers.
const EXACT_DIGITS_MAX: usize = 15;

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// A node, by its id.
    Node(String),
    /// A query with Jinja.
    Inline(String),
}

/// The first rows of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The node's name, with its version.
    pub name: String,
    /// Name and type of each column.
    pub columns: Vec<(String, String)>,
    /// The values as PostgreSQL writes them; `None` for null.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Preview {
    /// The rows by column, for who wants JSON.
    pub fn objects(&self) -> Vec<Json> {
        let cell = |((name, kind), cell): (&(String, String), &Option<String>)| {
            (name.clone(), cell.as_deref().map_or(Json::Null, |text| json(text, kind)))
        };
        self.rows.iter().map(|row| self.columns.iter().zip(row).map(cell).collect::<Map<_, _>>().into()).collect()
    }
}

/// A value of a type: numbers where JSON's are as exact, moments as ISO 8601 has them, all else as text.
fn json(text: &str, kind: &str) -> Json {
    match kind {
        "bool" => (text == "t").into(),
        "int2" | "int4" | "int8" | "oid" | "numeric" | "float4" | "float8" => {
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            let float = || text.parse::<f64>().ok().filter(|_| digits <= EXACT_DIGITS_MAX || kind.starts_with('f'));
            let number = text.parse::<i64>().ok().map(Json::from).or_else(|| float().map(Json::from));
            // Infinity and NaN have no number.
            number.filter(|number| !number.is_null()).unwrap_or_else(|| text.into())
        }
        "timestamp" | "timestamptz" => text.replacen(' ', "T", 1).into(),
        _ => text.into(),
    }
}

impl Models {
    /// Whether a node has rows to show.
    pub fn can_be_shown(&self, id: &str) -> bool {
        let node = self.manifest.nodes.get(&ModelId::new(id));
        node.is_some_and(|node| !matches!(node.resource, Resource::Operation | Resource::UnitTest))
    }

    /// The SQL of a query with Jinja, as for a first build.
    ///
    /// # Errors
    /// Its Jinja is wrong, or names what there is not.
    pub fn compile_inline(&self, text: &str) -> Result<String> {
        compile::compile_text(
            &self.manifest,
            INLINE,
            text,
            &compile::Manner::new(self.clock.now(), None).aloud(&self.manifest),
        )
    }

    /// The first rows of what a node's SQL, a seed or a query gives now; all of them without a limit.
    ///
    /// # Errors
    /// It can't be compiled, or the warehouse refuses it.
    pub async fn show(&self, looked: Looked, limit: Option<u64>) -> Result<Preview> {
        let session = self.warehouse.session().await?;
        let (manifest, started) = (self.manifest.clone(), self.clock.now());
        with_connection(On::Session(&session), move |connection| {
            let manner = compile::Manner {
                as_new: false,
                ..compile::Manner::new(started, Some(connection.clone())).aloud(&manifest)
            };
            match looked {
                Looked::Inline(text) => {
                    let sql = compile::compile_text(&manifest, INLINE, &text, &manner)?;
                    let answer = ask(&connection, &limited(&manifest, None, &sql, limit, &manner)?, INLINE)?;
                    Ok(Preview { name: INLINE.to_owned(), columns: answer.columns, rows: answer.rows })
                }
                Looked::Node(id) => {
                    let node = manifest.node(&ModelId::new(id.as_str()))?;
                    let sql = match node.resource {
                        Resource::Seed => format!("select * from {}", node.relation.quoted()),
                        _ => compile::compile(&manifest, node, &manner)?,
                    };
                    let answer = ask(&connection, &limited(&manifest, Some(node), &sql, limit, &manner)?, &node.file)?;
                    Ok(Preview { name: named(node), columns: answer.columns, rows: answer.rows })
                }
            }
        })
        .await?
    }
}

fn named(node: &Node) -> String {
    match &node.version {
        None => node.name.clone(),
        Some(Json::String(version)) => format!("{}.v{version}", node.name),
        Some(version) => format!("{}.v{version}", node.name),
    }
}

/// A query with its limit: what the macro `get_show_sql` makes of it.
fn limited(
    manifest: &Arc<Manifest>,
    node: Option<&Node>,
    sql: &str,
    limit: Option<u64>,
    manner: &compile::Manner,
) -> Result<String> {
    let scope = match node {
        Some(node) => compile::scope(manifest, node, manner, BTreeMap::new()),
        None => compile::text_scope(manifest, INLINE, manner),
    };
    let missing = || Error::new(Kind::Internal, "the macro get_show_sql is gone");
    let callable = scope.macro_named("get_show_sql").ok_or_else(missing)?;
    let header = node.and_then(|node| node.settings.text("sql_header"));
    let arguments = Kwargs::from_iter([
        ("compiled_code", sql.trim_end().trim_end_matches(';').into()),
        ("sql_header", header.map_or(Value::from(()), Value::from)),
        ("limit", limit.map_or(Value::from(()), Value::from)),
    ]);
    let called = manifest.setting.engine.call(&callable, &[Value::from(arguments)], "get_show_sql");
    called.map(|sql| sql.to_string().trim().to_owned()).map_err(|error| compile::failed(&scope, &error))
}

fn ask(connection: &Connection, sql: &str, shown: &str) -> Result<Answer> {
    connection.ask(sql, true).map_err(|located| match located.error.kind {
        Kind::WarehouseQuery => {
            let line = located.position.and_then(|at| (at as usize).checked_sub(1)).map(|at| compile::line_of(sql, at));
            let excerpt = line.map_or_else(String::new, |line| jinja::excerpt(sql, line, 0));
            Error::new(Kind::ModelSql, format!("{shown}: {}{excerpt}", located.error.context))
        }
        _ => located.error.during(shown),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_number_only_where_that_is_exact() {
        for (text, kind, shown) in [
            ("t", "bool", "true"),
            ("9007199254740993", "int8", "9007199254740993"),
            ("10.50", "numeric", "10.5"),
            ("12345678901234567890.5", "numeric", "\"12345678901234567890.5\""),
            ("NaN", "float8", "\"NaN\""),
            ("2024-01-01 06:00:00+00", "timestamptz", "\"2024-01-01T06:00:00+00\""),
            ("2024-01-01", "date", "\"2024-01-01\""),
        ] {
            assert_eq!(json(text, kind).to_string(), shown);
        }
    }
}
