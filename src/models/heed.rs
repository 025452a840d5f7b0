//! Which warnings are errors: `--warn-error`, `--warn-error-options`, and flags of these names in the project.
//!
//! Warnings go by the names that dbt's events have (dbt-common, `helper_types.py`).

use crate::error::{Error, Kind, Result};
use serde_json::{Map, Value as Json};

/// What becomes of a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heed {
    /// It ends the command.
    Fail,
    /// It is told.
    Tell,
    /// Nobody hears of it.
    Ignore,
}

/// What the flags say of a warning of that name.
pub(super) fn heed(flags: &Map<String, Json>, event: &str) -> Heed {
    let options = flags.get("WARN_ERROR_OPTIONS").and_then(Json::as_object);
    let is_deprecation = event.ends_with("Deprecation");
    let names = |key: &str, older: &str| match options.and_then(|all| all.get(key).or_else(|| all.get(older))) {
        Some(Json::String(all)) => all == "all" || all == "*",
        Some(Json::Array(names)) => {
            names.iter().any(|name| name == event || (name == "Deprecations" && is_deprecation))
        }
        _ => false,
    };
    let is_all = flags.get("WARN_ERROR").and_then(Json::as_bool) == Some(true);
    if names("silence", "silence") {
        Heed::Ignore
    } else if (is_all || names("error", "include")) && !names("warn", "exclude") {
        Heed::Fail
    } else {
        Heed::Tell
    }
}

/// Refuses options that mean nothing.
///
/// # Errors
/// There is no such option, or its value is none.
pub fn checked_warnings(options: &Map<String, Json>) -> Result<()> {
    for (key, value) in options {
        let is_all =
            matches!(key.as_str(), "error" | "include") && value.as_str().is_some_and(|v| v == "all" || v == "*");
        let is_list = value.as_array().is_some_and(|names| names.iter().all(Json::is_string));
        let is_known = matches!(key.as_str(), "error" | "include" | "warn" | "exclude" | "silence");
        if !is_known || !(is_all || is_list) {
            let what = "error, warn and silence with lists of names; error may be all";
            return Err(Error::new(Kind::Config, format!("--warn-error-options: '{key}': it takes {what}")));
        }
    }
    Ok(())
}

/// Whether a test of data that warns has failed: by the command, and by nobody's file.
pub(super) fn tests_fail(flags: &Map<String, Json>) -> bool {
    heed(flags, "LogTestResult") == Heed::Fail
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn heeded(flags: &Json, event: &str) -> Heed {
        heed(flags.as_object().expect("a map"), event)
    }

    #[test]
    fn warnings_are_errors_as_the_flags_say() {
        assert_eq!(heeded(&json!({}), "NothingToDo"), Heed::Tell);
        assert_eq!(heeded(&json!({"WARN_ERROR": true}), "NothingToDo"), Heed::Fail);
        for (error, warn) in [("error", "warn"), ("include", "exclude")] {
            let flags = json!({"WARN_ERROR_OPTIONS": {error: "all", warn: ["NothingToDo", "Deprecations"]}});
            assert_eq!(heeded(&flags, "NodeNotFoundOrDisabled"), Heed::Fail);
            assert_eq!(heeded(&flags, "NothingToDo"), Heed::Tell);
            assert_eq!(heeded(&flags, "CustomKeyInObjectDeprecation"), Heed::Tell);
        }
        let flags = json!({"WARN_ERROR_OPTIONS": {"error": ["LogTestResult"], "silence": ["NothingToDo"]}});
        assert_eq!(heeded(&flags, "LogTestResult"), Heed::Fail);
        assert_eq!(heeded(&flags, "NothingToDo"), Heed::Ignore);
    }

    #[test]
    fn options_that_mean_nothing_are_refused() {
        let check = |options: Json| checked_warnings(options.as_object().expect("a map")).is_ok();
        assert!(check(json!({"error": "all", "warn": ["NothingToDo"], "silence": []})));
        assert!(!check(json!({"eror": "all"})) && !check(json!({"error": "most"})) && !check(json!({"warn": "all"})));
    }
}
