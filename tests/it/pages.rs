//! Pages whose tables are written from the program, and held against it.

use std::fs;

/// Set by `make pages`: pages are written instead of compared.
const REWRITE: &str = "AMALGAM_TEST_REWRITE";

/// Holds a page against the texts that belong between its markers, each up to the next `<!-- end -->`.
pub(crate) fn hold(page: &str, texts: &[(&str, String)]) {
    let there = fs::read_to_string(page).expect("the page is part of the repository");
    let right = texts.iter().fold(there.clone(), |text, (marker, between)| put(page, &text, marker, between));
    if std::env::var_os(REWRITE).is_some() {
        fs::write(page, &right).expect("the page can be written");
        return;
    }
    assert!(there == right, "{page} is not what the program does: `make pages` writes it anew");
}

fn put(page: &str, there: &str, marker: &str, between: &str) -> String {
    let marker = format!("<!-- {marker}: written by make pages -->\n");
    let (before, rest) = there.split_once(&marker).unwrap_or_else(|| panic!("{page} has lost {marker}"));
    let (_, after) = rest.split_once("<!-- end -->").unwrap_or_else(|| panic!("{page}: {marker} has no end"));
    format!("{before}{marker}{between}<!-- end -->{after}")
}
