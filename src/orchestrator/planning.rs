//! Plans a run: asks the source and the project, draws the graph, writes it down.
//!
//! A failure that may heal is tried again with backoff; when no try is left, the run fails and the
//! next fire plans afresh.

use super::{
    Orchestrator, RunRequest,
    attempt::backoff,
    executor::{Execution, POLL},
    plan::{add_operations, draw},
    request::Event,
};
use crate::{
    domain::ModelId,
    error::{Error, Kind, Policy, Result},
    models::{ModelNode, Models},
    state::{Durations, Plan},
    sync::TablePlan,
    telemetry::rounded_seconds,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tracing::{Span, error, info, warn};

/// How long reading the models may take, which takes seconds: behind a share whose server is away, for ever.
const PROJECT_SECONDS_MAX: u64 = 120;

/// The project as it was read for one run; `None` where there is none, an error where it can't be read.
pub(super) type Project = std::result::Result<Option<Arc<Models>>, Arc<Error>>;

/// What carrying a planned run out needs.
pub(super) struct Planned {
    /// The project.
    pub(super) project: Project,
    /// Whether a part could not be planned; the run then ends as failed.
    pub(super) in_part: bool,
}

impl Execution {
    /// Plans the run, or takes the plan that a process before this one made. `None`: told to stop.
    pub(super) async fn planned(&self) -> Result<Option<Planned>> {
        if self.begun.is_planned {
            let project = self.orchestrator.project().await;
            if let Err(error) = &project {
                self.tell_unread(error);
            }
            return Ok(Some(Planned { project, in_part: self.begun.in_part }));
        }
        let mut failures = 0;
        loop {
            let planning = self.plan();
            let error = tokio::select! {
                biased;
                () = self.stop.drain.cancelled() => return Ok(None),
                () = self.writership.lost() => return Ok(None),
                plan = planning => match plan {
                    Ok((plan, _)) if reads_tables(&plan) && self.orchestrator.source.quiet_until().is_some() => {
                        match self.quiet_hours_over().await {
                            Some(()) => continue,
                            None => return Ok(None),
                        }
                    }
                    Ok((plan, project)) => return self.written(plan, project).await,
                    Err(error) => error,
                }
            };
            failures += 1;
            self.orchestrator.metrics.failures.with_label_values(&[error.kind.as_str()]).inc();
            let delay = backoff(&self.orchestrator.config.retry).delay(failures);
            let (Policy::Retry, Some(delay)) = (error.policy(), delay) else { return Err(error) };
            let wait_seconds = rounded_seconds(delay);
            warn!(attempt = failures, wait_seconds, kind = %error.kind, %error, "planning failed; will be tried again");
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = self.stop.drain.cancelled() => return Ok(None),
                () = self.writership.lost() => return Ok(None),
            }
        }
    }

    /// Waits for the end of the quiet hours, and is planned then: what changes meanwhile belongs to it. `None`:
    /// told to stop.
    async fn quiet_hours_over(&self) -> Option<()> {
        let source = &self.orchestrator.source;
        let until = source.quiet_until().map(|t| t.to_rfc3339());
        info!(until, "tables have changed; the run waits for the end of the source's quiet hours");
        while source.quiet_until().is_some() {
            tokio::select! {
                biased;
                () = self.stop.drain.cancelled() => return None,
                () = self.writership.lost() => return None,
                () = tokio::time::sleep(POLL) => {}
            }
        }
        Some(())
    }

    async fn plan(&self) -> Result<(Plan, Project)> {
        let looked_at = self.orchestrator.clock.now();
        let Look { mut plan, project, .. } = self.orchestrator.look(&self.begun.request).await?;
        plan.looked_at = looked_at;
        if let Err(error) = &project {
            self.tell_unread(error);
            plan.error = Some((error.kind.as_str().to_owned(), error.to_string()));
            // What can't be read is not gone.
            plan.models = None;
        }
        // Whoever runs by hand wants what was asked for.
        if !self.begun.schedule.is_empty() {
            plan.tasks.extend(self.orchestrator.maintenance().await?);
        }
        Ok((plan, project))
    }

    /// That the project can't be read is no reason not to sync the tables.
    fn tell_unread(&self, error: &Error) {
        error!(kind = %error.kind, %error, remedy = error.remedy(), "the models can't be read; only tables are synced");
        self.orchestrator.metrics.failures.with_label_values(&[error.kind.as_str()]).inc();
    }

    async fn written(&self, plan: Plan, project: Project) -> Result<Option<Planned>> {
        let o = &self.orchestrator;
        let written = self.persisted(|| o.state.plan_run(self.begun.id, &plan, o.clock.now())).await?;
        let Some(gone) = written else {
            return Ok(None);
        };
        o.syncer.tell_gone(&gone);
        let (tasks, unchanged) = (plan.tasks.len(), plan.unchanged.len());
        info!(tasks, tables_unchanged = unchanged, "run planned");
        self.tell(Event::Planned { run: self.begun.id, tasks, unchanged });
        Ok(Some(Planned { project, in_part: plan.error.is_some() }))
    }
}

fn reads_tables(plan: &Plan) -> bool {
    plan.tasks.iter().any(|task| task.kind.reads_source())
}

/// What is seen when a run is planned.
pub(super) struct Look {
    pub(super) tables: Vec<TablePlan>,
    pub(super) project: Project,
    pub(super) nodes: Vec<ModelNode>,
    /// Whether each model has something to do by itself, by its unique id, and why.
    pub(super) models: BTreeMap<String, (bool, String)>,
    /// The graph.
    pub(super) plan: Plan,
}

impl Look {
    /// The models that a pattern names the way dbt does.
    pub(super) fn by_method(project: &Project, pattern: &str) -> Result<Vec<ModelId>> {
        match project {
            Ok(Some(models)) => models.select(&[pattern.to_owned()], &[]),
            _ => Ok(Vec::new()),
        }
    }
}

impl Orchestrator {
    /// Looks at both databases and the project, and draws what a run would do. Changes nothing.
    pub(super) async fn look(&self, request: &RunRequest) -> Result<Look> {
        let tables = self.syncer.plan(None, request.sync_options()).await?;
        let project = self.project().await;
        let known = project.as_ref().ok().and_then(Option::as_deref);
        let nodes = known.map(Models::nodes).unwrap_or_default();
        let models = match known {
            Some(models) => {
                let ids: Vec<ModelId> = nodes.iter().map(|node| node.id.clone()).collect();
                models.plan(&ids, self.state.is_migrated().await?).await?
            }
            None => BTreeMap::new(),
        };
        let stale = models.iter().filter(|(_, (is_stale, _))| *is_stale).map(|(id, _)| id.clone()).collect();
        let known = self.durations().await?;
        let drawn = draw(request, &tables, &nodes, &stale, &known, &|pattern| Look::by_method(&project, pattern));
        let mut plan = drawn.map_err(|error| match &project {
            // The selection may well name a model that only can't be seen now.
            Err(unread) => Error::new(Kind::ModelProject, format!("{error}, and the models can't be read: {unread}")),
            Ok(_) => error,
        })?;
        if let Ok(Some(project)) = &project {
            add_operations(&mut plan, &project.moments());
        }
        Ok(Look { tables, project, nodes, models, plan })
    }

    /// How long work takes, where the control plane knows.
    async fn durations(&self) -> Result<Durations> {
        match self.state.durations().await {
            // Nothing has ever run, or nothing since the upgrade.
            Err(error) if error.kind == Kind::WarehouseQuery => Ok(Durations::default()),
            read => read,
        }
    }

    /// Reads the project: for each run afresh, so that an edited model counts from the next run on.
    async fn project(&self) -> Project {
        let o = self.clone();
        let span = Span::current();
        let load = move || Models::load(&o.config, o.warehouse.clone(), o.metrics.clone(), o.clock.clone());
        let read = move || span.in_scope(load);
        let read = match self.models.read(Duration::from_secs(PROJECT_SECONDS_MAX), read).await {
            Some(Ok(read)) => read,
            Some(Err(_)) => Err(Error::new(Kind::Internal, "reading the models panicked")),
            None => Err(Error::new(
                Kind::Io,
                format!("the folder of the models was not read within {PROJECT_SECONDS_MAX} s: does it answer?"),
            )),
        };
        read.map(|models| models.map(Arc::new)).map_err(Arc::new)
    }
}
