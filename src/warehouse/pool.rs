//! The pool of connections.

use super::{Session, failure::failure};
use crate::{
    config,
    error::{Error, Kind, Result},
};
use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType};
use std::time::Duration;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a task waits for one of the connections at most. There are enough for what runs at once:
/// whoever waits longer waits for one that hangs.
const WAIT_SECONDS_MAX: u64 = 600;

/// What every session begins with: one form for every value, and an end to sessions whose client has
/// gone without a word, lest they keep a table locked.
const SETTINGS: &str = "-c datestyle=iso -c timezone=UTC -c extra_float_digits=1 -c standard_conforming_strings=on \
    -c client_min_messages=warning -c idle_in_transaction_session_timeout=5min -c client_connection_check_interval=5s \
    -c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3";

/// The warehouse. Cheap to clone; connects when first used.
#[derive(Clone)]
pub struct Warehouse {
    pool: Pool,
    raw_schema: String,
    lock_seconds_max: u64,
    connect_seconds_max: u64,
    /// Where the server is, for error texts.
    place: String,
}

impl std::fmt::Debug for Warehouse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Warehouse").field("raw_schema", &self.raw_schema).finish_non_exhaustive()
    }
}

impl Warehouse {
    /// Prepares the pool. No I/O but for the authority's file.
    pub fn new(config: &config::Warehouse) -> Result<Self> {
        let mut options = tokio_postgres::Config::new();
        options
            .host(&config.host)
            .port(config.port)
            .user(&config.user)
            .dbname(&config.database)
            .application_name("amalgam")
            .connect_timeout(Duration::from_secs(config.connect_seconds_max))
            .keepalives_idle(Duration::from_secs(30))
            .options(SETTINGS);
        if !config.password.is_empty() {
            options.password(config.password.reveal());
        }
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Clean };
        let tls = config.tls.client(config.tls_ca_file.as_deref());
        let manager = match tls.map_err(|e| Error::new(Kind::WarehouseTls, format!("[warehouse] {e}")))? {
            Some(client) => {
                options.ssl_mode(tokio_postgres::config::SslMode::Require);
                Manager::from_config(options, MakeRustlsConnect::new(client), manager_config)
            }
            None => {
                options.ssl_mode(tokio_postgres::config::SslMode::Disable);
                Manager::from_config(options, tokio_postgres::NoTls, manager_config)
            }
        };
        let pool = Pool::builder(manager)
            .max_size(config.connections_max)
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(Duration::from_secs(config.connect_seconds_max)))
            .wait_timeout(Some(Duration::from_secs(WAIT_SECONDS_MAX)))
            // A connection to a host that has gone silent is given up, and a new one tried.
            .recycle_timeout(Some(Duration::from_secs(config.connect_seconds_max)))
            .build()
            .map_err(|e| Error::new(Kind::Internal, format!("pool of the warehouse: {e}")))?;
        Ok(Self {
            pool,
            raw_schema: config.raw_schema.clone(),
            lock_seconds_max: config.lock_seconds_max,
            connect_seconds_max: config.connect_seconds_max,
            place: format!("{}:{}", config.host, config.port),
        })
    }

    /// The schema of the source's tables.
    pub fn raw_schema(&self) -> &str {
        &self.raw_schema
    }

    /// How long a change of a relation waits for its lock at most.
    pub fn lock_seconds_max(&self) -> u64 {
        self.lock_seconds_max
    }

    /// Connections open and idle, for the metrics.
    pub fn pool_sizes(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size, status.available)
    }

    /// Takes a connection, and waits for a free one where the bound is reached.
    pub async fn session(&self) -> Result<Session> {
        let connecting = || format!("connecting to the warehouse at {}", self.place);
        match self.pool.get().await {
            Ok(client) => Ok(Session::new(client)),
            Err(PoolError::Backend(error)) => Err(failure(&error, &connecting())),
            Err(PoolError::Timeout(TimeoutType::Create)) => {
                let text = format!("{}: no answer within {} s", connecting(), self.connect_seconds_max);
                Err(Error::new(Kind::WarehouseUnreachable, text))
            }
            Err(other) => Err(Error::new(Kind::WarehouseBusy, format!("{}: {other}", connecting()))),
        }
    }
}
