//! `exceptions`: what a template can refuse, and warn of.

use super::super::jinja::Arguments;
use super::{functions::invalid, scope::Scope, table::Table};
use minijinja::{Error, ErrorKind, value::Value};

/// One of the methods of `exceptions`.
pub(super) fn call(scope: &Scope, method: &str, arguments: &Arguments) -> Result<Value, Error> {
    let all = || arguments.positional().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match method {
        "warn" => {
            if scope.executes() {
                tracing::warn!(node = scope.subject.name.as_str(), "{}", arguments.require(0, "msg")?);
            }
            Ok("".into())
        }
        "warn_snapshot_timestamp_data_types" => {
            let (snapshot, updated) = (arguments.require(0, "snapshot")?, arguments.require(1, "updated_at")?);
            tracing::warn!(
                node = scope.subject.name.as_str(),
                "the snapshot's stamps are of type {snapshot} and updated_at of type {updated}; they should be one",
            );
            Ok("".into())
        }
        "raise_contract_error" => Err(contract(arguments)),
        "missing_config" => Err(invalid(format!("the configuration lacks '{}'", arguments.text(1, "name")?))),
        "missing_materialization" => {
            Err(invalid(format!("there is no materialization '{}'", arguments.require(1, "materialization")?)))
        }
        "missing_relation" => Err(invalid(format!("{} is not there", arguments.require(0, "relation")?))),
        "relation_wrong_type" => {
            let (relation, wanted) = (arguments.require(0, "relation")?, arguments.require(1, "expected_type")?);
            let kind = relation.get_attr("type").unwrap_or_default();
            Err(invalid(format!("{relation} is a {kind} and should be a {wanted}; drop or rename it")))
        }
        "column_type_missing" => {
            Err(invalid(format!("a contract needs the data_type of each column; it is missing for {}", all())))
        }
        "raise_fail_fast_error" => Err(invalid(all())),
        _ if method.starts_with("raise_") || method.ends_with("_error") => Err(invalid(all())),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

/// The columns that a contract promises beside those that the query gives.
fn contract(arguments: &Arguments) -> Error {
    let columns = |place, name| -> Vec<(String, String)> {
        let given = arguments.get(place, name).and_then(|v| v.try_iter().ok());
        given
            .into_iter()
            .flatten()
            .map(|column| {
                let of = |key: &str| column.get_attr(key).map(|v| v.to_string()).unwrap_or_default();
                (of("name"), of("data_type"))
            })
            .collect()
    };
    let (promised, given) = (columns(0, "yaml_columns"), columns(1, "sql_columns"));
    let find =
        |list: &[(String, String)], name: &str| list.iter().find(|(n, _)| n == name).map(|(_, kind)| kind.clone());
    let mut names: Vec<&String> = promised.iter().chain(&given).map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    let mut rows = Vec::new();
    for name in names {
        let (wanted, has) = (find(&promised, name), find(&given, name));
        let reason = match (&wanted, &has) {
            (None, _) => "missing in contract",
            (_, None) => "missing in definition",
            (Some(wanted), Some(has)) if wanted != has => "data type mismatch",
            _ => continue,
        };
        let cell = |kind: Option<String>| Value::from(kind.unwrap_or_default());
        rows.push(vec![name.as_str().into(), cell(has), cell(wanted), reason.into()]);
    }
    let names = ["column_name", "definition_type", "contract_type", "mismatch_reason"].map(str::to_owned).to_vec();
    let table = Table::new(names, rows).value();
    invalid(format!("this model has an enforced contract that failed: change the query or the contract\n{table}"))
}
