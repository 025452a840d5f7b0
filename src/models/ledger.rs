//! What is known of each model between builds: `amalgam.model_state`.
//!
//! The row of a published version is written in the transaction that publishes it; a failure is
//! written by itself, and leaves what describes the last good version as it is.

use super::{
    manifest::{Manifest, Node},
    verdict::KeptVerdict,
};
use crate::{
    domain::ModelId,
    error::{Error, Result},
    warehouse::{Session, Transaction},
};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};

/// Versions of what a model reads, by key.
pub(super) type Versions = Map<String, Json>;

/// Begins the keys of what only tests read.
pub(super) const OF_TESTS: &str = "test:";

/// What a model's version depends on, seen through views and ephemeral models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inputs {
    /// Tables of the raw schema.
    pub tables: BTreeSet<String>,
    /// Models: for a view its definition counts, and its own inputs beside it.
    pub models: BTreeSet<String>,
    /// Views among them: whoever reads a view reads the clock where its SQL does.
    pub views: BTreeSet<ModelId>,
    /// Sources that Amalgam does not fill: nobody can say whether they changed.
    pub untracked: BTreeSet<String>,
    /// What only its tests read.
    pub of_tests: OfTests,
}

/// What the tests of a model read beside it and its own inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OfTests {
    /// Tables of the raw schema.
    pub tables: BTreeSet<String>,
    /// Models.
    pub models: BTreeSet<String>,
    /// Sources that Amalgam does not fill.
    pub untracked: BTreeSet<String>,
}

impl Inputs {
    /// Collects the inputs of a model, and of its tests.
    pub(super) fn of(manifest: &Manifest, node: &Node) -> Self {
        let (mut inputs, mut beside) = (Self::default(), Self::default());
        let mut seen = BTreeSet::from([node.id.clone()]);
        inputs.add_sources(node);
        for parent in &node.parents {
            inputs.add_model(manifest, parent, &mut seen);
        }
        for test in manifest.tests_of(&node.id) {
            beside.add_sources(test);
            for parent in &test.parents {
                beside.add_model(manifest, parent, &mut seen);
            }
        }
        // The clock of a view that a test reads counts for both.
        inputs.views.extend(beside.views);
        inputs.of_tests = OfTests {
            tables: &beside.tables - &inputs.tables,
            models: &beside.models - &inputs.models,
            untracked: &beside.untracked - &inputs.untracked,
        };
        inputs
    }

    fn add_sources(&mut self, node: &Node) {
        for read in &node.sources {
            match &read.raw {
                Some(table) => self.tables.insert(table.as_str().to_owned()),
                None => self.untracked.insert(format!("source {}", read.id.trim_start_matches("source."))),
            };
        }
    }

    fn add_model(&mut self, manifest: &Manifest, id: &ModelId, seen: &mut BTreeSet<ModelId>) {
        let Some(node) = manifest.nodes.get(id) else { return };
        if !seen.insert(id.clone()) {
            return;
        }
        if manifest.deferred.contains_key(id) {
            self.untracked.insert(id.as_str().to_owned());
            return;
        }
        if !node.is_ephemeral() {
            self.models.insert(id.as_str().to_owned());
        }
        let is_view = node.materialized() == "view";
        if is_view {
            self.views.insert(id.clone());
        }
        if is_view || node.is_ephemeral() {
            self.add_sources(node);
            for parent in &node.parents {
                self.add_model(manifest, parent, seen);
            }
        }
    }
}

/// What the last build of a model left.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Of what was published; `None` before the first time.
    pub checksum: Option<String>,
    /// What was read.
    pub versions: Versions,
    /// Whether the last try failed.
    pub failed: bool,
    /// What the tests said that were run on it.
    pub verdicts: BTreeMap<ModelId, KeptVerdict>,
}

/// What is written when a version is published, or tested again.
pub(super) struct Success<'a> {
    /// The model.
    pub node: &'a Node,
    /// Of SQL and configuration.
    pub checksum: &'a str,
    /// What was read.
    pub versions: &'a Versions,
    /// Whether the relation itself was published, not only tested.
    pub published: bool,
    /// Rows, where they were counted.
    pub rows: Option<i64>,
    /// How long it took.
    pub seconds: f64,
    /// What its tests said.
    pub tests: &'a [KeptVerdict],
    /// When.
    pub now: DateTime<Utc>,
}

/// Writes a success; the caller's transaction makes it last.
pub(super) async fn record_success(transaction: &Transaction<'_>, success: &Success<'_>) -> Result<()> {
    let sql = "insert into amalgam.model_state as s (model_id, relation, materialized, checksum, input_versions, \
                   data_version, built_at, checked_at, row_count, seconds, tests) \
               values ($1, $2, $3, $4, $5, 1, $6, $6, $7, $8, $9) \
               on conflict (model_id) do update set relation = excluded.relation, materialized = excluded.materialized, \
                   checksum = excluded.checksum, input_versions = excluded.input_versions, \
                   data_version = s.data_version + case when $10 then 1 else 0 end, \
                   built_at = case when $10 then excluded.built_at else s.built_at end, checked_at = excluded.checked_at, \
                   row_count = case when $10 then excluded.row_count else s.row_count end, seconds = excluded.seconds, \
                   tests = excluded.tests, failed_at = null, error_kind = null, last_error = null, \
                   failed_checksum = null, failed_versions = null";
    let tests = serde_json::to_value(success.tests).expect("names, words and numbers are JSON");
    let versions = Json::Object(success.versions.clone());
    let relation = success.node.relation.quoted();
    let materialized = success.node.materialized();
    transaction
        .execute(
            sql,
            &[
                &success.node.id.as_str(),
                &relation,
                &materialized,
                &success.checksum,
                &versions,
                &success.now,
                &success.rows,
                &success.seconds,
                &tests,
                &success.published,
            ],
            "writing the state of a model",
        )
        .await?;
    Ok(())
}

/// The versions of what some models published last; of those that never did, none, and where nothing ever was.
pub(super) async fn data_versions(transaction: &Transaction<'_>, ids: &[&str]) -> Result<BTreeMap<ModelId, i64>> {
    const DOING: &str = "reading the versions of what is tested";
    let is_there = "select to_regclass('amalgam.model_state') is not null";
    if ids.is_empty() || !transaction.query_one(is_there, &[], DOING).await?.get::<_, bool>(0) {
        return Ok(BTreeMap::new());
    }
    let sql = "select model_id, data_version from amalgam.model_state where model_id = any ($1)";
    let rows = transaction.query(sql, &[&ids], DOING).await?;
    Ok(rows.iter().map(|row| (ModelId::new(row.get::<_, String>(0)), row.get(1))).collect())
}

/// Writes what tests said beside what others of the model did, unless that was published anew meanwhile.
pub(super) async fn record_verdicts(
    transaction: &Transaction<'_>,
    model: &ModelId,
    data_version: i64,
    verdicts: &[KeptVerdict],
) -> Result<()> {
    let sql = "update amalgam.model_state s \
               set tests = $3::jsonb || coalesce((select jsonb_agg(t) from jsonb_array_elements(s.tests) as t \
                                                  where t ->> 'id' <> all ($4)), '[]') \
               where model_id = $1 and data_version = $2";
    let ids: Vec<&str> = verdicts.iter().map(|kept| kept.verdict.id.as_str()).collect();
    let tests = serde_json::to_value(verdicts).expect("names, words and numbers are JSON");
    let doing = "writing what tests said";
    transaction.execute(sql, &[&model.as_str(), &data_version, &tests, &ids], doing).await?;
    Ok(())
}

/// Writes a failure beside what is known of the last good version. `tried`: the checksum of what was built,
/// and the versions that it read; unknown where the failure came before that.
pub(super) async fn record_failure(
    session: &Session,
    node: &Node,
    error: &Error,
    tried: Option<(&str, &Versions)>,
    now: DateTime<Utc>,
) -> Result<()> {
    let sql = "insert into amalgam.model_state as s (model_id, relation, materialized, failed_at, error_kind, last_error, \
                   failed_checksum, failed_versions) \
               values ($1, $2, $3, $4, $5, $6, $7, $8) \
               on conflict (model_id) do update set failed_at = excluded.failed_at, \
                   error_kind = excluded.error_kind, last_error = excluded.last_error, \
                   failed_checksum = excluded.failed_checksum, failed_versions = excluded.failed_versions";
    let relation = node.relation.quoted();
    let materialized = node.materialized();
    let (kind, text) = (error.kind.as_str(), error.to_string());
    let (checksum, versions) = tried.map(|(checksum, versions)| (checksum, Json::Object(versions.clone()))).unzip();
    session
        .execute(
            sql,
            &[&node.id.as_str(), &relation, &materialized, &now, &kind, &text, &checksum, &versions],
            "writing a model's failure",
        )
        .await?;
    Ok(())
}

/// What the last try of a model left that failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// When.
    pub at: DateTime<Utc>,
    /// Its kind's word.
    pub kind: String,
    /// What went wrong.
    pub text: String,
    /// The checksum of what was built; `None` where it did not come so far.
    pub checksum: Option<String>,
    /// What was read.
    pub versions: Option<Versions>,
}

/// Reads the last failure of a model; `None` where it ended well since, or was never tried.
pub(super) async fn failure(session: &Session, id: &ModelId) -> Result<Option<Failure>> {
    let sql = "select failed_at, error_kind, last_error, failed_checksum, failed_versions \
               from amalgam.model_state where model_id = $1 and failed_at is not null";
    let row = session.query_opt(sql, &[&id.as_str()], "reading the failure of a model").await?;
    Ok(row.map(|row| Failure {
        at: row.get(0),
        kind: row.get(1),
        text: row.get(2),
        checksum: row.get(3),
        versions: match row.get::<_, Option<Json>>(4) {
            Some(Json::Object(map)) => Some(map),
            _ => None,
        },
    }))
}
