//! Makes a run's graph: which tables and models have something to do, and who waits for whom.
//!
//! [`draw`] is pure. What is begun first is decided here too ([`critical_path`]). Guarantee: a table that needs
//! nothing becomes no task; a model becomes one when a table or model above it does, or when it is not up to date
//! by itself.

use super::{
    critical_path,
    request::RunRequest,
    selection::{Node, select},
};
use crate::{
    dag::Dag,
    domain::{ModelId, TaskKind},
    error::{Error, Kind, Result},
    models::{ModelNode, Moment},
    state::{Durations, NewEdge, NewTask, Plan},
    sync::{Action, TablePlan},
};
use std::collections::{BTreeMap, BTreeSet};

/// Draws a run's graph from what there is.
///
/// `stale` are the models that have something to do even if no table changes; `known` tells how long work took.
///
/// # Errors
/// A selection that names nothing, or models that wait for each other.
pub(super) fn draw(
    request: &RunRequest,
    tables: &[TablePlan],
    models: &[ModelNode],
    stale: &BTreeSet<String>,
    known: &Durations,
    by_method: &dyn Fn(&str) -> Result<Vec<ModelId>>,
) -> Result<Plan> {
    let (whole, selected) = selected(request, tables, models, by_method)?;
    let plans: BTreeMap<&str, &TablePlan> = tables.iter().map(|p| (p.table.name.as_str(), p)).collect();
    let mut plan = Plan {
        tables: Some(plans.keys().map(ToString::to_string).collect()),
        models: Some(models.iter().map(|m| m.id.as_str().to_owned()).collect()),
        ..Plan::default()
    };
    let continuing = models.iter().filter(|m| m.continues).map(|m| Node::Model(m.id.as_str().to_owned()));
    let continuing: BTreeSet<Node> = continuing.collect();
    let mut positions: BTreeMap<Node, usize> = BTreeMap::new();
    let mut takes = Vec::new();
    for node in whole.order().iter().filter(|node| selected.contains(node)) {
        let parents = task_ancestors(&whole, node, &positions, &continuing);
        let task = match node {
            Node::Table(name) => match plans.get(name.as_str()) {
                Some(table) if table.action == Action::Skip => {
                    plan.unchanged.push(table.table.name.clone());
                    continue;
                }
                Some(table) => {
                    takes.push(critical_path::of_table(table, known));
                    table_task(table, request)
                }
                // A model reads a table that the source does not have, or that is excluded.
                None => continue,
            },
            Node::Model(id) if request.full || stale.contains(id) || !parents.is_empty() => {
                takes.push(critical_path::of_model(id, known));
                NewTask { kind: TaskKind::Model, subject: id.clone(), weight: 0 }
            }
            Node::Model(_) => continue,
        };
        let position = plan.tasks.len();
        plan.tasks.push(task);
        plan.edges.extend(parents.into_iter().map(|(parent, must_succeed)| NewEdge {
            child: position,
            parent,
            must_succeed,
        }));
        positions.insert(node.clone(), position);
    }
    plan.edges.extend(after(&whole, models, &positions));
    let weights = critical_path::remaining(&takes, &plan.edges);
    plan.tasks.iter_mut().zip(weights).for_each(|(task, weight)| task.weight = weight);
    Ok(plan)
}

/// Puts what the project wants done before and after its models around those of a run, if it has any. What comes before
/// must succeed; what comes after is done however the models end.
pub(super) fn add_operations(plan: &mut Plan, moments: &[Moment]) {
    let is_model = |task: &NewTask| task.kind == TaskKind::Model;
    let models: Vec<usize> = (0..plan.tasks.len()).filter(|at| is_model(&plan.tasks[*at])).collect();
    if models.is_empty() {
        return;
    }
    // All models wait for the start, so it comes before anything that has room beside it.
    let heaviest = models.iter().map(|at| plan.tasks[*at].weight).max().unwrap_or_default();
    let mut start = None;
    for moment in moments {
        let at = plan.tasks.len();
        let is_start = *moment == Moment::Start;
        let (subject, weight) = (moment.as_str().to_owned(), if is_start { heaviest } else { 0 });
        plan.tasks.push(NewTask { kind: TaskKind::Operation, subject, weight });
        if is_start {
            plan.edges.extend(models.iter().map(|model| NewEdge { child: *model, parent: at, must_succeed: true }));
            start = Some(at);
        } else {
            let start = start.map(|parent| NewEdge { child: at, parent, must_succeed: true });
            let models = models.iter().map(|model| NewEdge { child: at, parent: *model, must_succeed: false });
            plan.edges.extend(models.chain(start));
        }
    }
}

/// Everything there is, and what of it is selected.
///
/// # Errors
/// A selection that names nothing, or models that wait for each other.
pub(super) fn selected(
    request: &RunRequest,
    tables: &[TablePlan],
    models: &[ModelNode],
    by_method: &dyn Fn(&str) -> Result<Vec<ModelId>>,
) -> Result<(Dag<Node>, BTreeSet<Node>)> {
    let whole = whole(tables, models)?;
    let selected = select(&request.select, &whole, by_method)?;
    Ok((whole, selected))
}

/// Models whose tests look at others come after them, unless those in turn wait for these.
fn after(whole: &Dag<Node>, models: &[ModelNode], positions: &BTreeMap<Node, usize>) -> Vec<NewEdge> {
    let model = |id: &ModelId| Node::Model(id.as_str().to_owned());
    let both = models.iter().map(|m| {
        let node = model(&m.id);
        let waits_for = whole.parents(&node).cloned().chain(m.after.iter().map(model)).collect();
        (node, waits_for)
    });
    // In a circle nobody could begin: then the order is left open.
    if Dag::new(both).is_err() {
        return Vec::new();
    }
    let of = |m: &ModelNode| -> Vec<(usize, usize)> {
        let child = positions.get(&model(&m.id));
        m.after.iter().filter_map(|a| Some((*child?, *positions.get(&model(a))?))).collect()
    };
    let edges = models.iter().flat_map(of);
    edges.map(|(child, parent)| NewEdge { child, parent, must_succeed: false }).collect()
}

/// Everything there is: tables, models, and who reads what.
fn whole(tables: &[TablePlan], models: &[ModelNode]) -> Result<Dag<Node>> {
    let table = |name: &str| Node::Table(name.to_owned());
    let model = |id: &str| Node::Model(id.to_owned());
    let nodes = tables.iter().map(|p| (table(p.table.name.as_str()), Vec::new())).chain(models.iter().map(|m| {
        let reads = m.tables.iter().map(|t| table(t.as_str())).chain(m.models.iter().map(|m| model(m.as_str())));
        (model(m.id.as_str()), reads.collect())
    }));
    Dag::new(nodes).map_err(|cycle| Error::new(Kind::ModelProject, cycle.to_string()))
}

/// The nearest tasks above a node; through nodes that are no task.
///
/// Only the nearest: an edge to one further up says nothing new, and there would be very many. Each with whether it must
/// succeed: not where the only way to it leads over one of `continuing`, whose last good version will do.
fn task_ancestors(
    whole: &Dag<Node>,
    node: &Node,
    positions: &BTreeMap<Node, usize>,
    continuing: &BTreeSet<Node>,
) -> BTreeMap<usize, bool> {
    let (mut found, mut seen) = (BTreeMap::new(), BTreeSet::new());
    let mut todo: Vec<(&Node, bool)> = whole.parents(node).map(|parent| (parent, true)).collect();
    while let Some((parent, must_succeed)) = todo.pop() {
        let must_succeed = must_succeed && !continuing.contains(parent);
        if let Some(position) = positions.get(parent) {
            *found.entry(*position).or_default() |= must_succeed;
        } else if seen.insert((parent, must_succeed)) {
            todo.extend(whole.parents(parent).map(|above| (above, must_succeed)));
        }
    }
    found
}

fn table_task(table: &TablePlan, request: &RunRequest) -> NewTask {
    let kind = if request.reconcile { TaskKind::Reconcile } else { TaskKind::Sync };
    NewTask { kind, subject: table.table.name.as_str().to_owned(), weight: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Engine, SyncMode, Table, TableName};

    fn table(name: &str, action: Action) -> TablePlan {
        TablePlan {
            table: Table {
                name: TableName::new(name),
                engine: Engine::MyIsam,
                columns: Vec::new(),
                key: Vec::new(),
                rows: 1,
                data_bytes: 100,
                fingerprint: None,
                made_at: None,
            },
            mode: SyncMode::Replace,
            mode_reason: String::new(),
            action,
            action_reason: String::new(),
            types: Vec::new(),
        }
    }

    fn model(name: &str, models: &[&str], tables: &[&str]) -> ModelNode {
        ModelNode {
            id: id(name),
            models: models.iter().map(|m| id(m)).collect(),
            after: Vec::new(),
            tables: tables.iter().map(|t| TableName::new(*t)).collect(),
            continues: name == "tolerant",
        }
    }

    fn id(name: &str) -> ModelId {
        ModelId::new(format!("model.clinic.{name}"))
    }

    /// The mart takes long, and the claims longer than anything else that is read.
    fn known() -> Durations {
        let known = [("delta", "payment", 2.0), ("load", "claim", 60.0), ("model", id("mart").as_str(), 90.0)]
            .map(|(kind, subject, seconds)| (kind.to_owned(), subject.to_owned(), seconds));
        known.into_iter().collect()
    }

    fn drawn(request: &RunRequest, stale: &[&str]) -> (Vec<String>, Vec<(String, String)>, Plan) {
        let tables = [table("payment", Action::Delta), table("patient", Action::Skip), table("claim", Action::Load)];
        let models = [
            model("stg_payment", &[], &["payment"]),
            model("stg_patient", &[], &["patient"]),
            model("stg_gone", &[], &["nowhere"]),
            model("mart", &["stg_payment", "stg_patient"], &[]),
        ];
        let stale = stale.iter().map(|n| id(n).as_str().to_owned()).collect();
        let plan = draw(request, &tables, &models, &stale, &known(), &|_| Ok(Vec::new()))
            .expect("the selection names something");
        let name = |i: usize| super::super::selection::short(&plan.tasks[i].subject).to_owned();
        let names = (0..plan.tasks.len()).map(name).collect();
        let mut edges: Vec<_> = plan.edges.iter().map(|e| (name(e.parent), name(e.child))).collect();
        edges.sort();
        (names, edges, plan)
    }

    fn select(patterns: &[&str]) -> RunRequest {
        RunRequest { select: patterns.iter().map(ToString::to_string).collect(), ..RunRequest::default() }
    }

    #[test]
    fn unchanged_tables_are_no_tasks_and_models_below_changed_ones_are() {
        let (mut names, edges, plan) = drawn(&RunRequest::default(), &[]);
        names.sort();
        assert_eq!(names, ["claim", "mart", "payment", "stg_payment"]);
        assert_eq!(plan.unchanged, [TableName::new("patient")]);
        let edge = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(edges, [edge("payment", "stg_payment"), edge("stg_payment", "mart")]);
    }

    #[test]
    fn what_reads_a_model_that_continues_waits_for_it_and_does_not_need_it() {
        let tables = [table("payment", Action::Delta)];
        let models = [
            model("tolerant", &[], &["payment"]),
            model("mart", &["tolerant"], &[]),
            model("both", &["tolerant"], &["payment"]),
        ];
        let edges = |select: &[&str]| {
            let plan = draw(&self::select(select), &tables, &models, &BTreeSet::new(), &known(), &|_| Ok(Vec::new()));
            let plan = plan.expect("the selection names something");
            let short = |at: usize| super::super::selection::short(&plan.tasks[at].subject).to_owned();
            let edge = |e: &NewEdge| format!("{} {} {}", short(e.parent), short(e.child), e.must_succeed);
            let mut edges: Vec<String> = plan.edges.iter().map(edge).collect();
            edges.sort();
            edges
        };
        let direct = ["payment both true", "payment tolerant true", "tolerant both false", "tolerant mart false"];
        assert_eq!(edges(&["payment+"]), direct);
        assert_eq!(edges(&["payment", "mart", "both"]), ["payment both true", "payment mart false"]);
    }

    #[test]
    fn what_the_most_time_hangs_on_comes_before_what_is_large() {
        let (names, _, plan) = drawn(&RunRequest::default(), &[]);
        let weight = |name: &str| plan.tasks[names.iter().position(|n| n == name).expect("it is a task")].weight;
        // By its own time, the claims would have come first: and the mart 58 seconds too late.
        assert_eq!((weight("claim"), weight("payment")), (60_000, 93_000));
        assert_eq!((weight("stg_payment"), weight("mart")), (91_000, 90_000));
    }

    #[test]
    fn a_stale_model_is_a_task_without_a_changed_table() {
        let (names, edges, _) = drawn(&select(&["stg_patient+"]), &["stg_patient"]);
        assert_eq!(names, ["stg_patient", "mart"]);
        assert_eq!(edges.len(), 1);
    }

    #[test]
    fn a_selected_model_without_anything_new_above_it_is_left_alone() {
        assert!(drawn(&select(&["stg_patient"]), &[]).0.is_empty());
    }

    #[test]
    fn full_builds_every_selected_model() {
        let request = RunRequest { full: true, ..select(&["stg_patient"]) };
        assert_eq!(drawn(&request, &[]).0, ["stg_patient"]);
    }

    #[test]
    fn reconcile_makes_tasks_of_that_kind() {
        let request = RunRequest { reconcile: true, ..select(&["payment"]) };
        assert_eq!(drawn(&request, &[]).2.tasks[0].kind, TaskKind::Reconcile);
    }
}
