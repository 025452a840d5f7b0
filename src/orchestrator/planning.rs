//! Plans a run: asks the source and the project, draws the graph, writes it down.
//!
//! A failure that may heal is tried again with backoff; when no try is left, the run fails and the
//! next fire plans afresh.

use super::{attempt::backoff, executor::Execution, plan::draw, request::Event};
use crate::{
    error::{Error, Policy, Result},
    models::{ModelNode, Models},
    state::Plan,
};
use std::collections::BTreeSet;
use tracing::{error, info, warn};

/// What carrying a planned run out needs.
pub(super) struct Planned {
    /// The project, as it was read for this run.
    pub(super) models: Option<Models>,
    /// Whether a part could not be planned; the run then ends as failed.
    pub(super) in_part: bool,
}

impl Execution {
    /// Plans the run, or takes the plan that a process before this one made. `None`: told to stop.
    pub(super) async fn planned(&self) -> Result<Option<Planned>> {
        if self.is_planned {
            return Ok(Some(Planned { models: self.models().await.unwrap_or(None), in_part: self.in_part }));
        }
        let mut failures = 0;
        loop {
            let planning = self.plan();
            let error = tokio::select! {
                biased;
                () = self.stop.drain.cancelled() => return Ok(None),
                () = self.writership.lost() => return Ok(None),
                plan = planning => match plan {
                    Ok((plan, models)) => return self.written(plan, models).await,
                    Err(error) => error,
                }
            };
            failures += 1;
            self.orchestrator.metrics.failures.with_label_values(&[error.kind.as_str()]).inc();
            let delay = backoff(&self.orchestrator.config.retry).delay(failures);
            let (Policy::Retry, Some(delay)) = (error.policy(), delay) else { return Err(error) };
            let wait_seconds = delay.as_secs_f64();
            warn!(attempt = failures, wait_seconds, kind = %error.kind, %error, "planning failed; will be tried again");
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = self.stop.drain.cancelled() => return Ok(None),
            }
        }
    }

    async fn plan(&self) -> Result<(Plan, Option<Models>)> {
        // Read for each run, so that an edited model counts from the next run on.
        let models = self.models().await;
        let nodes = models.as_ref().ok().and_then(Option::as_ref).map(Models::nodes).unwrap_or_default();
        let tables = self.orchestrator.syncer.plan(None, self.request.sync_options()).await?;
        let known = models.as_ref().ok().and_then(Option::as_ref);
        let stale = match known {
            Some(models) => stale(models, &nodes).await?,
            None => BTreeSet::new(),
        };
        let by_method = |pattern: &str| match known {
            Some(models) => models.select(&[pattern.to_owned()], &[]),
            None => Ok(Vec::new()),
        };
        let mut plan = draw(&self.request, &tables, &nodes, &stale, &by_method)?;
        let models = models.unwrap_or_else(|error| {
            error!(kind = %error.kind, %error, remedy = error.remedy(), "the models can't be read; only tables are synced");
            plan.error = Some((error.kind.as_str().to_owned(), error.to_string()));
            // What can't be read is not gone.
            plan.models = None;
            None
        });
        Ok((plan, models))
    }

    async fn models(&self) -> Result<Option<Models>> {
        let o = self.orchestrator.clone();
        let read = move || Models::load(&o.config, o.warehouse.clone(), o.metrics.clone());
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|e| Error::new(crate::error::Kind::Internal, format!("reading the models: {e}")))?
    }

    async fn written(&self, plan: Plan, models: Option<Models>) -> Result<Option<Planned>> {
        let o = &self.orchestrator;
        let written = self.persisted(|| o.state.plan_run(self.run, &plan, o.clock.now())).await?;
        if written.is_none() {
            return Ok(None);
        }
        let (tasks, unchanged) = (plan.tasks.len(), plan.unchanged.len());
        info!(tasks, tables_unchanged = unchanged, "run planned");
        self.tell(Event::Planned { run: self.run, tasks, unchanged });
        Ok(Some(Planned { models, in_part: plan.error.is_some() }))
    }
}

/// The models that have something to do by themselves: never built, edited, or failed.
///
/// # Errors
/// The warehouse fails. What is wrong with a model itself is told by its task.
async fn stale(models: &Models, nodes: &[ModelNode]) -> Result<BTreeSet<String>> {
    let mut stale = BTreeSet::new();
    for node in nodes {
        let is_stale = match models.plan(&node.id, false).await {
            Ok((is_stale, _)) => is_stale,
            Err(error) if error.policy() == Policy::Fail => true,
            Err(error) => return Err(error),
        };
        if is_stale {
            stale.insert(node.id.as_str().to_owned());
        }
    }
    Ok(stale)
}
