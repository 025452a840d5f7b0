//! Judges the source's tables by what the configuration wants of them. Pure: from facts to findings.

use super::{finding::Findings, output};
use crate::{domain::Catalog, source::Preflight, sync::Syncer};
use std::cmp::Reverse;

/// A table of fewer rows is read in a moment, index or not.
const SCANNED_ROWS_MIN: u64 = 10_000;

pub(super) fn judge(catalog: &Catalog, facts: &Preflight, syncer: &Syncer, into: &mut Findings) {
    syncer.sharing(catalog).iter().for_each(|error| into.failed("names", error));
    types(catalog, syncer, into);
    stamps(catalog, facts, syncer, into);
}

/// Columns that become another type by rule.
fn types(catalog: &Catalog, syncer: &Syncer, into: &mut Findings) {
    let unsuited: Vec<_> = catalog.tables.iter().filter_map(|table| syncer.unsuited(table)).collect();
    unsuited.iter().for_each(|error| into.failed("types", error));
    let ruled: usize = catalog.tables.iter().map(|table| syncer.ruled(table).len()).sum();
    if unsuited.is_empty() && ruled > 0 {
        into.ok("types", format!("{} by rule another type than declared", output::counted(ruled, "column")));
    }
}

/// Tables of which each delta looks at every row, because no index begins with their stamp.
fn stamps(catalog: &Catalog, facts: &Preflight, syncer: &Syncer, into: &mut Findings) {
    let stamped: Vec<_> = catalog.tables.iter().filter_map(|table| Some((table, syncer.cursor(table)?))).collect();
    let lacks = |name: &str, stamp: &str| !facts.indexed.contains(&(name.to_owned(), stamp.to_owned()));
    let mut scanned: Vec<_> = stamped
        .iter()
        .filter(|(table, stamp)| table.rows >= SCANNED_ROWS_MIN && lacks(table.name.as_str(), stamp))
        .collect();
    if scanned.is_empty() {
        if !stamped.is_empty() {
            let told = output::counted(stamped.len(), "table");
            into.ok("stamp indexes", format!("{told} read by stamp; each that is large has an index on it"));
        }
        return;
    }
    scanned.sort_by_key(|(table, _)| Reverse(table.rows));
    let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
    let names: Vec<&str> = scanned.iter().map(|(table, _)| table.name.as_str()).collect();
    let statements: Vec<String> = scanned
        .iter()
        .take(output::NAMED_MAX)
        .map(|(table, stamp)| {
            format!(
                "CREATE INDEX {stamp} ON {} ({})",
                quoted(table.name.as_str()),
                quoted(stamp),
                stamp = quoted(stamp)
            )
        })
        .collect();
    into.warn(
        "stamp indexes",
        format!("each delta reads every row of {}: no index begins with the stamp", output::named(&names)),
        format!(
            "ask the source's administrator for an index, at night, because it locks the table while it is built: {}; or choose another mode: [tables.{}] mode",
            statements.join("; "),
            names[0]
        ),
    );
}
