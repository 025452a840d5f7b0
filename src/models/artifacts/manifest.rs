//! `manifest.json`: everything that a project holds.

use super::{MANIFEST, metadata, write};
use crate::{
    domain::ModelId,
    error::Result,
    models::{
        jinja::Definition,
        manifest::{Manifest, Node, Resource, described_exposure, described_source, macro_id},
        reading::Entry,
    },
};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// Ids beside each id.
type Edges<'a> = BTreeMap<&'a str, Vec<&'a str>>;

impl Manifest {
    /// Writes the manifest below the target folder.
    pub(in crate::models) fn write(&self, now: DateTime<Utc>, compiled: &BTreeMap<&str, &str>) -> Result<()> {
        let mut artifact = self.artifact(now);
        for (id, sql) in compiled {
            let part = if id.starts_with("unit_test.") { "unit_tests" } else { "nodes" };
            let Some(node) = artifact[part].get_mut(*id).and_then(Json::as_object_mut) else { continue };
            let path = self.nodes.get(&ModelId::new(*id)).map(|node| self.compiled_path(node).display().to_string());
            for (key, value) in [
                ("compiled", Json::Bool(true)),
                ("compiled_code", (*sql).into()),
                ("compiled_path", path.into()),
                ("extra_ctes", json!([])),
                ("extra_ctes_injected", Json::Bool(true)),
            ] {
                node.insert(key.to_owned(), value);
            }
        }
        write(self, MANIFEST, &artifact)
    }

    fn artifact(&self, now: DateTime<Utc>) -> Json {
        let mut about = metadata(self, "manifest/v12", now);
        let project = super::super::checksum::md5(&self.project.name);
        let more = json!({
            "project_name": self.project.name, "project_id": project, "user_id": null,
            "send_anonymous_usage_stats": false, "adapter_type": "postgres",
            "quoting": {"database": true, "schema": true, "identifier": true, "column": null},
        });
        if let (Json::Object(about), Json::Object(more)) = (&mut about, more) {
            about.extend(more);
        }
        let of = |is_unit: bool| -> Map<String, Json> {
            let nodes = self.nodes.values().filter(|n| (n.resource == Resource::UnitTest) == is_unit);
            nodes.map(|node| (node.id.as_str().to_owned(), self.describe(node.id.as_str()))).collect()
        };
        let (parents, children) = self.edges();
        json!({
            "metadata": about, "nodes": of(false), "unit_tests": of(true),
            "sources": self.sources.values().map(|s| (s.id.clone(), described_source(s))).collect::<Map<_, _>>(),
            "exposures": self.exposures.values().map(|e| (e.id.clone(), described_exposure(e))).collect::<Map<_, _>>(),
            "macros": self.macros(), "docs": self.described_docs(), "groups": self.described_groups(),
            "selectors": self.described_selectors(), "disabled": self.disabled(), "parent_map": parents,
            "child_map": children, "group_map": self.group_map(), "metrics": {}, "semantic_models": {},
            "saved_queries": {},
        })
    }

    fn macros(&self) -> Map<String, Json> {
        let described = |definition: &Definition| {
            let called = self.called_in(&definition.package, &definition.file, &definition.body);
            let arguments: Vec<Json> =
                definition.parameters().map(|name| json!({"name": name, "type": null, "description": ""})).collect();
            json!({
                "name": definition.name, "resource_type": "macro", "package_name": definition.package,
                "path": definition.file, "original_file_path": definition.file, "unique_id": macro_id(definition),
                "macro_sql": definition.body, "depends_on": {"macros": called}, "description": "", "meta": {},
                "docs": {"show": true, "node_color": null}, "patch_path": null, "arguments": arguments,
                "created_at": 0, "supported_languages": null,
            })
        };
        self.setting.engine.definitions().map(|d| (macro_id(d), described(d))).collect()
    }

    fn described_docs(&self) -> Map<String, Json> {
        let doc = |((package, name), text): (&(String, String), &String)| {
            let id = format!("doc.{package}.{name}");
            let doc = json!({
                "name": name, "resource_type": "doc", "package_name": package, "path": "", "original_file_path": "",
                "unique_id": id, "block_contents": text,
            });
            (id, doc)
        };
        self.docs.iter().map(doc).collect()
    }

    fn described_groups(&self) -> Map<String, Json> {
        let group = |entry: &Entry| {
            let id = format!("group.{}.{}", entry.package, entry.name);
            let group = json!({
                "name": entry.name, "resource_type": "group", "package_name": entry.package, "path": entry.file,
                "original_file_path": entry.file, "unique_id": id, "owner": entry.map.get("owner"),
                "description": entry.map.get("description"), "config": entry.map.get("config").cloned().unwrap_or(json!({})),
            });
            (id, group)
        };
        self.groups.iter().map(group).collect()
    }

    fn described_selectors(&self) -> Map<String, Json> {
        let selector = |s: &crate::models::reading::selectors::Selector| {
            let about = json!({
                "name": s.name, "definition": s.definition, "description": s.description, "default": s.is_default,
            });
            (s.name.clone(), about)
        };
        self.selectors.iter().map(selector).collect()
    }

    /// What is off, by id: a list, since several may share one.
    fn disabled(&self) -> Map<String, Json> {
        let mut all: BTreeMap<String, Vec<Json>> = BTreeMap::new();
        for node in &self.unused.nodes {
            all.entry(node.id.as_str().to_owned()).or_default().push(self.described_any(node));
        }
        for source in &self.unused.sources {
            all.entry(source.id.clone()).or_default().push(described_source(source));
        }
        for exposure in &self.unused.exposures {
            all.entry(exposure.id.clone()).or_default().push(described_exposure(exposure));
        }
        all.into_iter().map(|(id, list)| (id, Json::Array(list))).collect()
    }

    /// Who reads whom, from both sides.
    fn edges(&self) -> (Edges<'_>, Edges<'_>) {
        let mut parents: Edges<'_> = BTreeMap::new();
        for node in self.nodes.values() {
            let sources = node.sources.iter().map(|s| s.id.as_str());
            parents.insert(node.id.as_str(), node.parents.iter().map(|p| p.as_str()).chain(sources).collect());
        }
        parents.extend(self.sources.keys().map(|id| (id.as_str(), Vec::new())));
        parents
            .extend(self.exposures.values().map(|e| (e.id.as_str(), e.parents.iter().map(String::as_str).collect())));
        let mut children: Edges<'_> = parents.keys().map(|id| (*id, Vec::new())).collect();
        for (child, of) in &parents {
            for parent in of {
                children.entry(parent).or_default().push(child);
            }
        }
        (parents, children)
    }

    fn group_map(&self) -> BTreeMap<String, Vec<&str>> {
        let mut groups: BTreeMap<String, Vec<&str>> =
            self.groups.iter().map(|group| (group.name.clone(), Vec::new())).collect();
        let models = self.nodes.values().filter(|node: &&Node| node.resource == Resource::Model);
        for node in models {
            if let Some(group) = node.settings.text("group") {
                groups.entry(group).or_default().push(node.id.as_str());
            }
        }
        groups
    }
}
