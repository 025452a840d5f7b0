//! What the warehouse knows of models and of what they read, asked for at once however many they are.

use super::{
    ledger::{Entry, Inputs, OF_TESTS, Versions},
    manifest::Node,
    relation::Relation,
    verdict::KeptVerdict,
};
use crate::{
    domain::ModelId,
    error::Result,
    warehouse::{Row, Session},
};
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// As it was at one moment.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Of tables and models, by key.
    versions: HashMap<String, i64>,
    /// What the last builds left, by the models' ids.
    entries: HashMap<String, Entry>,
    /// PostgreSQL's relkind of what bears the name of a model's relation, by schema and name.
    relkinds: HashMap<(String, String), char>,
}

impl Seen {
    /// Asks for these models.
    pub(super) async fn of(session: &Session, models: &[(&Node, Inputs)]) -> Result<Self> {
        let ids: Vec<&str> = models.iter().map(|(node, _)| node.id.as_str()).collect();
        let relations = || models.iter().map(|(node, _)| &node.relation);
        let schemas: Vec<&str> = relations().map(|relation| relation.schema.as_str()).collect();
        let names: Vec<&str> = relations().map(|relation| relation.name.as_str()).collect();
        Ok(Self {
            versions: versions(session, models).await?,
            entries: entries(session, &ids).await?,
            relkinds: relkinds(session, &schemas, &names).await?,
        })
    }

    /// The versions of what a model reads, in order, so that two of them compare.
    pub(super) fn versions(&self, inputs: &Inputs, clock: Option<String>) -> Versions {
        let tables = inputs.tables.iter().map(|table| format!("table:{table}"));
        let keys = tables.chain(inputs.models.iter().map(|model| format!("model:{model}")));
        let of_tests = inputs.of_tests.tables.iter().map(|table| format!("table:{table}"));
        let of_tests = of_tests.chain(inputs.of_tests.models.iter().map(|model| format!("model:{model}")));
        let version = |key: &String| self.versions.get(key).map(|version| (*version).into());
        let mut versions: Versions = keys.filter_map(|key| Some((key.clone(), version(&key)?))).collect();
        versions.extend(of_tests.filter_map(|key| Some((format!("{OF_TESTS}{key}"), version(&key)?))));
        if let Some(clock) = clock {
            versions.insert("clock".to_owned(), clock.into());
        }
        versions.sort_keys();
        versions
    }

    /// What the last build of a model left.
    pub(super) fn entry(&self, node: &Node) -> Option<&Entry> {
        self.entries.get(node.id.as_str())
    }

    /// The kind of what bears a name.
    pub(super) fn relkind(&self, relation: &Relation) -> Option<char> {
        self.relkinds.get(&(relation.schema.clone(), relation.name.clone())).copied()
    }
}

async fn versions(session: &Session, models: &[(&Node, Inputs)]) -> Result<HashMap<String, i64>> {
    let sql = "select 'table:' || source_table, data_version from amalgam.table_state where source_table = any ($1) \
               union all \
               select 'model:' || model_id, data_version from amalgam.model_state where model_id = any ($2)";
    let all = || models.iter().map(|(_, inputs)| inputs);
    let tables = all().flat_map(|inputs| inputs.tables.iter().chain(&inputs.of_tests.tables));
    let read = all().flat_map(|inputs| inputs.models.iter().chain(&inputs.of_tests.models));
    let tables: BTreeSet<&str> = tables.map(String::as_str).collect();
    let read: BTreeSet<&str> = read.map(String::as_str).collect();
    let (tables, read) = (Vec::from_iter(tables), Vec::from_iter(read));
    let rows = session.query(sql, &[&tables, &read], "reading the versions of what models read").await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn entries(session: &Session, ids: &[&str]) -> Result<HashMap<String, Entry>> {
    let sql = "select model_id, checksum, input_versions, last_error is not null, tests \
               from amalgam.model_state where model_id = any ($1)";
    let rows = session.query(sql, &[&ids], "reading the state of models").await?;
    let entry = |row: &Row| Entry {
        checksum: row.get(1),
        versions: match row.get(2) {
            Json::Object(map) => map,
            _ => Map::new(),
        },
        failed: row.get(3),
        verdicts: kept(row.get::<_, Option<Json>>(4).unwrap_or_default()),
    };
    Ok(rows.iter().map(|row| (row.get(0), entry(row))).collect())
}

/// What an older version of this program wrote has less to it, and is not kept.
fn kept(tests: Json) -> BTreeMap<ModelId, KeptVerdict> {
    let tests: Vec<KeptVerdict> = serde_json::from_value(tests).unwrap_or_default();
    tests.into_iter().map(|kept| (kept.verdict.id.clone(), kept)).collect()
}

async fn relkinds(session: &Session, schemas: &[&str], names: &[&str]) -> Result<HashMap<(String, String), char>> {
    let sql = "select n.nspname::text, c.relname::text, c.relkind::text \
               from unnest($1::name[], $2::name[]) as wanted (schema, name) \
               join pg_catalog.pg_namespace n on n.nspname = wanted.schema \
               join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = wanted.name";
    let rows = session.query(sql, &[&schemas, &names], "looking for relations").await?;
    let kind = |relkind: &str| relkind.chars().next();
    Ok(rows.iter().filter_map(|row| Some(((row.get(0), row.get(1)), kind(row.get(2))?))).collect())
}
