//! The schema `amalgam`: created and upgraded, forward only.

use super::{During, State};
use crate::error::{Error, Kind, Result};
use sqlx::postgres::PgPoolOptions;
use std::time::Duration;

/// How long a migration may take: it may rewrite every row that is remembered.
const MIGRATION_SECONDS_MAX: u64 = 600;

/// The only encoding in which every text has a place.
const ENCODING: &str = "UTF8";

static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("src/state/migrations");

/// How the schema `amalgam` stands to this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaVersion {
    /// There is none yet.
    None,
    /// Made by an older program.
    Older {
        /// Steps that are missing.
        missing: usize,
    },
    /// As this program needs it.
    Same,
    /// Made by a newer program; forward only, so this one works with it.
    Newer {
        /// The newest step.
        newest: i64,
    },
    /// A step of its upgrade failed in the middle.
    Broken {
        /// Which.
        step: i64,
    },
}

impl State {
    /// How the schema stands to this program. Changes nothing.
    ///
    /// # Errors
    /// The server fails.
    pub async fn schema_version(&self) -> Result<SchemaVersion> {
        self.reach().await?;
        let doing = "looking at the schema's version";
        let there: bool = sqlx::query_scalar("select to_regclass('amalgam._sqlx_migrations') is not null")
            .fetch_one(&mut *self.connection().await?)
            .during(doing)
            .await?;
        if !there {
            return Ok(SchemaVersion::None);
        }
        let steps: Vec<(i64, bool)> =
            sqlx::query_as("select version, success from amalgam._sqlx_migrations order by version")
                .fetch_all(&mut *self.connection().await?)
                .during(doing)
                .await?;
        let known: Vec<i64> = MIGRATOR.iter().map(|m| m.version).collect();
        if let Some((step, _)) = steps.iter().find(|(_, success)| !success) {
            return Ok(SchemaVersion::Broken { step: *step });
        }
        let missing = known.iter().filter(|version| steps.iter().all(|(step, _)| step != *version)).count();
        // A newer program has all that this one needs, and more.
        let newest = steps.iter().map(|(step, _)| *step).filter(|step| !known.contains(step)).max();
        Ok(match (missing, newest) {
            (0, None) => SchemaVersion::Same,
            (0, Some(newest)) => SchemaVersion::Newer { newest },
            (missing, _) => SchemaVersion::Older { missing },
        })
    }

    /// Creates or upgrades the schema `amalgam`. Harmless when repeated, and when two do it at once.
    ///
    /// # Errors
    /// [`Kind::WarehouseEncoding`] where the database can't hold every text; the user may not create a schema, or
    /// the server fails.
    pub async fn migrate(&self) -> Result<()> {
        self.reach().await?;
        self.check_encoding().await?;
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

    /// Refuses a database that can't hold what the source has, before anything is written to it.
    async fn check_encoding(&self) -> Result<()> {
        let asked = sqlx::query_as("select current_setting('server_encoding'), current_database()::text");
        let (encoding, database): (String, String) =
            asked.fetch_one(&mut *self.connection().await?).during("asking for the warehouse's encoding").await?;
        if encoding == ENCODING {
            return Ok(());
        }
        let told =
            format!("the warehouse {database} is encoded in {encoding}: not every text of the source can be stored");
        Err(Error::new(Kind::WarehouseEncoding, told))
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
