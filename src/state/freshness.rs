//! How each table and model does: what `status`, `/healthz` and the metrics tell.

use super::{During, State};
use crate::{
    domain::unusual::{Judged, Measure, Unusual},
    error::Result,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

/// How one table does.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub struct TableHealth {
    /// Its name.
    pub name: String,
    /// How it is kept in step; `None` before its first load.
    pub mode: Option<String>,
    /// Rows in the warehouse.
    pub row_count: Option<i64>,
    /// When it was last in step: read, or found unchanged.
    pub fresh_at: Option<DateTime<Utc>>,
    /// The moment at the source that its rows stand for, by the source's clock.
    #[serde(skip)]
    pub source_at: Option<DateTime<Utc>>,
    /// When a row of it last changed in the warehouse.
    pub changed_at: Option<DateTime<Utc>>,
    /// Since when its sync fails; `None` while it does not.
    pub failing_since: Option<DateTime<Utc>>,
    /// How many runs in a row it failed in.
    pub failures_in_a_row: i32,
    /// The last failure's kind.
    pub error_kind: Option<String>,
    /// The last failure, in words.
    pub error: Option<String>,
}

/// How one model does.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub struct ModelHealth {
    /// Its unique id.
    pub name: String,
    /// When its last good version was published, or found to need nothing.
    pub good_at: Option<DateTime<Utc>>,
    /// Since when its build fails; `None` while it does not.
    pub failing_since: Option<DateTime<Utc>>,
    /// How many runs in a row it failed in.
    pub failures_in_a_row: i32,
    /// The last failure's kind.
    pub error_kind: Option<String>,
    /// The last failure, in words.
    pub error: Option<String>,
    /// Its last build that was published.
    #[serde(skip)]
    #[sqlx(flatten)]
    pub last: LastBuild,
}

/// The last build of a model that was published, beside what was usual before.
#[derive(Clone, Debug, Default, PartialEq, sqlx::FromRow)]
pub struct LastBuild {
    /// What is unusual about it, by words.
    pub unusual: Vec<String>,
    /// When it began; `None` where none is known.
    pub built_at: Option<DateTime<Utc>>,
    /// How long it took.
    pub seconds: Option<f64>,
    /// The median of those before.
    pub usual_seconds: Option<f64>,
    /// Rows of the relation, where they were counted.
    pub rows: Option<i64>,
    /// The median of those before.
    pub usual_rows: Option<f64>,
}

impl LastBuild {
    /// What is unusual about it, in words.
    pub fn told(&self) -> Vec<String> {
        let unusual = self.unusual.iter().filter_map(|word| Unusual::parse(word)).collect();
        let build = Measure { seconds: self.seconds.unwrap_or_default(), rows: self.rows };
        Judged { build, usual_seconds: self.usual_seconds, usual_rows: self.usual_rows, unusual }.told()
    }
}

/// A table that is to follow the source's binary log, and did not with its last sync.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub struct NotFollowed {
    /// Its name.
    pub name: String,
    /// When it was synced.
    pub synced_at: DateTime<Utc>,
    /// Why, by a word.
    pub reason: String,
}

impl State {
    /// How every table does, by name.
    ///
    /// # Errors
    /// The server fails.
    pub async fn table_health(&self) -> Result<Vec<TableHealth>> {
        sqlx::query_as(include_str!("queries/table_health.sql"))
            .fetch_all(&mut *self.connection().await?)
            .during("reading how tables do")
            .await
    }

    /// How many tables were last read from each replica of the source.
    ///
    /// # Errors
    /// The server fails.
    pub async fn tables_of_replicas(&self) -> Result<BTreeMap<String, i64>> {
        let sql = "select source_server, count(*) from amalgam.table_state where source_server is not null group by 1";
        let rows: Vec<(String, i64)> = sqlx::query_as(sql)
            .fetch_all(&mut *self.connection().await?)
            .during("counting tables read from a replica")
            .await?;
        Ok(rows.into_iter().collect())
    }

    /// The tables that did not follow the source's binary log with their last sync, though they are to, by name.
    ///
    /// # Errors
    /// The server fails.
    pub async fn not_followed(&self) -> Result<Vec<NotFollowed>> {
        let sql = "select source_table as name, synced_at, not_followed as reason from amalgam.table_state \
                   where not_followed is not null order by 1";
        sqlx::query_as(sql).fetch_all(&mut *self.connection().await?).during("reading who follows the log").await
    }

    /// How every model does, by name.
    ///
    /// # Errors
    /// The server fails.
    pub async fn model_health(&self) -> Result<Vec<ModelHealth>> {
        sqlx::query_as(include_str!("queries/model_health.sql"))
            .fetch_all(&mut *self.connection().await?)
            .during("reading how models do")
            .await
    }
}
