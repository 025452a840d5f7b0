//! `flags` and `invocation_args_dict`: how the command was called.

use super::super::jinja;
use super::scope::Scope;
use minijinja::value::Value;
use serde_json::Value as Json;

/// dbt's flags that a template may ask for and that the command does not give.
const USUAL: &[(&str, Json)] = &[
    ("FULL_REFRESH", Json::Bool(false)),
    ("STORE_FAILURES", Json::Bool(false)),
    ("EMPTY", Json::Bool(false)),
    ("FAIL_FAST", Json::Bool(false)),
    ("DEBUG", Json::Bool(false)),
    ("DEFER", Json::Bool(false)),
    ("USE_COLORS", Json::Bool(false)),
    ("WARN_ERROR", Json::Bool(false)),
    ("PARTIAL_PARSE", Json::Bool(true)),
    ("INTROSPECT", Json::Bool(true)),
    ("VERSION_CHECK", Json::Bool(true)),
    ("WRITE_JSON", Json::Bool(true)),
    ("QUIET", Json::Bool(false)),
    ("CACHE_SELECTED_ONLY", Json::Bool(false)),
];

/// `flags`: upper case, as attributes.
pub(super) fn value(scope: &Scope) -> Value {
    let mut given = scope.setting.flags.clone();
    if scope.run().is_some_and(|run| run.full_refresh) {
        given.insert("FULL_REFRESH".to_owned(), Json::Bool(true));
    }
    let usual = USUAL.iter().filter(|(name, _)| !given.contains_key(*name)).map(|(name, value)| (*name, value));
    let all = usual.chain(given.iter().map(|(name, value)| (name.as_str(), value)));
    jinja::dict(all.map(|(name, value)| (name.into(), jinja::from_json(value))))
}

/// `invocation_args_dict`: lower case.
pub(super) fn arguments(scope: &Scope) -> Value {
    let lower = |(name, value): (&String, &Json)| (name.to_lowercase().into(), jinja::from_json(value));
    jinja::dict(scope.setting.flags.iter().map(lower))
}
