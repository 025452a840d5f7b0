//! Prints rows: a table for a person, JSON for a program, from the same rows.
//!
//! The fields of a row, as serde names them, are the columns, in their order. Numbers stand to the
//! right, `null` is empty, lists are joined with commas.

use anyhow::Context as _;
use comfy_table::{Cell, CellAlignment, ContentLineStyle, LineStyle, Table, TableStyle};
use serde::Serialize;
use serde_json::{Map, Value};
use std::io::{ErrorKind, IsTerminal, Write};

/// How tables are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For a person
    #[default]
    Table,
    /// For a program
    Json,
}

/// Prints rows.
pub(super) fn rows<R: Serialize>(format: Format, rows: &[R]) -> anyhow::Result<()> {
    let rows = serde_json::to_value(rows).context("rows as JSON")?;
    let text = match format {
        Format::Json => format!("{rows:#}\n"),
        Format::Table => table(&rows, std::io::stdout().is_terminal()),
    };
    write(&text)
}

/// Prints one record: a line a field, or one JSON object.
pub(super) fn record<R: Serialize>(format: Format, record: &R) -> anyhow::Result<()> {
    let record = serde_json::to_value(record).context("a record as JSON")?;
    let text = match (format, &record) {
        (Format::Table, Value::Object(fields)) => fields_as_lines(fields),
        _ => format!("{record:#}\n"),
    };
    write(&text)
}

/// `1 table`, `2 tables`.
pub(super) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// So many of a list are named.
pub(super) const NAMED_MAX: usize = 10;

/// `a, b`; of a long list the first names, and how many more there are.
pub(super) fn named(names: &[&str]) -> String {
    let told = names.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}

/// Writes to standard output. Whoever stops reading (`| head`) is no failure.
pub(super) fn write(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("writing to standard output"),
    }
}

fn table(rows: &Value, for_terminal: bool) -> String {
    let rows: Vec<&Map<String, Value>> = rows.as_array().into_iter().flatten().filter_map(Value::as_object).collect();
    let Some(first) = rows.first() else {
        return if for_terminal { "nothing to show\n".to_owned() } else { String::new() };
    };
    let columns: Vec<&String> = first.keys().collect();
    let mut table = Table::new();
    let style = TableStyle::new().header_lines(ContentLineStyle::none()).content_lines(ContentLineStyle::none());
    let rule = LineStyle::none().fill('─').junction('─');
    table.load_style(if for_terminal { style.header_separator(rule) } else { style });
    table.set_header(columns.iter().map(|c| c.replace('_', " ")));
    for row in &rows {
        table.add_row(columns.iter().map(|&c| cell(row.get(c).unwrap_or(&Value::Null))));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn cell(value: &Value) -> Cell {
    let cell = Cell::new(plain(value));
    if value.is_number() { cell.set_alignment(CellAlignment::Right) } else { cell }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => fields.iter().map(|(k, v)| format!("{k} {}", plain(v))).collect::<Vec<_>>().join(", "),
    }
}

fn fields_as_lines(fields: &Map<String, Value>) -> String {
    let width = fields.keys().map(String::len).max().unwrap_or(0);
    fields.iter().map(|(k, v)| format!("{:width$}  {}\n", k.replace('_', " "), plain(v))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_stand_right_and_nulls_are_empty() {
        let rows = json!([
            {"table": "patient", "rows_read": 12, "cursor": null},
            {"table": "procedurelog", "rows_read": 3456, "cursor": "DateTStamp"},
        ]);
        assert_eq!(
            table(&rows, false),
            "table         rows read  cursor\npatient              12\nprocedurelog       3456  DateTStamp\n"
        );
    }

    #[test]
    fn no_rows_print_nothing_into_a_pipe() {
        assert_eq!(table(&json!([]), false), "");
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "table")), ["0 tables", "1 table", "2 tables"]);
    }

    #[test]
    fn a_record_prints_a_line_a_field() {
        let record = json!({"state": "running", "started_at": "now"});
        assert_eq!(fields_as_lines(record.as_object().expect("it is one")), "state       running\nstarted at  now\n");
    }
}
