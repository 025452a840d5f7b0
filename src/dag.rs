//! The graph: who must wait for whom.
//!
//! Pure. Used for models (`models/`) and for the tasks of a run (`orchestrator/`).
//! Guarantee: a cycle is reported as the cycle, in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A directed graph without cycles. An edge goes from what must be done first to what waits for it.
#[derive(Clone, Debug)]
pub struct Dag<K> {
    parents: BTreeMap<K, BTreeSet<K>>,
    children: BTreeMap<K, BTreeSet<K>>,
    order: Vec<K>,
}

/// A cycle: each waits for the next, the last for the first.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("cycle: {}", .0.join(" -> "))]
pub struct Cycle(pub Vec<String>);

impl<K: Clone + Ord + std::fmt::Display> Dag<K> {
    /// Makes the graph from each node and what it waits for. A parent that is no node is left out.
    ///
    /// # Errors
    /// [`Cycle`], with its members in order and the first repeated at the end.
    pub fn new(nodes: impl IntoIterator<Item = (K, Vec<K>)>) -> Result<Self, Cycle> {
        let nodes: BTreeMap<K, Vec<K>> = nodes.into_iter().collect();
        let mut parents: BTreeMap<K, BTreeSet<K>> = BTreeMap::new();
        let mut children: BTreeMap<K, BTreeSet<K>> = nodes.keys().map(|k| (k.clone(), BTreeSet::new())).collect();
        for (node, waits_for) in &nodes {
            let known: BTreeSet<K> = waits_for.iter().filter(|p| nodes.contains_key(p)).cloned().collect();
            for parent in &known {
                children.entry(parent.clone()).or_default().insert(node.clone());
            }
            parents.insert(node.clone(), known);
        }
        let mut open: BTreeMap<K, usize> = parents.iter().map(|(k, p)| (k.clone(), p.len())).collect();
        let mut ready: VecDeque<K> = open.iter().filter(|(_, n)| **n == 0).map(|(k, _)| k.clone()).collect();
        let mut order = Vec::with_capacity(parents.len());
        while let Some(node) = ready.pop_front() {
            for child in &children[&node] {
                let n = open.get_mut(child).expect("every child is a node");
                *n -= 1;
                if *n == 0 {
                    ready.push_back(child.clone());
                }
            }
            order.push(node);
        }
        if order.len() < parents.len() {
            return Err(Cycle(Self::find_cycle(&parents, &order)));
        }
        Ok(Self { parents, children, order })
    }

    /// Follows parents among the nodes that were never ready until one comes again.
    fn find_cycle(parents: &BTreeMap<K, BTreeSet<K>>, done: &[K]) -> Vec<String> {
        let done: BTreeSet<&K> = done.iter().collect();
        let stuck = |k: &&K| !done.contains(*k);
        let mut path: Vec<&K> = vec![parents.keys().find(stuck).expect("a cycle leaves a node undone")];
        loop {
            let last = path[path.len() - 1];
            let next = parents[last].iter().find(stuck).expect("a node is only stuck behind a stuck parent");
            if let Some(at) = path.iter().position(|k| *k == next) {
                path.push(next);
                return path[at..].iter().map(ToString::to_string).collect();
            }
            path.push(next);
        }
    }

    /// Every node, parents before children.
    pub fn order(&self) -> &[K] {
        &self.order
    }

    /// What the node waits for.
    pub fn parents(&self, node: &K) -> impl Iterator<Item = &K> {
        self.parents.get(node).into_iter().flatten()
    }

    /// What waits for the node.
    pub fn children(&self, node: &K) -> impl Iterator<Item = &K> {
        self.children.get(node).into_iter().flatten()
    }

    /// Everything that waits for the node, directly or not; not the node itself.
    pub fn descendants(&self, node: &K) -> BTreeSet<K> {
        Self::reach(&self.children, node)
    }

    /// Everything that the node waits for, directly or not; not the node itself.
    pub fn ancestors(&self, node: &K) -> BTreeSet<K> {
        Self::reach(&self.parents, node)
    }

    fn reach(edges: &BTreeMap<K, BTreeSet<K>>, from: &K) -> BTreeSet<K> {
        let mut found = BTreeSet::new();
        let mut todo = vec![from];
        while let Some(node) = todo.pop() {
            for next in edges.get(node).into_iter().flatten() {
                if found.insert(next.clone()) {
                    todo.push(next);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_puts_parents_before_children() {
        let dag = Dag::new([("c", vec!["b", "a"]), ("b", vec!["a"]), ("a", vec![]), ("d", vec!["elsewhere"])])
            .expect("no cycle");
        let at = |n| dag.order().iter().position(|k| *k == n).expect("every node is in the order");
        assert!(at("a") < at("b") && at("b") < at("c"));
        assert_eq!(dag.descendants(&"a"), ["b", "c"].into());
        assert_eq!(dag.ancestors(&"c"), ["a", "b"].into());
        assert_eq!(dag.order().len(), 4);
    }

    #[test]
    fn a_cycle_is_reported_as_the_cycle() {
        let cycle =
            Dag::new([("a", vec![]), ("x", vec!["z", "a"]), ("y", vec!["x"]), ("z", vec!["y"]), ("below", vec!["x"])])
                .expect_err("x, y and z wait for each other");
        assert_eq!(cycle.0.len(), 4);
        assert_eq!(cycle.0.first(), cycle.0.last());
        assert!(!cycle.0.contains(&"below".to_owned()) && !cycle.0.contains(&"a".to_owned()));
    }
}
