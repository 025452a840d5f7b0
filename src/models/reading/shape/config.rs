//! What the keys of a node's configuration must be, as far as dbt 1.10 is strict. Follows dbt-core's
//! `artifacts/resources/v1/config.py`, `model.py`, `seed.py` and `snapshot.py`.

use super::{Fields, MAYBE_TEXT, Shape, TEXTS, fits};
use serde_json::Value;

const MAYBE_FLAG: Shape = Shape::Maybe(&Shape::Flag);
const TEXT_OR_TEXTS: Shape = Shape::Either(&Shape::Text, &TEXTS);
const KEYS: Shape = Shape::Maybe(&TEXT_OR_TEXTS);

/// Of all that are configured.
const OF_ALL: &[(&str, Shape)] = &[
    ("enabled", Shape::Flag),
    ("tags", TEXT_OR_TEXTS),
    ("alias", MAYBE_TEXT),
    ("schema", MAYBE_TEXT),
    ("database", MAYBE_TEXT),
    ("group", MAYBE_TEXT),
    ("meta", Shape::Map),
];

/// Of models, seeds and snapshots.
const OF_BUILT: &[(&str, Shape)] = &[
    ("incremental_strategy", MAYBE_TEXT),
    ("persist_docs", Shape::Map),
    ("quoting", Shape::Map),
    ("column_types", Shape::Map),
    ("full_refresh", MAYBE_FLAG),
    ("unique_key", KEYS),
    ("on_schema_change", MAYBE_TEXT),
    ("on_configuration_change", Shape::OneOf(&["apply", "continue", "fail"])),
    ("grants", Shape::Map),
    ("packages", TEXT_OR_TEXTS),
    (
        "docs",
        Shape::Fields(&Fields {
            keys: &[("show", Shape::Flag), ("node_color", MAYBE_TEXT)],
            needed: &[],
            is_open: true,
        }),
    ),
    (
        "contract",
        Shape::Fields(&Fields {
            keys: &[("enforced", Shape::Flag), ("alias_types", Shape::Flag)],
            needed: &[],
            is_open: true,
        }),
    ),
];

const OF_MODEL: &[(&str, Shape)] =
    &[("materialized", Shape::Text), ("access", Shape::OneOf(&["private", "protected", "public"]))];

const OF_SEED: &[(&str, Shape)] =
    &[("materialized", Shape::OneOf(&["seed"])), ("delimiter", Shape::Text), ("quote_columns", MAYBE_FLAG)];

const OF_SNAPSHOT: &[(&str, Shape)] = &[
    ("materialized", Shape::OneOf(&["snapshot"])),
    ("strategy", MAYBE_TEXT),
    ("target_schema", MAYBE_TEXT),
    ("target_database", MAYBE_TEXT),
    ("updated_at", MAYBE_TEXT),
    ("check_cols", KEYS),
    ("dbt_valid_to_current", MAYBE_TEXT),
    ("snapshot_meta_column_names", Shape::Map),
];

const OF_TEST: &[(&str, Shape)] = &[
    ("materialized", Shape::OneOf(&["test"])),
    ("severity", Shape::Word(&["error", "warn"])),
    ("store_failures", MAYBE_FLAG),
    ("store_failures_as", MAYBE_TEXT),
    ("where", MAYBE_TEXT),
    ("limit", Shape::Maybe(&Shape::Count)),
    ("fail_calc", Shape::Text),
    ("warn_if", Shape::Text),
    ("error_if", Shape::Text),
];

/// Looks at one key of the configuration of a kind of node (`model`, `test`, …), however it is written; what is wrong
/// with its value, in words.
pub(in crate::models) fn look_at_config(resource: &str, key: &str, value: &Value) -> Result<(), String> {
    let name = key.strip_prefix('+').unwrap_or(key).replace('-', "_");
    let kinds: [&[(&str, Shape)]; 2] = match resource {
        "model" | "analysis" => [OF_BUILT, OF_MODEL],
        "seed" => [OF_BUILT, OF_SEED],
        "snapshot" => [OF_BUILT, OF_SNAPSHOT],
        "test" => [OF_TEST, &[]],
        _ => return Ok(()),
    };
    let mut keys = kinds.into_iter().flatten().chain(OF_ALL);
    let Some((_, shape)) = keys.find(|(known, _)| *known == name) else { return Ok(()) };
    fits(value, shape).map_err(|mut misfit| {
        misfit.steps.reverse();
        let way = misfit.way();
        let below = if way.is_empty() { way } else { format!(", {way}") };
        format!("'{name}'{below}: {}", misfit.what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_dbt_takes_fits() {
        for (resource, key, value) in [
            ("model", "enabled", json!(false)),
            ("model", "+tags", json!("a")),
            ("model", "tags", json!(["a", "b"])),
            ("model", "schema", json!(null)),
            ("model", "unique_key", json!(["a", "b"])),
            ("model", "contract", json!({"enforced": true, "more": 1})),
            ("model", "indexes", json!("whatever")),
            ("model", "on-schema-change", json!("sync_all_columns")),
            ("model", "of_their_own", json!(3)),
            ("model", "enabled", json!("{{ var('x') }}")),
            ("seed", "quote_columns", json!(null)),
            ("snapshot", "check_cols", json!("all")),
            ("test", "severity", json!("WARN")),
            ("test", "limit", json!("10")),
            ("source", "enabled", json!("maybe")),
        ] {
            assert_eq!(look_at_config(resource, key, &value), Ok(()), "{resource} {key}");
        }
    }

    #[test]
    fn what_dbt_refuses_is_told_with_its_key_and_what_it_must_be() {
        for (resource, key, value, told) in [
            ("model", "enabled", json!("maybe"), "'enabled': it must be true or false, not this text"),
            ("model", "tags", json!({}), "'tags': it must be a text or a list, not a map"),
            ("model", "tags", json!(["a", 1]), "'tags', entry 2: it must be a text, not a number"),
            ("model", "+materialized", json!(true), "'materialized': it must be a text, not true or false"),
            ("model", "full_refresh", json!(1), "'full_refresh': it must be true or false, not a number"),
            ("model", "unique_key", json!({"a": 1}), "'unique_key': it must be a text or a list, not a map"),
            ("model", "grants", json!("select"), "'grants': it must be a map, not this text"),
            ("model", "persist_docs", json!(true), "'persist_docs': it must be a map, not true or false"),
            (
                "model",
                "contract",
                json!({"enforced": "yes"}),
                "'contract', enforced: it must be true or false, not this text",
            ),
            ("model", "access", json!("open"), "'access': it must be one of private, protected, public, not this text"),
            ("seed", "materialized", json!("table"), "'materialized': it must be one of seed, not this text"),
            ("test", "severity", json!("fatal"), "'severity': it must be one of error, warn, not this text"),
            ("test", "limit", json!("many"), "'limit': it must be a number, not this text"),
            ("test", "store_failures", json!("yes"), "'store_failures': it must be true or false, not this text"),
        ] {
            assert_eq!(look_at_config(resource, key, &value), Err(told.to_owned()), "{resource} {key}");
        }
    }
}
