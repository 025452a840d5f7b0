//! One `select`.

use super::{
    Analysis, COLUMNS_MAX,
    flow::{Column, Flow, Shape},
    names::{folded, parts},
    query::{Answer, ordinal},
    scope::Scope,
};
use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, GroupByWithModifier, NamedWindowDefinition, OrderBy, Select, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, WildcardAdditionalOptions,
};

/// The windows that a `select` names.
pub(super) type Windows<'w> = &'w [NamedWindowDefinition];

impl Analysis<'_> {
    /// A select, and the order of its query, which may name what the select reads.
    pub(super) fn select(
        &mut self,
        select: &Select,
        order: Option<&OrderBy>,
        limited: bool,
        outer: Option<&Scope<'_>>,
    ) -> Answer {
        if !plain(select) {
            return Answer::unknown("a select has clauses that PostgreSQL doesn't know, or writes");
        }
        let mut rows = Flow::default();
        let from = self.from(&select.from, outer, &mut rows);
        let scope = Scope { from: &from, outer };
        let windows: Windows<'_> = &select.named_window;
        let shape = self.projection(&select.projection, &scope, windows, &mut rows);

        for condition in select.selection.iter().chain(&select.having) {
            rows.add(&self.predicate(condition, &scope, windows));
        }
        rows.add(&self.groups(&select.group_by, &shape, &scope, windows));
        match &select.distinct {
            None | Some(Distinct::All) => {}
            Some(Distinct::Distinct) => rows.add(&shape.whole()),
            Some(Distinct::On(keys)) => {
                for key in keys {
                    rows.add(&self.key(key, &shape, &scope, windows));
                }
            }
        }
        if let Some(order) = order {
            let decides = self.order(order, &shape, &scope, windows);
            if limited || matches!(select.distinct, Some(Distinct::On(_))) {
                rows.add(&decides);
            }
        }
        Answer { shape, rows }
    }

    fn projection(&mut self, items: &[SelectItem], scope: &Scope<'_>, windows: Windows<'_>, rows: &mut Flow) -> Shape {
        let mut shape = Shape::default();
        for item in items {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = self.named_by(expr, scope);
                    let flow = self.value(expr, scope, windows, rows);
                    shape.columns.push(Column::new(&name, flow));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let flow = self.value(expr, scope, windows, rows);
                    shape.columns.push(Column::new(&folded(alias), flow));
                }
                SelectItem::Wildcard(options) if unchanged(options) => {
                    let all = scope.from.visible.clone();
                    self.read(&all.whole());
                    shape.append(&all);
                }
                SelectItem::QualifiedWildcard(kind, options) if unchanged(options) => {
                    let all = self.starred(kind, scope, windows, rows);
                    shape.append(&all);
                }
                _ => shape.append(&Shape::unknown("the list of a select has a form that PostgreSQL doesn't know")),
            }
            if shape.columns.len() > COLUMNS_MAX {
                self.stop(format!("it gives more than {COLUMNS_MAX} columns, which PostgreSQL refuses"));
                return Shape::default();
            }
        }
        shape
    }

    /// What `t.*` or `(t).*` gives.
    fn starred(
        &mut self,
        kind: &SelectItemQualifiedWildcardKind,
        scope: &Scope<'_>,
        windows: Windows<'_>,
        rows: &mut Flow,
    ) -> Shape {
        let name = match kind {
            SelectItemQualifiedWildcardKind::ObjectName(name) => parts(name),
            SelectItemQualifiedWildcardKind::Expr(expr) => match bare(expr) {
                // A column goes before a relation of the same name.
                Expr::Identifier(ident) if scope.is_relation(&folded(ident)) => Some(vec![folded(ident)]),
                _ => {
                    let flow = self.value(expr, scope, windows, rows).transformed();
                    return Shape { columns: Vec::new(), open: Some(flow.into()) };
                }
            },
        };
        let Some(name) = name else { return Shape::unknown("a name has a form that PostgreSQL doesn't know") };
        match scope.item(&name) {
            Some(Ok(shape)) => {
                self.read(&shape.whole());
                (*shape).clone()
            }
            Some(Err(reason)) => Shape::unknown(reason),
            None => Shape::unknown(format!("{} is no relation that is read", name.join("."))),
        }
    }

    fn groups(&mut self, by: &GroupByExpr, output: &Shape, scope: &Scope<'_>, windows: Windows<'_>) -> Flow {
        let mut decides = Flow::default();
        let (exprs, modifiers) = match by {
            GroupByExpr::Expressions(exprs, modifiers) => (exprs, modifiers),
            GroupByExpr::All(_) => return Flow::unknown("group by all isn't followed"),
        };
        for expr in exprs {
            decides.add(&self.group(expr, output, scope, windows));
        }
        for modifier in modifiers {
            match modifier {
                GroupByWithModifier::GroupingSets(expr) => decides.add(&self.predicate(expr, scope, windows)),
                _ => decides.add(&Flow::unknown("a group by has a form that PostgreSQL doesn't know")),
            }
        }
        decides
    }

    /// What stands in `group by`: a number, a column of what is read, a column of the output, or an expression.
    fn group(&mut self, expr: &Expr, output: &Shape, scope: &Scope<'_>, windows: Windows<'_>) -> Flow {
        if let Some(flow) = ordinal(expr, output) {
            return flow;
        }
        if let Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) = expr {
            let mut decides = Flow::default();
            for expr in sets.iter().flatten() {
                decides.add(&self.group(expr, output, scope, windows));
            }
            return decides;
        }
        if let Expr::Identifier(ident) = expr {
            let name = folded(ident);
            let named = output.columns.iter().find(|column| *column.name == name);
            match (scope.has(&name), named) {
                (Some(false), Some(column)) => return (*column.flow).clone(),
                (None, Some(_)) => {
                    return Flow::unknown(format!("{name} may be grouped by as it is read, or as it is given"));
                }
                _ => {}
            }
        }
        self.predicate(expr, scope, windows)
    }
}

/// An expression without its parentheses.
pub(super) fn bare(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inside) = expr {
        expr = inside;
    }
    expr
}

/// Whether a select has nothing but what PostgreSQL's has.
fn plain(select: &Select) -> bool {
    select.top.is_none()
        && select.select_modifiers.is_none()
        && select.exclude.is_none()
        && select.into.is_none()
        && select.lateral_views.is_empty()
        && select.prewhere.is_none()
        && select.connect_by.is_empty()
        && select.cluster_by.is_empty()
        && select.distribute_by.is_empty()
        && select.sort_by.is_empty()
        && select.qualify.is_none()
        && select.value_table_mode.is_none()
        && matches!(select.flavor, SelectFlavor::Standard)
}

fn unchanged(options: &WildcardAdditionalOptions) -> bool {
    options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_alias.is_none()
}
