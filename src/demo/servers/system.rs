//! What the servers need of the machine: an unprivileged user, reachable folders, free ports.

use super::ServerError;
use std::{
    fs, io,
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU16, AtomicU32, Ordering},
};

/// The user and the group to drop to.
const UNPRIVILEGED: (&str, &str) = ("nobody", "nogroup");

/// Paths of Unix sockets have 107 bytes at most; the longest name of ours has some twenty.
const SOCKET_FOLDER_BYTES_MAX: usize = 80;

/// Below the range from which systems hand out ports for outgoing connections: there, a stopped
/// server's port could be gone when it is started again.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How many ports a process looks at before it comes to another's: while a server is down, its port is free,
/// and who takes it for another server is spoken to by the clients of the first.
const BLOCK: u16 = 128;

/// Lines of a server's log that an error shows.
const LOG_LINES_MAX: usize = 15;

/// Whether this process may do everything.
pub(super) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A command line that runs as the unprivileged user where this process is root's.
pub(super) fn unprivileged(command: Vec<String>) -> Vec<String> {
    if !is_root() {
        return command;
    }
    let (user, group) = UNPRIVILEGED;
    let mut line: Vec<String> =
        ["setpriv", &format!("--reuid={user}"), &format!("--regid={group}"), "--clear-groups"].map(Into::into).into();
    line.extend(command);
    line
}

/// Makes the folder, for the server's user alone, and says where it really is.
pub(super) fn prepare_folder(folder: &Path) -> Result<PathBuf, ServerError> {
    let cannot_make = || format!("make the folder {}", folder.display());
    let folder = reachable_folder(folder)?;
    fs::create_dir_all(&folder).map_err(ServerError::io(cannot_make()))?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).map_err(ServerError::io(cannot_make()))?;
    give_away(&folder)?;
    Ok(folder)
}

/// Makes the unprivileged user the owner, where this process is root's.
fn give_away(folder: &Path) -> Result<(), ServerError> {
    if !is_root() {
        return Ok(());
    }
    let (user, group) = UNPRIVILEGED;
    let done = Command::new("chown").arg(format!("{user}:{group}")).arg(folder).status();
    match done.map_err(ServerError::io("run chown"))?.success() {
        true => Ok(()),
        false => {
            Err(ServerError::io(format!("give away {}", folder.display()))(io::ErrorKind::PermissionDenied.into()))
        }
    }
}

/// The folder itself, absolute; below `/var/tmp` where the unprivileged user could not reach it
/// (a clone in root's home, say).
pub(super) fn reachable_folder(folder: &Path) -> Result<PathBuf, ServerError> {
    let folder = std::path::absolute(folder).map_err(ServerError::io("find the current folder"))?;
    let closed = |parent: &Path| fs::metadata(parent).is_ok_and(|found| found.permissions().mode() & 0o001 == 0);
    if !is_root() || !folder.ancestors().skip(1).any(closed) {
        return Ok(folder);
    }
    let flat = folder.to_string_lossy().trim_start_matches('/').replace('/', "-");
    Ok(Path::new("/var/tmp").join(format!("amalgam-{flat}")))
}

/// Where a socket can lie: the folder, or, where its path is too long, a short one of its own, then
/// said twice because it is to be removed.
pub(super) fn socket_folder(folder: &Path) -> Result<(PathBuf, Option<PathBuf>), ServerError> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    if folder.as_os_str().len() <= SOCKET_FOLDER_BYTES_MAX {
        return Ok((folder.to_owned(), None));
    }
    let name = format!("amalgam-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let short = prepare_folder(&Path::new("/tmp").join(name))?;
    Ok((short.clone(), Some(short)))
}

/// A port on 127.0.0.1 that nothing listens on just now.
pub(super) fn free_port() -> Result<u16, ServerError> {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    let blocks = u32::from(count / BLOCK);
    let own = BLOCK * u16::try_from(std::process::id() % blocks).expect("the remainder is below a u16");
    (0..count)
        .map(|_| PORTS.start + (own + COUNT.fetch_add(1, Ordering::Relaxed) % count) % count)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .ok_or_else(|| ServerError::io("find a free port")(io::ErrorKind::AddrInUse.into()))
}

/// Whether a process is there and has not ended (an ended one stays listed until it is waited for).
pub(super) fn is_running(process: u32) -> bool {
    // proc(5): the state follows the name, which stands in parentheses and may hold any character.
    fs::read_to_string(format!("/proc/{process}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')))
}

/// Runs a command to its end; an error shows the end of what it wrote.
pub(super) fn run(program: &'static str, command: &mut Command) -> Result<(), ServerError> {
    let output = command.output().map_err(ServerError::io(format!("run {program}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(ServerError::Failed { program, log: last_lines(&String::from_utf8_lossy(&output.stderr)) })
}

/// The last lines of a log.
pub(super) fn log_end(log: &Path) -> String {
    fs::read(log).map(|text| last_lines(&String::from_utf8_lossy(&text))).unwrap_or_default()
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_MAX)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_runs_and_an_impossible_one_does_not() {
        assert!(is_running(std::process::id()));
        assert!(!is_running(u32::MAX));
    }

    #[test]
    fn two_free_ports_differ() {
        let first = free_port().expect("some port is free");
        assert_ne!(first, free_port().expect("some port is free"));
    }

    #[test]
    fn only_the_last_lines_of_a_log_are_shown() {
        let log: String = (0..100).map(|n| format!("{n}\n")).collect();
        assert_eq!(last_lines(&log).lines().next(), Some("85"));
    }
}
