//! Where a value comes from, while a query is being followed.
//!
//! Columns are numbers here, so that what is copied a thousand times is small.

use super::{ColumnRef, Origins, Way};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
};

/// The columns that something comes from, and why there may be more of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) from: BTreeMap<u32, Way>,
    pub(super) unresolved: BTreeSet<Rc<str>>,
}

impl Flow {
    /// One column as it is.
    pub(super) fn of(column: u32) -> Self {
        Self { from: BTreeMap::from([(column, Way::Direct)]), ..Self::default() }
    }

    /// Nobody knows.
    pub(super) fn unknown(reason: impl AsRef<str>) -> Self {
        Self { unresolved: BTreeSet::from([Rc::from(reason.as_ref())]), ..Self::default() }
    }

    /// Takes in another one. A column that comes both ways is no unchanged copy.
    pub(super) fn add(&mut self, other: &Self) {
        for (column, way) in &other.from {
            let known = self.from.entry(*column).or_insert(*way);
            *known = (*known).max(*way);
        }
        self.unresolved.extend(other.unresolved.iter().cloned());
    }

    /// The same after an expression.
    pub(super) fn transformed(mut self) -> Self {
        self.from.values_mut().for_each(|way| *way = Way::Transformed);
        self
    }
}

/// A column of something that can be read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: Rc<str>,
    pub(super) flow: Rc<Flow>,
}

impl Column {
    pub(super) fn new(name: &str, flow: Flow) -> Self {
        Self { name: name.into(), flow: flow.into() }
    }
}

/// The columns of a relation, a subquery or a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// Those whose names are known, in order.
    pub(super) columns: Vec<Column>,
    /// Where there may be more of them: what any other would come from.
    pub(super) open: Option<Rc<Flow>>,
}

impl Shape {
    /// Nothing is known but that it is there.
    pub(super) fn unknown(reason: impl AsRef<str>) -> Self {
        Self { columns: Vec::new(), open: Some(Flow::unknown(reason).into()) }
    }

    /// The one column of this name, `None` if there is none.
    pub(super) fn column(&self, name: &str) -> Option<Rc<Flow>> {
        let mut found = self.columns.iter().filter(|column| &*column.name == name);
        let first = found.next()?;
        Some(match found.next() {
            None => first.flow.clone(),
            Some(_) => Flow::unknown(format!("column {name} is ambiguous")).into(),
        })
    }

    /// Everything, as one value.
    pub(super) fn whole(&self) -> Flow {
        let mut all = Flow::default();
        self.columns.iter().map(|column| &column.flow).chain(&self.open).for_each(|flow| all.add(flow));
        all
    }

    /// Takes the columns of another one behind its own.
    pub(super) fn append(&mut self, other: &Self) {
        self.columns.extend(other.columns.iter().cloned());
        self.open = either(self.open.take(), other.open.clone());
    }
}

/// What a column comes from that may be of the one or of the other: known only if there is but one.
pub(super) fn either(one: Option<Rc<Flow>>, other: Option<Rc<Flow>>) -> Option<Rc<Flow>> {
    match (one, other) {
        (Some(one), Some(other)) => {
            let mut both = Flow::unknown("it may be a column of several relations whose columns aren't known");
            both.unresolved.extend(one.unresolved.iter().chain(&other.unresolved).cloned());
            Some(both.into())
        }
        (one, other) => one.or(other),
    }
}

/// The columns of relations, numbered as they come.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    numbers: HashMap<ColumnRef, u32>,
    columns: Vec<ColumnRef>,
}

impl Numbered {
    /// The number of a column.
    pub(super) fn number(&mut self, node: &str, column: &str) -> u32 {
        let column = ColumnRef { node: node.to_owned(), column: column.to_owned() };
        let next = u32::try_from(self.columns.len()).expect("a query reads fewer columns than there are numbers");
        *self.numbers.entry(column).or_insert_with_key(|column| {
            self.columns.push(column.clone());
            next
        })
    }

    /// The column of a number.
    pub(super) fn column(&self, number: u32) -> ColumnRef {
        self.columns[number as usize].clone()
    }

    /// The columns again.
    pub(super) fn origins(&self, flow: &Flow) -> Origins {
        Origins {
            from: flow.from.iter().map(|(number, way)| (self.column(*number), *way)).collect(),
            unresolved: flow.unresolved.iter().map(|reason| reason.to_string()).collect(),
        }
    }
}
