//! What the source's tables look like: names, declarations, counts. No row is read for it.

use crate::{domain::Catalog, sync::Syncer};
use serde::Serialize;

/// One table.
#[derive(Serialize)]
pub(super) struct Shape {
    table: String,
    engine: String,
    /// As the server estimates them.
    rows: u64,
    data_bytes: u64,
    mode: &'static str,
    mode_why: String,
    key: Vec<String>,
    columns: Vec<ColumnShape>,
}

#[derive(Serialize)]
struct ColumnShape {
    name: String,
    declared: String,
    nullable: bool,
    warehouse: String,
}

pub(super) fn shapes(catalog: &Catalog, syncer: &Syncer) -> Vec<Shape> {
    let shape = |table: &crate::domain::Table| {
        let (mode, why) = syncer.mode(table);
        Shape {
            table: table.name.to_string(),
            engine: format!("{:?}", table.engine),
            rows: table.rows,
            data_bytes: table.data_bytes,
            mode: mode.as_str(),
            mode_why: why.to_string(),
            key: table.key_columns().map(|column| column.name.clone()).collect(),
            columns: table
                .columns
                .iter()
                .map(|column| ColumnShape {
                    name: column.name.clone(),
                    declared: without_words(&column.declared),
                    nullable: column.nullable,
                    warehouse: column.warehouse().to_string(),
                })
                .collect(),
        }
    };
    catalog.tables.iter().map(shape).collect()
}

/// A declaration without the words in it: what an `enum` may hold are values. How many there are is kept.
fn without_words(declared: &str) -> String {
    let Some(begin) = declared.find('\'') else { return declared.to_owned() };
    let (mut words, mut within, mut text) = (0, false, declared[begin..].chars().peekable());
    while let Some(c) = text.next() {
        // A quote within a word is doubled.
        if c == '\'' && within && text.next_if_eq(&'\'').is_some() {
            continue;
        }
        if c == '\'' {
            words += usize::from(!within);
            within = !within;
        }
    }
    format!("{}{words} words)", &declared[..begin])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_an_enum_are_counted_and_not_told() {
        assert_eq!(without_words("enum('Smith','O''Neil','')"), "enum(3 words)");
        assert_eq!(without_words("set('a') charset latin1"), "set(1 words)");
        assert_eq!(without_words("decimal(10,2) unsigned"), "decimal(10,2) unsigned");
    }
}
