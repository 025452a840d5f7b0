//! What is known of each raw table: watermark, fingerprint, shape.
//!
//! Guarantee: written only within the transaction that changes the table's rows, and only by a writer
//! that has seen the state as it stands.

use super::{Session, ToSql, Transaction};
use crate::{
    domain::{Column, Consistency, Deletes, Fingerprint, SyncMode, TableName, Watermark, name::in_warehouse},
    error::{Error, Kind, Result},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const READ: &str = include_str!("queries/table_states.sql");
const RAW: &str = include_str!("queries/raw_tables.sql");
const NAME_BEARER: &str = include_str!("queries/name_bearer.sql");
const INSERT: &str = include_str!("queries/insert_table_state.sql");
const UPDATE: &str = include_str!("queries/update_table_state.sql");

/// The source's columns and key when the rows were read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// The columns, in their order.
    pub columns: Vec<Column>,
    /// Positions of the primary key's columns, in key order.
    pub key: Vec<usize>,
    /// When the table was made, altered or rebuilt, by the server that was read.
    #[serde(default)]
    pub made_at: Option<i64>,
}

/// What is known of one raw table.
#[derive(Clone, Debug)]
pub struct TableState {
    /// What it looked like.
    pub shape: Shape,
    /// Where it stood; `None`: it must be looked at again.
    pub fingerprint: Option<Fingerprint>,
    /// How far it has come.
    pub watermark: Option<Watermark>,
    /// How often it was written.
    pub revision: i64,
    /// Rows in the warehouse.
    pub row_count: i64,
    /// When it was last brought in step, by the warehouse's clock.
    pub synced_at: DateTime<Utc>,
    /// The same by the source's clock, when the read began.
    pub source_read_at: DateTime<Utc>,
    /// When this was asked for, by the warehouse's clock.
    pub asked_at: DateTime<Utc>,
    /// Rows that are set aside.
    pub quarantined: i64,
    /// What became of rows that the source had deleted.
    pub deletes: Deletes,
    /// The server that it was last read from; `None`: the primary.
    pub server: Option<String>,
    /// What the primary had logged then, where that is known.
    pub position: Option<String>,
    /// The raw table as it stands; `None`: it is gone, and the rest says nothing.
    pub raw: Option<RawTable>,
}

/// What a raw table really looks like, whoever made it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawTable {
    /// Its columns, and the type of each as `format_type` writes it.
    pub columns: BTreeMap<String, String>,
    /// The primary key's columns, in key order.
    pub key: Vec<String>,
    /// Triggers and rules of people's own that fire when it is written, each with its name.
    pub meddlers: Vec<String>,
}

/// What one sync leaves behind.
#[derive(Clone, Debug)]
pub struct NewTableState<'a> {
    /// How the table is kept in step.
    pub mode: SyncMode,
    /// What became of rows that the source has deleted.
    pub deletes: Deletes,
    /// Whether it was read as it was at one moment.
    pub consistency: Consistency,
    /// What it looks like now.
    pub shape: &'a Shape,
    /// Where it stood before the read began.
    pub fingerprint: Option<&'a Fingerprint>,
    /// How far it has come.
    pub watermark: Option<&'a Watermark>,
    /// The revision that the sync began from; `None`: there was no state.
    pub seen_revision: Option<i64>,
    /// Whether any row changed.
    pub changed: bool,
    /// Rows in the warehouse.
    pub row_count: i64,
    /// The source's clock before the read began.
    pub source_read_at: DateTime<Utc>,
    /// Whether all rows were compared.
    pub reconciled: bool,
    /// The server that was read; `None`: the primary.
    pub server: Option<&'a str>,
    /// What the primary had logged when the read had ended, where it was read.
    pub position: Option<&'a str>,
    /// The word of why it did not follow the source's log, where it is to.
    pub not_followed: Option<&'a str>,
}

impl Session {
    /// What is known of all tables, or those named: nothing, where nothing was ever synced.
    pub async fn table_states(
        &self,
        raw_schema: &str,
        only: Option<&[TableName]>,
    ) -> Result<BTreeMap<TableName, TableState>> {
        let migrated = self
            .query_one(
                "select to_regclass('amalgam.table_state') is not null",
                &[],
                "looking for the state of the tables",
            )
            .await?;
        if !migrated.get::<_, bool>(0) {
            return Ok(BTreeMap::new());
        }
        let names: Option<Vec<&str>> = only.map(|names| names.iter().map(TableName::as_str).collect());
        let mut raw = self.raw_tables(raw_schema, names.as_deref()).await?;
        let rows = self.query(READ, &[&names], "reading the state of the tables").await?;
        rows.iter()
            .map(|row| {
                let name = TableName::new(row.get::<_, String>(0));
                let state = TableState {
                    shape: from_json(row.get(1), "table_state.shape")?,
                    fingerprint: row.get::<_, Option<String>>(2).map(Fingerprint),
                    watermark: row
                        .get::<_, Option<serde_json::Value>>(3)
                        .map(|w| from_json(w, "table_state.watermark"))
                        .transpose()?,
                    revision: row.get(4),
                    row_count: row.get(5),
                    synced_at: row.get(6),
                    deletes: Deletes::parse(row.get(7)).ok_or_else(|| {
                        Error::new(Kind::Internal, "amalgam.table_state holds a rule for deletes that is none")
                    })?,
                    server: row.get(8),
                    position: row.get(9),
                    source_read_at: row.get(10),
                    asked_at: row.get(11),
                    quarantined: row.get(12),
                    raw: raw.remove(&*in_warehouse(name.as_str())),
                };
                Ok((name, state))
            })
            .collect()
    }

    /// What bears a name in a schema, in words: `a table`, or what is none. `None`: nothing does.
    pub async fn name_bearer(&self, schema: &str, name: &str) -> Result<Option<&'static str>> {
        let row = self.query_opt(NAME_BEARER, &[&schema, &name], "looking for what bears a table's name").await?;
        Ok(row.map(|row| match row.get(0) {
            "r" | "p" => "a table",
            "v" => "a view",
            "m" => "a materialized view",
            "f" => "a foreign table",
            "S" => "a sequence",
            "c" | "type" => "a type",
            _ => "an index",
        }))
    }

    /// The tables of the raw schema, or the twins of those named.
    async fn raw_tables(&self, schema: &str, only: Option<&[&str]>) -> Result<BTreeMap<String, RawTable>> {
        let twins: Option<Vec<_>> = only.map(|names| names.iter().map(|n| in_warehouse(n)).collect());
        let rows = self.query(RAW, &[&schema, &twins], "looking at the raw tables").await?;
        let table = |row: &tokio_postgres::Row| {
            let columns = row.get::<_, Vec<String>>(1).into_iter().zip(row.get::<_, Vec<String>>(2)).collect();
            (row.get(0), RawTable { columns, key: row.get(3), meddlers: row.get(4) })
        };
        Ok(rows.iter().map(table).collect())
    }
}

impl Transaction<'_> {
    /// Writes what a sync leaves behind.
    ///
    /// # Errors
    /// [`Kind::WarehouseConflict`] where another writer came first; the transaction must be dropped.
    pub async fn save_table_state(&self, table: &TableName, new: &NewTableState<'_>) -> Result<()> {
        let shape = to_json(new.shape)?;
        let watermark = new.watermark.map(to_json).transpose()?;
        let fingerprint = new.fingerprint.map(|f| f.0.as_str());
        let (mode, deletes, consistency) = (new.mode.as_str(), new.deletes.as_str(), new.consistency.as_str());
        let name = table.as_str();
        let doing = "writing the state of the table";
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![
            &name,
            &mode,
            &shape,
            &fingerprint,
            &watermark,
            &new.row_count,
            &new.source_read_at,
            &new.reconciled,
            &deletes,
            &consistency,
            &new.server,
            &new.position,
            &new.not_followed,
        ];
        let written = match &new.seen_revision {
            None => self.execute(INSERT, &parameters, doing).await?,
            Some(revision) => {
                parameters.extend([revision as &(dyn ToSql + Sync), &new.changed]);
                self.execute(UPDATE, &parameters, doing).await?
            }
        };
        if written == 1 {
            Ok(())
        } else {
            Err(Error::new(Kind::WarehouseConflict, format!("table {table} was written by another process meanwhile")))
        }
    }
}

pub(super) fn to_json(value: &impl Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(value).map_err(|e| Error::new(Kind::Internal, format!("state of a table: {e}")))
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(value: serde_json::Value, what: &str) -> Result<T> {
    serde_json::from_value(value).map_err(|e| Error::new(Kind::Internal, format!("amalgam.{what}: {e}")))
}
