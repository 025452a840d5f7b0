//! The control plane: runs, tasks, attempts and schedules, in the warehouse's schema `amalgam`.
//!
//! Owns the migrations of the whole schema, and every `sqlx` type. One file a concern, its fixed
//! statements in `queries/`. Guarantee: each function is one transaction, and an error that leaves
//! this room carries no cell's value. The rules of the state machine are the database's own:
//! `migrations/0002_runs.sql`, drawn in `docs/state-machine.md`.

mod failure;
mod freshness;
mod history;
mod lease;
mod migration;
mod runs;
mod schedules;
mod tasks;

pub use freshness::{ModelHealth, SubjectKind, TableHealth};
pub use history::{AttemptRecord, RunFailure, RunRecord, TaskRecord};
pub use lease::{Acquired, Lease};
pub use runs::{NewEdge, NewRun, NewTask, Plan, RunRow};
pub use schedules::{Fire, ScheduleRow};
pub use tasks::{TaskEnd, TaskRow};

use crate::{
    config,
    error::{Error, Kind, Result},
};
use failure::failure;
use sqlx::{
    ConnectOptions, Connection, PgConnection,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode},
};
use std::time::Duration;

/// Connections of the control plane at once, at most. Its statements are short.
const CONNECTIONS_MAX: u32 = 4;

/// The control plane of one warehouse. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    pool: PgPool,
    options: PgConnectOptions,
    connect_max: Duration,
    /// Where the server is, for error texts.
    place: String,
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
            // What is recorded must outlive the server's death, whatever the server's default; it also makes
            // whatever the data plane committed before it last.
            .options([("search_path", "amalgam"), ("timezone", "UTC"), ("synchronous_commit", "on")])
            .ssl_mode(match config.tls {
                config::TlsMode::Disable => PgSslMode::Disable,
                config::TlsMode::Require => PgSslMode::Require,
                config::TlsMode::VerifyFull => PgSslMode::VerifyFull,
            });
        if let Some(ca) = &config.tls_ca_file {
            options = options.ssl_root_cert(ca);
        }
        let connect_max = Duration::from_secs(config.connect_seconds_max);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(connect_max)
            .connect_lazy_with(options.clone());
        Self { pool, options, connect_max, place: format!("{}:{}", config.host, config.port) }
    }

    /// Asks the server for a sign of life.
    ///
    /// # Errors
    /// Whatever keeps the control plane from answering.
    pub async fn ping(&self) -> Result<()> {
        self.reach().await?;
        sqlx::query("select 1").execute(&self.pool).await.map_err(|e| failure(&e, "asking for a sign of life"))?;
        Ok(())
    }

    /// Fails at once, and with the cause, where the server can't be reached: the pool would try again
    /// until its time is up, and then say no more than that.
    async fn reach(&self) -> Result<()> {
        if self.pool.num_idle() > 0 {
            return Ok(());
        }
        let connection = self.connect(self.options.clone(), "connecting").await?;
        // Whether the goodbye arrives changes nothing.
        let _ = tokio::time::timeout(self.connect_max, connection.close()).await;
        Ok(())
    }

    /// One connection beside the pool.
    async fn connect(&self, options: PgConnectOptions, doing: &str) -> Result<PgConnection> {
        let doing = format!("{doing} at {}", self.place);
        match tokio::time::timeout(self.connect_max, options.connect()).await {
            Ok(connected) => connected.during(&doing),
            Err(_) => Err(Error::new(
                Kind::WarehouseUnreachable,
                format!("control plane: {doing}: no answer within {} s", self.connect_max.as_secs()),
            )),
        }
    }

    /// Connections open and idle, for the metrics.
    pub fn pool_sizes(&self) -> (usize, usize) {
        (self.pool.size() as usize, self.pool.num_idle())
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Says what was being done when `sqlx` failed.
trait During<T> {
    fn during(self, doing: &str) -> Result<T, Error>;
}

impl<T> During<T> for sqlx::Result<T> {
    fn during(self, doing: &str) -> Result<T, Error> {
        self.map_err(|e| failure(&e, doing))
    }
}
