//! How far the load of a large table has come.
//!
//! Guarantee: written only within the transaction that adds the rows it covers, and only by whoever has
//! seen it as it stands.

use super::{Session, Shape, Transaction, literal, relation, table_state};
use crate::{
    domain::{Fingerprint, LogPosition, TableName},
    error::{Error, Kind, Result},
};
use chrono::{DateTime, Utc};

/// The schema of tables that are being filled: nobody looks for data here.
const SCHEMA: &str = "amalgam";

/// A load that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadProgress {
    /// The table in schema `amalgam` that is being filled.
    pub relation: String,
    /// What the source's table looked like when it began.
    pub shape: Shape,
    /// Where the source's table stood when it began.
    pub fingerprint: Option<Fingerprint>,
    /// The source's clock when it began.
    pub source_read_at: DateTime<Utc>,
    /// How far the source's log had come when it began, where that is known.
    pub log: Option<LogPosition>,
    /// The highest key that was read; empty before the first.
    pub last_key: Vec<i128>,
    /// Rows that are in.
    pub rows: u64,
    /// Dates that became null among them.
    pub dates_coerced: u64,
    /// Local times among them for which one instant was chosen.
    pub local_times_coerced: u64,
    /// Texts that were changed among them.
    pub texts_coerced: u64,
    /// Rows that were read with them and set aside.
    pub rows_quarantined: u64,
    /// Whether rows with keys below the highest may be missing: read is, or was, as they lie in the file, and not
    /// to its end.
    pub may_have_gaps: bool,
}

impl LoadProgress {
    /// The quoted name of the table that is being filled.
    pub fn target(&self) -> String {
        relation(SCHEMA, &self.relation)
    }
}

impl Session {
    /// The load of a table that has begun; `None` where there is none.
    pub async fn load_progress(&self, table: &TableName) -> Result<Option<LoadProgress>> {
        let row =
            self.query_opt(include_str!("queries/load.sql"), &[&table.as_str()], "looking for a begun load").await?;
        let Some(row) = row else { return Ok(None) };
        let damaged = || Error::new(Kind::Internal, "amalgam.load holds what was never written");
        let count = |at: usize| u64::try_from(row.get::<_, i64>(at)).map_err(|_| damaged());
        let last_key: Option<Vec<String>> = row.get(4);
        Ok(Some(LoadProgress {
            relation: row.get(0),
            shape: table_state::from_json(row.get(1), "load.shape")?,
            fingerprint: row.get::<_, Option<String>>(2).map(Fingerprint),
            source_read_at: row.get(3),
            last_key: last_key
                .unwrap_or_default()
                .iter()
                .map(|k| k.parse().map_err(|_| damaged()))
                .collect::<Result<_>>()?,
            rows: count(5)?,
            dates_coerced: count(6)?,
            texts_coerced: count(7)?,
            may_have_gaps: row.get(8),
            local_times_coerced: count(9)?,
            rows_quarantined: count(10)?,
            log: row
                .get::<_, Option<serde_json::Value>>(11)
                .map(|log| table_state::from_json(log, "load.log_position"))
                .transpose()?,
        }))
    }
}

impl Transaction<'_> {
    /// Notes that a load begins. Takes away what another one of that table, of another shape, has left.
    pub async fn begin_load(&self, table: &TableName, load: &LoadProgress) -> Result<()> {
        let doing = "beginning a load";
        // Else two that begin at once would not see each other's table.
        let turn = "select pg_advisory_xact_lock(hashtextextended('amalgam.load ' || $1::text, 0))";
        self.execute(turn, &[&table.as_str()], doing).await?;
        let old = "select relation from amalgam.load where source_table = $1 for update";
        if let Some(old) = self.query_opt(old, &[&table.as_str()], doing).await? {
            self.batch(&format!("drop table if exists {}", relation(SCHEMA, old.get(0))), doing).await?;
        }
        let (shape, fingerprint) =
            (table_state::to_json(&load.shape)?, load.fingerprint.as_ref().map(|f| f.0.as_str()));
        let log = load.log.as_ref().map(table_state::to_json).transpose()?;
        let parameters: [&(dyn super::ToSql + Sync); 6] =
            [&table.as_str(), &load.relation, &shape, &fingerprint, &load.source_read_at, &log];
        self.execute(include_str!("queries/begin_load.sql"), &parameters, doing).await.map(|_| ())
    }

    /// Notes how far a load has come since there were `seen` rows.
    ///
    /// # Errors
    /// [`Kind::WarehouseConflict`] where somebody else went on with it; the transaction must be dropped.
    pub async fn continue_load(&self, table: &TableName, load: &LoadProgress, seen: u64) -> Result<()> {
        let count = |n: u64| i64::try_from(n).expect("a table has fewer than 2^63 rows");
        let key: Vec<String> = load.last_key.iter().map(ToString::to_string).collect();
        let (seen, rows, dates, texts) =
            (count(seen), count(load.rows), count(load.dates_coerced), count(load.texts_coerced));
        let (local_times, quarantined) = (count(load.local_times_coerced), count(load.rows_quarantined));
        let (relation, gaps) = (&load.relation, &load.may_have_gaps);
        let parameters: [&(dyn super::ToSql + Sync); 10] =
            [&table.as_str(), relation, &seen, &key, &rows, &dates, &texts, gaps, &local_times, &quarantined];
        match self
            .execute(include_str!("queries/continue_load.sql"), &parameters, "noting how far a load has come")
            .await?
        {
            1 => Ok(()),
            _ => Err(Error::new(Kind::WarehouseConflict, format!("another process went on with the load of {table}"))),
        }
    }

    /// Moves the filled table into a schema, under a name, and forgets that it was a load.
    ///
    /// # Errors
    /// [`Kind::WarehouseConflict`] where somebody else has ended it.
    pub async fn end_load(&self, table: &TableName, load: &LoadProgress, schema: &str, name: &str) -> Result<()> {
        let doing = "ending a load";
        let forget =
            format!("delete from amalgam.load where source_table = $1 and relation = {}", literal(&load.relation));
        if self.execute(&forget, &[&table.as_str()], doing).await? != 1 {
            return Err(Error::new(Kind::WarehouseConflict, format!("another process ended the load of {table}")));
        }
        let moved = format!(
            "alter table {} set schema {}; alter table {} rename to {}",
            load.target(),
            super::quote(schema),
            relation(schema, &load.relation),
            super::quote(name)
        );
        self.batch(&moved, doing).await
    }
}
