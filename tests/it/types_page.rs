//! docs/types.md says what the program does: its tables are written from the mapping itself.

use amalgam::domain::{Mapping, SourceType};
use std::{fmt::Write, fs};

const PAGE: &str = "docs/types.md";
/// Set by `make pages`: the page is written instead of compared.
const REWRITE: &str = "AMALGAM_TEST_REWRITE";

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

/// The page with the text between a marker and the next `<!-- end -->` put in.
fn put(page: &str, marker: &str, text: &str) -> String {
    let marker = format!("<!-- {marker}: written by make pages -->\n");
    let (before, rest) = page.split_once(&marker).unwrap_or_else(|| panic!("{PAGE} has lost {marker}"));
    let (_, after) = rest.split_once("<!-- end -->").unwrap_or_else(|| panic!("{PAGE}: {marker} has no end"));
    format!("{before}{marker}{text}<!-- end -->{after}")
}

#[test]
fn the_page_of_types_says_what_the_program_does() {
    let page = fs::read_to_string(PAGE).expect("the page is part of the repository");
    let right = put(&page, "by declaration", &by_declaration());
    let right = put(&right, "by configuration", &by_configuration());
    if std::env::var_os(REWRITE).is_some() {
        fs::write(PAGE, &right).expect("the page can be written");
        return;
    }
    assert!(page == right, "{PAGE} is not what the program does: `make pages` writes it anew");
}
