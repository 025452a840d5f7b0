//! The schema `amalgam`: created and upgraded, forward only.

use super::{During, State};
use crate::error::{Error, Kind, Result};

static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("src/state/migrations");

impl State {
    /// Creates or upgrades the schema `amalgam`. Harmless when repeated, and when two do it at once.
    ///
    /// # Errors
    /// The user may not create a schema, or the server fails.
    pub async fn migrate(&self) -> Result<()> {
        self.reach().await?;
        // Asked first: `create schema if not exists` needs the right to create even where it exists.
        let exists: bool = sqlx::query_scalar("select to_regnamespace('amalgam') is not null")
            .fetch_one(&self.pool)
            .await
            .during("looking for schema amalgam")?;
        if !exists {
            let created = sqlx::query("create schema if not exists amalgam").execute(&self.pool).await;
            match created {
                // Another process was faster.
                Err(sqlx::Error::Database(e)) if matches!(e.code().as_deref(), Some("23505" | "42P06")) => {}
                other => {
                    other.during("creating schema amalgam")?;
                }
            }
        }
        // The migrator makes its own table anew, which needs the right to create in the schema.
        if exists && self.is_migrated().await? {
            return Ok(());
        }
        MIGRATOR.run(&self.pool).await.map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(e) | sqlx::migrate::MigrateError::ExecuteMigration(e, _) => {
                super::failure(&e, "migrating schema amalgam")
            }
            other => Error::new(Kind::WarehouseQuery, format!("migrating schema amalgam: {other}")),
        })
    }

    /// Whether the schema is as this program needs it.
    ///
    /// # Errors
    /// The server fails.
    pub async fn is_migrated(&self) -> Result<bool> {
        let newest = MIGRATOR.iter().map(|m| m.version).max().unwrap_or(0);
        let there: bool = sqlx::query_scalar("select to_regclass('amalgam._sqlx_migrations') is not null")
            .fetch_one(&self.pool)
            .await
            .during("looking at the schema's version")?;
        if !there {
            return Ok(false);
        }
        sqlx::query_scalar(
            "select coalesce(bool_and(success) and max(version) >= $1, false) from amalgam._sqlx_migrations",
        )
        .bind(newest)
        .fetch_one(&self.pool)
        .await
        .during("looking at the schema's version")
    }
}
