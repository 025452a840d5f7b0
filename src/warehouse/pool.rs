//! The pool of connections.

use super::{Session, calling_off::CallOff, failure::failure};
use crate::{
    config::{self, PeerCertificate},
    domain::Fence,
    error::{Error, Kind, Result},
    telemetry::{IntCounter, uncounted},
};
use chrono::{DateTime, Utc};
use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType};
use std::time::Duration;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a task waits for one of the connections at most. There are enough for what runs at once:
/// whoever waits longer waits for one that hangs.
const WAIT_SECONDS_MAX: u64 = 600;

/// What every session begins with: one form for every value, and an end to sessions whose client has
/// gone without a word, lest they keep a table locked.
const SETTINGS: &str = "-c datestyle=iso -c timezone=UTC -c extra_float_digits=1 -c standard_conforming_strings=on \
    -c client_min_messages=warning -c quote_all_identifiers=off -c idle_in_transaction_session_timeout=5min -c client_connection_check_interval=5s \
    -c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3";

/// The warehouse. Cheap to clone; connects when first used.
#[derive(Clone)]
pub struct Warehouse {
    pool: Pool,
    fence: Fence,
    /// Counts what is written.
    written_bytes: IntCounter,
    certificate: PeerCertificate,
    call_off: CallOff,
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
        let certificate = PeerCertificate::default();
        let tls = config.tls.client(config.tls_ca_file.as_deref(), &certificate);
        let tls = tls.map_err(|e| Error::new(Kind::WarehouseTls, format!("[warehouse] {e}")))?;
        let tls = tls.map(MakeRustlsConnect::new);
        let call_off = CallOff::new(tls.clone());
        let manager = match tls {
            Some(tls) => {
                options.ssl_mode(tokio_postgres::config::SslMode::Require);
                Manager::from_config(options, tls, manager_config)
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
            fence: Fence::default(),
            written_bytes: uncounted(),
            certificate,
            call_off,
            raw_schema: config.raw_schema.clone(),
            lock_seconds_max: config.lock_seconds_max,
            connect_seconds_max: config.connect_seconds_max,
            place: format!("{}:{}", config.host, config.port),
        })
    }

    /// What its transactions write is refused once the reign that this fence shows is over.
    #[must_use]
    pub fn fenced(self, fence: Fence) -> Self {
        Self { fence, ..self }
    }

    /// The schema of the source's tables.
    pub fn raw_schema(&self) -> &str {
        &self.raw_schema
    }

    /// How long a change of a relation waits for its lock at most.
    pub fn lock_seconds_max(&self) -> u64 {
        self.lock_seconds_max
    }

    /// Counts the bytes that COPY brings there.
    #[must_use]
    pub fn counting(self, written_bytes: &IntCounter) -> Self {
        Self { written_bytes: written_bytes.clone(), ..self }
    }

    /// Connections open and idle, and how many there may be, for the metrics.
    pub fn pool_sizes(&self) -> (usize, usize, usize) {
        let status = self.pool.status();
        (status.size, status.available, status.max_size)
    }

    /// When the first of the certificates expires that the server last showed; `None` without TLS.
    pub fn certificate_expires_at(&self) -> Option<DateTime<Utc>> {
        self.certificate.expires_at()
    }

    /// Bytes of the database on the server's disk. The connection that asked is closed and not given back: so
    /// none lasts for ever, and the certificate that the server has now is seen.
    ///
    /// # Errors
    /// The server can't be connected to, or fails.
    pub async fn size_bytes(&self) -> Result<i64> {
        let session = self.session().await?;
        let sql = "select pg_database_size(current_database())";
        let size = session.query_one(sql, &[], "asking for the warehouse's size").await?.get(0);
        session.close();
        Ok(size)
    }

    /// Waits, but not for long, until what was given up has been called off. For the end of the program.
    pub async fn close(&self) {
        self.call_off.close().await;
    }

    /// Takes a connection, and waits for a free one where the bound is reached.
    pub async fn session(&self) -> Result<Session> {
        let connecting = || format!("connecting to the warehouse at {}", self.place);
        match self.pool.get().await {
            Ok(client) => {
                Ok(Session::new(client, self.fence.clone(), self.call_off.clone(), self.written_bytes.clone()))
            }
            Err(PoolError::Backend(error)) => Err(failure(&error, &connecting())),
            Err(PoolError::Timeout(TimeoutType::Create)) => {
                let text = format!("{}: no answer within {} s", connecting(), self.connect_seconds_max);
                Err(Error::new(Kind::WarehouseUnreachable, text))
            }
            Err(other) => Err(Error::new(Kind::WarehouseBusy, format!("{}: {other}", connecting()))),
        }
    }
}
