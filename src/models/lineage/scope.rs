//! What names mean where they stand.
//!
//! SQL is taken to be good, as PostgreSQL has accepted it or will tell: a name that one known relation has is not of the
//! unknown one beside it, or it would be ambiguous. Nothing else is guessed.

use super::{
    flow::{Column, Flow, Shape, either},
    names::RelationName,
};
use std::rc::Rc;

/// Columns that every table has, and no `*` gives.
const OF_SYSTEM: [&str; 6] = ["cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"];

/// A relation of a `from`, by the name that qualifies its columns.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Its alias, or the last part of its name; none for a subquery without.
    pub(super) name: Option<Rc<str>>,
    /// Its name with its schema, where it has no alias.
    pub(super) path: Option<RelationName>,
    pub(super) shape: Rc<Shape>,
}

/// A whole `from`, or the part of it that can be seen.
#[derive(Clone, Debug, Default)]
pub(super) struct From {
    pub(super) items: Vec<Item>,
    /// What `*` gives and names without a qualifier mean: the columns that a join merged are here once.
    pub(super) visible: Shape,
}

impl From {
    /// One relation.
    pub(super) fn of(item: Item) -> Self {
        Self { visible: (*item.shape).clone(), items: vec![item] }
    }

    /// Takes another part behind its own.
    pub(super) fn append(&mut self, other: &Self) {
        self.items.extend(other.items.iter().cloned());
        self.visible.append(&other.visible);
    }
}

/// The relations of a query, and those of the queries around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'s> {
    pub(super) from: &'s From,
    pub(super) outer: Option<&'s Scope<'s>>,
}

impl Scope<'_> {
    fn levels(&self) -> impl Iterator<Item = &From> {
        std::iter::successors(Some(self), |scope| scope.outer).map(|scope| scope.from)
    }

    /// A column without a qualifier, or else a row of the relation of this name.
    pub(super) fn column(&self, name: &str) -> Rc<Flow> {
        // PostgreSQL asks for columns at each level first, and for relations afterwards.
        let mut maybe: Option<Rc<Flow>> = None;
        for level in self.levels() {
            match (level.visible.column(name), maybe) {
                (Some(found), None) => return found,
                (Some(_), Some(before)) => return undecided(name, &before),
                (None, _) if OF_SYSTEM.contains(&name) && !level.items.is_empty() => {
                    return Rc::new(Flow::unknown(format!("column {name} is one of the system's")));
                }
                (None, before) => {
                    let alone = level.items.len() == 1;
                    let open = level.visible.open.clone();
                    maybe = either(before, open.map(|open| if alone { open } else { undecided(name, &open) }));
                }
            }
        }
        let item = self.item(&[name.to_owned()]);
        match (maybe, item) {
            (Some(maybe), Some(Ok(shape))) if shape.whole() != *maybe => undecided(name, &maybe),
            (Some(maybe), _) => maybe,
            (None, Some(Ok(shape))) => Rc::new(shape.whole().transformed()),
            (None, Some(Err(reason))) => Rc::new(Flow::unknown(reason)),
            (None, None) => Rc::new(Flow::unknown(format!("column {name} isn't one of what is read"))),
        }
    }

    /// A column by its qualifier and name.
    pub(super) fn qualified(&self, qualifier: &[String], name: &str) -> Rc<Flow> {
        let unknown = |reason: String| Rc::new(Flow::unknown(reason));
        let shown = qualifier.join(".");
        match self.item(qualifier) {
            None => unknown(format!("{shown}.{name} is of no relation that is read")),
            Some(Err(reason)) => unknown(reason),
            Some(Ok(shape)) => shape
                .column(name)
                .or_else(|| shape.open.clone())
                .unwrap_or_else(|| unknown(format!("{shown} has no column {name}"))),
        }
    }

    /// Whether the nearest relations have such a column, `None` if nobody knows.
    pub(super) fn has(&self, name: &str) -> Option<bool> {
        let visible = &self.from.visible;
        let found = visible.column(name).is_some();
        if found || visible.open.is_none() { Some(found) } else { None }
    }

    /// Whether a name without a qualifier is surely a relation's.
    pub(super) fn is_relation(&self, name: &str) -> bool {
        let no_column = |level: &From| level.visible.open.is_none() && level.visible.column(name).is_none();
        self.levels().all(no_column) && self.item(&[name.to_owned()]).is_some()
    }

    /// The relation of a name, which may have its schema and database; `None` if there is none.
    pub(super) fn item(&self, name: &[String]) -> Option<Result<Rc<Shape>, String>> {
        for level in self.levels() {
            let mut found = level.items.iter().filter(|item| item.is(name));
            let Some(first) = found.next() else { continue };
            return Some(match found.next() {
                None => Ok(first.shape.clone()),
                Some(_) => Err(format!("relation {} is ambiguous", name.join("."))),
            });
        }
        None
    }
}

/// Several relations may have the column: only the reasons can be told.
fn undecided(name: &str, flow: &Flow) -> Rc<Flow> {
    let mut told = Flow::unknown(format!("it isn't known which relation column {name} is of"));
    told.unresolved.extend(flow.unresolved.iter().cloned());
    Rc::new(told)
}

impl Item {
    fn is(&self, name: &[String]) -> bool {
        match (name, &self.path) {
            ([name], _) => self.name.as_deref() == Some(name),
            (_, Some(path)) => RelationName::of(name).is_some_and(|name| {
                let same =
                    |one: &Option<String>, other: &Option<String>| one.is_none() || other.is_none() || one == other;
                name.name == path.name && same(&name.schema, &path.schema) && same(&name.database, &path.database)
            }),
            _ => false,
        }
    }
}

/// The columns of a relation under the names of an alias, `as t (a, b)`.
pub(super) fn renamed(shape: &Shape, names: &[String]) -> Shape {
    if names.is_empty() {
        return shape.clone();
    }
    let mut renamed = Shape { columns: Vec::new(), open: shape.open.clone() };
    for (at, name) in names.iter().enumerate() {
        let flow = match (shape.columns.get(at), &shape.open) {
            (Some(column), None) => column.flow.clone(),
            (None, Some(open)) if shape.columns.is_empty() => open.clone(),
            _ => Rc::new(Flow::unknown(format!("it isn't known which column the alias {name} is of"))),
        };
        renamed.columns.push(Column { name: name.as_str().into(), flow });
    }
    if shape.open.is_none() {
        renamed.columns.extend(shape.columns.iter().skip(names.len()).cloned());
    }
    renamed
}
