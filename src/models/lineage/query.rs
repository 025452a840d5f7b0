//! Queries as a whole, with `order by` and `limit`.

use super::{
    Analysis,
    flow::{Flow, Shape},
    names::folded,
    scope::{From, Item, Scope},
    select::Windows,
    with::Growth,
};
use sqlparser::ast::{Expr, LimitClause, OrderBy, OrderByKind, Query, SetExpr, Value};
use std::rc::Rc;

/// What a query gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) shape: Shape,
    /// What decides which rows there are.
    pub(super) rows: Flow,
}

impl Answer {
    pub(super) fn unknown(reason: &str) -> Self {
        Self { shape: Shape::unknown(reason), rows: Flow::unknown(reason) }
    }
}

impl Analysis<'_> {
    /// A query, seen from where it stands.
    pub(super) fn query(&mut self, query: &Query, outer: Option<&Scope<'_>>) -> Answer {
        self.query_growing(query, outer, None)
    }

    /// A query, which may read what it gives.
    pub(super) fn query_growing(
        &mut self,
        query: &Query,
        outer: Option<&Scope<'_>>,
        growth: Option<&Growth<'_>>,
    ) -> Answer {
        if !self.spend(1) {
            return Answer::default();
        }
        let Query { with, body, order_by, limit_clause, fetch, locks: _, for_clause, settings, format_clause, .. } =
            query;
        if for_clause.is_some() || settings.is_some() || format_clause.is_some() || !query.pipe_operators.is_empty() {
            return Answer::unknown("a query has clauses that PostgreSQL doesn't know");
        }
        let named = self.named.len();
        if let Some(with) = with {
            self.with(with, outer);
        }
        let limited = limit_clause.is_some() || fetch.is_some();
        let mut answer = match inner(body) {
            SetExpr::Select(select) => self.select(select, order_by.as_ref(), limited, outer),
            body => {
                let mut answer = self.set(body, outer, growth);
                if let Some(order) = order_by {
                    // Only names and numbers of its own columns can stand here.
                    let shape = Rc::new(answer.shape.clone());
                    let from = From::of(Item { name: None, path: None, shape });
                    let decides = self.order(order, &answer.shape, &Scope { from: &from, outer: None }, &[]);
                    if limited {
                        answer.rows.add(&decides);
                    }
                }
                answer
            }
        };
        let nothing = From::default();
        let scope = Scope { from: &nothing, outer };
        for expr in limits(limit_clause.as_ref()).chain(fetch.iter().flat_map(|fetch| &fetch.quantity)) {
            let decides = self.predicate(expr, &scope, &[]);
            answer.rows.add(&decides);
        }
        self.named.truncate(named);
        answer
    }

    /// What an `order by` asks for.
    pub(super) fn order(&mut self, order: &OrderBy, output: &Shape, scope: &Scope<'_>, windows: Windows<'_>) -> Flow {
        match &order.kind {
            OrderByKind::Expressions(by) if order.interpolate.is_none() => {
                let mut decides = Flow::default();
                for by in by {
                    let flow = self.key(&by.expr, output, scope, windows);
                    decides.add(&flow);
                }
                decides
            }
            _ => Flow::unknown("an order by has a form that PostgreSQL doesn't know"),
        }
    }

    /// What stands in `order by` or `distinct on`: a column's number, a column of the output, or an expression.
    pub(super) fn key(&mut self, expr: &Expr, output: &Shape, scope: &Scope<'_>, windows: Windows<'_>) -> Flow {
        if let Some(flow) = ordinal(expr, output) {
            return flow;
        }
        match expr {
            Expr::Identifier(ident) if output.columns.iter().any(|column| *column.name == folded(ident)) => {
                // Where several have the name, PostgreSQL wants them to be the same.
                let name = folded(ident);
                let first = output.columns.iter().find(|column| *column.name == name);
                first.map(|column| (*column.flow).clone()).unwrap_or_default()
            }
            Expr::Identifier(_) if output.open.is_some() => Flow::unknown("columns of the output aren't known"),
            expr => self.predicate(expr, scope, windows),
        }
    }
}
/// The column of a number, as in `order by 1`.
pub(super) fn ordinal(expr: &Expr, output: &Shape) -> Option<Flow> {
    let Expr::Value(value) = expr else { return None };
    let Value::Number(digits, _) = &value.value else { return None };
    let at: usize = digits.parse().ok()?;
    Some(match output.columns.get(at.wrapping_sub(1)) {
        Some(column) if output.open.is_none() => (*column.flow).clone(),
        _ => Flow::unknown("a column by its number isn't known"),
    })
}

/// A body without the parentheses that say nothing.
fn inner(mut body: &SetExpr) -> &SetExpr {
    while let SetExpr::Query(query) = body {
        if query.with.is_some() || query.order_by.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
            break;
        }
        body = &query.body;
    }
    body
}

fn limits(clause: Option<&LimitClause>) -> impl Iterator<Item = &Expr> {
    let (limit, offset) = match clause {
        Some(LimitClause::LimitOffset { limit, offset, .. }) => {
            (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
        }
        Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
        None => (None, None),
    };
    limit.into_iter().chain(offset)
}
