//! `config`, `var` and `env_var`.

use super::super::{
    jinja::{self, Arguments},
    manifest::hint,
    reading::look_at_config,
};
use super::{
    functions::invalid,
    scope::{Scope, Task, lock},
};
use minijinja::{Error, ErrorKind, value::Value};
use serde_json::{Map, Value as Json};

/// Prefix under which dbt lets secrets into its profiles, and nowhere else.
const SECRET_PREFIX: &str = "DBT_ENV_SECRET";

/// `config(…)` in a node's file: taken while parsing, silent afterwards.
pub(super) fn configure(scope: &Scope, arguments: &Arguments) -> Result<Value, Error> {
    if let Task::Parse(collected) = &scope.task {
        let mut said = Map::new();
        match (arguments.positional(), arguments.named()) {
            ([], _) => said.extend(arguments.named().iter().map(|(k, v)| (k.clone(), jinja::to_json(v)))),
            ([map], []) => match jinja::to_json(map) {
                Json::Object(map) => said.extend(map),
                _ => return Err(invalid("config() takes named arguments or one dictionary")),
            },
            _ => return Err(invalid("config() takes named arguments or one dictionary, not both")),
        }
        checked(scope, &said)?;
        lock(collected).configs.push(said);
    }
    Ok("".into())
}

/// Refuses values that a key can't have.
fn checked(scope: &Scope, said: &Map<String, Json>) -> Result<(), Error> {
    let kind = scope.subject.resource.as_str();
    let mut looked_at = said.iter().map(|(key, value)| look_at_config(kind, key, value));
    looked_at.try_for_each(|found| found.map_err(|what| invalid(format!("config() {what}"))))
}

/// The methods of `config`.
pub(super) fn config_method(scope: &Scope, method: &str, arguments: &Arguments) -> Result<Value, Error> {
    let is_parsing = !scope.executes();
    match method {
        // The configuration isn't whole yet: dbt says nothing too.
        "get" | "require" | "meta_get" | "meta_require" if is_parsing => Ok("".into()),
        "get" | "require" | "meta_get" | "meta_require" => {
            let name = arguments.text(0, "name")?;
            let found = if method.starts_with("meta") {
                scope.subject.settings.get("meta").and_then(|meta| meta.get(&name)).cloned()
            } else {
                let usual = || crate::models::manifest::usual(scope.subject.resource).get(&name).cloned();
                scope.subject.settings.looked_up(&name).filter(|v| !v.is_null()).or_else(usual)
            };
            match (found.filter(|v| !v.is_null()), arguments.get(1, "default")) {
                (Some(value), _) => Ok(jinja::from_json(&value)),
                (None, Some(default)) => Ok(default.clone()),
                (None, None) if method.ends_with("require") => {
                    Err(invalid(format!("config.require('{name}'): it is not configured")))
                }
                (None, None) => Ok(Value::from(())),
            }
        }
        "set" => {
            if let Task::Parse(collected) = &scope.task {
                let value = jinja::to_json(arguments.require(1, "value")?);
                let said = Map::from_iter([(arguments.text(0, "name")?, value)]);
                checked(scope, &said)?;
                lock(collected).configs.push(said);
            }
            Ok("".into())
        }
        "persist_relation_docs" => Ok(persists(scope, "relation").into()),
        "persist_column_docs" => Ok(persists(scope, "columns").into()),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn persists(scope: &Scope, what: &str) -> bool {
    scope.executes()
        && scope.subject.settings.get("persist_docs").and_then(|docs| docs.get(what)) == Some(&Json::Bool(true))
}

/// `var(name [, default])`.
pub(super) fn var(scope: &Scope, arguments: &Arguments) -> Result<Value, Error> {
    let name = arguments.text(0, "var_name")?;
    let vars = scope.vars();
    match (vars.and_then(|vars| vars.get(&name)), arguments.get(1, "default")) {
        (Some(value), _) => Ok(jinja::from_json(value)),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) if !scope.executes() => Ok(Value::from(())),
        (None, None) => {
            let hint = hint(&name, vars.into_iter().flat_map(Map::keys));
            Err(invalid(format!("var('{name}'): there is no such variable and no default{hint}")))
        }
    }
}

/// `env_var(name [, default])`.
pub(super) fn environment(scope: &Scope, arguments: &Arguments) -> Result<Value, Error> {
    let name = arguments.text(0, "var")?;
    if let Some(value) = scope.unit().and_then(|unit| unit.env_vars.get(&name)) {
        return Ok(jinja::from_json(value));
    }
    if name.starts_with(SECRET_PREFIX) {
        return Err(invalid(format!("env_var('{name}'): secrets are for profiles, not for models")));
    }
    match (std::env::var(&name), arguments.get(1, "default")) {
        (Ok(value), _) => Ok(value.into()),
        (Err(_), Some(default)) => Ok(default.to_string().into()),
        (Err(_), None) => Err(invalid(format!("env_var('{name}'): it is not set and there is no default"))),
    }
}
