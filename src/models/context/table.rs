//! The rows of a query as templates see them: `run_query(…)`, `load_result(…).table`.
//!
//! Has the part of agate's table that templates use: columns and rows by place and by name.

use super::super::jinja::{self, Arguments};
use minijinja::{
    Error, ErrorKind, State,
    value::{Enumerator, Object, ObjectRepr, Value},
};
use std::{fmt, sync::Arc};

/// Rows under named columns.
#[derive(Clone, Debug, Default)]
pub(in crate::models) struct Table {
    /// The columns' names, in order.
    pub names: Arc<Vec<String>>,
    /// The rows, each with a value for every column.
    pub rows: Arc<Vec<Arc<Vec<Value>>>>,
    /// PostgreSQL's type of each column, where it is known.
    pub kinds: Arc<Vec<String>>,
}

impl Table {
    /// Of rows.
    pub(in crate::models) fn new(names: Vec<String>, rows: Vec<Vec<Value>>) -> Self {
        Self { names: Arc::new(names), rows: Arc::new(rows.into_iter().map(Arc::new).collect()), ..Self::default() }
    }

    /// As a value of Jinja.
    pub(in crate::models) fn value(self) -> Value {
        Value::from_object(self)
    }

    fn place_of(&self, key: &Value) -> Option<usize> {
        place(&self.names, key)
    }

    fn row(&self, row: &Arc<Vec<Value>>) -> Value {
        Value::from_object(Row { names: self.names.clone(), cells: row.clone() })
    }

    fn column(&self, place: usize) -> Value {
        let table = self.clone();
        Value::from_object(Column { table, place })
    }

    /// The columns of these names, in their order; all but these where `is_kept` is false.
    fn with_columns(&self, names: &[String], is_kept: bool) -> Self {
        let places: Vec<usize> = if is_kept {
            names.iter().filter_map(|name| self.names.iter().position(|n| n == name)).collect()
        } else {
            (0..self.names.len()).filter(|place| !names.contains(&self.names[*place])).collect()
        };
        let rows = self.rows.iter().map(|row| places.iter().map(|p| row[*p].clone()).collect()).collect();
        Self::new(places.iter().map(|p| self.names[*p].clone()).collect(), rows)
    }

    /// Lines for a log, as wide as their widest cell.
    fn printed(&self) -> String {
        let cells = |row: &Arc<Vec<Value>>| row.iter().map(ToString::to_string).collect::<Vec<_>>();
        let lines: Vec<Vec<String>> = std::iter::once(self.names.to_vec()).chain(self.rows.iter().map(cells)).collect();
        let width = |place: usize| lines.iter().map(|line| line[place].chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..self.names.len()).map(width).collect();
        let line = |cells: &Vec<String>| {
            let padded: Vec<String> = cells.iter().zip(&widths).map(|(c, w)| format!("{c:<w$}")).collect();
            format!("| {} |", padded.join(" | "))
        };
        lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

fn place(names: &[String], key: &Value) -> Option<usize> {
    match key.as_str() {
        Some(name) => names.iter().position(|n| n == name),
        None => {
            let place = key.as_i64()?;
            let place = if place < 0 { place + i64::try_from(names.len()).ok()? } else { place };
            usize::try_from(place).ok().filter(|place| *place < names.len())
        }
    }
}

impl Object for Table {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "columns" => Value::from_object(Columns(self.as_ref().clone())),
            "rows" => jinja::list(self.rows.iter().map(|row| self.row(row)).collect()),
            "column_names" => jinja::list(self.names.iter().map(|name| name.as_str().into()).collect()),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.rows.iter().map(|row| self.row(row)).collect())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of(format!("table.{method}"), values);
        let names = || -> Result<Vec<String>, Error> {
            let given = arguments.require(0, "key")?;
            match given.as_str() {
                Some(name) => Ok(vec![name.to_owned()]),
                None => Ok(given.try_iter()?.map(|name| name.to_string()).collect()),
            }
        };
        Ok(match method {
            "print_table" => {
                tracing::info!("{}", self.printed());
                Value::from(())
            }
            "select" => self.with_columns(&names()?, true).value(),
            "exclude" => self.with_columns(&names()?, false).value(),
            "rename" => {
                let mut renamed = self.names.to_vec();
                let said = arguments.require(0, "column_names")?;
                for (at, name) in renamed.iter_mut().enumerate() {
                    let new = said.get_item(&Value::from(name.as_str())).ok().filter(|v| !v.is_undefined());
                    let new = new.or_else(|| said.get_item(&Value::from(at)).ok().filter(|v| !v.is_undefined()));
                    if let Some(new) = new {
                        *name = new.to_string();
                    }
                }
                Self { names: Arc::new(renamed), ..self.as_ref().clone() }.value()
            }
            "limit" => {
                let many = arguments.get(0, "start_or_stop").and_then(Value::as_usize).unwrap_or(usize::MAX);
                Self { rows: Arc::new(self.rows.iter().take(many).cloned().collect()), ..self.as_ref().clone() }.value()
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.printed())
    }
}

/// `table.columns`: a sequence that has names too.
#[derive(Debug)]
struct Columns(Table);

impl Object for Columns {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.place_of(key).map(|place| self.0.column(place))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values((0..self.0.names.len()).map(|place| self.0.column(place)).collect())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        let names = || self.0.names.iter().map(|n| Value::from(n.as_str()));
        let columns = || (0..self.0.names.len()).map(|place| self.0.column(place));
        Ok(match method {
            "keys" => names().collect::<Vec<_>>().into(),
            "values" => columns().collect::<Vec<_>>().into(),
            "items" => names().zip(columns()).map(|(n, c)| Value::from(vec![n, c])).collect::<Vec<_>>().into(),
            "get" => {
                let arguments = Arguments::of("columns.get", values);
                let found = self.get_value(arguments.require(0, "key")?);
                found.or_else(|| arguments.get(1, "default").cloned()).unwrap_or_else(|| Value::from(()))
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
}

/// One column of a table: a sequence of its values.
#[derive(Debug)]
struct Column {
    table: Table,
    place: usize,
}

impl Column {
    fn cells(&self) -> impl Iterator<Item = Value> {
        self.table.rows.iter().map(|row| row[self.place].clone())
    }
}

impl Object for Column {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some("name") => Some(self.table.names[self.place].as_str().into()),
            Some("index") => Some(self.place.into()),
            Some(_) => None,
            None => {
                let rows = i64::try_from(self.table.rows.len()).ok()?;
                let at = key.as_i64().map(|at| if at < 0 { at + rows } else { at })?;
                Some(self.table.rows.get(usize::try_from(at).ok()?)?[self.place].clone())
            }
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.cells().collect())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        Ok(match method {
            "values" => self.cells().collect::<Vec<_>>().into(),
            "values_distinct" => {
                let mut distinct: Vec<Value> = Vec::new();
                for cell in self.cells() {
                    if !distinct.contains(&cell) {
                        distinct.push(cell);
                    }
                }
                distinct.into()
            }
            "values_without_nulls" => self.cells().filter(|cell| !cell.is_none()).collect::<Vec<_>>().into(),
            "values_sorted" => {
                let mut cells: Vec<Value> = self.cells().collect();
                cells.sort();
                cells.into()
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
}

/// One row of a table: a sequence of its values that has names too.
#[derive(Debug)]
struct Row {
    names: Arc<Vec<String>>,
    cells: Arc<Vec<Value>>,
}

impl Object for Row {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        place(&self.names, key).map(|place| self.cells[place].clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.cells.to_vec())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        let pairs = || self.names.iter().map(|n| Value::from(n.as_str())).zip(self.cells.iter().cloned());
        Ok(match method {
            "keys" => pairs().map(|(name, _)| name).collect::<Vec<_>>().into(),
            "values" => self.cells.to_vec().into(),
            "items" => pairs().map(|(name, cell)| Value::from(vec![name, cell])).collect::<Vec<_>>().into(),
            "dict" => pairs().collect::<Value>(),
            "get" => {
                let arguments = Arguments::of("row.get", values);
                let found = self.get_value(arguments.require(0, "key")?);
                found.or_else(|| arguments.get(1, "default").cloned()).unwrap_or_else(|| Value::from(()))
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::Environment;

    #[test]
    fn columns_and_rows_are_found_by_place_and_by_name() {
        let rows = vec![vec![1.into(), "a".into()], vec![2.into(), "b".into()]];
        let table = Table::new(vec!["n".into(), "t".into()], rows).value();
        let rendered = |template: &str| {
            let rendered = Environment::new().render_str(template, minijinja::context! { table => table.clone() });
            rendered.unwrap_or_else(|error| panic!("{template}: {error}"))
        };
        for (template, expected) in [
            ("{{ table.columns[0].values() | join(',') }}", "1,2"),
            ("{{ table.columns['t'].values() | join(',') }}", "a,b"),
            ("{{ table.columns | length }} {{ table.rows | length }}", "2 2"),
            ("{% for row in table %}{{ row[0] }}{{ row['t'] }}{{ row.t }};{% endfor %}", "1aa;2bb;"),
            ("{% for row in table.rows %}{{ row.values() | join }};{% endfor %}", "1a;2b;"),
            ("{{ table.rows[0]['n'] + 1 }} {{ table.rows[1][1] }}", "2 b"),
            ("{{ table.column_names | join(',') }}", "n,t"),
            ("{% for a, b in table.rows %}{{ a }}{{ b }}{% endfor %}", "1a2b"),
            ("{{ table.rename(column_names={'n': 'm'}).column_names | join(',') }}", "m,t"),
            ("{{ table.exclude('n').column_names | join(',') }}", "t"),
        ] {
            assert_eq!(rendered(template), expected, "{template}");
        }
    }
}
