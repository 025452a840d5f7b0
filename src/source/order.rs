//! In what order a table is read, and how far a reading has come in it. Pure.
//!
//! An [`Order`] is asked for; a [`Cursor`] turns it into the columns and the condition of the next statement.

use super::{Cell, identifier::quote};
use crate::domain::{KeyRange, Table};
use chrono::{DateTime, Datelike, Timelike, Utc};
use mysql_async::Value;

/// In what order, and from where, a table is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// As the server likes, in one statement: for tables without a usable key.
    Unordered,
    /// As the rows lie in the file, in one statement, which costs a MyISAM server a fraction of what an
    /// order does. Called off as soon as anybody waits for the table: [`super::Reader::is_whole`].
    File,
    /// By the primary key, above `after` where given.
    Key {
        /// The last key that need not be read, part by part, of integers; empty: none.
        after: Vec<i128>,
    },
    /// By the primary key, which is one integer, within these ranges, which ascend. Behind its cells each row
    /// has its digest.
    Ranges(Vec<KeyRange>),
    /// By a stamp, then the key: rows stamped at `from` or later.
    Stamp {
        /// The stamp column's position.
        column: usize,
        /// The first moment that is read.
        from: DateTime<Utc>,
    },
}

/// Where a reading stands.
pub(super) struct Cursor {
    /// Positions of the columns that the order is made of; none: there is no order, and so there are no ranges.
    columns: Vec<usize>,
    first: First,
    /// Their values in the last row handed out.
    last: Option<Vec<Value>>,
}

/// The condition of the first range.
enum First {
    All,
    Above(Vec<Value>),
    From(Value),
}

impl Cursor {
    /// Before the first row.
    pub(super) fn new(order: &Order, table: &Table) -> Self {
        let (columns, first) = match order {
            Order::Unordered | Order::File => (Vec::new(), First::All),
            Order::Key { after } if after.is_empty() => (table.key.clone(), First::All),
            Order::Key { after } => (table.key.clone(), First::Above(after.iter().copied().map(integer).collect())),
            Order::Ranges(_) => (table.key.clone(), First::All),
            Order::Stamp { column, from } => {
                let key = table.key.iter().copied().filter(|k| k != column);
                (std::iter::once(*column).chain(key).collect(), First::From(moment(*from)))
            }
        };
        Self { columns, first, last: None }
    }

    /// Whether the rows come in an order, and so in ranges.
    pub(super) fn is_ordered(&self) -> bool {
        !self.columns.is_empty()
    }

    /// The quoted names of the columns that the order is made of.
    pub(super) fn names(&self, table: &Table) -> Vec<String> {
        self.columns.iter().map(|&at| quote(&table.columns[at].name)).collect()
    }

    /// The condition of the rows that are still to come, and its parameters; empty where that is all. `names` are
    /// those of [`Self::names`].
    pub(super) fn condition(&self, names: &[String]) -> (String, Vec<Value>) {
        match (&self.last, &self.first) {
            (Some(last), _) => above(names, last),
            (None, First::All) => (String::new(), Vec::new()),
            (None, First::Above(key)) => above(names, key),
            (None, First::From(moment)) => (format!(" where {} >= ?", names[0]), vec![moment.clone()]),
        }
    }

    /// Goes on to a row that is handed out.
    pub(super) fn pass(&mut self, row: &[Cell<'_>]) {
        if self.is_ordered() {
            let last = self.last.get_or_insert_default();
            last.clear();
            last.extend(self.columns.iter().map(|&at| row[at].to_value()));
        }
    }

    /// Goes back before the first row.
    pub(super) fn begin_again(&mut self) {
        self.last = None;
    }
}

/// `(a, b) > (?, ?)`, written so that MariaDB uses the index: `a >= ? and (a > ? or (a = ? and b > ?))`.
fn above(names: &[String], last: &[Value]) -> (String, Vec<Value>) {
    if let ([name], [value]) = (names, last) {
        return (format!(" where {name} > ?"), vec![value.clone()]);
    }
    let mut parameters = vec![last[0].clone()];
    let mut alternatives = Vec::with_capacity(names.len());
    for depth in 0..names.len() {
        let mut terms: Vec<String> = names[..depth].iter().map(|n| format!("{n} = ?")).collect();
        terms.push(format!("{} > ?", names[depth]));
        parameters.extend_from_slice(&last[..=depth]);
        alternatives.push(format!("({})", terms.join(" and ")));
    }
    (format!(" where {} >= ? and ({})", names[0], alternatives.join(" or ")), parameters)
}

fn integer(key: i128) -> Value {
    match i64::try_from(key) {
        Ok(key) => Value::Int(key),
        Err(_) => Value::UInt(u64::try_from(key).unwrap_or(u64::MAX)),
    }
}

fn moment(at: DateTime<Utc>) -> Value {
    let year = u16::try_from(at.year()).unwrap_or(0);
    let part = |n: u32| u8::try_from(n).expect("a part of a date or time is below 60");
    Value::Date(
        year,
        part(at.month()),
        part(at.day()),
        part(at.hour()),
        part(at.minute()),
        part(at.second()),
        at.timestamp_subsec_micros(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_range_begins_above_the_last_row_of_all_cursor_columns() {
        let names = ["`s`".to_owned(), "`k`".to_owned()];
        let (sql, parameters) = above(&names, &[Value::Int(7), Value::Int(9)]);
        assert_eq!(sql, " where `s` >= ? and ((`s` > ?) or (`s` = ? and `k` > ?))");
        assert_eq!(parameters, [7, 7, 7, 9].map(Value::Int));
    }
}
