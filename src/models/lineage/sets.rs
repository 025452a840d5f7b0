//! Unions and the like, and `values`.

use super::{
    Analysis,
    flow::{Column, Flow, Shape},
    query::Answer,
    scope::{From, Scope},
    with::Growth,
};
use sqlparser::ast::{SetExpr, SetOperator, SetQuantifier};
use std::rc::Rc;

impl Analysis<'_> {
    /// A body that is no plain `select`.
    pub(super) fn set(&mut self, body: &SetExpr, outer: Option<&Scope<'_>>, growth: Option<&Growth<'_>>) -> Answer {
        // Unions by the thousand lean to the left: no recursion there.
        let mut spine = Vec::new();
        let mut first = body;
        while let SetExpr::SetOperation { left, op, set_quantifier, right } = first {
            spine.push((*op, *set_quantifier, &**right));
            first = left;
        }
        let mut answer = self.operand(first, outer);
        while let Some((op, quantifier, right)) = spine.pop() {
            match growth.filter(|_| spine.is_empty() && op == SetOperator::Union) {
                Some(growth) => answer = self.grown(answer, quantifier, right, outer, growth),
                None => {
                    let right = self.operand(right, outer);
                    answer = self.combined(&answer, &right, op, quantifier);
                }
            }
        }
        answer
    }

    pub(super) fn operand(&mut self, body: &SetExpr, outer: Option<&Scope<'_>>) -> Answer {
        match body {
            SetExpr::Select(select) => self.select(select, None, false, outer),
            SetExpr::Query(query) => self.query(query, outer),
            SetExpr::SetOperation { .. } => self.set(body, outer, None),
            SetExpr::Values(values) => {
                let mut answer = Answer::default();
                let nothing = From::default();
                let scope = Scope { from: &nothing, outer };
                for row in &values.rows {
                    let mut shape = Shape::default();
                    for (at, expr) in row.content.iter().enumerate() {
                        let flow = self.value(expr, &scope, &[], &mut answer.rows);
                        shape.columns.push(Column::new(&format!("column{}", at + 1), flow));
                    }
                    answer.shape = match answer.shape.columns.is_empty() {
                        true => shape,
                        false => self.united(&answer.shape, &shape),
                    };
                }
                answer
            }
            // The parser doesn't say whether the name was quoted.
            SetExpr::Table(_) => Answer::unknown("table t isn't followed: select * from t says the same"),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Answer::unknown("a statement that writes stands where a query is read")
            }
        }
    }

    pub(super) fn combined(
        &mut self,
        left: &Answer,
        right: &Answer,
        op: SetOperator,
        quantifier: SetQuantifier,
    ) -> Answer {
        let mut rows = left.rows.clone();
        rows.add(&right.rows);
        let union = op == SetOperator::Union;
        let all = matches!(quantifier, SetQuantifier::All | SetQuantifier::AllByName);
        if !(union && all) {
            rows.add(&left.shape.whole());
            rows.add(&right.shape.whole());
        }
        let shape = match (op, quantifier) {
            (_, SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName) => {
                Shape::unknown("a union by name isn't known to PostgreSQL")
            }
            (SetOperator::Union, _) => self.united(&left.shape, &right.shape),
            // A row that both have, or the left side alone, is the left side's.
            (SetOperator::Intersect | SetOperator::Except | SetOperator::Minus, _) => left.shape.clone(),
        };
        Answer { shape, rows }
    }

    /// Columns one on top of the other, by position.
    fn united(&mut self, left: &Shape, right: &Shape) -> Shape {
        let known = left.open.is_none() && right.open.is_none();
        let reason = match known {
            true if left.columns.len() == right.columns.len() => None,
            true => Some("the sides of a union differ in their number of columns"),
            false => Some("a side of a union has columns whose names aren't known"),
        };
        let mut united = Shape { columns: Vec::new(), open: left.open.clone() };
        if let (Some(open), Some(right)) = (&mut united.open, &right.open) {
            let mut both = (**open).clone();
            both.add(right);
            *open = both.into();
        }
        for (at, column) in left.columns.iter().enumerate() {
            let mut flow = match reason {
                Some(reason) => Flow::unknown(reason),
                None => (*right.columns[at].flow).clone(),
            };
            flow.add(&column.flow);
            self.spend(flow.from.len());
            united.columns.push(Column { name: column.name.clone(), flow: flow.into() });
        }
        if let (Some(reason), Some(open)) = (reason, &mut united.open) {
            *open = Rc::new(Flow::unknown(reason));
        }
        united
    }
}
