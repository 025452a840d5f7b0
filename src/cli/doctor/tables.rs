//! Judges the source's tables by what the configuration wants of them. Pure: from facts to findings.

use super::{finding::Findings, output};
use crate::{
    domain::{Catalog, SyncMode},
    source::{Grant, Preflight},
    sync::Syncer,
};
use std::cmp::Reverse;

/// A table of fewer rows is read in a moment, index or not.
const SCANNED_ROWS_MIN: u64 = 10_000;
/// So many tables are named.
const NAMED_MAX: usize = 10;

pub(super) fn judge(catalog: &Catalog, facts: &Preflight, syncer: &Syncer, into: &mut Findings) {
    types(catalog, syncer, into);
    stamps(catalog, facts, syncer, into);
    streams(catalog, facts, syncer, into);
}

/// Tables that are to follow the binary log: without what that needs, each change has them compared.
fn streams(catalog: &Catalog, facts: &Preflight, syncer: &Syncer, into: &mut Findings) {
    let streamed = catalog.tables.iter().filter(|table| syncer.mode(table).0 == SyncMode::Stream).count();
    if streamed == 0 {
        return;
    }
    let right = |grant: &Grant| {
        grant.on == "*.*"
            && grant.privileges.iter().any(|p| matches!(p.as_str(), "REPLICATION SLAVE" | "ALL PRIVILEGES"))
    };
    let lacks = match () {
        () if !facts.is_mariadb => {
            Some(("MariaDB, whose log tells what a reader sees", "choose another mode for them"))
        }
        () if !facts.binlog => Some(("log_bin", "start MariaDB with log_bin and binlog_format = ROW")),
        () if facts.binlog_format != "ROW" => {
            Some(("binlog_format = ROW", "SET GLOBAL binlog_format = 'ROW', and in its configuration"))
        }
        () if !facts.grants.iter().any(right) => {
            Some(("the right to read the log", "GRANT REPLICATION SLAVE ON *.* TO Amalgam's user"))
        }
        () => None,
    };
    let told = output::counted(streamed, "table");
    match lacks {
        None => into.ok("binlog followed", format!("by {told}")),
        Some((what, remedy)) => {
            into.warn(
                "binlog followed",
                format!("{told} should follow it, but lack {what}: each change has them compared"),
                remedy,
            );
        }
    }
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
    let named: Vec<_> = scanned.iter().take(NAMED_MAX).collect();
    let names: Vec<&str> = named.iter().map(|(table, _)| table.name.as_str()).collect();
    let statements: Vec<String> = named
        .iter()
        .map(|(table, stamp)| {
            format!(
                "CREATE INDEX {stamp} ON {} ({})",
                quoted(table.name.as_str()),
                quoted(stamp),
                stamp = quoted(stamp)
            )
        })
        .collect();
    let more = scanned.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    into.warn(
        "stamp indexes",
        format!("each delta reads every row of {}{more}: no index begins with the stamp", names.join(", ")),
        format!(
            "ask the source's administrator for an index, at night, because it locks the table while it is built: {}; or choose another mode: [tables.{}] mode",
            statements.join("; "),
            names[0]
        ),
    );
}
