//! What a program says of its run: verdicts of nodes, freshness, catalog, manifest, what was listed.

use super::side::Seen;
use serde_json::Value;
use std::{fs, path::Path};

/// Written by single commands, and looked for after each.
const OF_COMMAND: [&str; 3] = ["run_results.json", "sources.json", "catalog.json"];

/// What of a node in the manifest is compared.
const OF_NODE: [&str; 19] = [
    "resource_type",
    "package_name",
    "original_file_path",
    "fqn",
    "schema",
    "alias",
    "relation_name",
    "description",
    "tags",
    "meta",
    "access",
    "group",
    "version",
    "latest_version",
    "column_name",
    "attached_node",
    "label",
    "maturity",
    "url",
];

/// What of its configuration.
const OF_CONFIG: [&str; 17] = [
    "enabled",
    "materialized",
    "severity",
    "where",
    "limit",
    "fail_calc",
    "warn_if",
    "error_if",
    "store_failures",
    "store_failures_as",
    "unique_key",
    "incremental_strategy",
    "on_schema_change",
    "grants",
    "persist_docs",
    "contract",
    "strategy",
];

/// Takes away what an earlier command has written.
pub(super) fn forget(root: &Path) {
    for file in OF_COMMAND {
        // Not every command writes every file.
        let _ = fs::remove_file(root.join("target").join(file));
    }
}

fn json(root: &Path, file: &str) -> Option<Value> {
    let path = root.join("target").join(file);
    let text = fs::read_to_string(&path).ok()?;
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Notes what the last command has written.
pub(super) fn read(root: &Path, place: &str, seen: &mut Seen) {
    if let Some(results) = json(root, "run_results.json") {
        for result in list(&results["results"]) {
            let failures = &result["failures"];
            let failures = if failures.is_null() { String::new() } else { format!(", failures: {failures}") };
            let verdict = format!("{}{failures}", text(&result["status"]));
            seen.insert(format!("{place}: {}", text(&result["unique_id"])), verdict);
        }
    }
    if let Some(sources) = json(root, "sources.json") {
        for result in list(&sources["results"]) {
            let verdict = format!("{} by {}", text(&result["status"]), canonical(&result["criteria"]));
            seen.insert(format!("{place}: freshness of {}", text(&result["unique_id"])), verdict);
        }
    }
    if let Some(catalog) = json(root, "catalog.json") {
        for part in ["nodes", "sources"] {
            for (id, node) in catalog[part].as_object().into_iter().flatten() {
                let about = format!("{}\n{}", canonical(&node["metadata"]), canonical(&node["columns"]));
                seen.insert(format!("{place}: catalog of {id}"), about);
            }
        }
    }
}

/// Notes the nodes of the manifest that the phase leaves.
pub(super) fn read_manifest(root: &Path, place: &str, seen: &mut Seen) {
    let Some(manifest) = json(root, "manifest.json") else { return };
    for part in ["nodes", "sources", "exposures", "unit_tests"] {
        for (id, node) in manifest[part].as_object().into_iter().flatten() {
            let mut lines = Vec::new();
            for (prefix, fields, from) in [("", &OF_NODE[..], node), ("config.", &OF_CONFIG[..], &node["config"])] {
                // What is absent and what is null mean the same to readers.
                lines.extend(fields.iter().filter(|field| !from[**field].is_null()).map(|field| {
                    let value = &from[*field];
                    let value = if *field == "tags" { sorted(value) } else { canonical(value) };
                    format!("{prefix}{field}: {value}")
                }));
            }
            lines.push(format!("depends_on: {}", sorted(&node["depends_on"]["nodes"])));
            seen.insert(format!("{place} manifest: {id}"), lines.join("\n"));
        }
    }
    let disabled = manifest["disabled"].as_object().into_iter().flatten().map(|(id, _)| id.as_str());
    seen.insert(
        format!("{place} manifest: disabled"),
        disabled.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("\n"),
    );
}

/// What `ls` has printed; its order means nothing.
pub(super) fn listed(output: &str) -> String {
    let mut lines: Vec<String> = output
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).map_or_else(|_| line.to_owned(), |value: Value| canonical(&value)))
        .collect();
    lines.sort();
    lines.join("\n")
}

fn sorted(value: &Value) -> String {
    let mut texts: Vec<String> = list(value).iter().map(text).collect();
    texts.sort();
    texts.dedup();
    texts.join(", ")
}

/// JSON with the keys of its objects in order.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut members: Vec<String> = map.iter().map(|(k, v)| format!("{k:?}: {}", canonical(v))).collect();
            members.sort();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
