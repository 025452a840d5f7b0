//! docs/types.md says what the program does: its tables are written from the mapping itself.

use crate::pages;
use amalgam::domain::{Mapping, SourceType};
use std::fmt::Write;

const PAGE: &str = "docs/types.md";

/// Declarations that show a type: with and without a sign, with the numbers it needs.
fn declarations(name: &str) -> Vec<String> {
    match SourceType::parse(name) {
        of if of.is_integer() => vec![name.to_owned(), format!("{name} unsigned")],
        SourceType::Decimal { .. } => vec![format!("{name}(10,2)")],
        SourceType::Bit { .. } => vec![format!("{name}(8)")],
        _ => vec![name.to_owned()],
    }
}

fn by_declaration() -> String {
    let mut rows: Vec<(Vec<String>, String, &str)> = Vec::new();
    // A name that is not known stands for all others.
    for name in SourceType::names().chain(["any other"]) {
        for declared in declarations(name) {
            let source = SourceType::parse(&declared);
            let (becomes, manner) = (source.warehouse().to_string(), source.manner());
            let cell = if source == SourceType::Other { declared } else { format!("`{declared}`") };
            match rows.iter_mut().find(|(_, b, m)| (b, *m) == (&becomes, manner)) {
                Some((cells, _, _)) => cells.push(cell),
                None => rows.push((vec![cell], becomes, manner)),
            }
        }
    }
    rows.iter().fold("| at the source | in the warehouse | how |\n|---|---|---|\n".to_owned(), |mut text, row| {
        writeln!(text, "| {} | `{}` | {} |", row.0.join(", "), row.1, row.2).expect("a string takes everything");
        text
    })
}

fn by_configuration() -> String {
    let mut text = "| `as` | in the warehouse | for columns declared | how |\n|---|---|---|---|\n".to_owned();
    for mapping in Mapping::ALL {
        let mut suited: Vec<String> = SourceType::names()
            .filter(|name| mapping.suits(SourceType::parse(name)))
            .map(|name| format!("`{name}`"))
            .collect();
        if let Some(bit) = suited.iter_mut().find(|name| *name == "`bit`") {
            *bit = "`bit(1)`".to_owned();
        }
        let (becomes, manner) = (mapping.warehouse(), mapping.manner());
        writeln!(text, "| `{mapping}` | `{becomes}` | {} | {manner} |", suited.join(", "))
            .expect("a string takes everything");
    }
    text
}

#[test]
fn the_page_of_types_says_what_the_program_does() {
    pages::hold(PAGE, &[("by declaration", by_declaration()), ("by configuration", by_configuration())]);
}
