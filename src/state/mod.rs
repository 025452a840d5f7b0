//! The control plane: runs, tasks, attempts and schedules, in the warehouse's schema `amalgam`.
//!
//! Owns the migrations of the whole schema, and every `sqlx` type. One file a concern, its fixed
//! statements in `queries/`. Guarantee: each function is one transaction, none waits for ever for a server
//! that has gone silent, and an error that leaves this room carries no cell's value. The rules of the state
//! machine are the database's own: `migrations/0002_runs.sql`, drawn in `docs/state-machine.md`.

mod builds;
mod catalog;
mod durations;
mod failure;
mod freshness;
mod history;
mod lease;
mod maintenance;
mod migration;
mod quarantine;
mod run_health;
mod runs;
mod schedules;
mod schema_changes;
mod tasks;
mod told;

pub use builds::BuildRecord;
pub use catalog::GoneTable;
pub use durations::Durations;
pub use freshness::{LastBuild, ModelHealth, NotFollowed, TableHealth};
pub use history::{AttemptRecord, RunFailure, RunRecord, TaskRecord};
pub use lease::{Acquired, Lease};
pub use migration::SchemaVersion;
pub use quarantine::SetAside;
pub use run_health::RunHealth;
pub use runs::{NewEdge, NewRun, NewTask, Plan, RunRow};
pub use schedules::{Fire, ScheduleRow, Seen};
pub use schema_changes::SchemaChangeRecord;
pub use tasks::{TaskEnd, TaskRow};

use crate::{
    config,
    domain::Fence,
    error::{Error, Kind, Result},
};
use failure::failure;
use sqlx::{
    ConnectOptions, Connection, PgConnection, Postgres, Transaction,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode},
};
use std::time::Duration;
use tokio::time::timeout;

/// Connections of the control plane at once, at most. Its statements are short.
const CONNECTIONS_MAX: u32 = 4;
/// How long an answer to one statement is waited for: where packets vanish, nobody else says so.
const ANSWER_SECONDS_MAX: u64 = 20;
/// What the server itself ends a statement after: earlier, so that what is given up does not go on behind.
const STATEMENT_TIMEOUT: &str = "15s";
/// How long a connection that comes back to the pool may take to answer for what was given up on it.
const SETTLE_SECONDS_MAX: u64 = 5;
/// After how long without use a connection is asked whether it still answers.
const IDLE_MAX: Duration = Duration::from_secs(1);
/// How long a goodbye may take; whether it arrives changes nothing.
const CLOSE_SECONDS_MAX: u64 = 1;

/// The control plane of one warehouse. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    pool: PgPool,
    options: PgConnectOptions,
    connect_max: Duration,
    fence: Fence,
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
            // The server notices within 14 seconds that this machine is gone, and gives its locks up.
            .options([("tcp_keepalives_idle", "5"), ("tcp_keepalives_interval", "3"), ("tcp_keepalives_count", "3")])
            .options([("statement_timeout", STATEMENT_TIMEOUT)])
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
            // What has just come back has answered.
            .test_before_acquire(false)
            .before_acquire(|connection, known| {
                Box::pin(async move {
                    if known.idle_for > IDLE_MAX {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            // Else a connection that has gone silent would keep its place in the pool.
            .after_release(|connection, _| {
                Box::pin(async {
                    let settled = timeout(Duration::from_secs(SETTLE_SECONDS_MAX), connection.ping()).await;
                    Ok(matches!(settled, Ok(Ok(()))))
                })
            })
            .connect_lazy_with(options.clone());
        Self { pool, options, connect_max, fence: Fence::default(), place: format!("{}:{}", config.host, config.port) }
    }

    /// What it writes is refused once the reign that this fence shows is over.
    #[must_use]
    pub fn fenced(self, fence: Fence) -> Self {
        Self { fence, ..self }
    }

    /// Asks the server for a sign of life.
    ///
    /// # Errors
    /// Whatever keeps the control plane from answering.
    pub async fn ping(&self) -> Result<()> {
        self.reach().await?;
        sqlx::query("select 1")
            .execute(&mut *self.connection().await?)
            .await
            .map_err(|e| failure(&e, "asking for a sign of life"))?;
        Ok(())
    }

    /// Fails at once, and with the cause, where the server can't be reached: the pool would try again
    /// until its time is up, and then say no more than that.
    async fn reach(&self) -> Result<()> {
        if self.pool.num_idle() > 0 {
            return Ok(());
        }
        let connection = self.connect(self.options.clone(), "connecting").await?;
        let _ = timeout(Duration::from_secs(CLOSE_SECONDS_MAX), connection.close()).await;
        Ok(())
    }

    /// One connection beside the pool.
    async fn connect(&self, options: PgConnectOptions, doing: &str) -> Result<PgConnection> {
        let doing = format!("{doing} at {}", self.place);
        match timeout(self.connect_max, options.connect()).await {
            Ok(connected) => connected.map_err(|e| failure(&e, &doing)),
            Err(_) => Err(Error::new(
                Kind::WarehouseUnreachable,
                format!("control plane: {doing}: no answer within {} s", self.connect_max.as_secs()),
            )),
        }
    }

    /// One connection of the pool.
    async fn connection(&self) -> Result<PoolConnection<Postgres>> {
        // Bounded by the pool's own time.
        self.pool.acquire().await.map_err(|e| failure(&e, &format!("connecting at {}", self.place)))
    }

    /// A transaction on a connection of the pool, for whoever writes.
    async fn begin(&self, doing: &str) -> Result<Transaction<'static, Postgres>> {
        let time = self.connect_max + Duration::from_secs(ANSWER_SECONDS_MAX);
        let mut tx = within(time, self.pool.begin(), doing).await?;
        if let Some(epoch) = self.fence.epoch() {
            sqlx::query("select amalgam.fence($1)").bind(epoch).execute(&mut *tx).during(doing).await?;
        }
        Ok(tx)
    }

    /// Connections open and idle, and how many there may be, for the metrics.
    pub fn pool_sizes(&self) -> (usize, usize, usize) {
        (self.pool.size() as usize, self.pool.num_idle(), CONNECTIONS_MAX as usize)
    }

    /// Ends all connections.
    pub async fn close(&self) {
        let _ = timeout(Duration::from_secs(CLOSE_SECONDS_MAX), self.pool.close()).await;
    }
}

/// Waits for an answer of the server's, and says what was being done when none came or a bad one.
trait During<T> {
    async fn during(self, doing: &str) -> Result<T>;
}

impl<T, F: Future<Output = sqlx::Result<T>>> During<T> for F {
    async fn during(self, doing: &str) -> Result<T> {
        within(Duration::from_secs(ANSWER_SECONDS_MAX), self, doing).await
    }
}

async fn within<T>(time: Duration, answer: impl Future<Output = sqlx::Result<T>>, doing: &str) -> Result<T> {
    match timeout(time, answer).await {
        Ok(answered) => answered.map_err(|e| failure(&e, doing)),
        Err(_) => {
            let text = format!("control plane: {doing}: no answer within {} s", time.as_secs());
            Err(Error::new(Kind::WarehouseLost, text))
        }
    }
}
