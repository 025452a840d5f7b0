//! What queries are made of, by example.
//!
//! A block of a text file is a fact, a query, and behind `⇒` what is told of it: `=` before an unchanged column and `~`
//! before one that an expression changed, `?` before a reason why there may be more.

mod graph;
mod hostile;

use super::{Known, Origins, QueryLineage, RelationName, Way, of_query};
use std::{collections::BTreeSet, fmt::Write};

/// The relations that the queries read, by their ids.
const RELATIONS: [(&str, &[&str]); 6] = [
    ("patient", &["id", "name", "clinic_id", "born", "tags", "doc"]),
    ("visit", &["id", "patient_id", "day", "fee", "kind", "Note"]),
    ("clinic", &["id", "name", "city"]),
    ("a", &["id", "x", "y"]),
    ("b", &["id", "x", "z"]),
    ("c", &["id", "w"]),
];

fn lookup(name: &RelationName) -> Option<Known> {
    let ours = |part: &Option<String>, ours: &str| part.as_deref().is_none_or(|part| part == ours);
    if !ours(&name.schema, "s") || !ours(&name.database, "d") {
        return None;
    }
    let (id, columns) = RELATIONS.iter().find(|(id, _)| *id == name.name)?;
    Some(Known { id: (*id).to_owned(), columns: columns.iter().map(|column| (*column).to_owned()).collect() })
}

fn lineage(sql: &str) -> QueryLineage {
    of_query(sql, lookup, |name| name.starts_with("part_").then(|| name.to_owned()))
}

fn told_of(origins: &Origins, ways: bool) -> String {
    let mut told = String::new();
    for (column, way) in &origins.from {
        let mark = match way {
            _ if !ways => "",
            Way::Direct => "=",
            Way::Transformed => "~",
        };
        write!(told, " {mark}{}.{}", column.node, column.column).expect("a text takes it");
    }
    for reason in &origins.unresolved {
        write!(told, " ? {reason}").expect("a text takes it");
    }
    told
}

fn told(lineage: &QueryLineage) -> String {
    let mut told = String::new();
    let mut line = |head: &str, rest: String| writeln!(told, "  {head}:{rest}").expect("a text takes it");
    for column in &lineage.columns {
        line(&column.name, told_of(&column.origins, true));
    }
    if lineage.rows != Origins::default() {
        line("[rows]", told_of(&lineage.rows, false));
    }
    // What is read and neither a value nor decides rows.
    let origins = lineage.columns.iter().map(|column| &column.origins).chain([&lineage.rows]);
    let used: BTreeSet<_> = origins.flat_map(|origins| origins.from.keys()).collect();
    let beside: Vec<_> = lineage.reads.iter().filter(|column| !used.contains(column)).collect();
    if !beside.is_empty() {
        let names = beside.iter().map(|column| format!(" {}.{}", column.node, column.column));
        line("[beside]", names.collect());
    }
    for reason in &lineage.unresolved {
        line("[columns]", format!(" ? {reason}"));
    }
    told
}

/// The blocks of a file: fact, query, what is told.
fn blocks(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    text.trim().split("\n\n").map(|block| {
        let (fact, rest) = block.trim_start().split_once('\n').expect("a block has a fact and a query");
        let (sql, told) = rest.split_once("\n⇒\n").unwrap_or((rest, ""));
        (fact.trim_start_matches("# "), sql, told)
    })
}

fn holds(text: &str) {
    let mut wrong = String::new();
    for (fact, sql, expected) in blocks(text) {
        let lineage = lineage(sql);
        let told = told(&lineage);
        if told.trim_end() != expected.trim_end() {
            write!(wrong, "# {fact}\n{sql}\n⇒\n{told}\n").expect("a text takes it");
        }
        let origins = lineage.columns.iter().map(|column| &column.origins).chain([&lineage.rows]);
        for column in origins.flat_map(|origins| origins.from.keys()) {
            assert!(lineage.reads.contains(column), "{fact}: {column:?} is used and not read");
        }
    }
    assert!(wrong.is_empty(), "told otherwise:\n{wrong}");
}

#[test]
fn values_come_from_columns_as_they_are_or_through_expressions() {
    holds(include_str!("values.txt"));
}

#[test]
fn what_decides_rows_is_told_apart_from_values() {
    holds(include_str!("rows.txt"));
}

#[test]
fn names_are_postgresqls() {
    holds(include_str!("names.txt"));
}

#[test]
fn what_cannot_be_told_is_said_and_never_guessed() {
    holds(include_str!("unknown.txt"));
}
