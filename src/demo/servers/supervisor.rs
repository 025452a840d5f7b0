//! The process that outlives this one just long enough to clean up: `supervisor.sh` says how.

use super::ServerError;
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

const SCRIPT: &str = include_str!("supervisor.sh");

/// A server that does not end by itself is killed after so long.
const END_SECONDS_MAX: u32 = 30;

/// What a supervisor shall do.
pub(super) struct Orders<'a> {
    /// The signal of an orderly end.
    pub(super) at_stop: &'static str,
    /// The signal when this process is gone.
    pub(super) at_end: &'static str,
    /// Whether the folder then goes.
    pub(super) throw_away: bool,
    /// The server's folder.
    pub(super) folder: &'a Path,
    /// A folder around it that goes with the last server in it.
    pub(super) around: Option<&'a Path>,
    /// A folder that always goes.
    pub(super) runtime: Option<&'a Path>,
    /// The server's program and flags.
    pub(super) server_command: &'a [String],
}

/// A running supervisor. Dropped, it ends the server and then itself, and is waited for.
#[derive(Debug)]
pub(super) struct Supervisor {
    child: Child,
    /// `None` only while it is being dropped: closing it is the order to end.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Supervisor {
    /// Takes the folder's lock; starts nothing yet.
    pub(super) fn new(orders: &Orders<'_>) -> Result<Self, ServerError> {
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT, "amalgam-supervisor", orders.at_stop, orders.at_end])
            .arg(END_SECONDS_MAX.to_string())
            .arg(if orders.throw_away { "yes" } else { "no" })
            .arg(orders.folder)
            .arg(orders.around.unwrap_or(Path::new("")))
            .arg(orders.runtime.unwrap_or(Path::new("")))
            .args(orders.server_command)
            .current_dir("/")
            // Ctrl-C at the terminal is for this process alone; it then ends the server in order.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(ServerError::io("start sh"))?;
        let pipe = child.stdin.take().expect("the standard input was asked for as a pipe");
        let answers = child.stdout.take().expect("the standard output was asked for as a pipe");
        let mut supervisor = Self { child, orders: Some(pipe), answers: BufReader::new(answers) };
        match supervisor.answer()?.as_str() {
            "ready" => Ok(supervisor),
            _ => Err(ServerError::Busy { folder: orders.folder.to_owned() }),
        }
    }

    /// Starts the server and says its process id.
    pub(super) fn start(&mut self) -> Result<u32, ServerError> {
        let answer = self.order("start")?;
        answer.parse().map_err(|_| ServerError::io("start the server")(std::io::ErrorKind::InvalidData.into()))
    }

    /// Ends the server in order, and returns when it has ended.
    pub(super) fn stop(&mut self) -> Result<(), ServerError> {
        self.order("stop").map(drop)
    }

    /// Ends the server at once, and returns when it has ended.
    pub(super) fn kill(&mut self) -> Result<(), ServerError> {
        self.order("kill").map(drop)
    }

    fn order(&mut self, order: &str) -> Result<String, ServerError> {
        let pipe = self.orders.as_mut().expect("the pipe is closed only when the supervisor is dropped");
        writeln!(pipe, "{order}").map_err(ServerError::io(format!("order the supervisor to {order}")))?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String, ServerError> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(ServerError::io("read the supervisor's answer"))?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.orders.take());
        // Bounded: the supervisor kills a server that does not end.
        let _ = self.child.wait();
    }
}
