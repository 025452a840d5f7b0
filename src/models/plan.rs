//! What a build of a model would do now, and why. Changes nothing.

use super::{
    BuildOptions, Models, TestChoice, Told, checksum,
    compile::{self, Manner},
    context::connection::{On, with_connection},
    decide::{Decision, Known, Tests, decide},
    history::{BuildKind, Tried},
    ledger::{Inputs, Versions},
    manifest::{Node, described_unit},
    seen::Seen,
    templates,
    verdict::TestVerdict,
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
    /// Of its tests.
    pub(super) tests_checksum: String,
    /// Whether they are those that were run last.
    pub(super) tests_same: bool,
    /// What they said then.
    pub(super) verdicts: Vec<TestVerdict>,
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
        let chosen = self.verdicts.iter().filter(|verdict| choice.has(&verdict.id)).cloned();
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
        let tests_checksum = self.checksum_of_tests(node);
        let clock = wall_clock::seen(compiled.views.iter().chain([&compiled.sql]).map(String::as_str), now);
        let versions = seen.versions(inputs, clock);
        let is_part = options.has_span() && node.settings.text("incremental_strategy").as_deref() == Some("microbatch");
        let entry = seen.entry(node);
        let tests = Tests {
            are_wanted: options.tests != TestChoice::None,
            checksum: &tests_checksum,
            is_clock_same: entry.is_none_or(|e| e.tests_clock.as_ref().is_none_or(|at| wall_clock::is_still(at, now))),
        };
        let kind = BuildKind::of(node, seen.relkind(&node.relation), options.full_refresh, is_part);
        let decision = decide(&Known {
            materialized: &node.materialized(),
            entry,
            checksum: &checksum,
            tests: &tests,
            inputs,
            versions: &versions,
            relkind: seen.relkind(&node.relation),
            full_refresh: options.full_refresh,
            always: options.always,
            is_custom: templates::is_custom(&self.manifest, &node.materialized()),
            has_span: is_part,
        });
        let tests_same = entry.is_some_and(|entry| entry.tests_checksum.as_deref() == Some(tests_checksum.as_str()));
        let verdicts = entry.map(|entry| entry.verdicts.clone()).unwrap_or_default();
        Plan {
            decision,
            kind,
            sql: compiled.sql,
            checksum,
            tests_checksum,
            tests_same,
            verdicts,
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

    fn checksum_of_tests(&self, node: &Node) -> String {
        let tests = self.manifest.tests_of(&node.id).map(|test| {
            let arguments = test.generic.as_ref().map(|g| format!("{:?} {:?} {:?}", g.namespace, g.word, g.arguments));
            format!("{} {} {} {}", test.id, test.source, test.settings.json(), arguments.unwrap_or_default())
        });
        let units = self.manifest.units_of(&node.id).map(|test| described_unit(test).to_string());
        let all: Vec<String> = tests.chain(units).collect();
        checksum::of(all.iter().map(String::as_str))
    }
}

/// A node's SQL, and that of the views it reads.
struct Compiled {
    sql: String,
    views: Vec<String>,
}

fn node_gone(node: &Node) -> Error {
    Error::new(Kind::Internal, format!("{} was not compiled", node.name))
}
