//! One model built, tested and published; or tested alone.

use super::{
    BatchSpan, BuildOptions, BuildOutcome, Models, Told,
    compile::{self, Manner},
    context::connection::{On, with_connection},
    decide::Decision,
    history::{self, Tried},
    ledger::{self, Success, Versions},
    manifest::{Node, Resource, config_of},
    materialize::{Work, relkind},
    microbatch::{Batches, Microbatch},
    plan::Plan,
    templates::Templates,
    testing::{self, Round, stored},
    turn, units,
    verdict::{KeptVerdict, TestStatus, TestVerdict},
    wall_clock,
};
use crate::{
    domain::ModelId,
    error::{Error, Result},
    warehouse::{Session, Transaction},
};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

impl Models {
    /// Builds, tests and publishes one model in one transaction, unless nothing it depends on has
    /// changed since its last success. Dropping the future rolls everything back.
    pub async fn build(&self, model: &ModelId, options: impl Into<BuildOptions>) -> Result<BuildOutcome> {
        self.build_telling(model, &options.into(), &mut Told::default()).await
    }

    /// As [`Models::build`]; `told` takes what there is to tell besides, also of a build that fails.
    pub async fn build_telling(
        &self,
        model: &ModelId,
        options: &BuildOptions,
        told: &mut Told,
    ) -> Result<BuildOutcome> {
        let node = self.manifest.node(model)?;
        if node.is_ephemeral() && node.fault.is_none() {
            let chosen = self.manifest.units_of(model).filter(|test| options.tests.has(&test.id));
            told.units = self.test(&chosen.map(|test| test.id.clone()).collect::<Vec<_>>()).await?;
            units::judge(node, &told.units)?;
            return Ok(BuildOutcome::nothing("ephemeral: a part of the queries that read it", Vec::new()));
        }
        let mut tried = None;
        match self.try_build(node, options, &mut tried, told).await {
            Ok(outcome) => Ok(outcome),
            Err(error) => {
                self.remember(node, &error, tried.as_ref(), options, told).await;
                Err(error)
            }
        }
    }

    /// Runs tests on what is published, unit tests too.
    ///
    /// # Errors
    /// The warehouse fails, or there is no such test.
    pub async fn test(&self, tests: &[ModelId]) -> Result<Vec<TestVerdict>> {
        let tests = tests.iter().map(|id| self.manifest.node(id)).collect::<Result<Vec<_>>>()?;
        let (units, of_data): (Vec<&Node>, Vec<&Node>) =
            tests.into_iter().partition(|test| test.resource == Resource::UnitTest);
        let mut session = self.warehouse.session().await?;
        let (manifest, now, metrics) = (&self.manifest, self.clock.now(), &self.metrics);
        for schema in stored::schemas(manifest, &of_data) {
            session.ensure_schema(schema).await?;
        }
        let transaction = session.begin().await?;
        let published = self.published(&transaction, &of_data).await?;
        let mut verdicts = testing::run(
            &transaction,
            manifest,
            &of_data,
            Round { stands_for: &[], is_build: false, started: now, metrics },
        )
        .await?;
        units::run(&transaction, manifest, &units, now, metrics, &mut verdicts).await?;
        stored::settle(&transaction, manifest, &verdicts).await?;
        for ((node, data_version), tests) in published {
            let said = verdicts.iter().filter(|verdict| tests.contains(&verdict.id));
            let said: Vec<KeptVerdict> = said.map(|verdict| self.kept(verdict, now)).collect();
            ledger::record_verdicts(&transaction, &node, data_version, &said).await?;
        }
        transaction.commit().await?;
        stored::views(&mut session, manifest, &verdicts, now).await?;
        Ok(verdicts)
    }

    /// Which of these tests are of which published model, and of which version of it.
    async fn published(
        &self,
        transaction: &Transaction<'_>,
        tests: &[&Node],
    ) -> Result<BTreeMap<(ModelId, i64), BTreeSet<ModelId>>> {
        let of: BTreeMap<&ModelId, &ModelId> =
            self.manifest.tests.iter().flat_map(|(node, tests)| tests.iter().map(move |test| (test, node))).collect();
        let nodes: BTreeSet<&str> = tests.iter().filter_map(|test| of.get(&test.id)).map(|id| id.as_str()).collect();
        let versions = ledger::data_versions(transaction, &Vec::from_iter(nodes)).await?;
        let mut published: BTreeMap<(ModelId, i64), BTreeSet<ModelId>> = BTreeMap::new();
        for test in tests {
            let Some((node, version)) = of.get(&test.id).and_then(|id| versions.get_key_value(*id)) else { continue };
            published.entry((node.clone(), *version)).or_default().insert(test.id.clone());
        }
        Ok(published)
    }

    /// A verdict that was reached just now, as it is kept.
    fn kept(&self, verdict: &TestVerdict, at: DateTime<Utc>) -> KeptVerdict {
        let checksum = self.manifest.nodes.get(&verdict.id).map(|test| self.checksum_of_test(test));
        KeptVerdict {
            verdict: verdict.clone(),
            checksum: checksum.unwrap_or_default(),
            clock: wall_clock::seen(verdict.compiled.as_deref(), at),
            at,
        }
    }

    /// `tried` is what is built, once that is known. Whoever has waited for another process looks again.
    async fn try_build(
        &self,
        node: &Node,
        options: &BuildOptions,
        tried: &mut Option<Plan>,
        told: &mut Told,
    ) -> Result<BuildOutcome> {
        let mut session = self.warehouse.session().await?;
        for _ in 0..turn::TURNS_MAX {
            if let Some(outcome) = self.try_in_turn(node, options, &mut session, tried, told).await? {
                return Ok(outcome);
            }
            turn::wait(&mut session, node, self.warehouse.lock_seconds_max()).await?;
        }
        Err(turn::busy(node))
    }

    /// `None` where another process builds the model: then nothing is done.
    async fn try_in_turn(
        &self,
        node: &Node,
        options: &BuildOptions,
        session: &mut Session,
        tried: &mut Option<Plan>,
        told: &mut Told,
    ) -> Result<Option<BuildOutcome>> {
        let plan = tried.insert(self.look(node, options, session).await?);
        let (units, tests) = plan.said(&options.tests);
        let reason = match &plan.decision {
            Decision::Nothing(reason) => {
                told.units = units;
                told.tests.clone_from(&tests);
                return Ok(Some(BuildOutcome::nothing(reason, tests)));
            }
            Decision::Test(reason) | Decision::Build(reason) => reason.clone(),
        };
        let tests = testing::of(&self.manifest, node, &options.tests);
        let kept_in = stored::schemas(&self.manifest, &tests);
        for schema in kept_in.into_iter().chain([node.relation.schema.as_str()]) {
            session.ensure_schema(schema).await?;
        }
        told.units = units;
        let outside = Outside::of(self, node, options, plan);
        // They run once: not before it is this process's turn.
        if outside.is_some() && !turn::is_free(session, node).await? {
            return Ok(None);
        }
        outside.run(session, "pre_hooks").await?;
        let transaction = session.begin().await?;
        if !turn::take(&transaction, node).await? {
            return if outside.is_some() { Err(turn::busy(node)) } else { Ok(None) };
        }
        let done = self.attempt(node, options, plan, &transaction, told).await;
        let (rows, unusual) = match done {
            Ok(done) => {
                transaction.commit().await?;
                if matches!(plan.decision, Decision::Build(_)) {
                    self.note_lineage(session, node, &plan.sql).await;
                }
                outside.run(session, "post_hooks").await?;
                stored::views(session, &self.manifest, &told.tests, plan.started).await?;
                done
            }
            Err(error) => {
                let rescued = stored::rescue(&transaction, &self.manifest, &told.tests).await;
                drop(transaction);
                let kept = async {
                    rescued?.write(session, &self.manifest).await?;
                    stored::views(session, &self.manifest, &told.tests, plan.started).await
                };
                if let Err(lost) = kept.await {
                    tracing::warn!(model = %node.id, error = %lost, "the failures of its tests could not be kept");
                }
                return Err(error);
            }
        };
        for what in &unusual {
            tracing::warn!(model = %node.id, "unusual: it {what}");
        }
        let warned = told.tests.iter().filter(|t| t.status == TestStatus::Warn);
        Ok(Some(BuildOutcome {
            built: true,
            reason,
            rows: rows.and_then(|n| u64::try_from(n).ok()),
            warnings: warned.map(|t| t.name.clone()).collect(),
            unusual,
            tests: told.tests.clone(),
        }))
    }

    /// Builds or tests, and writes down what came of it, in a transaction that lasts if this succeeds; rows, and
    /// what is unusual.
    async fn attempt(
        &self,
        node: &Node,
        options: &BuildOptions,
        plan: &Plan,
        transaction: &Transaction<'_>,
        told: &mut Told,
    ) -> Result<(Option<i64>, Vec<String>)> {
        let bound = format!("set local lock_timeout = '{}s'", self.warehouse.lock_seconds_max());
        transaction.batch(&bound, "setting a bound").await?;
        let is_built = matches!(plan.decision, Decision::Build(_));
        let (manifest, started) = (&self.manifest, plan.started);
        let tests: Vec<&Node> = manifest.units_of(&node.id).filter(|test| options.tests.has(&test.id)).collect();
        if tests.len() != told.units.len() {
            told.units.clear();
            units::run(transaction, manifest, &tests, started, &self.metrics, &mut told.units).await?;
        }
        units::judge(node, &told.units)?;
        let rows = if is_built {
            self.make(node, options, started, transaction, told).await?
        } else {
            let tests = testing::of(manifest, node, &options.tests);
            told.tests = testing::run(
                transaction,
                manifest,
                &tests,
                Round { stands_for: &[], is_build: true, started, metrics: &self.metrics },
            )
            .await?;
            testing::judge(node, &told.tests)?;
            None
        };
        stored::settle(transaction, manifest, &told.tests).await?;
        // A build of a part of the time has not seen all of what its inputs are now.
        let nothing_seen = Versions::default();
        let fresh = told.units.iter().chain(&told.tests).filter(|verdict| verdict.kept_since.is_none());
        let fresh: Vec<KeptVerdict> = fresh.map(|verdict| self.kept(verdict, started)).collect();
        let is_anew = |kept: &&KeptVerdict| fresh.iter().any(|fresh| fresh.verdict.id == kept.verdict.id);
        let kept: Vec<KeptVerdict> = plan.kept.iter().filter(|kept| !is_anew(kept)).cloned().collect();
        let success = Success {
            node,
            checksum: &plan.checksum,
            versions: if plan.is_part && is_built { &nothing_seen } else { &plan.versions },
            published: is_built,
            rows,
            seconds: plan.since.elapsed().as_secs_f64(),
            tests: &[fresh, kept].concat(),
            now: self.clock.now(),
        };
        ledger::record_success(transaction, &success).await?;
        let unusual = match plan.tried(node, options, told) {
            Some(tried) => history::published(transaction, &tried, rows).await?,
            None => Vec::new(),
        };
        Ok((rows, unusual))
    }

    async fn make(
        &self,
        node: &Node,
        options: &BuildOptions,
        started: DateTime<Utc>,
        transaction: &Transaction<'_>,
        told: &mut Told,
    ) -> Result<Option<i64>> {
        let full_refresh = node.settings.flag("full_refresh").unwrap_or(options.full_refresh);
        let batches = match Microbatch::of(&self.manifest, node)? {
            Some(model) => {
                let is_incremental = !full_refresh && relkind(transaction, &node.relation).await? == Some('r');
                Some(Batches { all: model.batches(options, is_incremental, started)?, is_incremental })
            }
            None => None,
        };
        let all = batches.iter().flat_map(|batches| &batches.all);
        told.batches = all.map(|batch| BatchSpan { from: batch.from, until: batch.until }).collect();
        let hanging = Default::default();
        let on = On::Transaction(transaction, &hanging);
        let (manifest, id) = (self.manifest.clone(), node.id.clone());
        let sql = with_connection(on, move |connection| {
            let manner =
                Manner { as_new: false, full_refresh, ..Manner::new(started, Some(connection)).aloud(&manifest) };
            compile::compile(&manifest, manifest.node(&id)?, &manner)
        })
        .await??;
        told.compiled = Some(sql.clone());
        let file = self.manifest.write_compiled(node, &sql);
        let (manifest, id) = (self.manifest.clone(), node.id.clone());
        let templates = Templates { manifest, id, sql: Some(sql.clone()), started, full_refresh, turn: None };
        let (manifest, metrics, choice) = (&self.manifest, &*self.metrics, &options.tests);
        let work = Work { manifest, node, sql: &sql, file, started, choice, metrics, templates, batches };
        work.make(transaction, told).await
    }

    /// Writes a failure down, for `status` and for the next decision. That this may fail too, when the
    /// warehouse is gone, changes nothing: the model is then built again because its inputs changed.
    async fn remember(&self, node: &Node, error: &Error, plan: Option<&Plan>, options: &BuildOptions, told: &Told) {
        let whole = plan.map(Plan::whole);
        let tried = whole.as_deref().zip(plan.map(|plan| &plan.versions));
        let build = plan.map_or_else(
            || Some(Tried::early(node, self.clock.now(), options.run)),
            |plan| plan.tried(node, options, told),
        );
        let written = async {
            let session = self.warehouse.session().await?;
            ledger::record_failure(&session, node, error, tried, self.clock.now()).await?;
            match &build {
                Some(build) => history::failed(&session, build, error).await,
                None => Ok(()),
            }
        };
        if let Err(unwritten) = written.await {
            tracing::debug!(model = %node.id, error = %unwritten, "a failure could not be written down");
        }
    }
}

/// Hooks that want no transaction; none where nothing is made.
struct Outside(Option<Templates>);

impl Outside {
    fn of(models: &Models, node: &Node, options: &BuildOptions, plan: &Plan) -> Self {
        let config = config_of(node);
        let all = ["pre-hook", "post-hook"].into_iter().filter_map(|key| config[key].as_array()).flatten();
        let is_asked = all.into_iter().any(|hook| hook["transaction"] == false);
        let (manifest, id, started) = (models.manifest.clone(), node.id.clone(), plan.started);
        let full_refresh = options.full_refresh;
        let is_built = matches!(plan.decision, Decision::Build(_));
        Self((is_asked && is_built).then(|| Templates { manifest, id, sql: None, started, full_refresh, turn: None }))
    }

    fn is_some(&self) -> bool {
        self.0.is_some()
    }

    async fn run(&self, session: &Session, which: &'static str) -> Result<()> {
        match &self.0 {
            Some(templates) => templates.outside(session, which).await,
            None => Ok(()),
        }
    }
}
