//! Nodes as JSON: what `model` and `graph` are in templates, and what artifacts hold.

use super::{
    super::{
        context::{
            relation::Policy,
            scope::{Scope, Subject, Task},
        },
        jinja,
        relation::Relation,
    },
    Exposure, Manifest, Node, Resource, Source,
    load::Read,
};
use crate::{domain::ModelId, error::Result};
use minijinja::{
    Error, ErrorKind, State,
    value::{Object, ObjectRepr, Value},
};
use serde_json::{Map, Value as Json, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// What dbt configures where nobody does.
pub(in crate::models) fn usual(resource: Resource) -> Map<String, Json> {
    let all = match resource {
        Resource::Test => json!({
            "enabled": true, "alias": null, "schema": "dbt_test__audit", "database": null, "tags": [], "meta": {},
            "group": null, "materialized": "test", "severity": "ERROR", "store_failures": null,
            "store_failures_as": null, "where": null, "limit": null, "fail_calc": "count(*)", "warn_if": "!= 0",
            "error_if": "!= 0",
        }),
        _ => json!({
            "enabled": true, "alias": null, "schema": null, "database": null, "tags": [], "meta": {}, "group": null,
            "materialized": "view", "incremental_strategy": null, "batch_size": null, "lookback": 1, "begin": null,
            "persist_docs": {}, "post-hook": [], "pre-hook": [], "quoting": {}, "column_types": {},
            "full_refresh": null, "unique_key": null, "on_schema_change": "ignore", "on_configuration_change": "apply",
            "grants": {}, "packages": [], "docs": {"show": true, "node_color": null},
            "contract": {"enforced": false, "alias_types": true}, "event_time": null, "concurrent_batches": null,
            "access": "protected",
        }),
    };
    let Json::Object(mut all) = all else { return Map::new() };
    match resource {
        Resource::Seed => {
            all.insert("materialized".to_owned(), "seed".into());
            all.insert("delimiter".to_owned(), ",".into());
            all.insert("quote_columns".to_owned(), Json::Null);
        }
        Resource::Snapshot => {
            all.insert("materialized".to_owned(), "snapshot".into());
            for key in [
                "strategy",
                "target_schema",
                "target_database",
                "updated_at",
                "check_cols",
                "dbt_valid_to_current",
                "hard_deletes",
            ] {
                all.insert(key.to_owned(), Json::Null);
            }
            let columns = json!({"dbt_valid_from": null, "dbt_valid_to": null, "dbt_scd_id": null, "dbt_updated_at": null, "dbt_is_deleted": null});
            all.insert("snapshot_meta_column_names".to_owned(), columns);
        }
        _ => {}
    }
    all
}

/// Hooks in the form in which they are run.
fn hooks(value: &Json) -> Json {
    let hook = |hook: &Json| match hook {
        Json::String(text) => match serde_json::from_str::<Json>(text) {
            Ok(Json::Object(map)) if map.contains_key("sql") => Json::Object(map),
            _ => json!({"sql": text, "transaction": true, "index": null}),
        },
        Json::Object(map) => json!({
            "sql": map.get("sql").cloned().unwrap_or_default(),
            "transaction": map.get("transaction").cloned().unwrap_or(Json::Bool(true)),
            "index": null,
        }),
        other => other.clone(),
    };
    Json::Array(value.as_array().into_iter().flatten().map(hook).collect())
}

/// A node's configuration, whole.
pub(in crate::models) fn config_of(node: &Node) -> Json {
    let mut all = usual(node.resource);
    let Json::Object(own) = node.settings.json() else { return Json::Object(all) };
    for (key, value) in own {
        let value = if matches!(key.as_str(), "pre-hook" | "post-hook") { hooks(&value) } else { value };
        match (all.get_mut(&key), value) {
            (Some(Json::Object(have)), Json::Object(new)) => have.extend(new),
            (_, value) => drop(all.insert(key, value)),
        }
    }
    Json::Object(all)
}

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
        let (relation, config) = (&node.relation, config_of(node));
        let parents: Vec<&str> =
            node.parents.iter().map(ModelId::as_str).chain(node.sources.iter().map(|s| s.id.as_str())).collect();
        let refs: Vec<Json> =
            node.refs.iter().map(|r| json!({"name": r.name, "package": r.package, "version": r.version})).collect();
        let columns: Map<String, Json> =
            node.columns.iter().map(|(name, said)| (name.clone(), column(name, said))).collect();
        let enforced = config.get("contract").and_then(|c| c.get("enforced")).cloned().unwrap_or(Json::Bool(false));
        let keeps_failures = || match node.settings.flag("store_failures") {
            Some(keeps) => keeps,
            None => self.setting.flags.get("STORE_FAILURES").is_some_and(|flag| *flag == true),
        };
        let has_name = match node.resource {
            Resource::Test => keeps_failures(),
            resource => resource.is_built() && !node.is_ephemeral(),
        };
        let mut all = json!({
            "database": relation.database, "schema": relation.schema, "name": node.name,
            "resource_type": node.resource.as_str(), "package_name": node.package, "path": node.path,
            "original_file_path": node.file, "unique_id": node.id.as_str(), "fqn": node.fqn, "alias": relation.name,
            "checksum": {"name": "sha256", "checksum": node.checksum}, "tags": node.settings.texts("tags"),
            "description": node.description, "columns": columns, "meta": config.get("meta").cloned().unwrap_or(json!({})),
            "group": config.get("group").cloned().unwrap_or_default(), "docs": config.get("docs").cloned().unwrap_or_default(),
            "patch_path": node.patch, "build_path": null, "unrendered_config": node.settings.json(), "created_at": 0,
            "relation_name": if has_name { Json::from(relation_name(relation, node.quoting)) } else { Json::Null },
            "raw_code": node.source.as_ref(), "doc_blocks": [],
        });
        let Json::Object(map) = &mut all else { return all };
        if node.resource == Resource::Operation {
            map.insert("original_file_path".to_owned(), format!("./{}", node.file).into());
        }
        if node.resource != Resource::Seed {
            let more = json!({
                "language": "sql", "refs": refs,
                "sources": node.source_calls.iter().map(|(s, t)| json!([s, t])).collect::<Vec<_>>(), "metrics": [],
                "depends_on": {"macros": node.macros, "nodes": parents}, "compiled_path": null,
                "contract": {"enforced": enforced, "alias_types": true, "checksum": null},
            });
            map.extend(more.as_object().cloned().unwrap_or_default());
        } else {
            map.insert("root_path".to_owned(), node.root.display().to_string().into());
            map.insert("depends_on".to_owned(), json!({"macros": []}));
        }
        if node.resource == Resource::Model {
            let more = json!({
                "access": config.get("access").cloned().unwrap_or_default(), "constraints": node.constraints,
                "version": node.version, "latest_version": node.latest_version,
                "deprecation_date": node.deprecation_date, "primary_key": [], "time_spine": null,
            });
            map.extend(more.as_object().cloned().unwrap_or_default());
        }
        if let Some(generic) = &node.generic {
            let more = json!({
                "test_metadata": {"name": generic.word, "kwargs": generic.arguments, "namespace": generic.namespace},
                "column_name": generic.column, "attached_node": generic.attached.as_ref().map(ModelId::as_str),
                "file_key_name": null,
            });
            map.extend(more.as_object().cloned().unwrap_or_default());
        }
        map.insert("config".to_owned(), config);
        all
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
    let refs = exposure.refs.iter().map(|r| json!({"name": r.name, "package": r.package, "version": r.version}));
    let (tags, meta) = (exposure.settings.texts("tags"), exposure.settings.get("meta").cloned().unwrap_or(json!({})));
    json!({
        "name": exposure.name, "resource_type": "exposure", "package_name": exposure.package, "path": exposure.file,
        "original_file_path": exposure.file, "unique_id": exposure.id, "fqn": exposure.fqn, "type": said("type"),
        "owner": said("owner"), "description": exposure.description, "label": said("label"),
        "maturity": said("maturity"), "url": said("url"), "tags": tags, "meta": meta,
        "config": {"enabled": true, "tags": tags, "meta": meta}, "unrendered_config": exposure.settings.json(),
        "depends_on": {"macros": [], "nodes": exposure.parents}, "refs": refs.collect::<Vec<_>>(),
        "sources": exposure.source_calls.iter().map(|(s, t)| json!([s, t])).collect::<Vec<_>>(), "metrics": [],
        "created_at": 0,
    })
}

/// Texts of docs, by `doc()`.
#[derive(Debug)]
struct Doc {
    package: String,
    docs: BTreeMap<(String, String), String>,
}

impl Object for Doc {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, values: &[Value]) -> std::result::Result<Value, Error> {
        let given: Vec<String> = values.iter().map(ToString::to_string).collect();
        let (package, name) = match given.as_slice() {
            [name] => (None, name),
            [package, name] => (Some(package), name),
            _ => return Err(Error::new(ErrorKind::InvalidOperation, "doc() takes one or two names")),
        };
        let of = |package: &str| self.docs.get(&(package.to_owned(), name.clone()));
        let found = match package {
            Some(package) => of(package),
            None => of(&self.package).or_else(|| self.docs.iter().find(|((_, n), _)| n == name).map(|(_, text)| text)),
        };
        let hint = || super::hint(name, self.docs.keys().map(|(_, name)| name));
        let missing =
            || Error::new(ErrorKind::InvalidOperation, format!("doc('{name}'): there is no such text{}", hint()));
        found.map(|text| text.as_str().into()).ok_or_else(missing)
    }
}

/// A description with the texts that it names.
pub(super) fn with_docs(read: &Read, package: &str, text: &str, shown: &str) -> Result<String> {
    let doc = Value::from_object(Doc { package: package.to_owned(), docs: read.docs.clone() });
    let subject = Subject::of_package(package);
    let scope =
        Scope::with(read.setting.clone(), subject, Task::Parse(Mutex::default()), BTreeMap::from([("doc", doc)]));
    let rendered = read.setting.engine.render(shown, text, scope.globals());
    // The line is that of the text, and not of the file.
    rendered.map_err(|error| super::wrong(shown, format!("description: {}", error.message)))
}
