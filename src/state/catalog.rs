//! Which tables the source showed when it was last looked at, and which it shows no more.
//!
//! A table that is gone is neither fresh nor late, and its rows stay. Whether it was dropped, renamed, or the right
//! to read it was taken away, the source does not say.

use super::{During, State};
use crate::error::Result;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

/// A table that was kept in step, and that the source did not show when it was last looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct GoneTable {
    /// Its name.
    pub name: String,
    /// When it was last synced.
    pub synced_at: DateTime<Utc>,
    /// Its rows in the warehouse, which stay.
    pub row_count: i64,
}

impl State {
    /// Notes every table there is, as seen at a moment. Those that were kept in step, and that it shows no more
    /// since the last time, by name: each is told once. A source that shows no table at all has taken a right away:
    /// nothing is noted then, and all are told every time.
    ///
    /// # Errors
    /// The server fails.
    pub async fn note_catalog(&self, looked_at: DateTime<Utc>, tables: &[String]) -> Result<Vec<String>> {
        let doing = "noting which tables there are";
        let mut tx = self.begin(doing).await?;
        let gone = put(&mut tx, looked_at, tables, doing).await?;
        tx.commit().during(doing).await?;
        Ok(gone)
    }

    /// The tables that were kept in step, and that the source did not show when it was last looked at, by name:
    /// those too that the configuration has come to exclude.
    ///
    /// # Errors
    /// The server fails.
    pub async fn gone_tables(&self) -> Result<Vec<GoneTable>> {
        sqlx::query_as(include_str!("queries/gone_tables.sql"))
            .fetch_all(&mut *self.connection().await?)
            .during("reading which tables are gone")
            .await
    }
}

/// What [`State::note_catalog`] does, in a transaction of the caller's.
pub(super) async fn put(
    connection: &mut PgConnection,
    looked_at: DateTime<Utc>,
    tables: &[String],
    doing: &str,
) -> Result<Vec<String>> {
    if tables.is_empty() {
        let all = "select source_table from amalgam.table_state order by 1";
        return sqlx::query_scalar(all).fetch_all(connection).during(doing).await;
    }
    sqlx::query_scalar(include_str!("queries/put_catalog.sql"))
        .bind(looked_at)
        .bind(tables)
        .fetch_all(connection)
        .during(doing)
        .await
}
