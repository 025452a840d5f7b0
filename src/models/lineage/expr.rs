//! Expressions: which columns a value is made of.
//!
//! Followed without recursion, since a row of operators is as deep as it is long; only a query within an expression is
//! descended into, and the parser has counted those.

use super::{
    Analysis,
    flow::Flow,
    names::{self, folded},
    parts,
    query::Answer,
    scope::Scope,
    select::{Windows, bare},
};
use sqlparser::ast::{
    AccessExpr, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArgumentClause,
    FunctionArguments, Ident, NamedWindowExpr, Query, Subscript, WindowFrameBound, WindowSpec, WindowType,
};

/// Words that PostgreSQL reads as functions where they stand without quotes.
const CONSTANTS: [&str; 12] = [
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "localtime",
    "localtimestamp",
    "session_user",
    "system_user",
    "user",
];

/// What is left of an expression to be followed.
struct Walk<'e> {
    left: Vec<&'e Expr>,
    windows: Windows<'e>,
    flow: Flow,
}

impl Analysis<'_> {
    /// Where a value comes from: unchanged if it is but a column. What decides the rows of queries in it goes to `rows`.
    pub(super) fn value(&mut self, expr: &Expr, scope: &Scope<'_>, windows: Windows<'_>, rows: &mut Flow) -> Flow {
        match bare(expr) {
            Expr::Identifier(ident) => self.column(ident, scope),
            Expr::CompoundIdentifier(idents) => self.qualified(idents, scope),
            Expr::CompoundFieldAccess { root, access_chain } => match (bare(root), access_chain.as_slice()) {
                (Expr::Identifier(relation), [AccessExpr::Dot(Expr::Identifier(column))])
                    if scope.is_relation(&folded(relation)) =>
                {
                    self.qualified(&[relation.clone(), column.clone()], scope)
                }
                _ => self.walked(expr, scope, windows, rows),
            },
            Expr::Subquery(query) => {
                let answer = self.query(query, Some(scope));
                rows.add(&answer.rows);
                answer.shape.whole()
            }
            _ => self.walked(expr, scope, windows, rows),
        }
    }

    /// Where a condition comes from, the queries in it with all that decides their rows.
    pub(super) fn predicate(&mut self, expr: &Expr, scope: &Scope<'_>, windows: Windows<'_>) -> Flow {
        let mut rows = Flow::default();
        let mut flow = self.value(expr, scope, windows, &mut rows);
        flow.add(&rows);
        flow
    }

    /// Where the arguments of a function come from.
    pub(super) fn arguments(&mut self, args: &[FunctionArg], scope: &Scope<'_>) -> Flow {
        let mut walk = Walk { left: Vec::new(), windows: &[], flow: Flow::default() };
        for arg in args {
            self.argument(arg, scope, &mut walk);
        }
        let mut rows = Flow::default();
        let mut flow = self.finish(walk, scope, &mut rows);
        flow.add(&rows);
        flow
    }

    fn walked(&mut self, expr: &Expr, scope: &Scope<'_>, windows: Windows<'_>, rows: &mut Flow) -> Flow {
        let walk = Walk { left: vec![expr], windows, flow: Flow::default() };
        self.finish(walk, scope, rows).transformed()
    }

    fn finish(&mut self, mut walk: Walk<'_>, scope: &Scope<'_>, rows: &mut Flow) -> Flow {
        while let Some(expr) = walk.left.pop() {
            if !self.spend(1) {
                break;
            }
            self.step(expr, scope, &mut walk, rows);
        }
        walk.flow
    }

    /// Follows one expression, and leaves what is in it for later.
    fn step<'e>(&mut self, expr: &'e Expr, scope: &Scope<'_>, walk: &mut Walk<'e>, rows: &mut Flow) {
        match expr {
            Expr::Identifier(ident) => walk.flow.add(&self.column(ident, scope)),
            Expr::CompoundIdentifier(idents) => walk.flow.add(&self.qualified(idents, scope)),
            Expr::CompoundFieldAccess { root, access_chain } => {
                if let (Expr::Identifier(_), [AccessExpr::Dot(Expr::Identifier(_))]) =
                    (bare(root), access_chain.as_slice())
                {
                    let field = self.field(expr, scope);
                    walk.flow.add(&field);
                    return;
                }
                walk.left.push(root);
                for access in access_chain {
                    match access {
                        // The name of a field, not of a column.
                        AccessExpr::Dot(Expr::Identifier(_)) => {}
                        AccessExpr::Dot(_) => walk.flow.add(&Flow::unknown("a field has a form that isn't followed")),
                        AccessExpr::Subscript(Subscript::Index { index }) => walk.left.push(index),
                        AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride }) => {
                            walk.left.extend([lower_bound, upper_bound, stride].into_iter().flatten());
                        }
                    }
                }
            }
            Expr::Value(_) | Expr::TypedString(_) | Expr::Wildcard(_) => {}
            Expr::QualifiedWildcard(name, _) => walk.flow.add(&self.row(names::parts(name), scope)),
            Expr::Subquery(query) => {
                let answer = self.query(query, Some(scope));
                rows.add(&answer.rows);
                walk.flow.add(&answer.shape.whole());
            }
            Expr::Exists { subquery, .. } => {
                // What it selects doesn't matter, only whether there is a row.
                let answer = self.query(subquery, Some(scope));
                walk.flow.add(&answer.rows);
            }
            Expr::InSubquery { expr, subquery, .. } => {
                walk.left.push(expr);
                let answer = self.query(subquery, Some(scope));
                asked(&answer, &mut walk.flow);
            }
            Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. } => {
                walk.left.push(left);
                match bare(right) {
                    Expr::Subquery(query) => {
                        let answer = self.query(query, Some(scope));
                        asked(&answer, &mut walk.flow);
                    }
                    right => walk.left.push(right),
                }
            }
            Expr::Function(function) => self.call(function, scope, walk, rows),
            Expr::Case { operand, conditions, else_result, .. } => {
                walk.left.extend(operand.iter().chain(else_result).map(|expr| &**expr));
                walk.left.extend(conditions.iter().flat_map(|when| [&when.condition, &when.result]));
            }
            _ => {
                if !parts::of(expr, &mut walk.left) {
                    walk.flow.add(&Flow::unknown("an expression has a form that isn't followed"));
                }
            }
        }
    }

    /// `(x).y`: a field of a column x, or the column of a relation x.
    fn field(&mut self, expr: &Expr, scope: &Scope<'_>) -> Flow {
        let Expr::CompoundFieldAccess { root, access_chain } = expr else { return Flow::default() };
        match (bare(root), access_chain.as_slice()) {
            (Expr::Identifier(relation), [AccessExpr::Dot(Expr::Identifier(column))])
                if scope.is_relation(&folded(relation)) =>
            {
                self.qualified(&[relation.clone(), column.clone()], scope)
            }
            (Expr::Identifier(column), _) => self.column(column, scope),
            _ => Flow::unknown("a field has a form that isn't followed"),
        }
    }

    fn column(&mut self, ident: &Ident, scope: &Scope<'_>) -> Flow {
        let name = folded(ident);
        if ident.quote_style.is_none() && CONSTANTS.contains(&name.as_str()) {
            return Flow::default();
        }
        let flow = scope.column(&name);
        self.read(&flow);
        (*flow).clone()
    }

    fn qualified(&mut self, idents: &[Ident], scope: &Scope<'_>) -> Flow {
        let names: Vec<String> = idents.iter().map(folded).collect();
        let Some((name, qualifier)) = names.split_last() else { return Flow::default() };
        let flow = scope.qualified(qualifier, name);
        self.read(&flow);
        (*flow).clone()
    }

    /// A whole row, as in `row(t.*)`.
    fn row(&mut self, name: Option<Vec<String>>, scope: &Scope<'_>) -> Flow {
        let flow = match name.as_ref().and_then(|name| scope.item(name)) {
            Some(Ok(shape)) => shape.whole(),
            Some(Err(reason)) => Flow::unknown(reason),
            None => Flow::unknown("a row is of no relation that is read"),
        };
        self.read(&flow);
        flow
    }

    fn call<'e>(&mut self, function: &'e Function, scope: &Scope<'_>, walk: &mut Walk<'e>, rows: &mut Flow) {
        for arguments in [&function.parameters, &function.args] {
            match arguments {
                FunctionArguments::None => {}
                FunctionArguments::Subquery(query) => self.array_of(query, scope, walk, rows),
                FunctionArguments::List(list) => {
                    list.args.iter().for_each(|arg| self.argument(arg, scope, walk));
                    for clause in &list.clauses {
                        match clause {
                            FunctionArgumentClause::OrderBy(by) => walk.left.extend(by.iter().map(|by| &by.expr)),
                            FunctionArgumentClause::Where(expr) | FunctionArgumentClause::Limit(expr) => {
                                walk.left.push(expr);
                            }
                            FunctionArgumentClause::Having(bound) => walk.left.push(&bound.1),
                            _ => {}
                        }
                    }
                }
            }
        }
        walk.left.extend(function.within_group.iter().map(|by| &by.expr));
        walk.left.extend(function.filter.as_deref());
        match &function.over {
            None => {}
            Some(WindowType::WindowSpec(window)) => self.window(window, walk),
            Some(WindowType::NamedWindow(name)) => self.named_window(name, walk),
        }
    }

    /// `array(select …)`.
    fn array_of(&mut self, query: &Query, scope: &Scope<'_>, walk: &mut Walk<'_>, rows: &mut Flow) {
        let answer = self.query(query, Some(scope));
        rows.add(&answer.rows);
        walk.flow.add(&answer.shape.whole());
    }

    fn argument<'e>(&mut self, arg: &'e FunctionArg, scope: &Scope<'_>, walk: &mut Walk<'e>) {
        let arg = match arg {
            FunctionArg::Named { arg, .. } | FunctionArg::Unnamed(arg) => arg,
            FunctionArg::ExprNamed { name, arg, operator } => {
                // `key: value` of JSON has an expression there, `name => value` a name.
                if matches!(operator, FunctionArgOperator::Colon | FunctionArgOperator::Value) {
                    walk.left.push(name);
                }
                arg
            }
        };
        match arg {
            FunctionArgExpr::Expr(expr) => walk.left.push(expr),
            FunctionArgExpr::QualifiedWildcard(name) => walk.flow.add(&self.row(names::parts(name), scope)),
            FunctionArgExpr::Wildcard => {}
            _ => walk.flow.add(&Flow::unknown("an argument has a form that isn't followed")),
        }
    }

    fn window<'e>(&mut self, window: &'e WindowSpec, walk: &mut Walk<'e>) {
        walk.left.extend(&window.partition_by);
        walk.left.extend(window.order_by.iter().map(|by| &by.expr));
        if let Some(frame) = &window.window_frame {
            for bound in std::iter::once(&frame.start_bound).chain(&frame.end_bound) {
                match bound {
                    WindowFrameBound::Preceding(Some(expr)) | WindowFrameBound::Following(Some(expr)) => {
                        walk.left.push(expr);
                    }
                    _ => {}
                }
            }
        }
        if let Some(name) = &window.window_name {
            self.named_window(name, walk);
        }
    }

    fn named_window<'e>(&mut self, name: &Ident, walk: &mut Walk<'e>) {
        let name = folded(name);
        let windows = walk.windows;
        let Some(at) = windows.iter().position(|window| folded(&window.0) == name) else {
            walk.flow.add(&Flow::unknown(format!("window {name} isn't one of the select")));
            return;
        };
        // A window may build on one before it, never on one behind: so this ends.
        let before = std::mem::replace(&mut walk.windows, &windows[..at]);
        match &windows[at].1 {
            NamedWindowExpr::NamedWindow(name) => self.named_window(name, walk),
            NamedWindowExpr::WindowSpec(window) => self.window(window, walk),
        }
        walk.windows = before;
    }
}

/// A query that is asked for whether it has a value: its rows count as much as what they hold.
fn asked(answer: &Answer, flow: &mut Flow) {
    flow.add(&answer.rows);
    flow.add(&answer.shape.whole());
}
