//! Every build of a model that was tried: `amalgam.model_build`, with the SQL that was run.
//!
//! A build that is published is written down in its own transaction, one that fails by itself. Bounded: a model's last
//! [`BUILDS_KEPT_MAX`] builds are kept here; how old they may grow, maintenance says.

use super::{checksum, manifest::Node};
use crate::{
    domain::{
        RunId,
        unusual::{BUILDS_MAX, Judged, Measure},
    },
    error::{Error, Result},
    warehouse::{Session, Transaction},
};
use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

/// Builds of one model that are kept: three days of one every five minutes, or three years of one a day.
const BUILDS_KEPT_MAX: i64 = 1_000;
/// A longer text is not kept.
const SQL_BYTES_MAX: usize = 1 << 20;

const BEFORE: &str = "select seconds, row_count from amalgam.model_build \
    where model_id = $1 and materialized = $2 and kind = $3 and outcome = 'published' order by build_id desc limit $4";

/// What is one too many goes, with the texts that no other build has; then comes the build.
const WRITE: &str = "\
    with new as ( \
        select * from jsonb_to_record($1::jsonb) as r (model_id text, materialized text, kind text, outcome text, \
            started_at timestamptz, seconds float8, row_count int8, reason text, error_kind text, error text, \
            sql_hash text, sql text, run_id int8, usual_seconds float8, usual_rows float8, unusual text[], relation text) \
    ), gone as ( \
        delete from amalgam.model_build \
        where model_id = (select model_id from new) and build_id <= ( \
            select build_id from amalgam.model_build where model_id = (select model_id from new) \
            order by build_id desc offset $2::int8 - 1 limit 1) \
        returning model_id, build_id, sql_hash \
    ), unused as ( \
        delete from amalgam.model_sql t using (select distinct model_id, sql_hash from gone) g, new n \
        where t.model_id = g.model_id and t.sql_hash = g.sql_hash and t.sql_hash is distinct from n.sql_hash \
            and not exists (select from amalgam.model_build b where b.model_id = t.model_id \
                and b.sql_hash = t.sql_hash and b.build_id not in (select build_id from gone)) \
    ), text as ( \
        insert into amalgam.model_sql (model_id, sql_hash, sql) \
        select model_id, sql_hash, sql from new where sql is not null on conflict do nothing \
    ) \
    insert into amalgam.model_build (model_id, materialized, kind, outcome, started_at, seconds, row_count, bytes, reason, \
        error_kind, error, sql_hash, run_id, usual_seconds, usual_rows, unusual) \
    select model_id, materialized, kind, outcome, started_at, seconds, row_count, \
        (select pg_total_relation_size(c.oid) from pg_catalog.pg_class c \
            where c.oid = to_regclass(relation) and c.relkind in ('r', 'm')), \
        reason, error_kind, error, sql_hash, run_id, usual_seconds, usual_rows, unusual \
    from new";

/// How a relation comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BuildKind {
    /// Made from scratch.
    Full,
    /// What is there is added to or changed.
    Incremental,
    /// A part of the time is, which somebody asked for.
    Span,
}

impl BuildKind {
    /// What a build of a node is, over what bears its name now.
    pub(super) fn of(node: &Node, relkind: Option<char>, full_refresh: bool, is_part: bool) -> Self {
        let keeps = matches!(node.materialized().as_str(), "incremental" | "snapshot");
        let full_refresh = node.settings.flag("full_refresh").unwrap_or(full_refresh);
        match (keeps, relkind) {
            _ if is_part => Self::Span,
            (true, Some('r')) if !full_refresh => Self::Incremental,
            _ => Self::Full,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
            Self::Span => "span",
        }
    }
}

/// A build, however it ended.
pub(super) struct Tried<'a> {
    /// The model.
    pub node: &'a Node,
    /// How; `None` where that was not known yet.
    pub kind: Option<BuildKind>,
    /// When it began.
    pub started: DateTime<Utc>,
    /// How long it took.
    pub seconds: f64,
    /// Why it was built.
    pub reason: Option<&'a str>,
    /// The SQL that was run.
    pub sql: Option<&'a str>,
    /// The run that it was a part of.
    pub run: Option<RunId>,
}

impl<'a> Tried<'a> {
    /// One that failed before anything was known of it.
    pub(super) fn early(node: &'a Node, started: DateTime<Utc>, run: Option<RunId>) -> Self {
        Self { node, kind: None, started, seconds: 0.0, reason: None, sql: None, run }
    }
}

/// Writes down a build that is published with the caller's transaction; what is unusual about it, in words.
pub(super) async fn published(
    transaction: &Transaction<'_>,
    tried: &Tried<'_>,
    rows: Option<i64>,
) -> Result<Vec<String>> {
    let id = tried.node.id.as_str();
    let kind = tried.kind.map(BuildKind::as_str);
    let limit = i64::try_from(BUILDS_MAX).expect("they are few");
    let before = transaction
        .query(BEFORE, &[&id, &tried.node.materialized(), &kind, &limit], "reading the builds of a model")
        .await?;
    let before: Vec<Measure> = before.iter().map(|row| Measure { seconds: row.get(0), rows: row.get(1) }).collect();
    // What a span takes is what somebody asked of it.
    let is_timed = tried.kind != Some(BuildKind::Span);
    let judged = Judged::of(Measure { seconds: tried.seconds, rows }, &before, is_timed);
    let mut build = described(tried);
    build["outcome"] = "published".into();
    build["row_count"] = rows.into();
    build["relation"] = tried.node.relation.quoted().into();
    build["usual_seconds"] = judged.usual_seconds.into();
    build["usual_rows"] = judged.usual_rows.into();
    build["unusual"] = judged.unusual.iter().map(|what| what.as_str()).collect();
    transaction.execute(WRITE, &[&build, &BUILDS_KEPT_MAX], "writing down a build").await?;
    Ok(judged.told())
}

/// Writes down a build that failed.
pub(super) async fn failed(session: &Session, tried: &Tried<'_>, error: &Error) -> Result<()> {
    let mut build = described(tried);
    build["outcome"] = "failed".into();
    build["error_kind"] = error.kind.as_str().into();
    build["error"] = error.to_string().into();
    session.execute(WRITE, &[&build, &BUILDS_KEPT_MAX], "writing down a build").await?;
    Ok(())
}

/// What is known of a build however it ended.
fn described(tried: &Tried<'_>) -> Json {
    let sql = tried.sql.filter(|sql| !sql.trim().is_empty());
    json!({
        "model_id": tried.node.id.as_str(), "materialized": tried.node.materialized(),
        "kind": tried.kind.map(BuildKind::as_str), "started_at": tried.started.to_rfc3339(),
        "seconds": tried.seconds, "reason": tried.reason, "sql_hash": sql.map(checksum::plain),
        "sql": sql.filter(|sql| sql.len() <= SQL_BYTES_MAX), "run_id": tried.run.map(|run| run.0), "unusual": [],
    })
}
