//! What a run would do now, and why: for people to read before it does.

use super::{
    Orchestrator, RunRequest,
    plan::selected,
    planning::Look,
    selection::{Node, short},
};
use crate::{
    domain::ModelId,
    error::{Error, Result},
    state::Plan,
    sync::TablePlan,
};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

/// What a run would do now.
#[derive(Debug)]
pub struct Outlook {
    /// The tables selected, by name.
    pub tables: Vec<TablePlan>,
    /// The models selected, parents first.
    pub models: Vec<ModelPlan>,
    /// Why the project can't be read; a run then syncs tables alone.
    pub unread: Option<Arc<Error>>,
}

/// What a run would do with one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelPlan {
    /// Its unique id.
    pub model: ModelId,
    /// What.
    pub action: ModelAction,
    /// Why, in words.
    pub reason: String,
}

/// What a run does with one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelAction {
    /// It is built, or tested again.
    Build,
    /// It is built if what is read or built before it brings changes.
    BuildIfChanged,
    /// Nothing.
    Skip,
}

impl Orchestrator {
    /// Looks at what a run would do now. Changes nothing.
    ///
    /// # Errors
    /// Either database fails, or the selection names nothing.
    pub async fn outlook(&self, request: &RunRequest) -> Result<Outlook> {
        let Look { tables, project, nodes, models, plan } = self.look(request).await?;
        let (_, selected) = selected(request, &tables, &nodes, &|pattern| Look::by_method(&project, pattern))?;
        let above = above(&plan);
        let planned = |id: &ModelId| {
            let (is_stale, reason) = models.get(id.as_str()).cloned().unwrap_or_default();
            let (action, reason) = match above.get(id.as_str()) {
                _ if is_stale => (ModelAction::Build, reason),
                Some(parents) => (ModelAction::BuildIfChanged, format!("{} may bring changes", several(parents))),
                None => (ModelAction::Skip, reason),
            };
            ModelPlan { model: id.clone(), action, reason }
        };
        let is_selected = |node: Node| selected.contains(&node);
        Ok(Outlook {
            models: nodes
                .iter()
                .filter(|n| is_selected(Node::Model(n.id.as_str().to_owned())))
                .map(|n| planned(&n.id))
                .collect(),
            tables: tables.into_iter().filter(|t| is_selected(Node::Table(t.table.name.as_str().to_owned()))).collect(),
            unread: project.err(),
        })
    }
}

/// What comes right before each task, by its subject. Empty lists too: who is in it has something to do.
fn above(plan: &Plan) -> BTreeMap<&str, Vec<&str>> {
    let mut above: BTreeMap<&str, Vec<&str>> = plan.tasks.iter().map(|t| (t.subject.as_str(), Vec::new())).collect();
    for edge in plan.edges.iter().filter(|e| e.must_succeed) {
        let parents = above.entry(plan.tasks[edge.child].subject.as_str()).or_default();
        parents.push(short(&plan.tasks[edge.parent].subject));
    }
    above
}

/// The first of several names, and how many more there are.
fn several(names: &[&str]) -> String {
    match names {
        [] => "what is above it".to_owned(),
        [one] => (*one).to_owned(),
        [first, more @ ..] => format!("{first} and {} more", more.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_names_one_and_counts_the_rest() {
        assert_eq!(several(&["payment"]), "payment");
        assert_eq!(several(&["payment", "patient", "claim"]), "payment and 2 more");
    }
}
