//! What a build of a model would do now, and why. Changes nothing.

use super::{
    Agenda, BuildOptions, BuildOutcome, Duty, Models, Performed, TestChoice, Told, checksum,
    compile::{self, Manner},
    context::{
        connection::{On, with_connection_after},
        voice::Voice,
    },
    decide::{Decision, Known, Tests, decide},
    heed,
    history::{BuildKind, Tried},
    ledger::{Entry, Inputs, Versions},
    manifest::{Node, described_unit, environment_in},
    seen::Seen,
    templates,
    verdict::{KeptVerdict, TestVerdict},
    wall_clock,
};
use crate::{
    domain::ModelId,
    error::{Error, Kind, Policy, Result},
    warehouse::Session,
};
use chrono::{DateTime, NaiveTime, Utc};
use std::{collections::BTreeMap, time::Instant};

/// What is known before anything is done.
pub(super) struct Plan {
    pub(super) decision: Decision,
    /// How the relation comes to be.
    pub(super) kind: BuildKind,
    /// As a first build would have it.
    pub(super) sql: String,
    pub(super) checksum: String,
    /// Of all its tests.
    pub(super) tests_checksum: String,
    /// What tests said that are still as they were, of a relation that is: also those that were not asked for.
    pub(super) kept: Vec<KeptVerdict>,
    pub(super) versions: Versions,
    pub(super) started: DateTime<Utc>,
    pub(super) since: Instant,
    /// Whether a part of the time is built.
    pub(super) is_part: bool,
}

impl Plan {
    /// Of all that a build is made of: its tests too.
    pub(super) fn whole(&self) -> String {
        checksum::of([self.checksum.as_str(), self.tests_checksum.as_str()])
    }

    /// What is kept of the build; `None` where the model is only tested.
    pub(super) fn tried<'a>(&'a self, node: &'a Node, options: &BuildOptions, told: &'a Told) -> Option<Tried<'a>> {
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

    /// What the tests among some said the last time, unit tests apart from those of data.
    pub(super) fn said(&self, choice: &TestChoice) -> (Vec<TestVerdict>, Vec<TestVerdict>) {
        let chosen = self.kept.iter().filter(|kept| choice.has(&kept.verdict.id)).map(KeptVerdict::told);
        chosen.partition(|verdict| verdict.id.as_str().starts_with("unit_test."))
    }
}

impl Models {
    /// What a build of each of these models would do now, and why, by its unique id. What is wrong with a model
    /// itself is a reason to build it: its task tells.
    ///
    /// # Errors
    /// The warehouse fails.
    pub async fn plan(&self, models: &[ModelId], is_migrated: bool) -> Result<BTreeMap<String, (bool, String)>> {
        let options = BuildOptions::default();
        let nodes =
            models.iter().map(|model| Ok((self.manifest.node(model)?, &options))).collect::<Result<Vec<_>>>()?;
        let session = self.warehouse.session().await?;
        let mut planned = BTreeMap::new();
        for ((node, _), plan) in nodes.iter().zip(self.look_at(&session, &nodes, is_migrated, Voice::Log).await?) {
            let decided = match planned_of(node, plan) {
                Ok(decided) => decided,
                Err(error) if error.policy() == Policy::Fail => (true, error.to_string()),
                Err(error) => return Err(error),
            };
            planned.insert(node.id.as_str().to_owned(), decided);
        }
        Ok(planned)
    }

    /// The steps of an agenda that have nothing to do, by their place, asked for at once. That holds as long as nothing
    /// that they need or wait for is made anew.
    ///
    /// # Errors
    /// The warehouse fails.
    pub async fn settled(&self, agenda: &Agenda, options: &BuildOptions) -> Result<BTreeMap<usize, Performed>> {
        if options.always {
            return Ok(BTreeMap::new());
        }
        let mut looked = Vec::new();
        for (place, step) in agenda.steps.iter().enumerate() {
            let Duty::Build(id, tests) = &step.duty else { continue };
            let node = self.manifest.nodes.get(id).filter(|node| node.sound().is_ok() && !node.is_ephemeral());
            let options = BuildOptions { tests: tests.clone(), ..options.clone() };
            looked.extend(node.map(|node| (place, node, options)));
        }
        let nodes: Vec<(&Node, &BuildOptions)> = looked.iter().map(|(_, node, options)| (*node, options)).collect();
        let session = self.warehouse.session().await?;
        let plans = self.look_at(&session, &nodes, true, Voice::Log).await?;
        let mut settled = BTreeMap::new();
        for ((place, node, options), plan) in looked.iter().zip(plans) {
            // What is wrong with it is told when its turn comes.
            let Ok(Plan { decision: Decision::Nothing(reason), started, .. }) = &plan else { continue };
            let (units, tests) = plan.as_ref().map(|plan| plan.said(&options.tests)).unwrap_or_default();
            let told = Told { units, tests: tests.clone(), ..Told::default() };
            let outcome = Ok(BuildOutcome::nothing(reason, tests));
            settled.insert(*place, self.performed(&node.id, &options.tests, &told, outcome, *started));
        }
        Ok(settled)
    }

    /// Looks at everything that decides whether a model is built: before anything is, so that what changes meanwhile
    /// is seen as a change the next time.
    pub(super) async fn look(&self, node: &Node, options: &BuildOptions, session: &Session) -> Result<Plan> {
        // What is compiled here is compiled again where it is made; what fails is not.
        let voice = Voice::held(self.manifest.setting.says);
        let looked = self.look_at(session, &[(node, options)], true, voice).await?;
        looked.into_iter().next().unwrap_or_else(|| Err(node_gone(node)))
    }

    /// Looks at several models at once. Where nothing has ever run, there is no record of builds to look at.
    async fn look_at(
        &self,
        session: &Session,
        wanted: &[(&Node, &BuildOptions)],
        is_migrated: bool,
        voice: Voice,
    ) -> Result<Vec<Result<Plan>>> {
        let since = Instant::now();
        let nodes: Vec<(&Node, Inputs)> =
            wanted.iter().map(|(node, _)| (*node, Inputs::of(&self.manifest, node))).collect();
        // While the SQL is made, what else counts is looked at.
        let others = async {
            let seen = Seen::of(session, &nodes).await;
            let tests: Vec<_> = nodes.iter().map(|(node, _)| self.checksums_of_tests(node)).collect();
            (seen, tests)
        };
        let ((seen, tests), compiled) = self.compiled(session, &nodes, voice, others).await?;
        let seen = match seen {
            Err(error) if error.kind == Kind::WarehouseQuery && !is_migrated => Seen::default(),
            seen => seen?,
        };
        let mut plans = Vec::with_capacity(wanted.len());
        for ((((node, inputs), (_, options)), compiled), tests) in nodes.iter().zip(wanted).zip(compiled).zip(&tests) {
            let plan = compiled.map(|compiled| self.decided(node, options, inputs, &seen, compiled, tests));
            plans.push(plan.map(|plan| Plan { since, ..plan }));
        }
        Ok(plans)
    }

    /// The SQL of nodes and of the views that they read, as a first build would have it; each may ask the warehouse.
    ///
    /// It is made as if the day had just begun, so that the checksum of a model that shows when the run started changes
    /// once a day and not each time. What it asks of the warehouse waits until `before` is done.
    async fn compiled<B>(
        &self,
        session: &Session,
        nodes: &[(&Node, Inputs)],
        voice: Voice,
        before: impl Future<Output = B>,
    ) -> Result<(B, Vec<Result<Compiled>>)> {
        let started = self.clock.now().date_naive().and_time(NaiveTime::MIN).and_utc();
        let wanted: Vec<(ModelId, Vec<ModelId>)> =
            nodes.iter().map(|(node, inputs)| (node.id.clone(), inputs.views.iter().cloned().collect())).collect();
        let manifest = self.manifest.clone();
        with_connection_after(before, On::Session(session), move |connection| {
            let manner = Manner { voice, ..Manner::new(started, Some(connection)) };
            let silent = Manner { voice: Voice::Log, ..manner.clone() };
            let sql = |id: &ModelId, manner: &Manner| compile::compile(&manifest, manifest.node(id)?, manner);
            let one = |(id, views): &(ModelId, Vec<ModelId>)| {
                // A view that can't be compiled stays as it is, and so does what is read through it.
                let own = sql(id, &manner).inspect_err(|_| manner.voice.release())?;
                let views = views.iter().filter_map(|view| sql(view, &silent).ok()).collect();
                Ok(Compiled { sql: own, views })
            };
            wanted.iter().map(one).collect()
        })
        .await
    }

    fn decided(
        &self,
        node: &Node,
        options: &BuildOptions,
        inputs: &Inputs,
        seen: &Seen,
        compiled: Compiled,
        tests: &[(&ModelId, String)],
    ) -> Plan {
        let (since, now) = (Instant::now(), self.clock.now());
        let checksum = self.checksum_of(node, &compiled.sql);
        let tests_checksum = checksum::of(tests.iter().map(|(_, checksum)| checksum.as_str()));
        let wanted: Vec<_> = tests.iter().filter(|(id, _)| options.tests.has(id)).cloned().collect();
        let clock = wall_clock::seen(compiled.views.iter().chain([&compiled.sql]).map(String::as_str), now);
        let versions = seen.versions(inputs, clock);
        let is_batched = node.settings.text("incremental_strategy").as_deref() == Some("microbatch");
        let is_part = options.has_span() && (is_batched || self.sample().is_some());
        let entry = seen.entry(node);
        let kind = BuildKind::of(node, seen.relkind(&node.relation), options.full_refresh, is_part);
        let decision = decide(&Known {
            materialized: &node.materialized(),
            entry,
            checksum: &checksum,
            tests: &Tests { wanted: &wanted, now },
            inputs,
            versions: &versions,
            relkind: seen.relkind(&node.relation),
            full_refresh: options.full_refresh,
            always: options.always,
            is_custom: templates::is_custom(&self.manifest, &node.materialized()),
            has_span: is_part,
        });
        let is_same = |entry: &&Entry| !matches!(decision, Decision::Build(_)) && entry.versions == versions;
        let kept = entry.filter(is_same).map(|entry| holding(tests, entry, now)).unwrap_or_default();
        Plan {
            decision,
            kind,
            sql: compiled.sql,
            checksum,
            tests_checksum,
            kept,
            versions,
            started: now,
            since,
            is_part,
        }
    }

    fn checksum_of(&self, node: &Node, sql: &str) -> String {
        let settings = node.settings.json().to_string();
        let (relation, materialized) = (node.relation.to_string(), node.materialized());
        let described = format!("{:?} {:?} {}", node.columns, node.constraints, node.description);
        checksum::of([sql, &materialized, settings.as_str(), relation.as_str(), &node.checksum, &described])
    }

    fn checksums_of_tests<'a>(&'a self, node: &'a Node) -> Vec<(&'a ModelId, String)> {
        let all = self.manifest.tests_of(&node.id).chain(self.manifest.units_of(&node.id));
        all.map(|test| (&test.id, self.checksum_of_test(test))).collect()
    }

    /// Of a test of data or a unit test, without rendering it: with all that its SQL is made from.
    pub(super) fn checksum_of_test(&self, test: &Node) -> String {
        let generic = test.generic.as_ref().map(|g| format!("{:?} {:?} {:?}", g.namespace, g.word, g.arguments));
        let unit = test.unit.as_ref().map(|_| described_unit(test).to_string());
        let settings = test.settings.json().to_string();
        let environment = format!("{:?}", environment_in(&test.source));
        let outcomes = if heed::tests_fail(&self.manifest.setting.flags) { "warnings fail" } else { "" };
        let own = [test.id.as_str(), &test.source, &environment, &settings, outcomes, self.manifest.surroundings()];
        checksum::of(own.into_iter().chain(generic.as_deref()).chain(unit.as_deref()))
    }
}

/// Whether something would be done with a model, and why.
fn planned_of(node: &Node, plan: Result<Plan>) -> Result<(bool, String)> {
    node.sound()?;
    if node.is_ephemeral() {
        return Ok((false, "ephemeral: a part of the queries that read it".to_owned()));
    }
    Ok(match plan?.decision {
        Decision::Nothing(reason) => (false, reason),
        Decision::Test(reason) | Decision::Build(reason) => (true, reason),
    })
}

/// What was kept of tests with these checksums and still holds.
fn holding(tests: &[(&ModelId, String)], entry: &Entry, now: DateTime<Utc>) -> Vec<KeptVerdict> {
    let kept = |(id, checksum): &(&ModelId, String)| {
        entry.verdicts.get(*id).filter(|kept| kept.stale(checksum, now).is_none()).cloned()
    };
    tests.iter().filter_map(kept).collect()
}

/// A node's SQL, and that of the views it reads.
struct Compiled {
    sql: String,
    views: Vec<String>,
}

fn node_gone(node: &Node) -> Error {
    Error::new(Kind::Internal, format!("{} was not compiled", node.name))
}
