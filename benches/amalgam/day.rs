//! A day's work at the source: 20,000 new rows, 5,000 edits and 500 deletes over 40 tables.
//!
//! Taken are the largest tables that a sync keeps in step by stamp or by key, and where these are fewer,
//! small ones that it compares whole. Logs, which bear no stamp, are not edited: such edits are a
//! reconciliation's to find.

use super::{Result, places::Places};
use std::collections::HashSet;

const TABLES: usize = 40;
const NEW: usize = 20_000;
const EDITED: usize = 5_000;
const DELETED: usize = 500;
/// Tables up to so many rows are compared whole.
const SMALL_ROWS: u64 = 10_000;

struct Table {
    name: String,
    /// The column that edits count up; `None` where a plain sync finds none, or there is no such column.
    edited: Option<String>,
}

/// What was really done, as the server counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    pub new: usize,
    pub edited: usize,
    pub deleted: usize,
}

impl Done {
    /// Whether it is what a day is to be.
    pub(super) fn is_whole(self) -> bool {
        self == Self { new: NEW, edited: EDITED, deleted: DELETED }
    }

    fn count(&mut self, line: &str) -> Result<()> {
        let (what, rows) = line.split_once('\t').ok_or_else(|| format!("no count: {line}"))?;
        let rows: usize = rows.trim().parse()?;
        *match what {
            "new" => &mut self.new,
            "edited" => &mut self.edited,
            "deleted" => &mut self.deleted,
            _ => return Err(format!("no count: {line}").into()),
        } += rows;
        Ok(())
    }
}

/// Does the work; the names of the tables it was done to, and how much it was.
pub(super) fn happens(places: &Places) -> Result<(Vec<String>, Done)> {
    let tables = chosen(places)?;
    let parts = tables.iter().filter(|t| t.edited.is_some()).count();
    let mut edited = 0;
    let mut sql = String::new();
    for (at, table) in tables.iter().enumerate() {
        sql += &counted("new", &inserts(places, &table.name, share(NEW, TABLES, at))?);
        if let Some(column) = &table.edited {
            sql += &counted("edited", &edits(places, &table.name, column, share(EDITED, parts, edited))?);
            edited += 1;
        }
        let delete = format!("delete from `{}` limit {};\n", table.name, share(DELETED, TABLES, at));
        sql += &counted("deleted", &delete);
    }
    let mut done = Done::default();
    places.source(&sql)?.lines().try_for_each(|line| done.count(line))?;
    Ok((tables.into_iter().map(|t| t.name).collect(), done))
}

/// The statement, and behind it how many rows it has changed (MariaDB KB, "ROW_COUNT").
fn counted(what: &str, statement: &str) -> String {
    format!("{statement}select '{what}', row_count();\n")
}

/// The part of a whole that falls to one of so many, so that the parts make the whole.
fn share(whole: usize, parts: usize, at: usize) -> usize {
    whole * (at + 1) / parts - whole * at / parts
}

fn chosen(places: &Places) -> Result<Vec<Table>> {
    let numbered = places.source(
        "select table_name from information_schema.columns \
         where table_schema = database() and column_key = 'PRI' and extra = 'auto_increment'",
    )?;
    let numbered: HashSet<&str> = numbered.lines().collect();
    let said = places.warehouse(&format!(
        "select source_table, mode from amalgam.table_state where mode <> 'replace' or row_count between 500 and {SMALL_ROWS} \
         order by mode = 'replace', row_count desc"
    ))?;
    let chosen = said
        .lines()
        .filter_map(|line| line.split_once('|'))
        .filter(|(name, _)| numbered.contains(name))
        .take(TABLES)
        .map(|(name, mode)| {
            let edited = if mode == "append" { None } else { countable(places, name)? };
            Ok(Table { name: name.to_owned(), edited })
        });
    let tables = chosen.collect::<Result<Vec<Table>>>()?;
    if tables.len() == TABLES && tables.iter().any(|t| t.edited.is_some()) {
        return Ok(tables);
    }
    Err(format!("a day needs {TABLES} tables whose rows are numbered; {} are there", tables.len()).into())
}

/// New rows are copies of old ones under the next keys, stamped by the server.
fn inserts(places: &Places, table: &str, rows: usize) -> Result<String> {
    let columns = columns(places, table, "extra = '' and column_key <> 'PRI'")?;
    Ok(format!("insert into `{table}` ({columns}) select {columns} from `{table}` limit {rows};\n"))
}

/// The first column that can be counted up.
fn countable(places: &Places, table: &str) -> Result<Option<String>> {
    let numbers =
        columns(places, table, "extra = '' and column_key = '' and data_type in ('bigint', 'int', 'smallint')")?;
    Ok(numbers.split(", ").next().filter(|c| !c.is_empty()).map(str::to_owned))
}

/// Edits are made in rows from the end of the table, where people work.
fn edits(places: &Places, table: &str, column: &str, rows: usize) -> Result<String> {
    let key = columns(places, table, "column_key = 'PRI'")?;
    Ok(format!("update `{table}` set {column} = {column} + 1 order by {key} desc limit {rows};\n"))
}

fn columns(places: &Places, table: &str, condition: &str) -> Result<String> {
    let said = places.source(&format!(
        "select coalesce(group_concat(concat('`', column_name, '`') order by ordinal_position separator ', '), '') \
         from information_schema.columns where table_schema = database() and table_name = '{table}' and {condition}"
    ))?;
    Ok(said.trim().to_owned())
}
