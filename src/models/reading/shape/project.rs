//! What `dbt_project.yml` must look like, as far as dbt 1.10 is strict. Follows dbt-core's `contracts/project.py`.

use super::{Fields, MAPS, MAYBE_TEXT, Misfit, Shape, Step, TEXTS, is_jinja};
use serde_json::{Map, Value};

const PATHS: Shape = Shape::Maybe(&TEXTS);
const HOOKS: Shape = Shape::Maybe(&Shape::Either(&TEXTS, &Shape::Text));
const MAYBE_MAP: Shape = Shape::Maybe(&Shape::Map);
const MAYBE_FLAG: Shape = Shape::Maybe(&Shape::Flag);
const QUOTING: Shape = Shape::Maybe(&Shape::Fields(&Fields {
    keys: &[
        ("schema", MAYBE_FLAG),
        ("database", MAYBE_FLAG),
        ("project", MAYBE_FLAG),
        ("identifier", MAYBE_FLAG),
        ("snowflake_ignore_case", MAYBE_FLAG),
    ],
    needed: &[],
    is_open: false,
}));

/// The whole file.
pub(super) const FILE: Fields = Fields {
    keys: &[
        ("name", Shape::Text),
        ("config-version", Shape::Maybe(&Shape::Whole)),
        ("version", Shape::Maybe(&Shape::Version)),
        ("source-paths", PATHS),
        ("model-paths", PATHS),
        ("macro-paths", PATHS),
        ("data-paths", PATHS),
        ("seed-paths", PATHS),
        ("test-paths", PATHS),
        ("analysis-paths", PATHS),
        ("docs-paths", PATHS),
        ("asset-paths", PATHS),
        ("target-path", MAYBE_TEXT),
        ("snapshot-paths", PATHS),
        ("clean-targets", PATHS),
        ("profile", MAYBE_TEXT),
        ("log-path", MAYBE_TEXT),
        ("packages-install-path", MAYBE_TEXT),
        ("quoting", QUOTING),
        ("on-run-start", HOOKS),
        ("on-run-end", HOOKS),
        ("require-dbt-version", Shape::Maybe(&Shape::Either(&TEXTS, &Shape::Text))),
        ("dispatch", MAPS),
        ("models", MAYBE_MAP),
        ("seeds", MAYBE_MAP),
        ("snapshots", MAYBE_MAP),
        ("analyses", Shape::Map),
        ("sources", Shape::Map),
        ("tests", Shape::Map),
        ("data_tests", Shape::Map),
        ("unit_tests", Shape::Map),
        ("metrics", Shape::Map),
        ("semantic-models", Shape::Map),
        ("saved-queries", Shape::Map),
        ("exposures", Shape::Map),
        ("vars", MAYBE_MAP),
        ("packages", Shape::List(&Shape::Any)),
        (
            "query-comment",
            Shape::Maybe(&Shape::Either(
                &Shape::Fields(&Fields {
                    keys: &[("comment", Shape::Text), ("append", MAYBE_FLAG), ("job-label", Shape::Flag)],
                    needed: &[],
                    is_open: false,
                }),
                &Shape::Text,
            )),
        ),
        ("project-root", MAYBE_TEXT),
        ("restrict-access", Shape::Flag),
        ("dbt-cloud", Shape::Map),
        ("flags", Shape::Map),
    ],
    needed: &["name"],
    is_open: false,
};

/// Names that would hide what templates have by that name.
const RESERVED: &[&str] = &[
    "_sql_results",
    "adapter",
    "api",
    "column",
    "config",
    "context",
    "database",
    "env",
    "env_var",
    "exceptions",
    "execute",
    "flags",
    "fromjson",
    "fromyaml",
    "graph",
    "invocation_id",
    "load_agate_table",
    "load_result",
    "log",
    "model",
    "modules",
    "post_hooks",
    "pre_hooks",
    "ref",
    "render",
    "return",
    "run_started_at",
    "schema",
    "source",
    "sql",
    "sql_now",
    "store_result",
    "store_raw_result",
    "target",
    "this",
    "tojson",
    "toyaml",
    "try_or_compiler_error",
    "var",
    "write",
];

/// Whether the parts of the file agree with each other, and its name and versions are ones.
pub(super) fn agree(file: &Map<String, Value>) -> Result<(), Misfit> {
    let wrong = |key: &str, what: &str| Err(Misfit { steps: vec![Step::Key(key.to_owned())], what: what.to_owned() });
    let name = file.get("name").and_then(Value::as_str).unwrap_or_default();
    let is_word = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !is_word || name.starts_with(|c: char| c.is_numeric()) || name.is_empty() {
        return wrong("name", "it must be letters, digits and _ alone, and not begin with a digit");
    }
    if RESERVED.contains(&name) {
        return wrong("name", "templates have something else by that name; choose another one");
    }
    let version = file.get("version").filter(|v| !v.is_null());
    let version = version.map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
    if version.is_some_and(|version| !is_version(&version) && !is_jinja(&version)) {
        return wrong("version", "it must be a version such as 1.0 or 1.0.0");
    }
    let config_version = file.get("config-version").filter(|v| v.is_number());
    if config_version.is_some_and(|version| version.as_f64() != Some(2.0)) {
        return wrong("config-version", "only version 2 is known");
    }
    for (old, new) in [("source-paths", "model-paths"), ("data-paths", "seed-paths")] {
        if file.contains_key(old) && file.contains_key(new) {
            return wrong(old, &format!("'{new}' is here as well; it is the new name of the same"));
        }
    }
    let says = |key: &str| file.get(key).and_then(Value::as_object).is_some_and(|map| !map.is_empty());
    if says("tests") && says("data_tests") {
        return wrong("tests", "'data_tests' is here as well; it is the new name of the same");
    }
    for (at, entry) in file.get("dispatch").and_then(Value::as_array).into_iter().flatten().enumerate() {
        if entry.get("macro_namespace").is_none() || !entry.get("search_order").is_some_and(Value::is_array) {
            let what = "it must have a macro_namespace and a list search_order".to_owned();
            return Err(Misfit { steps: vec![Step::Key("dispatch".to_owned()), Step::Item(at)], what });
        }
    }
    Ok(())
}

/// Whether a text is `major.minor` or a semantic version (semver.org).
fn is_version(text: &str) -> bool {
    let is_number = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) && (part == "0" || !part.starts_with('0'))
    };
    let is_words = |text: &str, is_one: &dyn Fn(&str) -> bool| text.split('.').all(is_one);
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let is_early = |word: &str| is_word(word) && (!word.bytes().all(|b| b.is_ascii_digit()) || is_number(word));
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (numbers, early) = text.split_once('-').map_or((text, None), |(text, early)| (text, Some(early)));
    let numbers: Vec<&str> = numbers.split('.').collect();
    matches!(numbers.len(), 2 | 3)
        && numbers.iter().all(|part| is_number(part))
        && (numbers.len() == 3 || (build.is_none() && early.is_none()))
        && build.is_none_or(|build| is_words(build, &is_word))
        && early.is_none_or(|early| is_words(early, &is_early))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_semantic_or_have_two_numbers() {
        for text in ["1.0", "0.1.2", "1.0.0-rc.1", "1.0.0-0a", "1.2.3+b.01"] {
            assert!(is_version(text), "{text}");
        }
        for text in ["1", "v1.0", "01.0", "1.0-rc", "1.0.0-01", "1.0.0.0", "1.0.", "one"] {
            assert!(!is_version(text), "{text}");
        }
    }
}
