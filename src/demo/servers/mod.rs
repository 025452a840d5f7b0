//! Private database servers: MariaDB and PostgreSQL from Debian's binaries, in a folder of their own.
//!
//! Owns: making the data folders, starting, stopping and starting again, and the end of it all.
//! Guarantee: however this process dies (a panic, Ctrl-C, `kill -9`), the servers end, and a folder
//! that is to be thrown away goes. No signal handler could promise that; a `sh` supervisor per
//! server does, in a process group of its own, by reading a pipe that only this process holds.
//! Calls block; they belong on a blocking thread where a runtime is to stay responsive.
//!
//! Run by root, the servers drop to an unprivileged user: PostgreSQL refuses to be root.

mod mariadb;
mod postgres;
mod supervisor;
mod system;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use supervisor::Supervisor;

/// How long a server may take to answer: a killed one repairs itself first.
const START_SECONDS_MAX: u64 = 60;

/// How long the children of a killed server may take to end.
const ORPHANS_MAX: Duration = Duration::from_secs(10);

/// Another program may take a free port before the server does: so many ports are tried.
const PORT_ATTEMPTS_MAX: usize = 5;

/// Why a private server is not there.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The server's program is not installed.
    #[error("{program} is not installed; scripts/prerequisites installs it")]
    Missing {
        /// The program that was looked for.
        program: &'static str,
    },
    /// Another server uses the folder.
    #[error("another server is still running in {}", folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// The server ended, or did not answer in time.
    #[error("{program} did not come up; the end of its log:\n{log}")]
    Failed {
        /// The program.
        program: &'static str,
        /// The last lines that it wrote.
        log: String,
    },
    /// The machine refused something.
    #[error("cannot {what}")]
    Io {
        /// What was attempted.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl ServerError {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// MariaDB, for a source.
    MariaDb,
    /// PostgreSQL, for a warehouse.
    PostgreSql,
}

/// How a server shall be started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where its data, log and socket lie; made if need be. Belongs to this server alone.
    pub folder: PathBuf,
    /// Whether the folder goes when this process ends.
    pub throw_away: bool,
    /// A folder around it that goes too, once all servers in it are gone. Only where it is thrown away.
    pub around: Option<PathBuf>,
    /// Whether committed data survives a failure of the machine. Slower.
    pub durable: bool,
    /// More flags for the server's command line; they win over the usual ones.
    pub flags: Vec<String>,
    /// The TCP port on 127.0.0.1; a free one where not given.
    pub port: Option<u16>,
}

impl Options {
    /// A server that is thrown away.
    pub fn throw_away(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), throw_away: true, around: None, durable: false, flags: Vec::new(), port: None }
    }

    /// A server whose folder is kept.
    pub fn keep(folder: impl Into<PathBuf>) -> Self {
        Self { throw_away: false, durable: true, ..Self::throw_away(folder) }
    }
}

/// One private server. Dropped, it ends, orderly if it is kept.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    folder: PathBuf,
    socket_folder: PathBuf,
    port: u16,
    supervisor: Supervisor,
    /// The server's process, while it runs.
    process: Option<u32>,
}

impl Server {
    /// Makes the data folder unless it is there, starts the server and waits until it answers.
    ///
    /// MariaDB gets the users `root` (everything) and `reader` (reads everything), PostgreSQL the
    /// superuser `amalgam`; none has a password: the servers listen on this machine only.
    pub fn start(kind: Kind, options: &Options) -> Result<Self, ServerError> {
        let mut attempt = 1;
        loop {
            match Self::start_once(kind, options) {
                Err(ServerError::Failed { .. }) if options.port.is_none() && attempt < PORT_ATTEMPTS_MAX => {
                    attempt += 1
                }
                other => return other,
            }
        }
    }

    fn start_once(kind: Kind, options: &Options) -> Result<Self, ServerError> {
        let folder = system::prepare_folder(&options.folder)?;
        let port = options.port.map_or_else(system::free_port, Ok)?;
        let (socket_folder, runtime) = system::socket_folder(&folder)?;
        let server_command = match kind {
            Kind::MariaDb => mariadb::command(&folder, &socket_folder, port, options),
            Kind::PostgreSql => postgres::command(&folder, &socket_folder, port, options),
        }?;
        // What is thrown away need not be put in order first.
        let (at_stop, at_end) = match (kind, options.throw_away) {
            (Kind::MariaDb, false) => ("TERM", "TERM"),
            (Kind::MariaDb, true) => ("TERM", "KILL"),
            (Kind::PostgreSql, false) => ("INT", "INT"),
            (Kind::PostgreSql, true) => ("INT", "QUIT"),
        };
        // Before there is any data: what is cut off in the making is cleaned up as well.
        let supervisor = Supervisor::new(&supervisor::Orders {
            at_stop,
            at_end,
            throw_away: options.throw_away,
            folder: &folder,
            around: options.around.as_deref().filter(|_| options.throw_away),
            runtime: runtime.as_deref(),
            server_command: &server_command,
        })?;
        match kind {
            Kind::MariaDb => mariadb::create(&folder)?,
            Kind::PostgreSql => postgres::create(&folder)?,
        }
        let mut server = Self { kind, folder, socket_folder, port, supervisor, process: None };
        server.start_again()?;
        Ok(server)
    }

    /// Starts the server after [`Self::stop`] or [`Self::kill`], on the same port and data.
    pub fn start_again(&mut self) -> Result<(), ServerError> {
        let began = Instant::now();
        loop {
            match self.start_process() {
                // The children of a killed PostgreSQL need a moment to notice.
                Err(ServerError::Failed { log, .. })
                    if log.contains("pre-existing shared memory block") && began.elapsed() < ORPHANS_MAX =>
                {
                    std::thread::sleep(Duration::from_millis(20));
                }
                other => return other,
            }
        }
    }

    fn start_process(&mut self) -> Result<(), ServerError> {
        if self.process.is_some() {
            return Ok(());
        }
        let process = self.supervisor.start()?;
        self.process = Some(process);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(START_SECONDS_MAX) && system::is_running(process) {
            if self.answers(process) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill()?;
        Err(ServerError::Failed { program: self.program(), log: system::log_end(&self.folder.join("log")) })
    }

    /// Stops the server in order and waits until it has ended. The folder stays.
    pub fn stop(&mut self) -> Result<(), ServerError> {
        self.process = None;
        self.supervisor.stop()
    }

    /// Ends the server at once, as a failure of the machine would. The folder stays.
    pub fn kill(&mut self) -> Result<(), ServerError> {
        self.process = None;
        self.supervisor.kill()
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// MariaDB's Unix socket; the folder of PostgreSQL's (as libpq's `host`).
    pub fn socket(&self) -> PathBuf {
        match self.kind {
            Kind::MariaDb => self.socket_folder.join(mariadb::SOCKET),
            Kind::PostgreSql => self.socket_folder.clone(),
        }
    }

    /// Where the data, the log and the socket lie. Not what was asked for where the unprivileged
    /// user could not have reached that.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server's process, while it runs.
    pub fn process(&self) -> Option<u32> {
        self.process
    }

    fn program(&self) -> &'static str {
        match self.kind {
            Kind::MariaDb => mariadb::PROGRAM,
            Kind::PostgreSql => postgres::PROGRAM,
        }
    }

    fn answers(&self, process: u32) -> bool {
        match self.kind {
            Kind::MariaDb => mariadb::answers(self.port),
            Kind::PostgreSql => postgres::answers(&self.folder, process),
        }
    }
}

/// A port on 127.0.0.1 that nothing listens on just now, and that the system hands to nobody by itself.
pub fn free_port() -> Result<u16, ServerError> {
    system::free_port()
}

/// Removes a folder of a server that has ended. Nothing there is no error.
pub fn remove_folder(folder: &Path) -> Result<(), ServerError> {
    match fs::remove_dir_all(system::reachable_folder(folder)?) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ServerError::io(format!("remove {}", folder.display()))(error))
        }
        _ => Ok(()),
    }
}
