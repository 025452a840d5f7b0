//! Where a node goes: what the project's macros say.

use super::{
    super::{
        context::scope::{DBT, Scope, Setting, Subject, Task},
        jinja,
        reading::ProjectFile,
        relation::Relation,
    },
    Node, Resource,
    load::{Read, explained},
    wrong,
};
use crate::error::Result;
use minijinja::value::Value;
use serde_json::json;
use std::{collections::BTreeSet, sync::Mutex};

/// Database, schema and name of a node.
///
/// dbt's own rules are done here; a macro of a project's that stands for one of them is called.
pub(super) fn of(read: &Read, node: &Node) -> Result<Relation> {
    let setting = &read.setting;
    let custom = |key: &str| node.settings.text(key);
    let target_schema = snapshot_key(node, "target_schema");
    let schema = match target_schema.clone().or_else(|| custom("schema")) {
        None if node.resource == Resource::Test => Some("dbt_test__audit".to_owned()),
        custom => custom,
    };
    let database = asked(read, node, "database", custom("database").or_else(|| snapshot_key(node, "target_database")))?;
    let database = database.unwrap_or_else(|| custom("database").unwrap_or_else(|| setting.database.clone()));
    if database != setting.database && node.resource.is_built() {
        let what = format!("database '{database}' is not the warehouse's; PostgreSQL can't reach another");
        return Err(wrong(&node.file, what));
    }
    // What a snapshot says by a key of its own is the whole name.
    let asked_schema = match target_schema {
        Some(whole) => Some(whole),
        None => asked(read, node, "schema", schema.clone())?,
    };
    let schema = asked_schema.unwrap_or_else(|| match schema {
        Some(schema) => format!("{}_{}", setting.schema, schema.trim()),
        None => setting.schema.clone(),
    });
    let alias = custom("alias");
    let name = asked(read, node, "alias", alias.clone())?.unwrap_or_else(|| match (alias, &node.version) {
        (Some(alias), _) => alias.trim().to_owned(),
        (None, Some(version)) => {
            let version = version.as_str().map_or_else(|| version.to_string(), str::to_owned);
            format!("{}_v{}", node.name, version.replace('.', "_"))
        }
        (None, None) => node.name.clone(),
    });
    Ok(Relation { database, schema, name })
}

/// The package's name and the folders of a properties file below the one it was found in: how what is said in one is named.
pub(super) fn folders(package: &ProjectFile, file: &str) -> Vec<String> {
    let below = package.below(file);
    let mut all = vec![package.name.clone()];
    all.extend(below.split('/').filter(|part| !part.is_empty()).map(str::to_owned));
    all.pop();
    all
}

/// Snapshots may say by keys of their own where they go.
fn snapshot_key(node: &Node, key: &str) -> Option<String> {
    (node.resource == Resource::Snapshot).then(|| node.settings.text(key)).flatten()
}

/// Which of a relation's parts macros of the project say.
pub(super) fn own(setting: &Setting) -> BTreeSet<&'static str> {
    let is_own = |what: &&'static str| {
        let name = format!("generate_{what}_name");
        let names = [name.clone(), format!("default__{name}"), format!("postgres__{name}")];
        let others = setting.dispatch.get(DBT).into_iter().flatten();
        let mut packages = std::iter::once(&setting.project).chain(others).filter(|package| *package != DBT);
        packages.any(|package| names.iter().any(|name| setting.engine.definition(package, name).is_some()))
    };
    ["database", "schema", "alias"].into_iter().filter(is_own).collect()
}

/// What a macro of the project says; `None` where dbt's own rule holds.
fn asked(read: &Read, node: &Node, what: &'static str, custom: Option<String>) -> Result<Option<String>> {
    let setting = &read.setting;
    if !read.own_places.contains(&what) {
        return Ok(None);
    }
    let subject = Subject::of_package(&setting.project);
    let scope = Scope::new(setting.clone(), subject, Task::Parse(Mutex::default()));
    let Some(macro_) = scope.macro_named(&format!("generate_{what}_name")) else { return Ok(None) };
    let described = jinja::from_json(&json!({
        "name": node.name,
        "unique_id": node.id.as_str(),
        "resource_type": node.resource.as_str(),
        "package_name": node.package,
        "path": node.path,
        "original_file_path": node.file,
        "fqn": node.fqn,
        "version": node.version,
        "latest_version": node.latest_version,
        "tags": node.settings.texts("tags"),
        "meta": node.settings.get("meta"),
        "config": node.settings.json(),
        "schema": setting.schema,
        "database": setting.database,
    }));
    let custom = custom.map_or_else(|| Value::from(()), Value::from);
    let said = setting.engine.call(&macro_, &[custom, described], &node.file).map_err(|e| explained(&e))?;
    Ok(Some(said.to_string().trim().to_owned()))
}
