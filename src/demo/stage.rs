//! Brings up the demo's servers, its practice and its configuration, in one folder.
//!
//! Guarantee: whatever was finished is kept; whatever was interrupted is made anew at the next
//! start. Nothing outlives this process but, where it is to be kept, the folder.

use super::{
    folder::{self, CONFIG_FILE, MARK},
    practice::{self, Life, Practice, PracticeError, Size},
    project,
    servers::{self, Kind, Server, ServerError},
};
use crate::{
    config,
    domain::Clock,
    error,
    warehouse::{self, Warehouse},
};
use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::task::JoinError;

/// The warehouse's database.
const DATABASE: &str = "analytics";

/// Where Prometheus looks for exporters of unknown kind; the next ones where it is taken.
const HTTP_PORTS: std::ops::Range<u16> = 9464..9564;

/// The file in the practice's folder that says that its history is whole.
const FILLED: &str = "filled";

/// Why the demo is not there.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The practice.
    #[error(transparent)]
    Practice(#[from] PracticeError),
    /// The warehouse, or the address for health and metrics.
    #[error(transparent)]
    Known(#[from] error::Error),
    /// The folder.
    #[error("cannot write {}", path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// To be thrown away, but somebody's already.
    #[error("{} is there already, and is not thrown away", folder.display())]
    Taken {
        /// The folder.
        folder: PathBuf,
    },
    /// Somebody's, and not a demo's.
    #[error("{} is not empty, and no demo has made it: it is left as it is", folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
    },
    /// No port for health and metrics.
    #[error("no port from {} to {} is free for health and metrics", HTTP_PORTS.start, HTTP_PORTS.end - 1)]
    NoPort,
    /// A step was cut off.
    #[error("a step of the demo was cut off")]
    CutOff(#[from] JoinError),
}

impl DemoError {
    /// What can be done, where the message doesn't say so itself.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Known(error) => Some(error.remedy()),
            Self::Taken { .. } => Some("name another folder, or leave out --throw-away"),
            Self::Foreign { .. } => Some("name a folder that is empty or not there yet: --folder demo-data"),
            Self::NoPort => Some("name an address: --set http.listen=127.0.0.1:PORT"),
            Self::Server(_) | Self::Practice(_) | Self::Folder { .. } | Self::CutOff(_) => None,
        }
    }

    /// Whether it was asked for what can't be.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Taken { .. } | Self::Foreign { .. })
    }
}

/// What is to be brought up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where everything lies.
    pub folder: PathBuf,
    /// Whether it goes at the end.
    pub throw_away: bool,
    /// How much of a practice, where there is none yet.
    pub size: Size,
    /// The dbt project; else the one that the program brings along.
    pub models: Option<PathBuf>,
    /// Where health and metrics are to be served; else at the first free port of the usual ones.
    pub http: Option<SocketAddr>,
}

/// The demo's servers, running, and where everything is.
#[derive(Debug)]
pub struct Demo {
    folder: PathBuf,
    throw_away: bool,
    practice: Practice,
    mariadb: Server,
    postgres: Server,
    http: SocketAddr,
    models: PathBuf,
}

impl Demo {
    /// Starts both servers, makes the practice where there is none yet, writes the configuration.
    /// `say` hears what was done, and how long it took.
    pub async fn bring_up(
        options: &Options,
        clock: &Clock,
        mut say: impl FnMut(&str, Duration),
    ) -> Result<Self, DemoError> {
        let http = choose_http(options.http)?;
        let folder = folder::make(&options.folder, options.throw_away)?;
        let refused = |source| DemoError::Folder { path: options.folder.clone(), source };
        let began = Instant::now();
        let (mariadb, postgres) = start_servers(&folder, options.throw_away).await?;
        let practice = Practice::new(mariadb.socket());
        let models = match &options.models {
            Some(folder) => folder.clone(),
            None => project::write(&folder).map_err(refused)?,
        };
        let demo = Self { folder, throw_away: options.throw_away, practice, mariadb, postgres, http, models };
        say("private MariaDB and PostgreSQL started", began.elapsed());
        demo.make_practice(options.size, clock, &mut say).await?;
        demo.make_database().await?;
        let file = demo.config_file();
        fs::write(&file, demo.config_text()).map_err(|source| DemoError::Folder { path: file, source })?;
        Ok(demo)
    }

    async fn make_practice(
        &self,
        size: Size,
        clock: &Clock,
        say: &mut impl FnMut(&str, Duration),
    ) -> Result<(), DemoError> {
        let filled = self.mariadb.folder().join(FILLED);
        if filled.exists() {
            say("the practice is there from last time", Duration::ZERO);
            return Ok(());
        }
        let began = Instant::now();
        let quarter = (size.patients / 4).max(1);
        let mut told = 0;
        let progress = |patients: u32| {
            if patients / quarter > told {
                told = patients / quarter;
                say(
                    &format!("practice: {} of {} patients", patients.min(size.patients), size.patients),
                    began.elapsed(),
                );
            }
        };
        let rows = self.practice.fill(size, clock, progress).await?;
        say(&format!("a practice with two years of history made, {rows} rows"), began.elapsed());
        fs::write(&filled, "").map_err(|source| DemoError::Folder { path: filled, source })
    }

    async fn make_database(&self) -> Result<(), DemoError> {
        let config = config::Warehouse {
            host: Ipv4Addr::LOCALHOST.to_string(),
            port: self.postgres.port(),
            user: "amalgam".to_owned(),
            database: "postgres".to_owned(),
            connections_max: 1,
            ..config::Warehouse::default()
        };
        let session = Warehouse::new(&config)?.session().await?;
        let doing = "making the demo's warehouse";
        let found = session.query_opt("select 1 from pg_database where datname = $1", &[&DATABASE], doing).await?;
        if found.is_none() {
            session.batch(&format!("create database {}", warehouse::quote(DATABASE)), doing).await?;
        }
        Ok(())
    }

    /// Goes on living; its acts are to be asked for.
    pub async fn live(&self, seed: u64, clock: Clock) -> Result<Life, PracticeError> {
        self.practice.live(seed, clock).await
    }

    /// Where the configuration lies.
    pub fn config_file(&self) -> PathBuf {
        self.folder.join(CONFIG_FILE)
    }

    /// Where health and metrics are to be served.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where everything is that one may want to look at.
    pub fn places(&self) -> Vec<(&'static str, String)> {
        let (mariadb, postgres) = (self.mariadb.port(), self.postgres.port());
        let warehouse = format!("psql -h 127.0.0.1 -p {postgres} -U amalgam {DATABASE}");
        let source = format!("mariadb -h 127.0.0.1 -P {mariadb} -u root {}", practice::DATABASE);
        let config = self.config_file().display().to_string();
        let mut http = self.http;
        // What is listened on at every address of the machine is asked for at its own.
        if http.ip().is_unspecified() {
            http.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        vec![
            ("health", format!("http://{http}/healthz")),
            ("metrics", format!("http://{http}/metrics")),
            ("warehouse", warehouse),
            ("practice", source),
            ("configuration", config),
            ("models", self.models.display().to_string()),
        ]
    }

    /// Stops both servers; the folder goes or stays as it was asked.
    pub async fn end(self) -> Result<(), DemoError> {
        tokio::task::spawn_blocking(move || {
            drop(self.mariadb);
            drop(self.postgres);
            if self.throw_away {
                let _ = fs::remove_dir_all(&self.folder);
            }
        })
        .await?;
        Ok(())
    }

    fn config_text(&self) -> String {
        let (mariadb, postgres, http) = (self.mariadb.port(), self.postgres.port(), self.http);
        let source = practice::DATABASE;
        let models = self.models.display().to_string();
        format!(
            r#"{MARK}
[source]
host = "127.0.0.1"
port = {mariadb}
user = "reader"
database = "{source}"

[warehouse]
host = "127.0.0.1"
port = {postgres}
user = "amalgam"
database = "{DATABASE}"

[models]
project_dir = {models:?}

[http]
listen = "{http}"

# What changed, by stamps and keys.
[[schedule]]
name = "every-minute"
cron = "* * * * *"
timezone = "UTC"

# What was deleted, or edited without a stamp.
[[schedule]]
name = "every-five-minutes"
cron = "30 */5 * * * *"
timezone = "UTC"
reconcile = true
"#
        )
    }
}

async fn start_servers(folder: &Path, throw_away: bool) -> Result<(Server, Server), DemoError> {
    let start = |kind, name: &str| {
        let folder_of = folder.join(name);
        let options = if throw_away {
            servers::Options { around: Some(folder.to_owned()), ..servers::Options::throw_away(folder_of) }
        } else {
            servers::Options::keep(folder_of)
        };
        tokio::task::spawn_blocking(move || Server::start(kind, &options))
    };
    let (mariadb, postgres) = (start(Kind::MariaDb, "practice"), start(Kind::PostgreSql, "warehouse"));
    // Both are waited for, so that none starts after the other has failed.
    let (mariadb, postgres) = (mariadb.await?, postgres.await?);
    Ok((mariadb?, postgres?))
}

/// Port 0 stands for any that is free: which one is known before it is told and written.
fn choose_http(asked: Option<SocketAddr>) -> Result<SocketAddr, DemoError> {
    let is_free = |address: &SocketAddr| TcpListener::bind(address).is_ok();
    match asked {
        Some(address) if address.port() == 0 => Ok(SocketAddr::new(address.ip(), servers::free_port()?)),
        // Better now than after the first run.
        Some(address) if !is_free(&address) => {
            let said = format!("[http] listen = \"{address}\" can't be listened on");
            Err(error::Error::new(error::Kind::Listen, said).into())
        }
        Some(address) => Ok(address),
        None => {
            let usual = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            HTTP_PORTS.map(usual).find(is_free).ok_or(DemoError::NoPort)
        }
    }
}
