//! Ends at the server what is given up.
//!
//! A server reads a connection between statements only: one whose asker has gone goes on to its end, and keeps its
//! locks. So another connection ends it, with its session (MariaDB KB, "KILL [CONNECTION | QUERY]"), which takes no
//! privilege where both are of one user.
//! Bounds: one such connection at a time, beside those of `connections_max`, for [`TIME_MAX`].
//! Does not last: a process that dies calls nothing off; then `statement_seconds_max` ends it.

use super::wire::Login;
use crate::telemetry::uncounted;
use std::{sync::Arc, time::Duration};
use tokio::{runtime::Handle, sync::Mutex, time::timeout};
use tokio_util::task::TaskTracker;
use tracing::debug;

/// How long it may take, the connection included.
const TIME_MAX: Duration = Duration::from_secs(5);

/// Calls statements of one server off.
#[derive(Clone)]
pub(super) struct CallOff {
    login: Arc<Login>,
    tracker: TaskTracker,
    turn: Arc<Mutex<()>>,
}

impl CallOff {
    pub(super) fn new(login: Arc<Login>, tracker: TaskTracker) -> Self {
        Self { login, tracker, turn: Arc::default() }
    }

    /// What is asked over the connection of that number is called off unless [`Asking::end`] comes first.
    pub(super) fn asking(&self, connection: u32) -> Asking {
        Asking { call_off: Some(self.clone()), connection }
    }

    /// Ends the session of that number. Nobody waits for it but the end of the program.
    pub(super) fn end(&self, connection: u32) {
        // Without a runtime the program has ended.
        let Ok(runtime) = Handle::try_current() else { return };
        let Self { login, turn, .. } = self.clone();
        let ending = async move {
            let _turn = turn.lock().await;
            let mut by = login.open(None, uncounted()).await?;
            by.run(&format!("kill {connection}")).await
        };
        let bounded = async move {
            match timeout(TIME_MAX, ending).await {
                Ok(Ok(())) => debug!(connection, "a statement that was given up is called off"),
                // It may have ended by itself.
                _ => debug!(connection, "a statement that was given up could not be called off; its time ends it"),
            }
        };
        self.tracker.spawn_on(bounded, &runtime);
    }
}

/// A statement under way. Dropped, it is called off.
pub(super) struct Asking {
    call_off: Option<CallOff>,
    connection: u32,
}

impl Asking {
    /// It has ended by itself.
    pub(super) fn end(mut self) {
        self.call_off = None;
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(call_off) = &self.call_off {
            call_off.end(self.connection);
        }
    }
}
