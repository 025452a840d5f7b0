//! In what order a table is read, and how far a reading has come in it. Pure.
//!
//! An [`Order`] is asked for; a [`Cursor`] turns it into the columns and the condition of the next statement.

use super::{
    Cell,
    identifier::quote,
    own_key::{Operand, OwnKey},
};
use crate::domain::{KeyRange, Table};
use chrono::{DateTime, Datelike, Timelike, Utc};
use mysql_async::Value;

/// In what order, and from where, a table is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// As the server likes, in one statement: for tables without a usable key.
    Unordered,
    /// By the primary key of any kind, as the source orders it; in one statement where there is none that can be
    /// followed. Where it is found on the way that it can't, the reading ends: [`super::Reader::is_whole`].
    OwnKey,
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
    /// Where a row has their values.
    values: Vec<usize>,
    /// Where the key is of any kind: behind the row's cells, and how its values go back.
    own_key: Option<OwnKey>,
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
    /// Before the first row. `own_key` is that of [`Order::OwnKey`], where it can be followed.
    pub(super) fn new(order: &Order, table: &Table, own_key: Option<OwnKey>) -> Self {
        let (columns, first) = match order {
            Order::OwnKey if own_key.is_some() => (table.key.clone(), First::All),
            Order::Unordered | Order::OwnKey | Order::File => (Vec::new(), First::All),
            Order::Key { after } if after.is_empty() => (table.key.clone(), First::All),
            Order::Key { after } => (table.key.clone(), First::Above(after.iter().copied().map(integer).collect())),
            Order::Ranges(_) => (table.key.clone(), First::All),
            Order::Stamp { column, from } => {
                let key = table.key.iter().copied().filter(|k| k != column);
                (std::iter::once(*column).chain(key).collect(), First::From(moment(*from)))
            }
        };
        let behind = table.columns.len();
        let values = if own_key.is_some() { (behind..behind + columns.len()).collect() } else { columns.clone() };
        Self { columns, values, own_key, first, last: None }
    }

    /// Whether the rows come in an order, and so in ranges.
    pub(super) fn is_ordered(&self) -> bool {
        !self.columns.is_empty()
    }

    /// The quoted names of the columns that the order is made of.
    pub(super) fn names(&self, table: &Table) -> Vec<String> {
        self.columns.iter().map(|&at| quote(&table.columns[at].name)).collect()
    }

    /// What is selected behind a row's cells to know where the reading stands, and the index that it goes by:
    /// a sort would hold the table for as long as it takes to read it.
    pub(super) fn own_key(&self, table: &Table) -> (Vec<String>, &'static str) {
        self.own_key.as_ref().map_or((Vec::new(), ""), |key| (key.selected(table), " force index (`PRIMARY`)"))
    }

    /// The condition of the rows that are still to come, and its parameters; empty where that is all. `names` are
    /// those of [`Self::names`]. `None`: nobody can tell, because the last row's key can't go back to the server.
    pub(super) fn condition(&self, names: &[String]) -> Option<(String, Vec<Value>)> {
        let plain = |key: &[Value]| key.iter().cloned().map(Operand::from).collect::<Vec<_>>();
        Some(match (&self.last, &self.own_key, &self.first) {
            (Some(last), Some(own_key), _) => above(names, &own_key.operands(last)?),
            (Some(last), None, _) => above(names, &plain(last)),
            (None, _, First::All) => (String::new(), Vec::new()),
            (None, _, First::Above(key)) => above(names, &plain(key)),
            (None, _, First::From(moment)) => (format!(" where {} >= ?", names[0]), vec![moment.clone()]),
        })
    }

    /// Goes on to a row that is to be handed out. `false` where a key of any kind is not another one than that at
    /// which the reading stands.
    pub(super) fn pass(&mut self, row: &[Cell<'_>]) -> bool {
        !self.is_ordered() || self.moves_to(row) || self.own_key.is_none()
    }

    /// Takes away what stands behind a row's cells for the order's sake.
    pub(super) fn cut(&self, row: &mut Vec<Cell<'_>>) {
        if let (Some(_), Some(&behind)) = (&self.own_key, self.values.first()) {
            row.truncate(behind);
        }
    }

    fn moves_to(&mut self, row: &[Cell<'_>]) -> bool {
        let mut goes_on = self.last.is_none();
        let last = self.last.get_or_insert_with(|| vec![Value::NULL; self.values.len()]);
        for (last, &at) in last.iter_mut().zip(&self.values) {
            if !row[at].is(last) {
                goes_on = true;
                *last = row[at].to_value();
            }
        }
        goes_on
    }

    /// Goes back before the first row.
    pub(super) fn begin_again(&mut self) {
        self.last = None;
    }
}

/// `(a, b) > (?, ?)`, written so that MariaDB uses the index: `a >= ? and (a > ? or (a = ? and b > ?))`.
fn above(names: &[String], last: &[Operand]) -> (String, Vec<Value>) {
    let parameters_of = |of: &[Operand]| of.iter().filter_map(|o| o.parameter.clone()).collect::<Vec<_>>();
    if let ([name], [key]) = (names, last) {
        return (format!(" where {name} > {}", key.sql), parameters_of(last));
    }
    let mut parameters = parameters_of(&last[..1]);
    let mut alternatives = Vec::with_capacity(names.len());
    for depth in 0..names.len() {
        let mut terms: Vec<String> =
            names[..depth].iter().zip(last).map(|(name, key)| format!("{name} = {}", key.sql)).collect();
        terms.push(format!("{} > {}", names[depth], last[depth].sql));
        parameters.extend(parameters_of(&last[..=depth]));
        alternatives.push(format!("({})", terms.join(" and ")));
    }
    (format!(" where {} >= {} and ({})", names[0], last[0].sql, alternatives.join(" or ")), parameters)
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
        let (sql, parameters) = above(&names, &[Value::Int(7), Value::Int(9)].map(Operand::from));
        assert_eq!(sql, " where `s` >= ? and ((`s` > ?) or (`s` = ? and `k` > ?))");
        assert_eq!(parameters, [7, 7, 7, 9].map(Value::Int));
        let (sql, parameters) = above(&names, &["_latin1 x'61'".to_owned().into(), Value::Int(9).into()]);
        assert_eq!(sql, " where `s` >= _latin1 x'61' and ((`s` > _latin1 x'61') or (`s` = _latin1 x'61' and `k` > ?))");
        assert_eq!(parameters, [9].map(Value::Int));
    }

    #[test]
    fn a_reading_that_is_given_its_last_key_again_does_not_go_on() {
        let mut cursor =
            Cursor { columns: vec![0, 1], values: vec![0, 1], own_key: None, first: First::All, last: None };
        let rows = [[b"a", b"x"], [b"a", b"y"], [b"a", b"y"], [b"b", b"y"]];
        let passed = rows.map(|row| cursor.moves_to(&row.map(|text: &[u8; 1]| Cell::Bytes(text))));
        assert_eq!(passed, [true, true, false, true]);
    }
}
