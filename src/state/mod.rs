//! The control plane: runs, tasks, attempts and schedules, in the warehouse's schema `amalgam`.
//!
//! Owns the migrations of the whole schema. `sqlx` types stay here.

use crate::{
    config,
    error::{Error, Kind, Result},
};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use std::time::Duration;

static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("src/state/migrations");

/// The control plane of one warehouse. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    pool: PgPool,
}

impl State {
    /// Prepares a pool; connects when first used.
    pub fn new(config: &config::Warehouse) -> Self {
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(&config.host)
            .port(config.port)
            .username(&config.user)
            .password(config.password.reveal())
            .database(&config.database)
            .application_name("amalgam control")
            .options([("search_path", "amalgam")])
            .ssl_mode(match config.tls {
                config::TlsMode::Disable => PgSslMode::Disable,
                config::TlsMode::Require => PgSslMode::Require,
                config::TlsMode::VerifyFull => PgSslMode::VerifyFull,
            });
        if let Some(ca) = &config.tls_ca_file {
            options = options.ssl_root_cert(ca);
        }
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(config.connect_seconds_max))
            .connect_lazy_with(options);
        Self { pool }
    }

    /// Creates or upgrades the schema `amalgam`. Forward only; harmless when repeated.
    pub async fn migrate(&self) -> Result<()> {
        sqlx::query("create schema if not exists amalgam").execute(&self.pool).await.map_err(failure)?;
        MIGRATOR
            .run(&self.pool)
            .await
            .map_err(|e| Error::new(Kind::WarehouseQuery, format!("migrating schema amalgam: {e}")))
    }
}

fn failure(error: sqlx::Error) -> Error {
    Error::new(Kind::WarehouseQuery, format!("control plane: {error}"))
}
