//! YAML files, read with the place of whatever is wrong in them.
//!
//! Lenient where dbt is: unknown keys are passed over, of two equal keys the last one counts. `yes` and `on` are texts,
//! which a setting of yes or no takes all the same.

use crate::error::{Error, Kind, Result};
use serde::de::DeserializeOwned;
use std::path::Path;

/// Reads a file. An empty one is the type's default.
///
/// # Errors
/// [`Kind::ModelProject`] with file, line and column.
pub(in crate::models) fn read<T: DeserializeOwned + Default>(path: &Path, shown: &str) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::new(Kind::ModelProject, format!("{shown}: {e}")))?;
    parse(&text, shown)
}

/// Reads a text; `shown` is the name of the file in messages.
pub(in crate::models) fn parse<T: DeserializeOwned + Default>(text: &str, shown: &str) -> Result<T> {
    let nothing_but_comments = text.lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---"
    });
    if nothing_but_comments {
        return Ok(T::default());
    }
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        // A column may be called `n`.
        strict_booleans: true,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map_or_else(String::new, |at| format!(":{}:{}", at.line(), at.column()));
        let message = error.without_snippet().to_string();
        let first = message.lines().next().unwrap_or_default();
        Error::new(Kind::ModelProject, format!("{shown}{place}: {first}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_bad_file_is_named_with_its_line() {
        let error = parse::<BTreeMap<String, serde_json::Value>>("a: 1\nb: [1, 2\nc: 3\n", "models/schema.yml")
            .expect_err("the bracket is never closed");
        assert_eq!(error.kind, Kind::ModelProject);
        assert!(error.context.starts_with("models/schema.yml:"), "{error}");
    }

    #[test]
    fn of_two_equal_keys_the_last_counts_and_an_empty_file_is_nothing() {
        let map: BTreeMap<String, i64> = parse("a: 1\na: 2\n", "x.yml").expect("equal keys are allowed");
        assert_eq!(map["a"], 2);
        assert!(parse::<BTreeMap<String, i64>>("# nothing\n", "x.yml").expect("empty").is_empty());
    }
}
