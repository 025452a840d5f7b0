//! Nodes as JSON: what `model` and `graph` are in templates, and what artifacts hold.

use super::{
    super::{context::relation::Policy, jinja, relation::Relation},
    Exposure, GenericTest, Manifest, Node, Resource, Source,
    configured::Configured,
};
use crate::domain::ModelId;
use minijinja::value::Value;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// What is never there, or not known.
const NONE: [&str; 0] = [];

/// A column as dbt describes it.
fn column(name: &str, said: &Json) -> Json {
    let of = |key: &str, usual: Json| said.get(key).cloned().filter(|v| !v.is_null()).unwrap_or(usual);
    let tags: Vec<String> = said.as_object().map(super::sources::tags_of).unwrap_or_default();
    let config = of("config", json!({}));
    let meta = config.get("meta").cloned().unwrap_or_else(|| of("meta", json!({})));
    json!({
        "name": name, "description": of("description", "".into()), "meta": meta, "data_type": of("data_type", Json::Null),
        "constraints": of("constraints", json!([])), "quote": of("quote", Json::Null),
        "config": {"meta": meta, "tags": tags}, "tags": tags, "granularity": null, "doc_blocks": [],
    })
}

/// The name as dbt keeps it: its parts quoted where they are to be.
pub(in crate::models) fn relation_name(relation: &Relation, quoting: Policy) -> String {
    let part = |is_quoted: bool, name: &str| if is_quoted { format!("\"{name}\"") } else { name.to_owned() };
    let database = part(quoting.database, &relation.database);
    let (schema, name) = (part(quoting.schema, &relation.schema), part(quoting.identifier, &relation.name));
    format!("{database}.{schema}.{name}")
}

impl Manifest {
    /// A node as its artifact describes it; null where there is none.
    pub(in crate::models) fn describe(&self, id: &str) -> Json {
        self.nodes.get(&ModelId::new(id)).map_or(Json::Null, |node| self.described_any(node))
    }

    /// A node of any kind as its artifact describes it.
    pub(in crate::models) fn described_any(&self, node: &Node) -> Json {
        match node.resource {
            Resource::UnitTest => super::described_unit(node),
            _ => self.described(node),
        }
    }

    /// A node as its artifact describes it.
    pub(in crate::models) fn described(&self, node: &Node) -> Json {
        serde_json::to_value(Described { manifest: self, node, compiled: None }).unwrap_or_default()
    }

    /// `graph`: nodes and sources by unique id.
    pub(in crate::models) fn graph(&self) -> Value {
        let made = || {
            let nodes: Map<String, Json> = self
                .nodes
                .values()
                .filter(|n| !matches!(n.resource, Resource::Operation | Resource::UnitTest))
                .map(|n| (n.id.as_str().to_owned(), self.described(n)))
                .collect();
            let sources: Map<String, Json> =
                self.sources.values().map(|s| (s.id.clone(), described_source(s))).collect();
            let exposures: Map<String, Json> =
                self.exposures.values().map(|e| (e.id.clone(), described_exposure(e))).collect();
            let graph = json!({
                "nodes": nodes, "sources": sources, "exposures": exposures, "groups": {}, "metrics": {},
                "semantic_models": {}, "saved_queries": {},
            });
            jinja::from_json(&graph)
        };
        self.graph.get_or_init(made).clone()
    }
}

/// A node as its artifact describes it, written without a copy of it.
pub(in crate::models) struct Described<'a> {
    pub manifest: &'a Manifest,
    pub node: &'a Node,
    /// Its SQL and the file of that, where it was made.
    pub compiled: Option<(&'a str, String)>,
}

impl Described<'_> {
    /// The name of its relation; `None` where it makes none.
    fn relation_name(&self) -> Option<String> {
        let node = self.node;
        let has_name = match node.resource {
            Resource::Test => node
                .settings
                .flag("store_failures")
                .unwrap_or_else(|| self.manifest.setting.flags.get("STORE_FAILURES").is_some_and(|flag| *flag == true)),
            resource => resource.is_built() && !node.is_ephemeral(),
        };
        has_name.then(|| relation_name(&node.relation, node.quoting))
    }
}

impl Serialize for Described<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let (node, compiled) = (self.node, self.compiled.as_ref());
        let (relation, config) = (&node.relation, Configured(node));
        let columns: Map<String, Json> =
            node.columns.iter().map(|(name, said)| (name.clone(), column(name, said))).collect();
        let file = match node.resource {
            Resource::Operation => format!("./{}", node.file),
            _ => node.file.clone(),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("database", &relation.database)?;
        map.serialize_entry("schema", &relation.schema)?;
        map.serialize_entry("name", &node.name)?;
        map.serialize_entry("resource_type", node.resource.as_str())?;
        map.serialize_entry("package_name", &node.package)?;
        map.serialize_entry("path", &node.path)?;
        map.serialize_entry("original_file_path", &file)?;
        map.serialize_entry("unique_id", node.id.as_str())?;
        map.serialize_entry("fqn", &node.fqn)?;
        map.serialize_entry("alias", &relation.name)?;
        map.serialize_entry("checksum", &Checksum { name: "sha256", checksum: &node.checksum })?;
        map.serialize_entry("tags", &node.settings.texts("tags"))?;
        map.serialize_entry("description", &node.description)?;
        map.serialize_entry("columns", &columns)?;
        map.serialize_entry("meta", &config.get("meta"))?;
        map.serialize_entry("group", &config.get("group"))?;
        map.serialize_entry("docs", &config.get("docs"))?;
        map.serialize_entry("patch_path", &node.patch)?;
        map.serialize_entry("build_path", &())?;
        map.serialize_entry("unrendered_config", &node.settings)?;
        map.serialize_entry("created_at", &0)?;
        map.serialize_entry("relation_name", &self.relation_name())?;
        map.serialize_entry("raw_code", &node.source)?;
        map.serialize_entry("doc_blocks", &NONE)?;
        if node.resource == Resource::Seed {
            map.serialize_entry("root_path", &node.root.display().to_string())?;
            map.serialize_entry("depends_on", &BTreeMap::from([("macros", NONE)]))?;
        } else {
            let sources = node.sources.iter().map(|source| source.id.as_str());
            let nodes = node.parents.iter().map(ModelId::as_str).chain(sources).collect();
            let enforced = config.get("contract").get("enforced").cloned().unwrap_or(Json::Bool(false));
            map.serialize_entry("language", "sql")?;
            map.serialize_entry("refs", &node.refs)?;
            map.serialize_entry("sources", &node.source_calls)?;
            map.serialize_entry("metrics", &NONE)?;
            map.serialize_entry("depends_on", &DependsOn { macros: &node.macros, nodes })?;
            map.serialize_entry("compiled_path", &compiled.map(|(_, path)| path))?;
            map.serialize_entry("contract", &Contract { enforced, alias_types: true, checksum: () })?;
        }
        if let Some((sql, _)) = compiled {
            map.serialize_entry("compiled", &true)?;
            map.serialize_entry("compiled_code", sql)?;
            map.serialize_entry("extra_ctes", &NONE)?;
            map.serialize_entry("extra_ctes_injected", &true)?;
        }
        if node.resource == Resource::Model {
            map.serialize_entry("access", &config.get("access"))?;
            map.serialize_entry("constraints", &node.constraints)?;
            map.serialize_entry("version", &node.version)?;
            map.serialize_entry("latest_version", &node.latest_version)?;
            map.serialize_entry("deprecation_date", &node.deprecation_date)?;
            map.serialize_entry("primary_key", &NONE)?;
            map.serialize_entry("time_spine", &())?;
        }
        if let Some(generic) = &node.generic {
            let GenericTest { word, arguments, namespace, .. } = generic;
            map.serialize_entry("test_metadata", &TestMetadata { name: word, kwargs: arguments, namespace })?;
            map.serialize_entry("column_name", &generic.column)?;
            map.serialize_entry("attached_node", &generic.attached.as_ref().map(ModelId::as_str))?;
            map.serialize_entry("file_key_name", &())?;
        }
        map.serialize_entry("config", &config)?;
        map.end()
    }
}

#[derive(Serialize)]
struct Checksum<'a> {
    name: &'static str,
    checksum: &'a str,
}

#[derive(Serialize)]
struct DependsOn<'a> {
    macros: &'a BTreeSet<String>,
    nodes: Vec<&'a str>,
}

#[derive(Serialize)]
struct Contract {
    enforced: Json,
    alias_types: bool,
    checksum: (),
}

#[derive(Serialize)]
struct TestMetadata<'a> {
    name: &'a str,
    kwargs: &'a Map<String, Json>,
    namespace: &'a Option<String>,
}

/// A table of a source as its artifact describes it.
pub(in crate::models) fn described_source(source: &Source) -> Json {
    let relation = &source.relation;
    let columns: Map<String, Json> = source
        .columns
        .iter()
        .filter_map(|c| {
            Some((c.get("name")?.as_str()?.to_owned(), column(c.get("name")?.as_str()?, &Json::Object(c.clone()))))
        })
        .collect();
    json!({
        "database": relation.database, "schema": relation.schema, "name": source.name, "resource_type": "source",
        "package_name": source.package, "path": source.file, "original_file_path": source.file,
        "unique_id": source.id, "fqn": source.fqn, "source_name": source.source,
        "source_description": source.source_description, "loader": source.loader, "identifier": relation.name,
        "quoting": {"database": null, "schema": null, "identifier": null, "column": null},
        "loaded_at_field": source.loaded_at, "loaded_at_query": source.loaded_at_query, "freshness": source.freshness,
        "external": null, "description": source.description, "columns": columns,
        "meta": source.settings.get("meta").cloned().unwrap_or(json!({})), "source_meta": {},
        "tags": source.settings.texts("tags"), "config": {"enabled": true, "event_time": source.settings.text("event_time"), "freshness": source.freshness, "meta": source.settings.get("meta").cloned().unwrap_or(json!({})), "tags": source.settings.texts("tags")},
        "patch_path": null, "unrendered_config": {}, "relation_name": relation_name(relation, source.quoting), "created_at": 0, "doc_blocks": [],
    })
}

/// An exposure as its artifact describes it.
pub(in crate::models) fn described_exposure(exposure: &Exposure) -> Json {
    let said = |key: &str| exposure.said.get(key).cloned().unwrap_or_default();
    let (tags, meta) = (exposure.settings.texts("tags"), exposure.settings.get("meta").cloned().unwrap_or(json!({})));
    json!({
        "name": exposure.name, "resource_type": "exposure", "package_name": exposure.package, "path": exposure.file,
        "original_file_path": exposure.file, "unique_id": exposure.id, "fqn": exposure.fqn, "type": said("type"),
        "owner": said("owner"), "description": exposure.description, "label": said("label"),
        "maturity": said("maturity"), "url": said("url"), "tags": tags, "meta": meta,
        "config": {"enabled": true, "tags": tags, "meta": meta}, "unrendered_config": exposure.settings.json(),
        "depends_on": {"macros": [], "nodes": exposure.parents}, "refs": exposure.refs,
        "sources": exposure.source_calls.iter().map(|(s, t)| json!([s, t])).collect::<Vec<_>>(), "metrics": [],
        "created_at": 0,
    })
}
