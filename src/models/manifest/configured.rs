//! A node's configuration, whole: what is said of it above what dbt takes where nobody says anything.

use super::{Node, Resource};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json, json};
use std::{borrow::Cow, sync::LazyLock};

/// What dbt configures where nobody does.
pub(in crate::models) fn usual(resource: Resource) -> &'static Map<String, Json> {
    static OF_TESTS: LazyLock<Map<String, Json>> = LazyLock::new(|| usual_of(Resource::Test));
    static OF_SEEDS: LazyLock<Map<String, Json>> = LazyLock::new(|| usual_of(Resource::Seed));
    static OF_SNAPSHOTS: LazyLock<Map<String, Json>> = LazyLock::new(|| usual_of(Resource::Snapshot));
    static OF_OTHERS: LazyLock<Map<String, Json>> = LazyLock::new(|| usual_of(Resource::Model));
    match resource {
        Resource::Test => &OF_TESTS,
        Resource::Seed => &OF_SEEDS,
        Resource::Snapshot => &OF_SNAPSHOTS,
        _ => &OF_OTHERS,
    }
}

fn usual_of(resource: Resource) -> Map<String, Json> {
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

/// A node's configuration, written without a copy of it.
pub(super) struct Configured<'a>(pub(super) &'a Node);

impl<'a> Configured<'a> {
    /// What holds for a key, by dbt's name for it.
    pub(super) fn get(&self, key: &str) -> Cow<'a, Json> {
        self.above(key, usual(self.0.resource).get(key))
    }

    /// What is said for a key, above what is usual.
    fn above(&self, key: &str, usual: Option<&'static Json>) -> Cow<'a, Json> {
        static NOTHING: Json = Json::Null;
        let said = self.0.settings.entries().find(|(name, _)| *name == key).map(|(_, value)| value);
        match (usual, said) {
            (_, Some(said)) if matches!(key, "pre-hook" | "post-hook") => Cow::Owned(hooks(said)),
            (Some(Json::Object(usual)), Some(Json::Object(said))) => {
                let mut both = usual.clone();
                both.extend(said.clone());
                Cow::Owned(Json::Object(both))
            }
            (_, Some(said)) => Cow::Borrowed(said),
            (Some(usual), None) => Cow::Borrowed(usual),
            (None, None) => Cow::Borrowed(&NOTHING),
        }
    }
}

impl Serialize for Configured<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = usual(self.0.resource);
        let known = all.iter().map(|(key, usual)| (key.as_str(), self.above(key, Some(usual))));
        let more = self.0.settings.entries().map(|(key, _)| key).filter(|key| !all.contains_key(*key));
        serializer.collect_map(known.chain(more.map(|key| (key, self.above(key, None)))))
    }
}

/// A node's configuration, whole.
pub(in crate::models) fn config_of(node: &Node) -> Json {
    serde_json::to_value(Configured(node)).unwrap_or_default()
}
