//! Runs programs, and what each took.

use super::Result;
use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// What one process took.
#[derive(Clone, Copy)]
pub(super) struct Measured {
    pub seconds: f64,
    pub peak_mebibytes: f64,
}

impl Measured {
    /// The same work twice: the mean of the seconds, the higher peak.
    pub(super) fn mean(self, again: Self) -> Self {
        let both = self.and(again);
        Self { seconds: both.seconds / 2.0, ..both }
    }

    /// One after the other: the seconds of both, the higher peak.
    pub(super) fn and(self, next: Self) -> Self {
        Self { seconds: self.seconds + next.seconds, peak_mebibytes: self.peak_mebibytes.max(next.peak_mebibytes) }
    }
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} s ({:.0} MiB)", self.seconds, self.peak_mebibytes)
    }
}

/// Runs a program that must succeed; what it printed.
pub(super) fn run(command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let end: Vec<&str> = said.lines().rev().take(5).collect();
    Err(format!("{} failed: {}", command.get_program().display(), end.join(" / ")).into())
}

/// Runs a program to its end; its highest resident size is the kernel's own (`VmHWM`, proc(5)).
pub(super) fn measured(command: &mut Command) -> Result<Measured> {
    measured_until(command, &mut || false)
}

/// Likewise; what it prints goes into a file.
pub(super) fn measured_into(command: &mut Command, file: &Path) -> Result<Measured> {
    watched(command, std::fs::File::create(file)?.into(), &mut || false)
}

/// Likewise, but asks it to end (SIGTERM) as soon as it has done its work.
pub(super) fn measured_until(command: &mut Command, done: &mut dyn FnMut() -> bool) -> Result<Measured> {
    watched(command, Stdio::null(), done)
}

fn watched(command: &mut Command, printed: Stdio, done: &mut dyn FnMut() -> bool) -> Result<Measured> {
    let began = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(printed).spawn()?;
    let status_file = format!("/proc/{}/status", child.id());
    let (mut peak, mut told) = (0u64, false);
    loop {
        if let Ok(status) = std::fs::read_to_string(&status_file) {
            let high = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).and_then(|l| l.split_whitespace().next());
            peak = peak.max(high.and_then(|n| n.parse().ok()).unwrap_or(0));
        }
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                return Err(format!("{} failed with {status}", command.get_program().display()).into());
            }
            let seconds = began.elapsed().as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "a size in KiB is far below 2^52")]
            return Ok(Measured { seconds, peak_mebibytes: peak as f64 / 1024.0 });
        }
        if !told && done() {
            told = true;
            run(Command::new("kill").args(["-s", "TERM", &child.id().to_string()]))?;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
