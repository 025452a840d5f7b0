//! The tables of the practice, as OpenDental declares them.
//!
//! `schema.tsv` holds, a line a column: table, column, type, nullable, place in the primary key, and
//! `auto` or `onupdate`. Columns get a default by type, so that a row names only what it means.

use std::fmt::Write as _;

const SCHEMA: &str = include_str!("schema.tsv");

/// The indexes that OpenDental has on what its screens look for.
const INDEXED: [&str; 9] =
    ["PatNum", "AptNum", "ProcNum", "ClaimNum", "PayNum", "AptDateTime", "Guarantor", "DateTStamp", "SecDateTEdit"];

/// Tables whose texts are typed by people, and hold whatever a telephone can type.
const UTF8MB4: [&str; 12] = [
    "adjustment",
    "appointment",
    "claim",
    "commlog",
    "document",
    "patient",
    "patfield",
    "payment",
    "popup",
    "procnote",
    "sheetfield",
    "task",
];

struct Column<'a> {
    table: &'a str,
    name: &'a str,
    kind: &'a str,
    not_null: bool,
    in_key: bool,
    stamped: bool,
}

/// The tables and their keys, which are a number each.
pub(super) fn keys() -> Vec<(&'static str, &'static str)> {
    columns().filter(|column| column.in_key).map(|column| (column.table, column.name)).collect()
}

/// The statements that make all tables, in a given storage engine.
pub(super) fn create_sql(engine: &str) -> String {
    let mut sql = String::new();
    let all: Vec<_> = columns().collect();
    for table in all.chunk_by(|one, other| one.table == other.table) {
        write_table(&mut sql, table, engine);
    }
    sql
}

fn columns() -> impl Iterator<Item = Column<'static>> {
    SCHEMA.lines().skip(1).map(|line| {
        let mut parts = line.split('\t');
        let mut part = || parts.next().unwrap_or_default();
        let (table, name, kind, nullable, key, extra) = (part(), part(), part(), part(), part(), part());
        Column { table, name, kind, not_null: nullable == "NO", in_key: !key.is_empty(), stamped: extra == "onupdate" }
    })
}

fn write_table(sql: &mut String, columns: &[Column<'_>], engine: &str) {
    let table = columns[0].table;
    let mut lines: Vec<String> = columns.iter().map(definition).collect();
    for key in columns.iter().filter(|column| column.in_key) {
        lines.push(format!("primary key ({})", key.name));
    }
    for indexed in columns.iter().filter(|column| !column.in_key && INDEXED.contains(&column.name)) {
        lines.push(format!("key {0} ({0})", indexed.name));
    }
    let charset = if UTF8MB4.contains(&table) { "utf8mb4" } else { "utf8mb3" };
    let lines = lines.join(",\n  ");
    writeln!(sql, "create table {table} (\n  {lines}\n) engine={engine} default charset={charset};")
        .expect("writing to a String cannot fail");
}

fn definition(column: &Column<'_>) -> String {
    let base = column.kind.split('(').next().unwrap_or_default();
    let null = if column.not_null { " not null" } else { "" };
    let default = match base {
        // A patient's note has the patient's key: it counts nothing up.
        _ if column.in_key && column.table != "patientnote" => " auto_increment",
        "timestamp" if column.stamped => " default current_timestamp() on update current_timestamp()",
        "timestamp" => " default current_timestamp()",
        "date" => " default '0001-01-01'",
        "datetime" => " default '0001-01-01 00:00:00'",
        "time" => " default '00:00:00'",
        "char" | "varchar" | "text" | "mediumtext" => " default ''",
        _ => " default 0",
    };
    format!("{} {}{null}{default}", column.name, column.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_one_key() {
        let mut tables: Vec<_> = columns().map(|column| column.table).collect();
        tables.dedup();
        assert_eq!(keys().iter().map(|(table, _)| *table).collect::<Vec<_>>(), tables);
        assert!(tables.len() > 40);
    }

    #[test]
    fn a_stamp_follows_every_edit() {
        let sql = create_sql("MyISAM");
        assert!(
            sql.contains("DateTStamp timestamp not null default current_timestamp() on update current_timestamp()")
        );
        assert!(sql.contains("PatNum bigint(20) not null auto_increment"));
    }
}
