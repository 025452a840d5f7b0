//! Builds of models, for people to read, and for how long they are kept.

use super::{During, State};
use crate::error::Result;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// How many builds of each model are kept however old they are: by them it is known what is usual.
const KEPT_MIN: i64 = 20;

/// A build of a model that was tried.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub struct BuildRecord {
    /// Its number.
    pub build_id: i64,
    /// The model's unique id.
    pub model_id: String,
    /// How it becomes a relation.
    pub materialized: String,
    /// `full`, `incremental` or `span`; `None` where it failed before that was known.
    pub kind: Option<String>,
    /// `published` or `failed`.
    pub outcome: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How long it took.
    pub seconds: f64,
    /// Rows of the published relation; `None` for views.
    pub rows: Option<i64>,
    /// Bytes of the relation with its indexes; `None` for views.
    pub bytes: Option<i64>,
    /// Why it was built.
    pub reason: Option<String>,
    /// What is unusual about it: `slow`, `few_rows`.
    pub unusual: Vec<String>,
    /// The median of the seconds of those before it.
    pub usual_seconds: Option<f64>,
    /// The median of their rows.
    pub usual_rows: Option<f64>,
    /// The failure's kind.
    pub error_kind: Option<String>,
    /// The failure, in words.
    pub error: Option<String>,
    /// The run that it was a part of.
    pub run_id: Option<i64>,
    /// The SQL that was run.
    pub sql: Option<String>,
}

impl State {
    /// The last builds of these models, or of all, newest first.
    ///
    /// # Errors
    /// The server fails.
    pub async fn builds(&self, models: Option<&[String]>, limit: u32) -> Result<Vec<BuildRecord>> {
        sqlx::query_as(include_str!("queries/builds.sql"))
            .bind(models)
            .bind(i64::from(limit))
            .fetch_all(&mut *self.connection().await?)
            .during("reading builds of models")
            .await
    }

    /// Forgets builds of models that began more than so many days ago, but for the last of each model.
    ///
    /// # Errors
    /// The server fails.
    pub async fn forget_builds(&self, days: u32, at: DateTime<Utc>) -> Result<()> {
        let doing = "forgetting old builds of models";
        let mut tx = self.begin(doing).await?;
        // Nobody may begin to use a text while it goes for want of a build that has it.
        sqlx::query("lock table amalgam.model_sql in share row exclusive mode").execute(&mut *tx).during(doing).await?;
        sqlx::query(include_str!("queries/forget_builds.sql"))
            .bind(at)
            .bind(i32::try_from(days).unwrap_or(i32::MAX))
            .bind(KEPT_MIN)
            .execute(&mut *tx)
            .during(doing)
            .await?;
        tx.commit().during(doing).await
    }
}
