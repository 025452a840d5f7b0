//! What a `from` reads: relations, subqueries, functions, and their joins.

use super::{
    Analysis, Known,
    flow::{Column, Flow, Shape, either},
    functions,
    names::{RelationName, folded, parts},
    scope::{From, Item, Scope, renamed},
};
use sqlparser::ast::{
    FunctionArg, Join, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor, TableWithJoins,
    XmlTableColumnOption,
};
use std::rc::Rc;

/// An alias and its columns' names; `None` where it has a form that isn't PostgreSQL's.
pub(super) fn alias_of(alias: &TableAlias) -> Option<(String, Vec<String>)> {
    let names = alias.columns.iter().map(|column| folded(&column.name)).collect();
    alias.at.is_none().then(|| (folded(&alias.name), names))
}

/// Which side of a join may lack a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Merged {
    Left,
    Right,
    Both,
}

impl Analysis<'_> {
    /// The relations of a `from`; what joins them is added to `rows`.
    pub(super) fn from(&mut self, tables: &[TableWithJoins], outer: Option<&Scope<'_>>, rows: &mut Flow) -> From {
        let mut from = From::default();
        for table in tables {
            let before = from.clone();
            from.append(&self.joined(table, &before, outer, rows));
        }
        from
    }

    /// A relation with its joins; what stands before it can be seen by what is lateral.
    fn joined(&mut self, table: &TableWithJoins, before: &From, outer: Option<&Scope<'_>>, rows: &mut Flow) -> From {
        let mut left = self.factor(&table.relation, before, outer, rows);
        for join in &table.joins {
            let mut beside = before.clone();
            beside.append(&left);
            let right = self.factor(&join.relation, &beside, outer, rows);
            left = self.join(join, left, right, outer, rows);
        }
        left
    }

    fn join(&mut self, join: &Join, mut left: From, right: From, outer: Option<&Scope<'_>>, rows: &mut Flow) -> From {
        let (constraint, merged) = match &join.join_operator {
            // PostgreSQL reads the word as an alias.
            _ if join.global => return unknown("a join has a form that PostgreSQL doesn't know", rows),
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (constraint, Merged::Left),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (constraint, Merged::Left),
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (constraint, Merged::Right),
            JoinOperator::FullOuter(constraint) => (constraint, Merged::Both),
            JoinOperator::CrossJoin(constraint) => (constraint, Merged::Left),
            _ => return unknown("a join has a form that PostgreSQL doesn't know", rows),
        };
        match constraint {
            JoinConstraint::None => left.append(&right),
            JoinConstraint::On(condition) => {
                left.append(&right);
                rows.add(&self.predicate(condition, &Scope { from: &left, outer }, &[]));
            }
            JoinConstraint::Using(columns) => {
                let names: Option<Vec<String>> =
                    columns.iter().map(|name| parts(name).filter(|parts| parts.len() == 1)?.pop()).collect();
                match names {
                    Some(names) => return self.merge(left, right, &names, merged, rows),
                    None => left.visible = Shape::unknown("using has a form that PostgreSQL doesn't know"),
                }
            }
            JoinConstraint::Natural => {
                if left.visible.open.is_some() || right.visible.open.is_some() {
                    let reason = "a natural join joins by columns that aren't known";
                    rows.add(&Flow::unknown(reason));
                    left.items.extend(right.items);
                    left.visible = Shape::unknown(reason);
                    return left;
                }
                let common = |column: &&Column| right.visible.column(&column.name).is_some();
                let names: Vec<String> =
                    left.visible.columns.iter().filter(common).map(|column| column.name.to_string()).collect();
                return self.merge(left, right, &names, merged, rows);
            }
        }
        left
    }

    /// Joins by columns of the same name, which are there once afterwards, before all others.
    fn merge(&mut self, left: From, right: From, names: &[String], merged: Merged, rows: &mut Flow) -> From {
        let mut visible = Shape::default();
        for name in names {
            let side = |from: &From| {
                let column = from.visible.column(name).or_else(|| from.visible.open.clone());
                column.unwrap_or_else(|| Rc::new(Flow::unknown(format!("a side of a join has no column {name}"))))
            };
            let (one, other) = (side(&left), side(&right));
            for flow in [&one, &other] {
                self.read(flow);
                rows.add(flow);
            }
            let flow = match merged {
                Merged::Left => one,
                Merged::Right => other,
                Merged::Both => {
                    // PostgreSQL makes it a coalesce.
                    let mut both = (*one).clone();
                    both.add(&other);
                    Rc::new(both.transformed())
                }
            };
            visible.columns.push(Column { name: name.as_str().into(), flow });
        }
        for from in [&left, &right] {
            let rest = from.visible.columns.iter().filter(|column| !names.iter().any(|name| **name == *column.name));
            visible.columns.extend(rest.cloned());
        }
        visible.open = either(left.visible.open, right.visible.open);
        From { items: left.items.into_iter().chain(right.items).collect(), visible }
    }

    fn factor(&mut self, factor: &TableFactor, beside: &From, outer: Option<&Scope<'_>>, rows: &mut Flow) -> From {
        if !self.spend(beside.visible.columns.len() + 1) {
            return From::default();
        }
        let lateral_scope = Scope { from: beside, outer };
        let (name, shape, alias) = match factor {
            TableFactor::Table { name, alias, args: None, with_ordinality: false, .. } => {
                return match (plain(factor), parts(name)) {
                    (true, Some(parts)) => self.named_item(&parts, alias.as_ref(), rows),
                    _ => unknown("a relation has a form that PostgreSQL doesn't know", rows),
                };
            }
            TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } if plain(factor) => {
                let shape = self.function(name, &args.args, *with_ordinality, alias.as_ref(), &lateral_scope, rows);
                (parts(name).and_then(|mut parts| parts.pop()), shape, alias)
            }
            TableFactor::Function { name, args, with_ordinality, alias, .. } => {
                let shape = self.function(name, args, *with_ordinality, alias.as_ref(), &lateral_scope, rows);
                (parts(name).and_then(|mut parts| parts.pop()), shape, alias)
            }
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_offset: false,
                with_offset_alias: None,
                with_ordinality,
            } => {
                let flows: Vec<Flow> =
                    array_exprs.iter().map(|expr| self.predicate(expr, &lateral_scope, &[]).transformed()).collect();
                flows.iter().for_each(|flow| rows.add(flow));
                let shape = functions::unnest(flows, *with_ordinality, alias.as_ref());
                (Some("unnest".to_owned()), shape, alias)
            }
            TableFactor::Derived { lateral, subquery, alias, sample: None } => {
                let answer = self.query(subquery, if *lateral { Some(&lateral_scope) } else { outer });
                rows.add(&answer.rows);
                (None, answer.shape, alias)
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let inside = self.joined(table_with_joins, beside, outer, rows);
                match alias {
                    None => return inside,
                    Some(_) => (None, inside.visible, alias),
                }
            }
            TableFactor::XmlTable { row_expression, passing, columns, alias, .. } => {
                let mut flow = self.predicate(row_expression, &lateral_scope, &[]);
                for argument in &passing.arguments {
                    flow.add(&self.predicate(&argument.expr, &lateral_scope, &[]));
                }
                let mut shape = Shape::default();
                for column in columns {
                    let mut own = flow.clone();
                    if let XmlTableColumnOption::NamedInfo { path, default, .. } = &column.option {
                        for expr in path.iter().chain(default) {
                            own.add(&self.predicate(expr, &lateral_scope, &[]));
                        }
                    }
                    shape.columns.push(Column::new(&folded(&column.name), own.transformed()));
                }
                rows.add(&flow);
                (Some("xmltable".to_owned()), shape, alias)
            }
            TableFactor::JsonTable { json_expr, columns, alias, .. } => {
                let flow = self.predicate(json_expr, &lateral_scope, &[]).transformed();
                rows.add(&flow);
                (Some("json_table".to_owned()), functions::json_table(columns, &flow), alias)
            }
            _ => return unknown("a from has a form that PostgreSQL doesn't know", rows),
        };
        let (name, names) = match alias.as_ref().map(alias_of) {
            None => (name, Vec::new()),
            Some(Some((name, names))) => (Some(name), names),
            Some(None) => return unknown("an alias has a form that PostgreSQL doesn't know", rows),
        };
        let shape = match functions::names_itself(factor) {
            true => shape,
            false => renamed(&shape, &names),
        };
        From::of(Item { name: name.as_deref().map(Rc::from), path: None, shape: shape.into() })
    }

    /// A relation by its name, which may be a query of a `with`.
    fn named_item(&mut self, parts: &[String], alias: Option<&TableAlias>, rows: &mut Flow) -> From {
        let alias = match alias.map(alias_of) {
            None => None,
            Some(Some(alias)) => Some(alias),
            Some(None) => return unknown("an alias has a form that PostgreSQL doesn't know", rows),
        };
        let (shape, path) = self.relation(parts, rows);
        From::of(match alias {
            None => Item { name: parts.last().map(|name| Rc::from(name.as_str())), path, shape },
            Some((name, names)) => {
                Item { name: Some(name.as_str().into()), path: None, shape: renamed(&shape, &names).into() }
            }
        })
    }

    /// The columns of a relation, and its name if it is none of a `with`.
    fn relation(&mut self, parts: &[String], rows: &mut Flow) -> (Rc<Shape>, Option<RelationName>) {
        if let [name] = parts
            && let Some(answer) = self.by_with(name)
        {
            rows.add(&answer.rows);
            return (answer.shape.clone().into(), None);
        }
        let Some(name) = RelationName::of(parts) else {
            let reason = "a relation has a name of too many parts";
            rows.add(&Flow::unknown(reason));
            return (Shape::unknown(reason).into(), None);
        };
        let shape = match (self.lookup)(&name) {
            None => Shape::unknown(format!("relation {name} isn't known")),
            Some(Known { id, columns }) => {
                let columns = columns.iter().map(|column| {
                    let flow = Flow::of(self.numbered.number(&id, column));
                    Column::new(column, flow)
                });
                let shape = Shape { columns: columns.collect(), open: None };
                self.spend(shape.columns.len());
                self.nodes.insert(id);
                shape
            }
        };
        (shape.into(), Some(name))
    }

    fn function(
        &mut self,
        name: &ObjectName,
        args: &[FunctionArg],
        ordinality: bool,
        alias: Option<&TableAlias>,
        scope: &Scope<'_>,
        rows: &mut Flow,
    ) -> Shape {
        let flow = self.arguments(args, scope).transformed();
        rows.add(&flow);
        let name = match parts(name).as_deref() {
            Some([name]) => name.clone(),
            Some([schema, name]) if schema == "pg_catalog" => name.clone(),
            // Somebody's own.
            _ => String::new(),
        };
        functions::shape(&name, args.len(), flow, ordinality, alias)
    }
}

fn unknown(reason: &str, rows: &mut Flow) -> From {
    rows.add(&Flow::unknown(reason));
    From { items: Vec::new(), visible: Shape::unknown(reason) }
}

/// Whether a relation is named as PostgreSQL does it.
fn plain(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::Table { args, with_hints, version, partitions, json_path, index_hints, .. } => {
            with_hints.is_empty()
                && version.is_none()
                && partitions.is_empty()
                && json_path.is_none()
                && index_hints.is_empty()
                && args.as_ref().is_none_or(|args| args.settings.is_none())
        }
        _ => true,
    }
}
