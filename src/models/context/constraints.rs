//! Constraints of contracts, as SQL.

use super::super::jinja;
use super::{functions::invalid, scope::Scope};
use crate::warehouse::quote;
use minijinja::{Error, value::Value};
use serde_json::Value as Json;
use std::sync::Arc;

/// `name type constraint …` of each column.
pub(super) fn columns(scope: &Arc<Scope>, raw: &Value) -> Result<Value, Error> {
    let Json::Object(columns) = jinja::to_json(raw) else { return Err(invalid("the columns are no dictionary")) };
    let mut rendered = Vec::new();
    for column in columns.values() {
        let name = column["name"].as_str().unwrap_or_default();
        let name = if column["quote"] == true { quote(name) } else { name.to_owned() };
        let kind = column["data_type"].as_str().ok_or_else(|| {
            invalid(format!("a contract needs the data_type of each column; it is missing for {name}"))
        })?;
        let constraints = column["constraints"].as_array().into_iter().flatten();
        let parts =
            constraints.map(|constraint| of_column(&named(scope, constraint)?)).collect::<Result<Vec<_>, _>>()?;
        let parts: Vec<String> = [format!("{name} {kind}")].into_iter().chain(parts.into_iter().flatten()).collect();
        rendered.push(parts.join(" ").into());
    }
    Ok(jinja::list(rendered))
}

/// The constraints of the whole relation.
pub(super) fn of_model(scope: &Arc<Scope>, raw: &Value) -> Result<Value, Error> {
    let Json::Array(constraints) = jinja::to_json(raw) else { return Ok(jinja::list(Vec::new())) };
    let rendered =
        constraints.iter().map(|constraint| whole(&named(scope, constraint)?)).collect::<Result<Vec<_>, _>>()?;
    Ok(jinja::list(rendered.into_iter().flatten().map(Value::from).collect()))
}

/// A constraint whose `to`, where it calls `ref` or `source`, is the name of that relation.
fn named(scope: &Arc<Scope>, constraint: &Json) -> Result<Json, Error> {
    let mut constraint = constraint.clone();
    let Some(to) = constraint["to"].as_str().map(str::trim) else { return Ok(constraint) };
    if to.starts_with("ref(") || to.starts_with("source(") {
        let name = scope.evaluated(&format!("{{{{ {to} }}}}"))?;
        constraint["to"] = name.to_string().into();
    }
    Ok(constraint)
}

fn texts(constraint: &Json, key: &str) -> String {
    let items = constraint[key].as_array().into_iter().flatten().filter_map(Json::as_str);
    items.collect::<Vec<_>>().join(", ")
}

fn of_column(constraint: &Json) -> Result<Option<String>, Error> {
    let expression = constraint["expression"].as_str().unwrap_or_default();
    let with = |words: &str| Some(format!("{words} {expression}").trim_end().to_owned());
    Ok(match constraint["type"].as_str() {
        Some("check") if !expression.is_empty() => Some(format!("check ({expression})")),
        Some("not_null") => with("not null"),
        Some("unique") => with("unique"),
        Some("primary_key") => with("primary key"),
        Some("foreign_key") => references(constraint, expression),
        Some("custom") if !expression.is_empty() => Some(expression.to_owned()),
        Some("check" | "custom") => None,
        other => return Err(unknown(other)),
    })
}

fn whole(constraint: &Json) -> Result<Option<String>, Error> {
    let expression = constraint["expression"].as_str().unwrap_or_default();
    let prefix = constraint["name"].as_str().map_or_else(String::new, |name| format!("constraint {name} "));
    let columns = texts(constraint, "columns");
    let spaced = if expression.is_empty() { String::new() } else { format!(" {expression}") };
    Ok(match constraint["type"].as_str() {
        Some("check") if !expression.is_empty() => Some(format!("{prefix}check ({expression})")),
        Some("unique") => Some(format!("{prefix}unique{spaced} ({columns})")),
        Some("primary_key") => Some(format!("{prefix}primary key{spaced} ({columns})")),
        Some("foreign_key") => {
            references(constraint, expression).map(|to| format!("{prefix}foreign key ({columns}) {to}"))
        }
        Some("custom") if !expression.is_empty() => Some(format!("{prefix}{expression}")),
        Some("check" | "custom" | "not_null") => None,
        other => return Err(unknown(other)),
    })
}

fn references(constraint: &Json, expression: &str) -> Option<String> {
    match constraint["to"].as_str() {
        Some(to) => Some(format!("references {to} ({})", texts(constraint, "to_columns"))),
        None if expression.is_empty() => None,
        None => Some(format!("references {expression}")),
    }
}

fn unknown(kind: Option<&str>) -> Error {
    let known = "check, not_null, unique, primary_key, foreign_key and custom";
    invalid(format!("constraint type '{}' is not known; {known} are", kind.unwrap_or_default()))
}
