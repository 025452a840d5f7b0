//! Templates beside what Jinja2, in the environment that dbt-core 1.10 makes of it, gave for them.
//!
//! One case a line: the template, `⇒`, what it gives; `⇒!` where it must be an error. `⏎` is the end of a line. `M`
//! begins a line of macros that the cases after it see.

use super::*;

const FILES: &[(&str, &str)] = &[
    ("values", include_str!("values.txt")),
    ("strings", include_str!("strings.txt")),
    ("filters", include_str!("filters.txt")),
    ("tests", include_str!("tests.txt")),
    ("blocks", include_str!("blocks.txt")),
    ("modules", include_str!("modules.txt")),
    ("macros", include_str!("macros.txt")),
];

/// What the engine gives where the oracle gave something else, or nothing.
fn differences(lines: &str) -> (Vec<String>, usize) {
    let (mut found, mut many, mut macros) = (Vec::new(), 0, String::new());
    for line in lines.lines() {
        let text = line.replace('⏎', "\n");
        if let Some(more) = text.strip_prefix("M ") {
            macros = more.to_owned();
            continue;
        }
        let Some((template, expected)) = text.split_once(" ⇒") else { continue };
        many += 1;
        let given = with_macros(&macros, template);
        match (expected.strip_prefix(' '), given) {
            (Some(expected), Ok(given)) if given == expected => {}
            (Some(expected), Ok(given)) => {
                found.push(format!("{template}\n  expected {expected:?}\n  given    {given:?}"))
            }
            (Some(expected), Err(error)) => found.push(format!("{template}\n  expected {expected:?}\n  error {error}")),
            (None, Ok(given)) => found.push(format!("{template}\n  an error was expected\n  given    {given:?}")),
            (None, Err(_)) => {}
        }
    }
    (found, many)
}

#[test]
fn templates_give_what_dbts_own_environment_gives_in_every_case() {
    for (file, lines) in FILES {
        let (found, many) = differences(lines);
        assert!(found.is_empty(), "{file}: {} of {many} differ:\n{}", found.len(), found.join("\n"));
    }
}
