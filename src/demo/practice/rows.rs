//! Rows on their way into the practice's tables: many in one statement.
//!
//! Guarantee: the pending text is bounded by whoever calls [`Rows::take`] after each family or day.

use chrono::{NaiveDate, NaiveDateTime};
use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _};

/// One value, as SQL will say it.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// A key, a count, a flag, an enumeration.
    Number(i64),
    /// An amount of money, in cents: sums of cents are exact.
    Cents(i64),
    /// A day.
    Day(NaiveDate),
    /// A moment of the practice's own local time.
    Moment(NaiveDateTime),
    /// A text.
    Text(Cow<'static, str>),
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<NaiveDate> for Cell {
    fn from(day: NaiveDate) -> Self {
        Self::Day(day)
    }
}

impl From<NaiveDateTime> for Cell {
    fn from(moment: NaiveDateTime) -> Self {
        Self::Moment(moment)
    }
}

impl From<&'static str> for Cell {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl Cell {
    /// Appends the SQL literal.
    pub(super) fn write(&self, sql: &mut String) {
        let written = match self {
            Self::Number(number) => write!(sql, "{number}"),
            Self::Cents(cents) => {
                let sign = if *cents < 0 { "-" } else { "" };
                write!(sql, "{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
            }
            Self::Day(day) => write!(sql, "'{day}'"),
            Self::Moment(moment) => write!(sql, "'{}'", moment.format("%Y-%m-%d %H:%M:%S")),
            Self::Text(text) => {
                sql.push('\'');
                for character in text.chars() {
                    match character {
                        '\'' => sql.push_str("\\'"),
                        '\\' => sql.push_str("\\\\"),
                        '\0' => sql.push_str("\\0"),
                        other => sql.push(other),
                    }
                }
                sql.write_char('\'')
            }
        };
        written.expect("writing to a String cannot fail");
    }
}

/// A column and its value.
pub(super) type Field = (&'static str, Cell);

/// The rows that are not yet written, and the next key of every table.
#[derive(Debug, Default)]
pub(super) struct Rows {
    keys: BTreeMap<&'static str, i64>,
    pending: BTreeMap<&'static str, Pending>,
    bytes: usize,
    count: u64,
}

#[derive(Debug, Default)]
struct Pending {
    columns: Vec<&'static str>,
    sql: String,
}

impl Rows {
    /// Rows that follow the ones that have these last keys.
    pub(super) fn after(keys: BTreeMap<&'static str, i64>) -> Self {
        Self { keys, ..Self::default() }
    }

    /// Adds a row; its first field is the key, and the next number of the table. Columns that are
    /// not named get their table's default.
    pub(super) fn add(&mut self, table: &'static str, key: &'static str, fields: &[Field]) -> i64 {
        let next = self.keys.entry(table).or_default();
        *next += 1;
        let number = *next;
        let mut all = Vec::with_capacity(fields.len() + 1);
        all.push((key, Cell::Number(number)));
        all.extend_from_slice(fields);
        self.add_keyed(table, &all);
        number
    }

    /// Adds a row whose key, if it has any, is among the fields.
    pub(super) fn add_keyed(&mut self, table: &'static str, fields: &[Field]) {
        let pending = self.pending.entry(table).or_default();
        let before = pending.sql.len();
        let columns = fields.iter().map(|(column, _)| *column);
        if pending.sql.is_empty() || !columns.clone().eq(pending.columns.iter().copied()) {
            pending.columns = columns.collect();
            if !pending.sql.is_empty() {
                pending.sql.push_str(";\n");
            }
            let names = pending.columns.join(",");
            write!(pending.sql, "insert into {table} ({names}) values\n(").expect("writing to a String cannot fail");
        } else {
            pending.sql.push_str(",\n(");
        }
        for (place, (_, cell)) in fields.iter().enumerate() {
            if place > 0 {
                pending.sql.push(',');
            }
            cell.write(&mut pending.sql);
        }
        pending.sql.push(')');
        self.bytes += pending.sql.len() - before;
        self.count += 1;
    }

    /// The last key that a table has been given.
    pub(super) fn last_key(&self, table: &str) -> i64 {
        self.keys.get(table).copied().unwrap_or_default()
    }

    /// How many bytes of SQL are pending.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many rows were added since the beginning.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The pending statements, a text for every table; none are pending then.
    pub(super) fn take(&mut self) -> Vec<String> {
        self.bytes = 0;
        std::mem::take(&mut self.pending).into_values().map(|pending| pending.sql).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_shape_share_a_statement() {
        let mut rows = Rows::default();
        assert_eq!(rows.add("t", "TNum", &[("Amt", Cell::Cents(-5)), ("Note", "it's".into())]), 1);
        assert_eq!(rows.add("t", "TNum", &[("Amt", Cell::Cents(123_456)), ("Note", "a\\b".into())]), 2);
        rows.add("t", "TNum", &[("Amt", Cell::Cents(0))]);
        let sql = rows.take().join("");
        assert_eq!(
            sql,
            "insert into t (TNum,Amt,Note) values\n(1,-0.05,'it\\'s'),\n(2,1234.56,'a\\\\b');\n\
             insert into t (TNum,Amt) values\n(3,0.00)"
        );
        assert_eq!((rows.bytes(), rows.count()), (0, 3));
    }
}
