//! The connections to the source: the driver's pool for questions, and [`wire`] for rows. All
//! of them together keep to one bound.

use super::{
    calling_off::{Asking, CallOff},
    failure::failure,
    quiet::Quiet,
    replica::Replica,
    snapshot::idle_bound,
    throttle::Throttle,
    transactions::{Denied, LastTold},
    wire::{self, Connection, Login},
};
use crate::{
    config::{self, PeerCertificate, TlsMode},
    error::{Error, Kind, Result},
    telemetry::{IntCounter, uncounted},
};
use mysql_async::{Conn, OptsBuilder, Pool, PoolConstraints, PoolOpts, SslOpts};
use std::{
    io,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::task::TaskTracker;

/// How long a task waits for one of the connections at most. There are enough for what runs at once: whoever
/// waits longer waits for one that hangs.
const WAIT_MAX: Duration = Duration::from_secs(600);

/// Who ends waits for so long at most until its connections have ended.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// The driver tries so often to log in. Of the 32 random bytes that an ed25519 login signs it leaves out the last
/// where that is a nought (mysql_common 0.37), and one login of 256 is refused for it.
const DRIVER_LOGINS_MAX: u32 = 4;

/// The source, and its replica where it has one. Cheap to clone; connects when first used.
#[derive(Clone)]
pub struct Source {
    pool: Pool,
    login: Arc<Login>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) database: String,
    pub(super) range_rows: u64,
    pub(super) range_time: Duration,
    /// Whoever says nothing for so long has gone.
    pub(super) silence_max: Duration,
    /// What watches over long statements.
    pub(super) watches: TaskTracker,
    pub(super) call_off: CallOff,
    pub(super) snapshot_time: Duration,
    pub(super) throttle: Arc<Throttle>,
    pub(super) transactions_denied: Arc<Denied>,
    pub(super) transactions_told: Arc<LastTold>,
    pub(super) quiet: Quiet,
    /// Leaves to hold a connection beside the one that reads.
    pub(super) spare: Arc<Semaphore>,
    pub(super) connections_max: usize,
    connect_seconds_max: u64,
    /// Counts what is read.
    pub(super) read_bytes: IntCounter,
    pub(super) certificate: PeerCertificate,
    pub(super) is_encrypted: bool,
    /// Where the server is, for error texts.
    pub(super) place: String,
    pub(super) is_replica: bool,
    pub(super) replica: Option<Arc<Replica>>,
}

/// Without what it connects with.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("place", &self.place)
            .field("is_replica", &self.is_replica)
            .finish_non_exhaustive()
    }
}

/// A connection of the driver's pool, under the bound of all.
pub(super) struct Lent {
    connection: Conn,
    call_off: CallOff,
    _permit: OwnedSemaphorePermit,
}

impl Deref for Lent {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.connection
    }
}

impl Lent {
    /// For the time of a statement: given up, it is called off.
    pub(super) fn asking(&self) -> Asking {
        self.call_off.asking(self.connection.id())
    }
}

impl Source {
    /// Prepares the pools. No I/O but for the authority's file.
    pub fn new(config: &config::Source) -> Result<Self> {
        let primary = Self::one(config)?;
        let Some(of_replica) = config.of_replica() else { return Ok(primary) };
        let replica = Self { is_replica: true, ..Self::one(&of_replica)? };
        Ok(Self { replica: Some(Arc::new(Replica::new(replica, &config.replica))), ..primary })
    }

    fn one(config: &config::Source) -> Result<Self> {
        // None is kept idle: one that is, would hold no permit.
        let bounds = PoolConstraints::new(0, config.connections_max)
            .ok_or_else(|| Error::new(Kind::Config, "[source] connections_max must be at least 1"))?;
        let of_tls = |e: String| Error::new(Kind::SourceTls, format!("[source] {e}"));
        let mut options = OptsBuilder::default()
            .user(Some(&config.user))
            .db_name(Some(&config.database))
            .prefer_socket(false)
            .max_allowed_packet(Some(wire::PACKET_BYTES_MAX))
            .tcp_keepalive(Some(wire::KEEPALIVE))
            .pool_opts(PoolOpts::default().with_constraints(bounds).with_reset_connection(false))
            .ssl_opts(ssl(config).map_err(of_tls)?)
            .init(settings(config));
        if !config.password.is_empty() {
            options = options.pass(Some(config.password.reveal()));
        }
        options = match &config.socket {
            Some(socket) => options.socket(Some(socket.to_string_lossy())),
            None => options.ip_or_hostname(&config.host).tcp_port(config.port),
        };
        let certificate = PeerCertificate::default();
        let tls = tls_mode(config).client(config.tls_ca_file.as_deref(), &certificate);
        let tls = tls.map_err(of_tls)?.map(Arc::new);
        let (login, watches) = (Arc::new(Login::new(config, tls, settings(config))), TaskTracker::new());
        Ok(Self {
            pool: Pool::new(options),
            call_off: CallOff::new(Arc::clone(&login), watches.clone()),
            login,
            permits: Arc::new(Semaphore::new(config.connections_max)),
            database: config.database.clone(),
            range_rows: range_rows(config),
            snapshot_time: Duration::from_secs(config.snapshot_seconds_max),
            transactions_denied: Arc::default(),
            transactions_told: Arc::default(),
            quiet: Quiet::new(config),
            spare: spare(config.connections_max, 0),
            connections_max: config.connections_max,
            throttle: Arc::new(Throttle::new(config)),
            range_time: Duration::from_millis(config.range_milliseconds),
            silence_max: wire::silence_max(config),
            watches,
            connect_seconds_max: config.connect_seconds_max,
            read_bytes: uncounted(),
            certificate,
            is_encrypted: tls_mode(config) != TlsMode::Disable,
            place: match &config.socket {
                Some(socket) => socket.display().to_string(),
                None => format!("{}:{}", config.host, config.port),
            },
            is_replica: false,
            replica: None,
        })
    }

    /// Keeps a connection for each of so many tables that are read at once, and one to look around: only what
    /// is beyond them is spare.
    #[must_use]
    pub fn kept_for(self, tables: usize) -> Self {
        self.with(|server| server.spare = spare(server.connections_max, tables))
    }

    /// Changes it and its replica, before either is shared.
    pub(super) fn with(mut self, change: impl Fn(&mut Self)) -> Self {
        change(&mut self);
        if let Some(replica) = &mut self.replica {
            change(&mut Arc::get_mut(replica).expect("it is changed before it is shared").source);
        }
        self
    }

    /// Takes a connection of the driver, and waits for a free one where the bound is reached.
    pub(super) async fn connection(&self) -> Result<Lent> {
        let mut tried = 0;
        loop {
            let permit = self.permit().await?;
            tried += 1;
            match self.connected(self.pool.get_conn()).await {
                Err(error) if error.kind == Kind::SourceAuth && tried < DRIVER_LOGINS_MAX => {
                    // Whether it is the password after all, our own login tells.
                    drop(self.connected(self.login.open(Some(permit), self.read_bytes.clone())).await?);
                }
                connected => {
                    return Ok(Lent { connection: connected?, call_off: self.call_off.clone(), _permit: permit });
                }
            }
        }
    }

    /// Begins a connection to read rows over, and waits likewise.
    pub(super) async fn reading(&self) -> Result<Connection> {
        let permit = self.permit().await?;
        let mut connection = self.connected(self.login.open(Some(permit), self.read_bytes.clone())).await?;
        connection.is_called_off_by(Some(self.call_off.clone()));
        Ok(connection)
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit> {
        match timeout(WAIT_MAX, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(permit) => Ok(permit.expect("the semaphore is never closed")),
            Err(_) => Err(Error::new(
                Kind::SourceFull,
                format!("{}: all {} connections are in use", self.connecting(), self.connections_max),
            )),
        }
    }

    async fn connected<C>(&self, connecting: impl Future<Output = mysql_async::Result<C>>) -> Result<C> {
        match timeout(Duration::from_secs(self.connect_seconds_max), connecting).await {
            Ok(connected) => connected.map_err(|e| failure(&e, &self.connecting())),
            Err(_) => Err(Error::new(
                Kind::SourceUnreachable,
                format!("{}: no answer within {} s", self.connecting(), self.connect_seconds_max),
            )),
        }
    }

    /// Waits for an answer over the connection of that number no longer than any statement may take: a server whose
    /// TCP still answers may say nothing for ever. Given up, the statement is called off.
    pub(super) async fn answered<T>(
        &self,
        connection: u32,
        answer: impl Future<Output = mysql_async::Result<T>>,
        doing: &str,
    ) -> Result<T> {
        let asking = self.call_off.asking(connection);
        let answered = answered(self.silence_max, answer).await;
        asking.end();
        answered.map_err(|e| failure(&e, doing))
    }

    fn connecting(&self) -> String {
        format!("connecting to the {} at {}", self.role(), self.place)
    }

    /// What it is, for people and metrics.
    pub(super) fn role(&self) -> &'static str {
        if self.is_replica { "replica" } else { "source" }
    }

    /// The source, and its replica where it has one.
    pub(super) fn servers(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.replica.as_deref().map(|replica| &replica.source))
    }

    /// Ends what watches over statements, and what is open. For the end of the program: a statement that was given
    /// up is called off before it. Connections in use end when they are given back.
    pub async fn close(&self) {
        let closing = async {
            for server in self.servers() {
                server.watches.close();
                server.watches.wait().await;
                // A failure to say goodbye changes nothing: the server notices the closed socket.
                let _ = server.pool.clone().disconnect().await;
            }
        };
        // So it does where it has gone silent.
        let _ = timeout(CLOSE_MAX, closing).await;
    }
}

/// The same for who has no source at hand.
pub(super) async fn answered<T>(
    silence_max: Duration,
    answer: impl Future<Output = mysql_async::Result<T>>,
) -> mysql_async::Result<T> {
    let silent = || io::Error::new(io::ErrorKind::ConnectionAborted, "the server has gone silent");
    timeout(silence_max, answer).await.unwrap_or_else(|_| Err(silent().into()))
}

fn spare(connections_max: usize, tables: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(connections_max.saturating_sub(tables.saturating_add(1))))
}

/// Rows of a range at most: no more than a second's worth, where there is a bound by the second.
fn range_rows(config: &config::Source) -> u64 {
    let bound = if config.rows_per_second_max == 0 { u64::MAX } else { config.rows_per_second_max };
    config.range_rows.min(bound)
}

/// What every session begins with: UTC, so that a stamp is one instant even when the clinic's clock is
/// put back an hour; a bound on every statement; and read-only. MariaDB and MySQL know the bound by two
/// names, and MySQL 8 would tell of a table's last write from yesterday's cache. Each passes over the
/// other's part as a comment (MariaDB KB, "Comment Syntax").
fn settings(config: &config::Source) -> Vec<String> {
    let seconds = config.statement_seconds_max;
    vec![
        // Whatever the server understood of our greeting: no character is lost for want of room.
        "set names utf8mb4".to_owned(),
        // What the server's configuration or `init_connect` says otherwise would leave rows out, show those of
        // another day, or change values: a statement is read to its end, as of now, as it is written.
        "set sql_select_limit = 18446744073709551615, sql_big_selects = 1, sql_mode = '', sql_auto_is_null = 0 \
         /*M!100304 , system_versioning_asof = default */"
            .to_owned(),
        format!(
            "set time_zone = '+00:00' /*M!100101 , max_statement_time = {seconds} */ \
             /*!50708 , max_execution_time = {} */ /*!80000 , information_schema_stats_expiry = 0 */ {}",
            seconds.saturating_mul(1000),
            idle_bound(config.snapshot_seconds_max)
        ),
        // Below repeatable reads there are no snapshots.
        "set session transaction isolation level repeatable read, read only".to_owned(),
    ]
}

/// What goes through a socket of this machine is seen by nobody else, and names no host.
fn tls_mode(config: &config::Source) -> TlsMode {
    if config.socket.is_some() { TlsMode::Disable } else { config.tls }
}

/// The same for the driver, which makes a client of its own: it takes none that is made already.
fn ssl(config: &config::Source) -> Result<Option<SslOpts>, String> {
    Ok(match tls_mode(config) {
        TlsMode::Disable => None,
        TlsMode::Require => {
            Some(SslOpts::default().with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true))
        }
        TlsMode::VerifyFull => {
            let trusted = config::authorities(config.tls_ca_file.as_deref())?;
            let trusted = trusted.into_iter().map(|certificate| certificate.to_vec().into()).collect();
            Some(SslOpts::default().with_disable_built_in_roots(true).with_root_certs(trusted))
        }
    })
}
