//! What systemd is told: readiness, life, and what the process does.
//!
//! Guarantee: `WATCHDOG=1` is sent only while every loop that the daemon lives by turns (see
//! [`crate::orchestrator::Vitals`]); when one does not, that is logged, and after the unit's `WatchdogSec`
//! systemd ends the process and starts it again. Without systemd the same is logged and counted.

use crate::orchestrator::{Health, Loop, Orchestrator};
use sd_notify::NotifyState;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// How often the loops are looked at, at least.
const LOOK_SECONDS: u64 = 5;

/// Without systemd there is nobody to tell, and that is no failure.
pub(super) fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd can't be told");
    }
}

/// The configuration is read again; `READY=1` says that it was.
pub(super) fn notify_reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "the time of the reload is not known"),
    }
}

/// Looks at the loops, and tells of them, until told to stop.
pub(super) async fn watch(orchestrator: Orchestrator, health: watch::Receiver<Health>, stop: CancellationToken) {
    let watchdog = sd_notify::watchdog_enabled();
    let longest = Duration::from_secs(LOOK_SECONDS);
    let pause = watchdog.map_or(longest, |period| (period / 2).min(longest));
    let (mut pulse, mut told) = (Pulse::default(), String::new());
    loop {
        let late = orchestrator.vitals().late();
        orchestrator.metrics().loops_late.set(i64::try_from(late.len()).unwrap_or(i64::MAX));
        if pulse.is_alive(late) && watchdog.is_some() {
            notify(&[NotifyState::Watchdog]);
        }
        let status = status(&orchestrator, &health.borrow());
        if status != told {
            notify(&[NotifyState::Status(&status)]);
            told = status;
        }
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// Whether the process lives, told when that changes.
#[derive(Default)]
struct Pulse {
    late: Vec<Loop>,
}

impl Pulse {
    /// Takes in which loops are late.
    fn is_alive(&mut self, late: Vec<Loop>) -> bool {
        if late != self.late {
            match late.is_empty() {
                true => info!("every loop of this process turns again"),
                false => error!(
                    loops = named(&late),
                    remedy = "systemd starts the process again where it watches; else do so, and report this",
                    "a loop of this process does not turn any more; the watchdog is told nothing"
                ),
            }
            self.late = late;
        }
        self.late.is_empty()
    }
}

/// What the process does, in one line, for `systemctl status`.
fn status(orchestrator: &Orchestrator, health: &Health) -> String {
    let vitals = orchestrator.vitals();
    let standing = match (orchestrator.metrics().writer.get() == 1, health.warehouse.up) {
        (true, _) => "writer",
        (false, true) => "stands by: another process is the writer",
        (false, false) => "waits for the warehouse",
    };
    let mut parts = vec![standing.to_owned()];
    if health.warehouse.up && !health.source.up {
        parts.push("the source does not answer".to_owned());
    }
    let runs = vitals.runs();
    parts.push(match &runs[..] {
        [] => "no run under way".to_owned(),
        [one] => format!("run {one} under way"),
        [first, rest @ ..] => format!("run {first} and {} more under way", rest.len()),
    });
    parts.extend(vitals.last_run().map(|(run, state)| format!("last run {run} {state}")));
    parts.join("; ")
}

fn named(loops: &[Loop]) -> String {
    loops.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_sign_of_life_only_while_every_loop_turns() {
        let mut pulse = Pulse::default();
        let told = [vec![], vec![Loop::Scheduler], vec![Loop::Scheduler], vec![]].map(|late| pulse.is_alive(late));
        assert_eq!(told, [true, false, false, true]);
    }
}
