//! The columns that functions give where they stand in a `from`.

use super::{
    flow::{Column, Flow, Shape},
    names::folded,
};
use sqlparser::ast::{JsonTableColumn, TableAlias, TableFactor};
use std::rc::Rc;

/// PostgreSQL's own functions that give one column, named by the alias or else the function.
const ONE_COLUMN: [&str; 11] = [
    "generate_series",
    "generate_subscripts",
    "unnest",
    "string_to_table",
    "regexp_split_to_table",
    "regexp_matches",
    "json_object_keys",
    "jsonb_object_keys",
    "jsonb_path_query",
    "regexp_split_to_array",
    "string_to_array",
];
/// Those whose column is `value`, whatever the alias.
const VALUES: [&str; 4] =
    ["json_array_elements", "jsonb_array_elements", "json_array_elements_text", "jsonb_array_elements_text"];
/// Those that give `key` and `value`.
const PAIRS: [&str; 4] = ["json_each", "jsonb_each", "json_each_text", "jsonb_each_text"];

/// What a function gives, all of it from its arguments.
pub(super) fn shape(name: &str, args: usize, flow: Flow, ordinality: bool, alias: Option<&TableAlias>) -> Shape {
    if name == "unnest" {
        return unnest(vec![flow; args], ordinality, alias);
    }
    let column = |name: &str| Column::new(name, flow.clone());
    if let Some(shape) = declared(alias, &flow) {
        return shape;
    }
    let called = alias.map_or_else(|| name.to_owned(), |alias| folded(&alias.name));
    let mut shape = Shape::default();
    match name {
        name if ONE_COLUMN.contains(&name) => shape.columns.push(column(&called)),
        name if VALUES.contains(&name) => shape.columns.push(column("value")),
        name if PAIRS.contains(&name) => shape.columns.extend([column("key"), column("value")]),
        _ => shape.open = Some(Rc::new(flow.clone())),
    }
    if ordinality && shape.open.is_none() {
        shape.columns.push(column("ordinality"));
    }
    renamed(shape, alias)
}

/// What `unnest` gives: a column of each array.
pub(super) fn unnest(arrays: Vec<Flow>, ordinality: bool, alias: Option<&TableAlias>) -> Shape {
    let name = match alias {
        Some(alias) if arrays.len() == 1 => folded(&alias.name),
        _ => "unnest".to_owned(),
    };
    let mut all = Flow::default();
    arrays.iter().for_each(|flow| all.add(flow));
    let mut columns: Vec<Column> = arrays.into_iter().map(|flow| Column::new(&name, flow)).collect();
    if ordinality {
        columns.push(Column::new("ordinality", all));
    }
    renamed(Shape { columns, open: None }, alias)
}

/// The columns of `json_table`, which may be nested.
pub(super) fn json_table(columns: &[JsonTableColumn], flow: &Flow) -> Shape {
    let mut shape = Shape::default();
    for column in columns {
        match column {
            JsonTableColumn::Named(named) => shape.columns.push(Column::new(&folded(&named.name), flow.clone())),
            JsonTableColumn::ForOrdinality(name) => shape.columns.push(Column::new(&folded(name), flow.clone())),
            JsonTableColumn::Nested(nested) => shape.append(&json_table(&nested.columns, flow)),
        }
    }
    shape
}

/// Whether the columns of an alias have been seen to here.
pub(super) fn names_itself(factor: &TableFactor) -> bool {
    matches!(
        factor,
        TableFactor::Function { .. } | TableFactor::UNNEST { .. } | TableFactor::Table { args: Some(_), .. }
    )
}

/// `as t (a int, b text)` is all that there is.
fn declared(alias: Option<&TableAlias>, flow: &Flow) -> Option<Shape> {
    let columns = &alias?.columns;
    if columns.is_empty() || columns.iter().any(|column| column.data_type.is_none()) {
        return None;
    }
    let columns = columns.iter().map(|column| Column::new(&folded(&column.name), flow.clone())).collect();
    Some(Shape { columns, open: None })
}

fn renamed(shape: Shape, alias: Option<&TableAlias>) -> Shape {
    let names: Vec<String> = alias.iter().flat_map(|alias| &alias.columns).map(|column| folded(&column.name)).collect();
    super::scope::renamed(&shape, &names)
}
