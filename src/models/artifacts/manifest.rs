//! `manifest.json`: everything that a project holds.

use super::{MANIFEST, MapOf, metadata, write};
use crate::{
    error::Result,
    models::{
        jinja::Definition,
        manifest::{
            Described, Manifest, Node, Resource, described_exposure, described_source, described_unit, macro_id,
        },
        reading::Entry,
    },
};
use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// Ids beside each id.
type Edges<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// The manifest as it is written.
struct Artifact<'a> {
    manifest: &'a Manifest,
    now: DateTime<Utc>,
    compiled: &'a BTreeMap<&'a str, &'a str>,
}

impl<'a> Artifact<'a> {
    fn described(&self, node: &'a Node) -> Described<'a> {
        let compiled = self.compiled.get(node.id.as_str());
        let compiled = compiled.map(|sql| (*sql, self.manifest.compiled_path(node).display().to_string()));
        Described { manifest: self.manifest, node, compiled }
    }
}

impl Serialize for Artifact<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let of_kind = |is_unit: bool| {
            let nodes = self.manifest.nodes.values();
            nodes.filter(move |node| (node.resource == Resource::UnitTest) == is_unit)
        };
        let nodes = || of_kind(false).map(|node| (node.id.as_str(), self.described(node)));
        let units = || of_kind(true).map(|unit| (unit.id.as_str(), described_unit(unit)));
        let (sources, exposures) = (&self.manifest.sources, &self.manifest.exposures);
        let (parents, children) = self.manifest.edges();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("metadata", &self.manifest.about(self.now))?;
        map.serialize_entry("nodes", &MapOf(nodes))?;
        map.serialize_entry("unit_tests", &MapOf(units))?;
        map.serialize_entry("sources", &MapOf(|| sources.values().map(|s| (&s.id, described_source(s)))))?;
        map.serialize_entry("exposures", &MapOf(|| exposures.values().map(|e| (&e.id, described_exposure(e)))))?;
        map.serialize_entry("macros", &MapOf(|| self.manifest.macros()))?;
        map.serialize_entry("docs", &self.manifest.described_docs())?;
        map.serialize_entry("groups", &self.manifest.described_groups())?;
        map.serialize_entry("selectors", &self.manifest.described_selectors())?;
        map.serialize_entry("disabled", &self.manifest.disabled())?;
        map.serialize_entry("parent_map", &parents)?;
        map.serialize_entry("child_map", &children)?;
        map.serialize_entry("group_map", &self.manifest.group_map())?;
        for none in ["metrics", "semantic_models", "saved_queries"] {
            map.serialize_entry(none, &json!({}))?;
        }
        map.end()
    }
}

impl Manifest {
    /// Writes the manifest below the target folder.
    pub(in crate::models) fn write(&self, now: DateTime<Utc>, compiled: &BTreeMap<&str, &str>) -> Result<()> {
        write(self, MANIFEST, &Artifact { manifest: self, now, compiled })
    }

    /// What stands above the nodes.
    fn about(&self, now: DateTime<Utc>) -> Json {
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
        about
    }

    /// All macros, each by its unique id, in the order of these.
    fn macros(&self) -> impl Iterator<Item = (String, DescribedMacro<'_>)> {
        let mut all: Vec<(String, &Definition)> =
            self.setting.engine.definitions().map(|definition| (macro_id(definition), &**definition)).collect();
        all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        all.into_iter().map(|(id, definition)| {
            let called = self.called_in(&definition.package, &definition.file, &definition.body);
            (id.clone(), DescribedMacro { id, definition, called })
        })
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

/// A macro as it is written.
struct DescribedMacro<'a> {
    id: String,
    definition: &'a Definition,
    /// The macros that it calls.
    called: BTreeSet<String>,
}

impl Serialize for DescribedMacro<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let definition = self.definition;
        let arguments: Vec<Json> =
            definition.parameters().map(|name| json!({"name": name, "type": null, "description": ""})).collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &definition.name)?;
        map.serialize_entry("resource_type", "macro")?;
        map.serialize_entry("package_name", &definition.package)?;
        map.serialize_entry("path", &definition.file)?;
        map.serialize_entry("original_file_path", &definition.file)?;
        map.serialize_entry("unique_id", &self.id)?;
        map.serialize_entry("macro_sql", &definition.body)?;
        map.serialize_entry("depends_on", &BTreeMap::from([("macros", &self.called)]))?;
        map.serialize_entry("description", "")?;
        map.serialize_entry("meta", &json!({}))?;
        map.serialize_entry("docs", &json!({"show": true, "node_color": null}))?;
        map.serialize_entry("patch_path", &())?;
        map.serialize_entry("arguments", &arguments)?;
        map.serialize_entry("created_at", &0)?;
        map.serialize_entry("supported_languages", &())?;
        map.end()
    }
}
