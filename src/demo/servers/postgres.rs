//! PostgreSQL's part: its programs, its cluster, its flags.

use super::{Options, ServerError, system};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

pub(super) const PROGRAM: &str = "postgres";

/// Debian keeps each major version's programs in a folder of its own.
const VERSIONS_FOLDER: &str = "/usr/lib/postgresql";
const PROGRAM_FOLDERS: [&str; 2] = ["/usr/bin", "/usr/local/bin"];
const VERSION_PREFERRED: &str = "15";

/// Settings of every server. No standby ever reads its log: `COPY` into a table made in the same
/// transaction need not be logged then.
const SETTINGS: [&str; 11] = [
    "listen_addresses=127.0.0.1",
    "wal_level=minimal",
    "max_wal_senders=0",
    "synchronous_commit=off",
    "shared_buffers=128MB",
    "max_wal_size=1GB",
    "max_connections=200",
    "jit=off",
    "ssl=off",
    "log_min_messages=warning",
    "unix_socket_permissions=0777",
];

/// Settings of a server whose data need not survive the machine.
const SETTINGS_NOT_DURABLE: [&str; 2] = ["fsync=off", "full_page_writes=off"];

fn program(name: &str) -> Result<PathBuf, ServerError> {
    let mut folders = vec![Path::new(VERSIONS_FOLDER).join(VERSION_PREFERRED).join("bin")];
    folders.extend(fs::read_dir(VERSIONS_FOLDER).into_iter().flatten().flatten().map(|found| found.path().join("bin")));
    folders.extend(PROGRAM_FOLDERS.map(PathBuf::from));
    folders
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|path| path.exists())
        .ok_or(ServerError::Missing { program: "postgres (Debian package postgresql-15)" })
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Makes the cluster, unless it is there already.
pub(super) fn create(folder: &Path) -> Result<(), ServerError> {
    // Written last: a cluster whose making was interrupted is made anew.
    let done = folder.join("created");
    if done.exists() {
        return Ok(());
    }
    let _ = fs::remove_dir_all(data(folder));
    let data = system::prepare_folder(&data(folder))?;
    let mut line = system::unprivileged(vec![program("initdb")?.display().to_string()]);
    line.extend(["--username=amalgam", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"].map(Into::into));
    line.extend(["--no-sync", "--no-instructions"].map(Into::into));
    line.push(format!("--pgdata={}", data.display()));
    system::run("initdb", Command::new(&line[0]).args(&line[1..]).current_dir("/"))?;
    fs::write(done, "").map_err(ServerError::io("note that the cluster is made"))
}

/// The command line of the server.
pub(super) fn command(
    folder: &Path,
    socket_folder: &Path,
    port: u16,
    options: &Options,
) -> Result<Vec<String>, ServerError> {
    let mut line = system::unprivileged(vec![program(PROGRAM)?.display().to_string()]);
    line.extend(["-D".to_owned(), data(folder).display().to_string()]);
    line.extend(["-k".to_owned(), socket_folder.display().to_string()]);
    line.extend(["-p".to_owned(), port.to_string()]);
    let not_durable = if options.durable { &[][..] } else { &SETTINGS_NOT_DURABLE[..] };
    for setting in SETTINGS.iter().chain(not_durable) {
        line.extend(["-c".to_owned(), (*setting).to_owned()]);
    }
    line.extend(options.flags.iter().cloned());
    Ok(line)
}

/// Whether this server takes connections: PostgreSQL writes so into the eighth line of
/// `postmaster.pid` (`src/include/utils/pidfile.h`), where `pg_ctl` reads it. The first line tells
/// it from what a killed server left there.
pub(super) fn answers(folder: &Path, process: u32) -> bool {
    let text = fs::read_to_string(data(folder).join("postmaster.pid")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.first() == Some(&process.to_string().as_str()) && lines.get(7) == Some(&"ready")
}
