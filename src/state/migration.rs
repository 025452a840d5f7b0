//! The schema `amalgam`: created and upgraded, forward only.

use super::{During, State};
use crate::error::{Error, Kind, Result};
use sqlx::postgres::PgPoolOptions;
use std::time::Duration;

/// How long a migration may take: it may rewrite every row that is remembered.
const MIGRATION_SECONDS_MAX: u64 = 600;

static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("src/state/migrations");

impl State {
    /// Creates or upgrades the schema `amalgam`. Harmless when repeated, and when two do it at once.
    ///
    /// # Errors
    /// The user may not create a schema, or the server fails.
    pub async fn migrate(&self) -> Result<()> {
        self.reach().await?;
        // Asked first: `create schema if not exists` needs the right to create even where it exists.
        let exists = self.has_schema().await?;
        if !exists {
            let create = sqlx::query("create schema if not exists amalgam");
            let created = create.execute(&mut *self.connection().await?).during("creating schema amalgam").await;
            // Else another process was faster.
            if let Err(error) = created
                && !self.has_schema().await?
            {
                return Err(error);
            }
        }
        // The migrator makes its own table anew, which needs the right to create in the schema.
        if exists && self.is_migrated().await? {
            return Ok(());
        }
        let doing = "migrating schema amalgam";
        // It waits for another process that migrates, and may have much to rewrite.
        let options = self.options.clone().options([("statement_timeout", "0")]);
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(self.connect_max).connect_lazy_with(options);
        let time = Duration::from_secs(MIGRATION_SECONDS_MAX);
        let Ok(migrated) = tokio::time::timeout(time, MIGRATOR.run(&pool)).await else {
            let text = format!("{doing}: not done within {MIGRATION_SECONDS_MAX} s");
            return Err(Error::new(Kind::WarehouseLost, text));
        };
        migrated.map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(e) | sqlx::migrate::MigrateError::ExecuteMigration(e, _) => {
                super::failure(&e, doing)
            }
            other => Error::new(Kind::WarehouseQuery, format!("{doing}: {other}")),
        })
    }

    async fn has_schema(&self) -> Result<bool> {
        sqlx::query_scalar("select to_regnamespace('amalgam') is not null")
            .fetch_one(&mut *self.connection().await?)
            .during("looking for schema amalgam")
            .await
    }

    /// Whether the schema is as this program needs it.
    ///
    /// # Errors
    /// The server fails.
    pub async fn is_migrated(&self) -> Result<bool> {
        let known: Vec<i64> = MIGRATOR.iter().map(|m| m.version).collect();
        let there: bool = sqlx::query_scalar("select to_regclass('amalgam._sqlx_migrations') is not null")
            .fetch_one(&mut *self.connection().await?)
            .during("looking at the schema's version")
            .await?;
        if !there {
            return Ok(false);
        }
        // Each of them: the newest may have come before an older one.
        sqlx::query_scalar(
            "select count(*) = cardinality($1) from amalgam._sqlx_migrations where success and version = any($1)",
        )
        .bind(known)
        .fetch_one(&mut *self.connection().await?)
        .during("looking at the schema's version")
        .await
    }
}
