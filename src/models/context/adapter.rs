//! `adapter`: what templates ask of the warehouse, and how macros are chosen.
//!
//! While parsing there is no warehouse: what would ask it gives nothing, as dbt does it. What has a macro of its own
//! that people replace (`create_schema`, `rename_relation`, …) is done by that macro.

use super::super::{
    jinja::{self, Arguments},
    manifest::hint,
};
use super::{
    constraints,
    functions::invalid,
    index::IndexConfig,
    relation::RelationValue,
    results,
    scope::{ADAPTER, DBT, Scope, lock},
    table::Table,
};
use crate::warehouse::quote;
use minijinja::{Error, ErrorKind, State, value::Value};
use std::sync::Arc;

/// Strategies that dbt-postgres has.
const STRATEGIES: &[&str] = &["append", "delete+insert", "merge", "microbatch"];

/// One of the methods of `adapter`.
pub(super) fn call(
    scope: &Arc<Scope>,
    state: &mut State<'_, '_>,
    method: &str,
    arguments: &Arguments,
    values: &[Value],
) -> Result<Value, Error> {
    if let Some(known) = without_warehouse(scope, method, arguments)? {
        return Ok(known);
    }
    if scope.run().is_none_or(|run| run.connection.is_none()) {
        return while_parsing(scope, method);
    }
    match method {
        "execute" => {
            let fetches = arguments.get(2, "fetch").is_some_and(Value::is_true);
            results_of(scope, &arguments.require(0, "sql")?.to_string(), fetches).map(results::of_answer)
        }
        "add_query" => {
            ask(scope, &arguments.require(0, "sql")?.to_string(), false)?;
            Ok(Value::from(()))
        }
        "get_relation" => get_relation(scope, arguments),
        "already_exists" => {
            let (schema, name) = (arguments.text(0, "schema")?, arguments.text(1, "name")?);
            Ok(kind_of(scope, &schema, &name)?.is_some().into())
        }
        "list_relations" => list_relations(scope, &arguments.text(1, "schema")?),
        "list_relations_without_caching" => {
            let schema = arguments.require(0, "schema_relation")?.get_attr("schema")?;
            list_relations(scope, &schema.to_string())
        }
        "get_columns_in_table" => {
            let (schema, identifier) = (arguments.text(0, "schema")?, arguments.text(1, "identifier")?);
            let place =
                super::super::relation::Relation { database: scope.setting.database.clone(), schema, name: identifier };
            by_macro(scope, state, "get_columns_in_relation", &[RelationValue::of(&place, None).value()])
        }
        "get_missing_columns" => missing_columns(scope, state, arguments),
        "get_column_schema_from_query" => columns_of_query(scope, &arguments.text(0, "sql")?),
        "expand_target_column_types" => expand(scope, state, arguments),
        "check_schema_exists" => {
            let schema = arguments.text(1, "schema")?;
            let sql =
                format!("select from pg_catalog.pg_namespace where nspname = {}", crate::warehouse::literal(&schema));
            Ok((results_of(scope, &sql, true)?.rows_affected > 0).into())
        }
        "drop_relation" => {
            let relation = arguments.require(0, "relation")?;
            let relation = relation.downcast_object_ref::<RelationValue>();
            let relation = relation.ok_or_else(|| invalid("drop_relation() takes a relation"))?;
            drop_relation(scope, relation)?;
            Ok(Value::from(()))
        }
        "assert_valid_snapshot_target_given_strategy" | "valid_snapshot_target" => Ok(Value::from(())),
        "load_dataframe" => load(scope, arguments.require(0, "table")?),
        "validate_sql" => {
            ask(scope, &format!("explain {}", arguments.text(0, "sql")?), false)?;
            Ok(Value::from(()))
        }
        "create_schema" | "drop_schema" | "rename_relation" | "truncate_relation" | "get_columns_in_relation" => {
            by_macro(scope, state, method, values)
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

/// What needs no warehouse.
fn without_warehouse(scope: &Arc<Scope>, method: &str, arguments: &Arguments) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "dispatch" => {
            let namespace = arguments.get(1, "macro_namespace").filter(|v| !v.is_none() && !v.is_undefined());
            dispatch(scope, &arguments.text(0, "macro_name")?, namespace.and_then(|n| n.as_str()))?
        }
        "type" => ADAPTER.into(),
        "quote" => quote(&arguments.require(0, "identifier")?.to_string()).into(),
        "quote_as_configured" => quote(&arguments.text(0, "identifier")?).into(),
        "quote_seed_column" => {
            let column = arguments.text(0, "column")?;
            let is_plain =
                arguments.get(1, "quote_config").is_some_and(|v| !v.is_none() && !v.is_undefined() && !v.is_true());
            if is_plain { column.into() } else { quote(&column).into() }
        }
        "convert_type" => {
            let table = arguments.require(0, "agate_table")?;
            let table = table.downcast_object_ref::<Table>().ok_or_else(|| invalid("convert_type() takes a table"))?;
            let at = arguments.get(1, "col_idx").and_then(Value::as_usize).unwrap_or_default();
            table.kinds.get(at).map_or("text", String::as_str).into()
        }
        "verify_database" => {
            let asked = arguments.require(0, "database")?.to_string();
            if !asked.trim_matches('"').eq_ignore_ascii_case(&scope.setting.database) {
                return Err(invalid(format!(
                    "database '{asked}' is not the warehouse's ('{}'), and PostgreSQL reaches no other",
                    scope.setting.database
                )));
            }
            "".into()
        }
        "valid_incremental_strategies" => jinja::list(STRATEGIES.iter().map(|s| Value::from(*s)).collect()),
        "get_incremental_strategy_macro" => {
            let strategy = arguments.get(1, "strategy").and_then(|s| s.as_str()).unwrap_or("default").to_owned();
            let name = format!("get_incremental_{}_sql", strategy.replace('+', "_"));
            scope.macro_named(&name).ok_or_else(|| {
                let hint = hint(&strategy, STRATEGIES.iter());
                invalid(format!("incremental_strategy '{strategy}': there is no macro {name}{hint}"))
            })?
        }
        "get_hard_deletes_behavior" => hard_deletes(scope)?,
        "render_raw_columns_constraints" => constraints::columns(scope, arguments.require(0, "raw_columns")?)?,
        "render_raw_model_constraints" => constraints::of_model(scope, arguments.require(0, "raw_constraints")?)?,
        "parse_index" => IndexConfig::parse(scope, arguments.require(0, "raw_index")?)?,
        "standardize_grants_dict" => grants(arguments.require(0, "grants_table")?)?,
        "timestamp_add_sql" => {
            let number = arguments.get(1, "number").map_or_else(|| "1".to_owned(), ToString::to_string);
            let unit = arguments.get(2, "interval").map_or_else(|| "hour".to_owned(), ToString::to_string);
            format!("{} + interval '{number} {unit}'", arguments.text(0, "add_to")?).into()
        }
        "date_function" => "now()".into(),
        "nice_connection_name" => scope.subject.id.as_str().into(),
        // One transaction holds the whole build, and nothing is cached.
        "commit"
        | "commit_if_has_connection"
        | "cache_added"
        | "cache_dropped"
        | "cache_renamed"
        | "clear_transaction" => "".into(),
        "build_catalog_relation" | "get_catalog_integration" => Value::from(()),
        _ => return Ok(None),
    }))
}

/// What dbt's methods give while there is no warehouse.
fn while_parsing(scope: &Scope, method: &str) -> Result<Value, Error> {
    if scope.executes() {
        return Err(invalid(format!("adapter.{method}() needs the warehouse, and here is none")));
    }
    Ok(match method {
        "execute" => jinja::tuple(vec!["".into(), Table::default().value()]),
        "already_exists" | "check_schema_exists" => false.into(),
        "list_relations"
        | "list_relations_without_caching"
        | "get_columns_in_relation"
        | "get_columns_in_table"
        | "get_missing_columns"
        | "get_column_schema_from_query" => jinja::list(Vec::new()),
        _ => Value::from(()),
    })
}

/// `adapter.dispatch(name, namespace)`: the first of `postgres__name` and `default__name` in the packages to be searched.
fn dispatch(scope: &Arc<Scope>, name: &str, namespace: Option<&str>) -> Result<Value, Error> {
    if let Some((package, name)) = name.split_once('.') {
        return Err(invalid(format!(
            "adapter.dispatch: a macro's name has no dot; is adapter.dispatch('{name}', macro_namespace='{package}') meant?"
        )));
    }
    let setting = &scope.setting;
    let packages: Vec<Option<&str>> = match namespace {
        None => vec![None],
        Some(namespace) => match setting.dispatch.get(namespace) {
            Some(order) => order.iter().map(|p| Some(p.as_str())).collect(),
            None if namespace == DBT || setting.packages.contains(namespace) => {
                vec![Some(setting.project.as_str()), Some(namespace)]
            }
            None => vec![None],
        },
    };
    let mut searched = Vec::new();
    for package in packages {
        for prefix in [ADAPTER, "default"] {
            let candidate = format!("{prefix}__{name}");
            let found = match package {
                Some(package) => scope.macro_of(package, &candidate),
                None => scope.macro_named(&candidate),
            };
            if let Some(found) = found {
                return Ok(found);
            }
            searched.push(package.map_or_else(|| candidate.clone(), |package| format!("{package}.{candidate}")));
        }
    }
    Err(invalid(format!("adapter.dispatch('{name}'): there is none of {}", searched.join(", "))))
}

/// `adapter_macro('package.name', …)`, which dbt had before `adapter.dispatch`.
pub(super) fn old_dispatch(
    scope: &Arc<Scope>,
    state: &mut State<'_, '_>,
    arguments: &Arguments,
) -> Result<Value, Error> {
    let name = arguments.text(0, "name")?;
    let found = match name.split_once('.') {
        Some((package, name)) => dispatch(scope, name, Some(package))?,
        None => dispatch(scope, &name, None)?,
    };
    found.call(state, &arguments.positional()[1..])
}

fn by_macro(scope: &Arc<Scope>, state: &mut State<'_, '_>, name: &str, values: &[Value]) -> Result<Value, Error> {
    let found = scope.macro_named(name).ok_or_else(|| invalid(format!("there is no macro {name}")))?;
    found.call(state, values)
}

/// Runs SQL; a failure is kept whole for whoever began the rendering.
fn ask(scope: &Scope, sql: &str, fetches: bool) -> Result<crate::warehouse::Answer, Error> {
    let run = scope.run().ok_or_else(|| invalid("there is no warehouse while parsing"))?;
    let connection = run.connection.as_ref().ok_or_else(|| invalid("there is no warehouse here"))?;
    connection.ask(sql, fetches).map_err(|located| {
        let error = invalid(located.error.to_string());
        *lock(&run.failure) = Some(super::scope::FailedSql { located, sql: sql.to_owned() });
        error
    })
}

fn results_of(scope: &Scope, sql: &str, fetches: bool) -> Result<crate::warehouse::Answer, Error> {
    ask(scope, sql, fetches)
}

fn drop_relation(scope: &Scope, relation: &RelationValue) -> Result<(), Error> {
    let run = scope.run().ok_or_else(|| invalid("there is no warehouse while parsing"))?;
    let connection = run.connection.as_ref().ok_or_else(|| invalid("there is no warehouse here"))?;
    let place = relation.place().ok_or_else(|| invalid("drop_relation(): the relation has no name"))?;
    let dropped = connection.drop(&place).map_err(|located| {
        let error = invalid(located.error.to_string());
        *lock(&run.failure) = Some(super::scope::FailedSql { located, sql: String::new() });
        error
    });
    dropped.map(|_| ())
}

/// The kind of what bears a name, in dbt's words.
fn kind_of(scope: &Scope, schema: &str, name: &str) -> Result<Option<String>, Error> {
    let literal = crate::warehouse::literal;
    let sql = format!(
        "select c.relkind from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = {} and c.relname = {}",
        literal(schema),
        literal(name)
    );
    let answer = ask(scope, &sql, true)?;
    let kind = answer.rows.into_iter().next().and_then(|row| row.into_iter().next().flatten());
    Ok(kind.and_then(|kind| kind_named(&kind)).map(str::to_owned))
}

/// dbt's word for PostgreSQL's relkind.
fn kind_named(relkind: &str) -> Option<&'static str> {
    match relkind {
        "r" | "p" => Some("table"),
        "v" => Some("view"),
        "m" => Some("materialized_view"),
        "f" => Some("external"),
        _ => None,
    }
}

fn get_relation(scope: &Scope, arguments: &Arguments) -> Result<Value, Error> {
    let part = |place, name| arguments.get(place, name).filter(|v| !v.is_none()).map(ToString::to_string);
    let (Some(schema), Some(name)) = (part(1, "schema"), part(2, "identifier")) else { return Ok(Value::from(())) };
    let this = scope.subject.this.as_ref();
    let is_this = this.is_some_and(|t| t.schema.as_ref() == Some(&schema) && t.identifier.as_ref() == Some(&name));
    if is_this && scope.run().is_some_and(|run| run.as_new) {
        return Ok(Value::from(()));
    }
    let Some(kind) = kind_of(scope, &schema, &name)? else { return Ok(Value::from(())) };
    let database = part(0, "database").unwrap_or_else(|| scope.setting.database.clone());
    let place = super::super::relation::Relation { database, schema, name };
    Ok(RelationValue::of(&place, Some(&kind)).value())
}

fn list_relations(scope: &Scope, schema: &str) -> Result<Value, Error> {
    let sql = format!(
        "select c.relname, c.relkind from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = {} and c.relkind in ('r', 'p', 'v', 'm') order by c.relname",
        crate::warehouse::literal(schema.trim_matches('"'))
    );
    let relations = ask(scope, &sql, true)?.rows.into_iter().filter_map(|row| {
        let [Some(name), Some(kind)] = <[Option<String>; 2]>::try_from(row).ok()? else { return None };
        let place = super::super::relation::Relation {
            database: scope.setting.database.clone(),
            schema: schema.trim_matches('"').to_owned(),
            name,
        };
        Some(RelationValue::of(&place, kind_named(&kind)).value())
    });
    Ok(jinja::list(relations.collect()))
}

fn missing_columns(scope: &Arc<Scope>, state: &mut State<'_, '_>, arguments: &Arguments) -> Result<Value, Error> {
    let (from, to) = (arguments.require(0, "from_relation")?, arguments.require(1, "to_relation")?);
    let from = by_macro(scope, state, "get_columns_in_relation", std::slice::from_ref(from))?;
    let to = by_macro(scope, state, "get_columns_in_relation", std::slice::from_ref(to))?;
    let mut there = Vec::new();
    for column in to.try_iter()? {
        there.push(column.get_attr("name")?);
    }
    let mut missing = Vec::new();
    for column in from.try_iter()? {
        if !there.contains(&column.get_attr("name")?) {
            missing.push(column);
        }
    }
    Ok(jinja::list(missing))
}

/// Names and types of what a query gives.
fn columns_of_query(scope: &Scope, sql: &str) -> Result<Value, Error> {
    let answer = ask(scope, sql, true)?;
    let columns = answer.columns.into_iter().map(|(name, kind)| {
        let kind = dbt_type(&kind).to_owned();
        super::column::ColumnValue { name, kind, size: None, precision: None, scale: None }.value()
    });
    Ok(jinja::list(columns.collect()))
}

/// How the driver that dbt uses names PostgreSQL's types.
fn dbt_type(kind: &str) -> &str {
    match kind {
        "int4" => "integer",
        "int8" => "bigint",
        "int2" => "smallint",
        "varchar" => "character varying",
        "bpchar" => "character",
        "bool" => "boolean",
        "float8" => "double precision",
        "float4" => "real",
        "timestamp" => "timestamp without time zone",
        "timestamptz" => "timestamp with time zone",
        "time" => "time without time zone",
        "timetz" => "time with time zone",
        other => other,
    }
}

/// Makes columns of bounded texts as long as those that come.
fn expand(scope: &Arc<Scope>, state: &mut State<'_, '_>, arguments: &Arguments) -> Result<Value, Error> {
    let (from, to) = (arguments.require(0, "from_relation")?.clone(), arguments.require(1, "to_relation")?.clone());
    let wanted = by_macro(scope, state, "get_columns_in_relation", std::slice::from_ref(&from))?;
    let has = by_macro(scope, state, "get_columns_in_relation", std::slice::from_ref(&to))?;
    let columns = |value: &Value| -> Result<Vec<super::column::ColumnValue>, Error> {
        Ok(value.try_iter()?.filter_map(|c| c.downcast_object_ref::<super::column::ColumnValue>().cloned()).collect())
    };
    let wanted = columns(&wanted)?;
    for column in columns(&has)? {
        let Some(longer) = wanted.iter().find(|w| w.name == column.name).filter(|w| column.can_expand_to(w)) else {
            continue;
        };
        let kind = longer.data_type();
        by_macro(scope, state, "alter_column_type", &[to.clone(), column.name.as_str().into(), kind.into()])?;
    }
    Ok(Value::from(()))
}

/// Rows that one statement brings.
const ROWS_AT_ONCE: usize = 1_000;

/// Writes the rows of a seed into its relation. Values are written as their texts, which the column reads.
fn load(scope: &Scope, table: &Value) -> Result<Value, Error> {
    let table = table.downcast_object_ref::<Table>().ok_or_else(|| invalid("load_dataframe() takes a table"))?;
    let this = scope.subject.this.as_ref().ok_or_else(|| invalid("load_dataframe() is for seeds"))?;
    let is_plain = scope.subject.settings.flag("quote_columns") == Some(false);
    let names: Vec<String> = table.names.iter().map(|n| if is_plain { n.clone() } else { quote(n) }).collect();
    let cell = |cell: &Value| {
        if cell.is_none() { "null".to_owned() } else { crate::warehouse::literal(&cell.to_string()) }
    };
    for rows in table.rows.chunks(ROWS_AT_ONCE) {
        let row = |row: &Arc<Vec<Value>>| format!("({})", row.iter().map(cell).collect::<Vec<_>>().join(", "));
        let rows = rows.iter().map(row).collect::<Vec<_>>().join(", ");
        ask(scope, &format!("insert into {} ({}) values {rows}", this.plain(), names.join(", ")), false)?;
    }
    Ok(Value::from(table.rows.len()))
}

fn hard_deletes(scope: &Scope) -> Result<Value, Error> {
    let settings = &scope.subject.settings;
    let of = |key: &str| settings.get(key).filter(|v| !v.is_null());
    let (old, new) = (of("invalidate_hard_deletes"), of("hard_deletes"));
    if old.is_some() && new.is_some() {
        return Err(invalid("a snapshot has either hard_deletes or invalidate_hard_deletes, not both"));
    }
    match new.and_then(|v| v.as_str()) {
        _ if settings.flag("invalidate_hard_deletes") == Some(true) => Ok("invalidate".into()),
        None | Some("ignore") => Ok("ignore".into()),
        Some(known @ ("invalidate" | "new_record")) => Ok(known.into()),
        Some(other) => Err(invalid(format!("hard_deletes '{other}': it is ignore, invalidate or new_record"))),
    }
}

/// Who may do what, from the rows of grantee and privilege.
fn grants(table: &Value) -> Result<Value, Error> {
    let mut granted: Vec<(String, Vec<Value>)> = Vec::new();
    for row in table.try_iter()? {
        let (grantee, privilege) =
            (row.get_item(&"grantee".into())?, row.get_item(&"privilege_type".into())?.to_string());
        match granted.iter_mut().find(|(known, _)| *known == privilege) {
            Some((_, grantees)) => grantees.push(grantee),
            None => granted.push((privilege, vec![grantee])),
        }
    }
    Ok(jinja::dict(granted.into_iter().map(|(privilege, grantees)| (privilege.into(), jinja::list(grantees)))))
}
