//! Real servers for the tests: one MariaDB and one PostgreSQL a test binary, fresh databases a test.
//!
//! Nobody stops them: they end with the process, whichever way it ends (see
//! [`amalgam::demo::servers`]), and take their folder with them.

mod sessions;
mod syncer;

pub(crate) use sessions::{WAITS_FOR_READER, WAITS_FOR_TABLE, sessions_at};
pub(crate) use syncer::syncer;

use amalgam::{
    config::Config,
    demo::servers::{Kind, Options, Server},
};
use mysql_async::prelude::Queryable;
use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{Duration, Instant},
};
use tokio_postgres::{NoTls, SimpleQueryMessage};

/// How long [`until`] waits at most.
const PATIENCE: Duration = Duration::from_secs(30);

struct Shared {
    mariadb: Server,
    postgres: Server,
}

/// Both servers of this test binary, started by the first test that asks.
pub(crate) async fn servers() -> Servers {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    let start = || {
        SHARED.get_or_init(|| {
            let (mariadb, postgres) = std::thread::scope(|scope| {
                let mariadb = scope.spawn(|| start(Kind::MariaDb, "mariadb"));
                let postgres = scope.spawn(|| start(Kind::PostgreSql, "postgres"));
                (mariadb.join().expect("MariaDB starts"), postgres.join().expect("PostgreSQL starts"))
            });
            Shared { mariadb, postgres }
        })
    };
    Servers { shared: tokio::task::spawn_blocking(start).await.expect("the servers start") }
}

/// Flags of a source whose binary log can be followed.
pub(crate) const ROWS_LOGGED: [&str; 3] = ["--log-bin=binlog", "--server-id=1", "--binlog-format=ROW"];

/// Starts a server of a test's own, to be stopped and started at will. It ends with its value.
pub(crate) fn start(kind: Kind, name: &str) -> Server {
    Server::start(kind, &Options::throw_away(folder(name))).expect("a private server starts")
}

/// The same with more flags.
pub(crate) fn start_with(kind: Kind, name: &str, flags: &[&str]) -> Server {
    let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    Server::start(kind, &Options { flags, ..Options::throw_away(folder(name)) }).expect("a private server starts")
}

/// A folder that does not exist yet, for a server to make.
pub(crate) fn folder(name: &str) -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("amalgam-test-{}-{count}-{name}", std::process::id()))
}

/// The two servers.
#[derive(Clone, Copy)]
pub(crate) struct Servers {
    shared: &'static Shared,
}

impl Servers {
    /// A new, empty pair of databases. The name is shortened and numbered as need be.
    pub(crate) async fn fresh(test_name: &str) -> Bench {
        Self::fresh_at(test_name, &servers().await.shared.mariadb).await
    }

    /// The same with a source of the test's own.
    pub(crate) async fn fresh_at(test_name: &str, mariadb: &Server) -> Bench {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let Shared { postgres, .. } = servers().await.shared;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let database = format!("{}_{count}", &test_name[..test_name.len().min(40)]).to_lowercase();
        let bench = Bench {
            files: tempfile::tempdir().expect("a temporary folder can be made"),
            source_port: mariadb.port(),
            source_socket: mariadb.socket(),
            warehouse_port: postgres.port(),
            database,
        };
        let create = format!("create database `{}` character set utf8mb4", bench.database);
        run_at_source(bench.source_port, None, &create).await;
        let (client, _connection) = connect_warehouse(bench.warehouse_port, "postgres").await;
        let create = format!("create database \"{}\" template template0", bench.database);
        client.batch_execute(&create).await.expect("a database can be made");
        bench
    }
}

/// A source and a warehouse of a test's own.
pub(crate) struct Bench {
    files: tempfile::TempDir,
    source_port: u16,
    source_socket: PathBuf,
    warehouse_port: u16,
    database: String,
}

impl Bench {
    /// A bench on servers of the test's own, with a database `amalgam` in each.
    pub(crate) async fn on(mariadb: &Server, postgres: &Server) -> Self {
        let bench = Self {
            files: tempfile::tempdir().expect("a temporary folder can be made"),
            source_port: mariadb.port(),
            source_socket: mariadb.socket(),
            warehouse_port: postgres.port(),
            database: "amalgam".to_owned(),
        };
        let create = "create database if not exists amalgam character set utf8mb4";
        run_at_source(bench.source_port, None, create).await;
        let (client, _connection) = connect_warehouse(bench.warehouse_port, "postgres").await;
        client.batch_execute("create database amalgam template template0").await.expect("a database can be made");
        bench
    }

    /// Takes both databases away: for who makes them by the thousand.
    pub(crate) async fn leave(self) {
        run_at_source(self.source_port, None, &format!("drop database `{}`", self.database)).await;
        let (client, _connection) = connect_warehouse(self.warehouse_port, "postgres").await;
        let drop = format!("drop database \"{}\" with (force)", self.database);
        client.batch_execute(&drop).await.expect("a database can be dropped");
    }

    /// The configuration: source and warehouse over TCP, everything else as by default.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::default();
        config.source.host = "127.0.0.1".to_owned();
        config.source.port = self.source_port;
        config.source.user = "reader".to_owned();
        config.source.database.clone_from(&self.database);
        config.warehouse.host = "127.0.0.1".to_owned();
        config.warehouse.port = self.warehouse_port;
        config.warehouse.user = "amalgam".to_owned();
        config.warehouse.database.clone_from(&self.database);
        config
    }

    /// The source's Unix socket, for programs that take no port.
    pub(crate) fn source_socket(&self) -> &Path {
        &self.source_socket
    }

    /// The database's name, on both sides.
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// A folder of the bench's own that goes with it.
    pub(crate) fn files(&self) -> &Path {
        self.files.path()
    }

    /// Runs statements at the source, as root.
    pub(crate) async fn source(&self, sql: &str) {
        run_at_source(self.source_port, Some(&self.database), sql).await;
    }

    /// The rows of one statement at the source, as root, every column as text.
    pub(crate) async fn source_texts(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        source_texts_at(self.source_port, &self.database, sql).await
    }

    /// A connection to the source, as root, for what lasts longer than a statement.
    pub(crate) async fn at_source(&self) -> mysql_async::Conn {
        connect_source(self.source_port, Some(&self.database)).await
    }

    /// Locks a table at the source against all others, as a front desk that writes, until it is dropped.
    pub(crate) async fn lock_source(&self, table: &str) -> mysql_async::Conn {
        let mut connection = connect_source(self.source_port, Some(&self.database)).await;
        connection.query_drop(format!("lock tables {table} write")).await.expect("the table is there");
        connection
    }

    /// Runs statements at the warehouse.
    pub(crate) async fn warehouse(&self, sql: &str) {
        let (client, _connection) = connect_warehouse(self.warehouse_port, &self.database).await;
        client.batch_execute(sql).await.unwrap_or_else(|error| panic!("at the warehouse: {error:?}\n{sql}"));
    }

    /// Makes the warehouse's database anew, with these options.
    pub(crate) async fn warehouse_anew(&self, options: &str) {
        let (client, _connection) = connect_warehouse(self.warehouse_port, "postgres").await;
        let name = &self.database;
        for sql in [format!("drop database \"{name}\""), format!("create database \"{name}\" {options}")] {
            client.batch_execute(&sql).await.unwrap_or_else(|error| panic!("at the warehouse: {error:?}\n{sql}"));
        }
    }

    /// The first column of the first row at the warehouse. Panics where there is none.
    pub(crate) async fn text(&self, sql: &str) -> String {
        let rows = self.texts(sql).await;
        let first = rows.into_iter().next().and_then(|row| row.into_iter().next());
        first.unwrap_or_else(|| panic!("no row: {sql}")).unwrap_or_else(|| panic!("null: {sql}"))
    }

    /// The rows at the warehouse, every column as text.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let (client, _connection) = connect_warehouse(self.warehouse_port, &self.database).await;
        let messages =
            client.simple_query(sql).await.unwrap_or_else(|error| panic!("at the warehouse: {error:?}\n{sql}"));
        let row_of = |message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|n| row.get(n).map(str::to_owned)).collect()),
            _ => None,
        };
        messages.into_iter().filter_map(row_of).collect()
    }

    /// A connection to the warehouse, driven for as long as the second value lives.
    pub(crate) async fn client(&self) -> (tokio_postgres::Client, tokio::task::JoinSet<()>) {
        connect_warehouse(self.warehouse_port, &self.database).await
    }

    /// The built program with `--config` naming a file that says the same as [`Self::config`].
    pub(crate) fn amalgam(&self) -> tokio::process::Command {
        self.amalgam_with("")
    }

    /// The same, with more TOML behind (further sections).
    pub(crate) fn amalgam_with(&self, more: &str) -> tokio::process::Command {
        let (source, warehouse) = (self.source_port, self.warehouse_port);
        let database = &self.database;
        let text = format!(
            "[source]\nhost = \"127.0.0.1\"\nport = {source}\nuser = \"reader\"\ndatabase = \"{database}\"\n\n\
             [warehouse]\nhost = \"127.0.0.1\"\nport = {warehouse}\nuser = \"amalgam\"\ndatabase = \"{database}\"\n\n\
             {more}\n"
        );
        let path = self.files.path().join("amalgam.toml");
        std::fs::write(&path, text).expect("the bench's folder can be written");
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_amalgam"));
        command.arg("--config").arg(path).kill_on_drop(true);
        command
    }
}

/// Asks again every 50 ms until the condition holds; panics with `what` after half a minute.
pub(crate) async fn until<F, Fut>(what: &str, condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    until_within(PATIENCE, what, condition).await;
}

/// The same with a bound of its own, for what takes longer by its nature.
pub(crate) async fn until_within<F, Fut>(patience: Duration, what: &str, mut condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < patience, "not within {} s: {what}", patience.as_secs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A connection to any source, as root.
pub(crate) async fn connect_source(port: u16, database: Option<&str>) -> mysql_async::Conn {
    let options = mysql_async::OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port)
        .user(Some("root"))
        .db_name(database)
        .prefer_socket(false);
    mysql_async::Conn::new(options).await.expect("the source takes connections")
}

/// The rows of one statement at any source, as root, every column as text.
pub(crate) async fn source_texts_at(port: u16, database: &str, sql: &str) -> Vec<Vec<Option<String>>> {
    let mut connection = connect_source(port, Some(database)).await;
    let rows: Vec<mysql_async::Row> =
        connection.query(sql).await.unwrap_or_else(|error| panic!("at the source: {error}\n{sql}"));
    let texts = rows.into_iter().map(|row| row.unwrap().into_iter().map(text_of).collect()).collect();
    connection.disconnect().await.expect("a connection can be closed");
    texts
}

/// Runs statements at any source, as root.
pub(crate) async fn run_at_source(port: u16, database: Option<&str>, sql: &str) {
    let mut connection = connect_source(port, database).await;
    // query_iter reads the answers of all statements when it is dropped; an error in a later one
    // shows only where each is asked for.
    let mut result = connection.query_iter(sql).await.unwrap_or_else(|error| panic!("at the source: {error}\n{sql}"));
    while !result.is_empty() {
        let _: Vec<mysql_async::Row> =
            result.collect().await.unwrap_or_else(|error| panic!("at the source: {error}\n{sql}"));
    }
    drop(result);
    connection.disconnect().await.expect("a connection can be closed");
}

fn text_of(value: mysql_async::Value) -> Option<String> {
    match value {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true).trim_matches('\'').to_owned()),
    }
}

/// The connection is driven for as long as the second value lives.
pub(crate) async fn connect_warehouse(port: u16, database: &str) -> (tokio_postgres::Client, tokio::task::JoinSet<()>) {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(port).user("amalgam").dbname(database);
    let (client, connection) = config.connect(NoTls).await.expect("the warehouse takes connections");
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let _ = connection.await;
    });
    (client, tasks)
}
