//! What statements gave, kept by name for the rest of a rendering; and rows as templates take them.

use super::super::{
    jinja::{self, Arguments},
    options::Response,
};
use super::{
    functions::invalid,
    scope::{Scope, lock},
    table::Table,
};
use crate::warehouse::Answer;
use minijinja::{Error, value::Value};

/// `store_result(name, response, agate_table)`.
pub(super) fn store(scope: &Scope, arguments: &Arguments) -> Result<Value, Error> {
    let table = arguments.get(2, "agate_table").filter(|v| !v.is_none()).cloned();
    let table = table.unwrap_or_else(|| Table::default().value());
    keep(scope, arguments.text(0, "name")?, arguments.require(1, "response")?.clone(), table);
    Ok("".into())
}

/// `store_raw_result(name, message, code, rows_affected, agate_table)`.
pub(super) fn store_raw(scope: &Scope, arguments: &Arguments) -> Result<Value, Error> {
    let text = |place, name| arguments.get(place, name).map(ToString::to_string).unwrap_or_default();
    let rows = arguments.get(3, "rows_affected").cloned().unwrap_or_else(|| Value::from(()));
    let table = arguments.get(4, "agate_table").filter(|v| !v.is_none()).cloned();
    let response = response(&text(1, "message"), &text(2, "code"), rows);
    keep(scope, arguments.text(0, "name")?, response, table.unwrap_or_else(|| Table::default().value()));
    Ok("".into())
}

fn keep(scope: &Scope, name: String, response: Value, table: Value) {
    let rows = table.get_attr("rows").unwrap_or_default();
    let rows = rows.try_iter().map(|rows| rows.map(|row| jinja::tuple(row.try_iter().into_iter().flatten().collect())));
    let rows = jinja::list(rows.into_iter().flatten().collect());
    let result = jinja::dict([("response".into(), response), ("data".into(), rows), ("table".into(), table)]);
    lock(&scope.results).insert(name, result);
}

/// `load_result(name)`; none where there is none.
pub(super) fn load(scope: &Scope, arguments: &Arguments) -> Result<Value, Error> {
    Ok(lock(&scope.results).get(&arguments.text(0, "name")?).cloned().unwrap_or_else(|| Value::from(())))
}

/// What the warehouse answered to a statement.
pub(in crate::models) fn answered(scope: &Scope, name: &str) -> Option<Response> {
    let response = lock(&scope.results).get(name)?.get_item(&"response".into()).ok()?;
    let part = |key: &str| response.get_item(&Value::from(key)).ok().filter(|value| !value.is_none());
    let rows = part("rows_affected").and_then(|rows| u64::try_from(i64::try_from(rows).ok()?).ok());
    Some(Response { code: part("code")?.to_string(), rows })
}

/// `load_agate_table()`: the rows of a seed's file.
pub(super) fn seed(scope: &Scope) -> Result<Value, Error> {
    let Some(run) = scope.run() else { return Ok(Table::default().value()) };
    let node = run.manifest.nodes.get(&crate::domain::ModelId::new(scope.subject.id.as_str()));
    let node = node.ok_or_else(|| invalid("load_agate_table() is for seeds"))?;
    let seed = super::super::seed::Seed::read(node).map_err(|error| invalid(error.to_string()))?;
    Ok(seed.table().value())
}

/// What a statement says of itself.
pub(super) fn response(message: &str, code: &str, rows_affected: Value) -> Value {
    jinja::dict([
        ("_message".into(), message.into()),
        ("code".into(), code.into()),
        ("rows_affected".into(), rows_affected),
        ("query_id".into(), Value::from(())),
    ])
}

/// The answer of the warehouse as `adapter.execute` gives it: response and table.
pub(super) fn of_answer(answer: Answer) -> Value {
    let code = answer.command.as_str();
    let message = if code == "INSERT" {
        format!("INSERT 0 {}", answer.rows_affected)
    } else if matches!(code, "SELECT" | "UPDATE" | "DELETE" | "MERGE" | "COPY") {
        format!("{code} {}", answer.rows_affected)
    } else {
        code.to_owned()
    };
    let response = response(&message, code, answer.rows_affected.into());
    jinja::tuple(vec![response, table(answer).value()])
}

/// The rows of an answer, each value of the type its column has.
pub(super) fn table(answer: Answer) -> Table {
    let kinds: Vec<&str> = answer.columns.iter().map(|(_, kind)| kind.as_str()).collect();
    let row = |row: Vec<Option<String>>| row.into_iter().zip(&kinds).map(|(cell, kind)| value(cell, kind)).collect();
    let rows = answer.rows.into_iter().map(row).collect();
    Table::new(answer.columns.iter().map(|(name, _)| name.clone()).collect(), rows)
}

/// A value of a type, from PostgreSQL's text; what Python's driver and agate make of it.
fn value(cell: Option<String>, kind: &str) -> Value {
    let Some(text) = cell else { return Value::from(()) };
    match kind {
        "bool" => (text == "t").into(),
        "int2" | "int4" | "int8" | "oid" => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
        // Without a fraction it stays exact however long it is.
        "numeric" if !text.contains('.') => text.parse::<i128>().map_or_else(|_| text.into(), Value::from),
        "numeric" | "float4" | "float8" => text.parse::<f64>().map_or_else(|_| text.into(), Value::from),
        "date" => jinja::date(&text).unwrap_or_else(|| text.into()),
        "timestamp" | "timestamptz" => jinja::timestamp(&text).unwrap_or_else(|| text.into()),
        _ => text.into(),
    }
}
