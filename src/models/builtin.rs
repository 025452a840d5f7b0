//! dbt's own macros, ours: the package `dbt`.

use super::{context::scope::DBT, jinja::Engine, manifest::explained};
use crate::error::Result;

/// The files, and their names in messages.
const FILES: &[(&str, &str)] = &[
    ("dbt/names.sql", include_str!("builtin/names.sql")),
    ("dbt/statements.sql", include_str!("builtin/statements.sql")),
    ("dbt/cross_db.sql", include_str!("builtin/cross_db.sql")),
    ("dbt/relations.sql", include_str!("builtin/relations.sql")),
    ("dbt/trappings.sql", include_str!("builtin/trappings.sql")),
    ("dbt/replacing.sql", include_str!("builtin/replacing.sql")),
    ("dbt/catalog.sql", include_str!("builtin/catalog.sql")),
    ("dbt/incremental.sql", include_str!("builtin/incremental.sql")),
    ("dbt/models.sql", include_str!("builtin/models.sql")),
    ("dbt/materialized_views.sql", include_str!("builtin/materialized_views.sql")),
    ("dbt/snapshots.sql", include_str!("builtin/snapshots.sql")),
    ("dbt/tests.sql", include_str!("builtin/tests.sql")),
    ("dbt/unit_tests.sql", include_str!("builtin/unit_tests.sql")),
];

/// Macros that only choose another, by their signatures.
const DISPATCHED: &str = include_str!("builtin/dispatched.txt");

/// Adds them to an engine.
pub(super) fn add_to(engine: &mut Engine) -> Result<()> {
    // First: a file may have one of these whole.
    let chosen: String = DISPATCHED.lines().filter_map(dispatched).collect();
    engine.add(DBT, "dbt/dispatched.txt", &chosen).map_err(|e| explained(&e))?;
    for (name, source) in FILES {
        engine.add(DBT, name, source).map_err(|e| explained(&e))?;
    }
    Ok(())
}

/// The macro of one line, on one line.
fn dispatched(line: &str) -> Option<String> {
    let line = line.split('#').next()?.trim();
    let (name, rest) = line.split_once('(')?;
    let parameters = rest.strip_suffix(')')?;
    let (mut names, mut depth, mut is_name, mut quote) = (String::new(), 0_usize, true, None);
    for c in parameters.chars() {
        match c {
            c if quote == Some(c) => quote = None,
            _ if quote.is_some() => {}
            '\'' | '"' => quote = Some(c),
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '=' if depth == 0 => is_name = false,
            ',' if depth == 0 => {
                is_name = true;
                names.push(',');
            }
            c if is_name => names.push(c),
            _ => {}
        }
    }
    Some(format!(
        "{{% macro {line} -%}}{{{{ return(adapter.dispatch('{name}', 'dbt')({names})) }}}}{{%- endmacro %}}\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    #[test]
    fn a_signature_becomes_a_macro_that_gives_its_arguments_on() {
        assert_eq!(
            dispatched("a(b, c=f('x, y'), d=\"','\")").as_deref(),
            Some(
                "{% macro a(b, c=f('x, y'), d=\"','\") -%}{{ return(adapter.dispatch('a', 'dbt')(b, c, d)) }}{%- endmacro %}\n"
            )
        );
        assert_eq!(dispatched("# nothing"), None);
    }

    #[test]
    fn every_macro_of_ours_is_there() {
        let mut engine = Engine::new(DateTime::UNIX_EPOCH);
        add_to(&mut engine).expect("our own files are sound");
        let chosen: Vec<&str> =
            DISPATCHED.lines().filter_map(|l| l.split('#').next()?.split_once('(')).map(|(n, _)| n).collect();
        for name in chosen {
            let has = |prefix: &str| engine.definition(DBT, &format!("{prefix}__{name}")).is_some();
            assert!(has("default") || has("postgres"), "{name} chooses among none");
        }
    }
}
