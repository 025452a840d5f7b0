//! The queries of a `with`, recursive ones included.

use super::{
    Analysis,
    flow::{Column, Flow, Shape},
    from::alias_of,
    names::folded,
    query::Answer,
    scope::{Scope, renamed},
};
use sqlparser::ast::{Cte, SetExpr, SetOperator, SetQuantifier, TableAlias, With};
use std::rc::Rc;

/// A query of a `with`, as far as it has been followed.
#[derive(Clone, Debug)]
pub(super) struct Named {
    name: String,
    /// The node that it stands for.
    node: Option<String>,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// Stands behind the one that is being followed.
    Pending,
    /// Is being followed, and asked for itself; so far it gives this.
    Growing(Rc<Answer>),
    Done(Rc<Answer>),
}

/// What the body of a query that may read itself grows in.
pub(super) struct Growth<'q> {
    at: usize,
    alias: &'q TableAlias,
}

impl Analysis<'_> {
    /// What a relation of this name is by a `with` around.
    pub(super) fn by_with(&mut self, name: &str) -> Option<Rc<Answer>> {
        let at = self.named.iter().rposition(|named| named.name == name)?;
        self.nodes.extend(self.named[at].node.clone());
        Some(match &self.named[at].state {
            State::Done(answer) => answer.clone(),
            State::Growing(answer) => {
                self.read_growing.insert(at);
                answer.clone()
            }
            State::Pending => {
                self.read_pending.insert(at);
                Rc::new(Answer::unknown(&format!("the queries of with read each other in a circle by {name}")))
            }
        })
    }

    pub(super) fn with(&mut self, with: &With, outer: Option<&Scope<'_>>) {
        if !with.recursive {
            for cte in &with.cte_tables {
                let name = folded(&cte.alias.name);
                let node = (self.part)(&name);
                let answer = self.apart(node.as_deref(), |analysis| analysis.query(&cte.query, outer));
                let answer = Answer { shape: self.aliased(answer.shape, &cte.alias), ..answer };
                self.named.push(Named { name, node, state: State::Done(answer.into()) });
            }
            return;
        }
        // They may read what stands behind them: each is followed when what it reads has been.
        let first = self.named.len();
        for cte in &with.cte_tables {
            let name = folded(&cte.alias.name);
            self.named.push(Named { node: (self.part)(&name), name, state: State::Pending });
        }
        let mut left: Vec<usize> = (0..with.cte_tables.len()).collect();
        while !left.is_empty() {
            let before = left.len();
            let mut waiting = Vec::new();
            for index in std::mem::take(&mut left) {
                if !self.growing(&with.cte_tables[index], first, first + index, outer) {
                    waiting.push(index);
                }
            }
            left = waiting;
            if left.len() == before {
                for index in left.drain(..) {
                    let circle = Answer::unknown("the queries of with read each other in a circle");
                    self.named[first + index].state = State::Done(circle.into());
                }
            }
        }
    }

    /// Follows a query that may read itself; whether all that it reads was known.
    fn growing(&mut self, cte: &Cte, first: usize, at: usize, outer: Option<&Scope<'_>>) -> bool {
        self.read_pending.split_off(&first);
        let growth = Growth { at, alias: &cte.alias };
        let node = self.named[at].node.clone();
        let mut answer =
            self.apart(node.as_deref(), |analysis| analysis.query_growing(&cte.query, outer, Some(&growth)));
        let known = self.read_pending.split_off(&first).is_empty();
        answer.shape = self.aliased(answer.shape, &cte.alias);
        self.named[at].state = if known { State::Done(answer.into()) } else { State::Pending };
        known
    }

    /// Follows what may be a node of its own: what that reads is not read by the whole, which reads its columns.
    fn apart(&mut self, node: Option<&str>, follow: impl FnOnce(&mut Self) -> Answer) -> Answer {
        let Some(node) = node else { return follow(self) };
        let before = (self.reads.clone(), self.nodes.clone());
        let shape = follow(self).shape;
        (self.reads, self.nodes) = before;
        let column = |column: &Column| Column::new(&column.name, Flow::of(self.numbered.number(node, &column.name)));
        let columns = shape.columns.iter().map(column).collect();
        let open = shape.open.map(|_| Rc::new(Flow::unknown(format!("the columns of {node} aren't all known"))));
        Answer { shape: Shape { columns, open }, rows: Flow::default() }
    }

    fn aliased(&mut self, shape: Shape, alias: &TableAlias) -> Shape {
        match alias_of(alias) {
            Some((_, names)) => renamed(&shape, &names),
            None => Shape::unknown("an alias has a form that PostgreSQL doesn't know"),
        }
    }

    /// A recursive union: its right side reads what both sides give, until that is all.
    pub(super) fn grown(
        &mut self,
        base: Answer,
        quantifier: SetQuantifier,
        right: &SetExpr,
        outer: Option<&Scope<'_>>,
        growth: &Growth<'_>,
    ) -> Answer {
        let mut answer = base.clone();
        // What a column comes from passes at least one column further each time.
        for _ in 0..base.shape.columns.len() + 3 {
            let shape = self.aliased(answer.shape.clone(), growth.alias);
            let so_far = Answer { shape, rows: answer.rows.clone() };
            self.named[growth.at].state = State::Growing(so_far.into());
            self.read_growing.remove(&growth.at);
            let step = self.operand(right, outer);
            let next = self.combined(&base, &step, SetOperator::Union, quantifier);
            let done = !self.read_growing.contains(&growth.at) || next == answer;
            answer = next;
            if done {
                return answer;
            }
        }
        let reason = "a recursive query didn't come to an end";
        answer.shape.columns.iter_mut().for_each(|column| column.flow = Flow::unknown(reason).into());
        answer.rows.add(&Flow::unknown(reason));
        answer
    }
}
