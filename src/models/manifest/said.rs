//! What properties and the projects' trees say of a node: its configuration, descriptions, columns and constraints.

use super::{
    super::reading::{Entry, ProjectFile, Step, look_at_config, rendered, texts},
    Node, Resource,
    load::Read,
    wrong,
};
use crate::error::Result;
use serde_json::{Map, Value as Json};
use std::collections::HashMap;

/// What properties say of nodes, by the stem of their file: the entry, and that of the version.
pub(super) type SaidOf<'a> = HashMap<String, SaidOfOne<'a>>;

/// What they say of one: its entry, and that of its version.
pub(super) type SaidOfOne<'a> = (&'a Entry, Option<&'a Map<String, Json>>);

/// What properties say of one node, the entry of its version first.
pub(super) type Said<'a> = Vec<&'a Map<String, Json>>;

/// What properties say of the nodes of a package, by the stem of their file: an entry with versions has several.
pub(super) fn said_of<'a>(read: &'a Read, package: &ProjectFile, resource: Resource) -> SaidOf<'a> {
    let list = match resource {
        Resource::Model => "models",
        Resource::Seed => "seeds",
        Resource::Snapshot => "snapshots",
        Resource::Analysis => "analyses",
        _ => "data_tests",
    };
    let mut said = HashMap::new();
    for entry in read.properties.of(list).iter().filter(|e| e.package == package.name) {
        match entry.map.get("versions").and_then(Json::as_array).filter(|_| resource == Resource::Model) {
            None => drop(said.insert(entry.name.clone(), (entry, None))),
            Some(versions) => {
                for version in versions.iter().filter_map(Json::as_object) {
                    let number = version
                        .get("v")
                        .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
                        .unwrap_or_default();
                    let defined = version.get("defined_in").and_then(Json::as_str).map(str::to_owned);
                    let stems = defined.map_or_else(
                        || vec![format!("{}_v{number}", entry.name), format!("{}.v{number}", entry.name)],
                        |stem| vec![stem],
                    );
                    said.extend(stems.into_iter().map(|stem| (stem, (entry, Some(version)))));
                    if latest_of(entry).is_some_and(|latest| latest == version["v"]) {
                        said.entry(entry.name.clone()).or_insert((entry, Some(version)));
                    }
                }
            }
        }
    }
    said
}

/// The version that counts where none is named: the one that is said, or the highest.
pub(super) fn latest_of(entry: &Entry) -> Option<Json> {
    if let Some(latest) = entry.map.get("latest_version").filter(|v| !v.is_null()) {
        return Some(latest.clone());
    }
    let versions = entry.map.get("versions")?.as_array()?;
    let of = |version: &Json| version.get("v").cloned();
    versions.iter().filter_map(of).max_by(version_order)
}

/// Which of two versions is the later one: as numbers where both are, else as texts.
pub(in crate::models) fn version_order(a: &Json, b: &Json) -> std::cmp::Ordering {
    let number = |version: &Json| version.as_f64().or_else(|| version.as_str()?.parse().ok());
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a.to_string().cmp(&b.to_string()),
    }
}

/// Takes what the projects and the properties say of the node.
pub(super) fn configure(
    read: &Read,
    package: &ProjectFile,
    node: &mut Node,
    entry: Option<&Entry>,
    said: &Said<'_>,
) -> Result<()> {
    let tree = match node.resource {
        Resource::Model => "models",
        Resource::Seed => "seeds",
        Resource::Snapshot => "snapshots",
        Resource::Test => "tests",
        // dbt configures them as models.
        Resource::Analysis => "models",
        // `on-run-start`, `on-run-end`.
        Resource::Operation => {
            node.settings.set("tags", node.path.as_str().into());
            return Ok(());
        }
        Resource::UnitTest => return Ok(()),
    };
    let render = |text: &str, shown: &str| read.render(&package.name, text, shown);
    if package.name != read.own().name {
        package.configure(tree, &node.fqn, &mut node.settings, &render)?;
    }
    read.own().configure(tree, &node.fqn, &mut node.settings, &render)?;
    // What is said of the version stands above what is said of all.
    for map in said.iter().rev() {
        for key in ["tags", "meta", "docs", "access", "group"] {
            if let Some(value) = map.get(key) {
                refused(read, node.resource, entry, map, &[key], value)?;
                node.settings.set(key, value.clone());
            }
        }
        if let Some(config) = map.get("config") {
            let shown = entry.map(|entry| read.place_of(entry)).unwrap_or_default();
            let hooks = |key: &str| matches!(key, "pre-hook" | "post-hook" | "pre_hook" | "post_hook");
            for (key, value) in config.as_object().into_iter().flatten() {
                let value = if hooks(key) { value.clone() } else { rendered(value, &shown, &render)? };
                refused(read, node.resource, entry, map, &["config", key], &value)?;
                node.settings.set(key, value);
            }
        }
    }
    Ok(())
}

/// Refuses a value that a key of the configuration can't have.
fn refused(
    read: &Read,
    resource: Resource,
    entry: Option<&Entry>,
    map: &Map<String, Json>,
    keys: &[&str],
    value: &Json,
) -> Result<()> {
    let key = keys.last().copied().unwrap_or_default();
    let Err(what) = look_at_config(resource.as_str(), key, value) else { return Ok(()) };
    let Some(entry) = entry else { return Err(wrong("config", what)) };
    let mut way = entry.way_to(map);
    way.extend(keys.iter().map(|key| Step::Key((*key).to_owned())));
    Err(read.wrong_in(entry, &way, format!("{} {}: config, {what}", resource.as_str(), entry.name)))
}

/// Takes descriptions, columns and constraints.
///
/// # Errors
/// A description names a text that there is none of: that is the properties' fault, and not the node's.
pub(super) fn describe(read: &Read, node: &mut Node, entry: Option<&Entry>, said: &Said<'_>) -> Result<()> {
    let shown = entry.map(|entry| format!("{}: {}", read.place_of(entry), entry.name)).unwrap_or_default();
    let first = |key: &str| said.iter().find_map(|map| map.get(key).filter(|v| !v.is_null()));
    if let Some(text) = first("description").and_then(Json::as_str) {
        node.description = read.described(&node.package, text, &shown)?;
    }
    node.deprecation_date = first("deprecation_date").map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
    node.constraints = first("constraints").and_then(Json::as_array).cloned().unwrap_or_default();
    for column in columns_of(said) {
        let Some(name) = column.get("name").and_then(Json::as_str) else { continue };
        let mut column = column.clone();
        if let Some(text) = column.get("description").and_then(Json::as_str) {
            let text = read.described(&node.package, text, &format!("{shown}, column {name}"))?;
            column.insert("description".to_owned(), text.into());
        }
        node.columns.insert(name.to_owned(), Json::Object(column));
    }
    Ok(())
}

/// The columns of a node: a version's own, and those of all that it includes.
pub(super) fn columns_of<'a>(said: &[&'a Map<String, Json>]) -> Vec<&'a Map<String, Json>> {
    let list = |map: &'a Map<String, Json>| -> Vec<&'a Map<String, Json>> {
        map.get("columns").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_object).collect()
    };
    let [version, all] = said else { return said.first().map(|map| list(map)).unwrap_or_default() };
    if !version.contains_key("columns") {
        return list(all);
    }
    let own = list(version);
    let Some(rule) = own.iter().find(|c| c.contains_key("include") || c.contains_key("exclude")) else { return own };
    let excluded = rule.get("exclude").map(texts).unwrap_or_default();
    let included = rule.get("include").map(texts).unwrap_or_default();
    let is_all = included.iter().any(|name| name == "all" || name == "*");
    let name_of = |c: &Map<String, Json>| c.get("name").and_then(Json::as_str).unwrap_or_default().to_owned();
    let is_own = |name: &String| own.iter().any(|c| name_of(c) == *name);
    let kept = list(all).into_iter().filter(|c| {
        let name = name_of(c);
        (is_all || included.contains(&name)) && !excluded.contains(&name) && !is_own(&name)
    });
    kept.chain(own.iter().copied().filter(|c| c.contains_key("name"))).collect()
}
