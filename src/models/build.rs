//! One model built, tested and published; or tested alone.

use super::{
    BatchSpan, BuildOptions, BuildOutcome, Models, Told, checksum,
    compile::{self, Manner},
    context::connection::{On, with_connection},
    decide::{Decision, Known, decide},
    history::{self, BuildKind, Tried},
    ledger::{self, Inputs, Success, Versions},
    manifest::{Node, described_unit},
    materialize::{Made, Work, relkind},
    microbatch::{Batches, Microbatch},
    seen::Seen,
    templates::Templates,
    testing, units,
    verdict::{TestStatus, TestVerdict},
    wall_clock,
};
use crate::{
    domain::ModelId,
    error::{Error, Kind, Policy, Result},
    warehouse::{Session, Transaction},
};
use chrono::{DateTime, NaiveTime, Utc};
use std::{collections::BTreeMap, time::Instant};

/// What is known before anything is done.
pub(super) struct Plan {
    decision: Decision,
    /// How the relation comes to be.
    kind: BuildKind,
    /// As a first build would have it.
    sql: String,
    pub(super) checksum: String,
    pub(super) versions: Versions,
    started: DateTime<Utc>,
    since: Instant,
    /// Whether a part of the time is built.
    is_part: bool,
}

impl Plan {
    /// What is kept of the build; `None` where the model is only tested.
    fn tried<'a>(&'a self, node: &'a Node, options: &BuildOptions, told: &'a Told) -> Option<Tried<'a>> {
        let Decision::Build(reason) = &self.decision else { return None };
        Some(Tried {
            node,
            kind: Some(self.kind),
            started: self.started,
            seconds: self.since.elapsed().as_secs_f64(),
            reason: Some(reason),
            sql: told.compiled.as_deref(),
            run: options.run,
        })
    }
}

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
            told.units = self.test_units(model, &options.units).await?;
            units::judge(node, &told.units)?;
            return Ok(nothing("ephemeral: a part of the queries that read it"));
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

    /// Runs the tests of a model on what is published.
    pub async fn test(&self, model: &ModelId) -> Result<Vec<TestVerdict>> {
        let node = self.manifest.node(model)?;
        node.sound()?;
        if node.is_ephemeral() {
            return Ok(Vec::new());
        }
        let mut session = self.warehouse.session().await?;
        let transaction = session.begin().await?;
        testing::run(&transaction, &self.manifest, node, &[], self.clock.now(), &self.metrics).await
    }

    /// What a build of each of these models would do now, and why, by its unique id. What is wrong with a model
    /// itself is a reason to build it: its task tells.
    ///
    /// # Errors
    /// The warehouse fails.
    pub async fn plan(&self, models: &[ModelId], is_migrated: bool) -> Result<BTreeMap<String, (bool, String)>> {
        let nodes = models.iter().map(|model| self.manifest.node(model)).collect::<Result<Vec<_>>>()?;
        let nodes: Vec<(&Node, Inputs)> =
            nodes.into_iter().map(|node| (node, Inputs::of(&self.manifest, node))).collect();
        let session = self.warehouse.session().await?;
        let compiled = self.compiled(&session, &nodes).await?;
        let seen = match Seen::of(&session, &nodes).await {
            // Where nothing has ever run, there is no record of a build to look at.
            Err(error) if error.kind == Kind::WarehouseQuery && !is_migrated => Seen::default(),
            seen => seen?,
        };
        let mut planned = BTreeMap::new();
        for ((node, inputs), compiled) in nodes.iter().zip(compiled) {
            let decided = match self.planned(node, inputs, &seen, compiled) {
                Ok(decided) => decided,
                Err(error) if error.policy() == Policy::Fail => (true, error.to_string()),
                Err(error) => return Err(error),
            };
            planned.insert(node.id.as_str().to_owned(), decided);
        }
        Ok(planned)
    }

    fn planned(&self, node: &Node, inputs: &Inputs, seen: &Seen, compiled: Result<Compiled>) -> Result<(bool, String)> {
        node.sound()?;
        if node.is_ephemeral() {
            return Ok((false, "ephemeral: a part of the queries that read it".to_owned()));
        }
        Ok(match self.decided(node, &BuildOptions::default(), inputs, seen, compiled?).decision {
            Decision::Nothing(reason) => (false, reason),
            Decision::Test(reason) | Decision::Build(reason) => (true, reason),
        })
    }

    /// `tried` is what is built, once that is known.
    async fn try_build(
        &self,
        node: &Node,
        options: &BuildOptions,
        tried: &mut Option<Plan>,
        told: &mut Told,
    ) -> Result<BuildOutcome> {
        let mut session = self.warehouse.session().await?;
        let plan = tried.insert(self.look(node, options, &session).await?);
        let reason = match &plan.decision {
            Decision::Nothing(reason) => return Ok(nothing(reason)),
            Decision::Test(reason) | Decision::Build(reason) => reason.clone(),
        };
        session.ensure_schema(&node.relation.schema).await?;
        let transaction = session.begin().await?;
        let bound = format!("set local lock_timeout = '{}s'", self.warehouse.lock_seconds_max());
        transaction.batch(&bound, "setting a bound").await?;
        only_one(&transaction, node).await?;
        let made = match &plan.decision {
            Decision::Test(_) => {
                let tests = testing::run(&transaction, &self.manifest, node, &[], plan.started, &self.metrics).await?;
                testing::judge(node, &tests)?;
                Made { rows: None, tests }
            }
            _ => {
                let (manifest, started) = (&self.manifest, plan.started);
                let verdicts = &mut told.units;
                units::run(&transaction, manifest, node, &options.units, started, &self.metrics, verdicts).await?;
                units::judge(node, verdicts)?;
                self.make(node, options, started, &transaction, told).await?
            }
        };
        // A build of a part of the time has not seen all of what its inputs are now.
        let nothing_seen = Versions::default();
        let is_part = plan.is_part && matches!(plan.decision, Decision::Build(_));
        let success = Success {
            node,
            checksum: &plan.checksum,
            versions: if is_part { &nothing_seen } else { &plan.versions },
            published: matches!(plan.decision, Decision::Build(_)),
            rows: made.rows,
            seconds: plan.since.elapsed().as_secs_f64(),
            tests: &made.tests,
            now: self.clock.now(),
        };
        ledger::record_success(&transaction, &success).await?;
        let unusual = match plan.tried(node, options, told) {
            Some(tried) => history::published(&transaction, &tried, made.rows).await?,
            None => Vec::new(),
        };
        transaction.commit().await?;
        if success.published {
            self.note_lineage(&session, node, &plan.sql).await;
        }
        for what in &unusual {
            tracing::warn!(model = %node.id, "unusual: it {what}");
        }
        let warned = made.tests.iter().filter(|t| t.status == TestStatus::Warn);
        Ok(BuildOutcome {
            built: true,
            reason,
            rows: made.rows.and_then(|n| u64::try_from(n).ok()),
            warnings: warned.map(|t| t.name.clone()).collect(),
            unusual,
            tests: made.tests,
        })
    }

    async fn make(
        &self,
        node: &Node,
        options: &BuildOptions,
        started: DateTime<Utc>,
        transaction: &Transaction<'_>,
        told: &mut Told,
    ) -> Result<Made> {
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
            let manner = Manner { as_new: false, full_refresh, ..Manner::new(started, Some(connection)) };
            compile::compile(&manifest, manifest.node(&id)?, &manner)
        })
        .await??;
        told.compiled = Some(sql.clone());
        let file = self.manifest.write_compiled(node, &sql);
        let (manifest, id) = (self.manifest.clone(), node.id.clone());
        let templates = Templates { manifest, id, sql: Some(sql.clone()), started, full_refresh, turn: None };
        let (manifest, metrics) = (&self.manifest, &*self.metrics);
        let work = Work { manifest, node, sql: &sql, file, started, metrics, templates, batches };
        work.make(transaction).await
    }

    /// Looks at everything that decides whether a model is built: before anything is, so that what changes meanwhile
    /// is seen as a change the next time.
    pub(super) async fn look(&self, node: &Node, options: &BuildOptions, session: &Session) -> Result<Plan> {
        let since = Instant::now();
        let looked = [(node, Inputs::of(&self.manifest, node))];
        let compiled = self.compiled(session, &looked).await?.pop().unwrap_or_else(|| Err(node_gone(node)))?;
        let seen = Seen::of(session, &looked).await?;
        let [(node, inputs)] = looked;
        Ok(Plan { since, ..self.decided(node, options, &inputs, &seen, compiled) })
    }

    /// The SQL of nodes and of the views that they read, as a first build would have it; each may ask the warehouse.
    ///
    /// As if the day had just begun, so that the checksum of a model that shows when the run started changes once a
    /// day and not each time.
    async fn compiled(&self, session: &Session, nodes: &[(&Node, Inputs)]) -> Result<Vec<Result<Compiled>>> {
        let started = self.clock.now().date_naive().and_time(NaiveTime::MIN).and_utc();
        let wanted: Vec<(ModelId, Vec<ModelId>)> =
            nodes.iter().map(|(node, inputs)| (node.id.clone(), inputs.views.iter().cloned().collect())).collect();
        let manifest = self.manifest.clone();
        with_connection(On::Session(session), move |connection| {
            let manner = Manner::new(started, Some(connection));
            let sql = |id: &ModelId| compile::compile(&manifest, manifest.node(id)?, &manner);
            let one = |(id, views): &(ModelId, Vec<ModelId>)| {
                // A view that can't be compiled stays as it is, and so does what is read through it.
                Ok(Compiled { sql: sql(id)?, views: views.iter().filter_map(|view| sql(view).ok()).collect() })
            };
            wanted.iter().map(one).collect()
        })
        .await
    }

    fn decided(&self, node: &Node, options: &BuildOptions, inputs: &Inputs, seen: &Seen, compiled: Compiled) -> Plan {
        let (since, now) = (Instant::now(), self.clock.now());
        let checksum = self.checksum_of(node, &compiled.sql);
        let clock = wall_clock::seen(compiled.views.iter().chain([&compiled.sql]).map(String::as_str), now);
        let versions = seen.versions(inputs, clock);
        let is_part = options.has_span() && node.settings.text("incremental_strategy").as_deref() == Some("microbatch");
        let kind = BuildKind::of(node, seen.relkind(&node.relation), options.full_refresh, is_part);
        let decision = decide(&Known {
            materialized: &node.materialized(),
            entry: seen.entry(node),
            checksum: &checksum,
            inputs,
            versions: &versions,
            relkind: seen.relkind(&node.relation),
            full_refresh: options.full_refresh,
            has_span: is_part,
        });
        Plan { decision, kind, sql: compiled.sql, checksum, versions, started: now, since, is_part }
    }

    fn checksum_of(&self, node: &Node, sql: &str) -> String {
        let settings = node.settings.json().to_string();
        let tests = self.manifest.tests_of(&node.id).map(|test| {
            let arguments = test.generic.as_ref().map(|g| format!("{:?} {:?} {:?}", g.namespace, g.word, g.arguments));
            format!("{} {} {} {}", test.id, test.source, test.settings.json(), arguments.unwrap_or_default())
        });
        let units = self.manifest.units_of(&node.id).map(|test| described_unit(test).to_string());
        let tests: Vec<String> = tests.chain(units).collect();
        let (relation, materialized) = (node.relation.to_string(), node.materialized());
        let described = format!("{:?} {:?} {}", node.columns, node.constraints, node.description);
        let fixed = [sql, &materialized, settings.as_str(), relation.as_str(), &node.checksum, &described];
        checksum::of(fixed.into_iter().chain(tests.iter().map(String::as_str)))
    }

    /// Writes a failure down, for `status` and for the next decision. That this may fail too, when the
    /// warehouse is gone, changes nothing: the model is then built again because its inputs changed.
    async fn remember(&self, node: &Node, error: &Error, plan: Option<&Plan>, options: &BuildOptions, told: &Told) {
        let tried = plan.map(|plan| (plan.checksum.as_str(), &plan.versions));
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

/// Two builds of one model at once would do the same work twice; the later one comes again.
async fn only_one(transaction: &Transaction<'_>, node: &Node) -> Result<()> {
    let sql = "select pg_try_advisory_xact_lock(hashtextextended($1, 0))";
    let row = transaction.query_one(sql, &[&node.id.as_str()], "locking a model").await?;
    if row.get(0) {
        return Ok(());
    }
    Err(Error::new(Kind::WarehouseConflict, format!("{} is being built by another process", node.name)))
}

/// A node's SQL, and that of the views it reads.
struct Compiled {
    sql: String,
    views: Vec<String>,
}

fn node_gone(node: &Node) -> Error {
    Error::new(Kind::Internal, format!("{} was not compiled", node.name))
}

fn nothing(reason: &str) -> BuildOutcome {
    BuildOutcome {
        built: false,
        reason: reason.to_owned(),
        rows: None,
        warnings: Vec::new(),
        unusual: Vec::new(),
        tests: Vec::new(),
    }
}
