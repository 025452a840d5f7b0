//! Failures that are kept for people to look at: `store_failures`.
//!
//! As a table they are written beside the one before where the test runs, in its transaction, and counted there; as a
//! view once that has ended. Guarantee: they outlive the version of a model that they keep from being published.

use super::super::{
    compile::{self, Manner},
    context::connection::{On, with_connection},
    manifest::{Manifest, Node},
    materialize::{columns_of, relkind},
    verdict::{TestStatus, TestVerdict},
};
use crate::{
    domain::ModelId,
    error::{Error, Kind, Result},
    warehouse::{CopyIn, Session, Transaction, quote},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use std::{collections::BTreeSet, sync::Arc};

const DOING: &str = "keeping a test's failures";
/// Of the failures of one test, so much outlives a version that is not published; memory holds it meanwhile.
const RESCUED_BYTES_MAX: usize = 64 << 20;

/// What a test's failures are kept as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Table,
    View,
}

/// Whether a test's failures are kept.
pub(super) fn kept(manifest: &Manifest, test: &Node) -> Result<Option<Kept>> {
    let is_asked = manifest.setting.flags.get("STORE_FAILURES").and_then(serde_json::Value::as_bool) == Some(true);
    match test.settings.text("store_failures_as").as_deref() {
        None => Ok(is_asked.then_some(Kept::Table)),
        Some("table") => Ok(Some(Kept::Table)),
        Some("view") => Ok(Some(Kept::View)),
        Some("ephemeral") => Ok(None),
        Some(other) => Err(Error::new(
            Kind::ModelProject,
            format!(
                "{}: test {}: store_failures_as '{other}' is neither table nor view nor ephemeral",
                test.file, test.name
            ),
        )),
    }
}

/// How many failures are counted, and kept, at most.
pub(super) fn limit(test: &Node) -> Option<serde_json::Value> {
    let said = test.settings.get("limit").filter(|value| !value.is_null())?;
    let number = said.as_str().and_then(|text| text.trim().parse::<u64>().ok());
    Some(number.map_or_else(|| said.clone(), serde_json::Value::from))
}

fn limited(test: &Node, sql: &str) -> String {
    limit(test).map_or_else(|| sql.to_owned(), |limit| format!("select * from (\n{sql}\n) as failures limit {limit}"))
}

/// The schemas in which failures are kept.
pub(in crate::models) fn schemas<'a>(manifest: &Manifest, tests: &[&'a Node]) -> BTreeSet<&'a str> {
    let keeps = tests.iter().filter(|test| kept(manifest, test).is_ok_and(|kept| kept.is_some()));
    keeps.map(|test| test.relation.schema.as_str()).collect()
}

/// Makes the table of a test's failures beside the one before.
pub(super) async fn fill(transaction: &Transaction<'_>, test: &Node, sql: &str) -> Result<()> {
    let sql = format!("create table {} as\n{}", test.relation.provisional().quoted(), limited(test, sql));
    transaction.answer(&sql, false, DOING).await.map_err(|located| compile::refused(&test.place(), &sql, located))?;
    Ok(())
}

/// The tests whose failures are kept in relations of a kind.
fn filled<'a>(manifest: &'a Manifest, verdicts: &[TestVerdict], kind: Kept) -> Result<Vec<&'a Node>> {
    let counted =
        verdicts.iter().filter(|v| matches!(v.status, TestStatus::Pass | TestStatus::Warn | TestStatus::Fail));
    let mut tests = Vec::new();
    for verdict in counted.filter(|verdict| verdict.compiled.is_some()) {
        let test = manifest.node(&verdict.id)?;
        if kept(manifest, test)? == Some(kind) {
            tests.push(test);
        }
    }
    Ok(tests)
}

/// Drops what a test kept before.
async fn make_room(transaction: &Transaction<'_>, test: &Node) -> Result<()> {
    let word = match relkind(transaction, &test.relation).await? {
        None => return Ok(()),
        Some('v') => "view",
        Some('m') => "materialized view",
        Some(_) => "table",
    };
    transaction.batch(&format!("drop {word} {}", test.relation.quoted()), DOING).await
}

/// Puts the tables in their places, in a transaction that is going to last.
pub(in crate::models) async fn settle(
    transaction: &Transaction<'_>,
    manifest: &Manifest,
    verdicts: &[TestVerdict],
) -> Result<()> {
    for test in filled(manifest, verdicts, Kept::Table)? {
        make_room(transaction, test).await?;
        let (from, to) = (test.relation.provisional().quoted(), quote(&test.relation.name));
        transaction.batch(&format!("alter table {from} rename to {to}"), DOING).await?;
    }
    Ok(())
}

/// Tables of failures, on their way out of a transaction that rolls back.
pub(in crate::models) struct Rescued(Vec<Failures>);

/// The failures of one test.
struct Failures {
    test: ModelId,
    columns: String,
    rows: Vec<Bytes>,
}

/// Takes the tables out of a transaction that is not going to last.
pub(in crate::models) async fn rescue(
    transaction: &Transaction<'_>,
    manifest: &Manifest,
    verdicts: &[TestVerdict],
) -> Result<Rescued> {
    let mut rescued = Vec::new();
    for test in filled(manifest, verdicts, Kept::Table)? {
        let from = test.relation.provisional().quoted();
        let columns = columns_of(transaction, &from).await?;
        let columns: Vec<String> = columns.iter().map(|(name, kind)| format!("{} {kind}", quote(name))).collect();
        let mut failures = Failures { test: test.id.clone(), columns: columns.join(", "), rows: Vec::new() };
        let mut stream = transaction.copy_out(&format!("copy {from} to stdout (format binary)")).await?;
        let mut bytes = 0;
        while let Some(row) = stream.next().await? {
            bytes += row.len();
            if bytes <= RESCUED_BYTES_MAX {
                failures.rows.push(row);
            }
        }
        if bytes > RESCUED_BYTES_MAX {
            let rows = failures.rows.len();
            tracing::warn!(test = %test.id, rows, "only the first of its failures are kept; set its limit");
        }
        rescued.push(failures);
    }
    Ok(Rescued(rescued))
}

impl Rescued {
    /// Writes the tables, now that what they were found in has gone.
    pub(in crate::models) async fn write(self, session: &mut Session, manifest: &Manifest) -> Result<()> {
        for Failures { test, columns, rows } in self.0 {
            let test = manifest.node(&test)?;
            let name = test.relation.quoted();
            let to = session.begin().await?;
            make_room(&to, test).await?;
            to.batch(&format!("create table {name} ({columns})"), DOING).await?;
            let mut copy = to.copy_in(&format!("copy {name} from stdin (format binary)")).await?;
            copy.send(Bytes::from_static(CopyIn::HEADER)).await?;
            for row in rows {
                copy.send(row).await?;
            }
            copy.send(Bytes::from_static(CopyIn::TRAILER)).await?;
            copy.finish().await?;
            to.commit().await?;
        }
        Ok(())
    }
}

/// Makes the views over what is published.
pub(in crate::models) async fn views(
    session: &mut Session,
    manifest: &Arc<Manifest>,
    verdicts: &[TestVerdict],
    started: DateTime<Utc>,
) -> Result<()> {
    for test in filled(manifest, verdicts, Kept::View)? {
        let (of_view, id) = (manifest.clone(), test.id.clone());
        let sql = with_connection(On::Session(session), move |connection| {
            let manner = Manner { as_new: false, ..Manner::new(started, Some(connection)) };
            compile::compile(&of_view, of_view.node(&id)?, &manner)
        })
        .await??;
        let transaction = session.begin().await?;
        make_room(&transaction, test).await?;
        let sql = format!("create view {} as\n{}", test.relation.quoted(), limited(test, &sql));
        transaction
            .answer(&sql, false, DOING)
            .await
            .map_err(|located| compile::refused(&test.place(), &sql, located))?;
        transaction.commit().await?;
    }
    Ok(())
}
