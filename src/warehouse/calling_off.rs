//! Ends at the server what is given up: PostgreSQL docs § "Canceling Requests in Progress".
//!
//! The session's connection is closed besides. By that alone the server would notice within seconds
//! (`client_connection_check_interval`), which is what ends the statements of a process that dies.
//! Bound: [`TIME_MAX`] each. A request takes none of the connections that PostgreSQL counts.

use std::time::Duration;
use tokio::{runtime::Handle, time::timeout};
use tokio_postgres::{CancelToken, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::TaskTracker;
use tracing::debug;

/// How long it may take.
const TIME_MAX: Duration = Duration::from_secs(5);
/// How long the end of the program waits for it.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// Calls statements off.
#[derive(Clone)]
pub(super) struct CallOff {
    tls: Option<MakeRustlsConnect>,
    tracker: TaskTracker,
}

impl CallOff {
    pub(super) fn new(tls: Option<MakeRustlsConnect>) -> Self {
        Self { tls, tracker: TaskTracker::new() }
    }

    /// Ends what is under way on the connection of that token.
    pub(super) fn end(&self, token: CancelToken) {
        // Without a runtime the program has ended.
        let Ok(runtime) = Handle::try_current() else { return };
        let tls = self.tls.clone();
        let ending = async move {
            match tls {
                Some(tls) => token.cancel_query(tls).await,
                None => token.cancel_query(NoTls).await,
            }
        };
        let bounded = async move {
            if !timeout(TIME_MAX, ending).await.is_ok_and(|done| done.is_ok()) {
                debug!("a statement that was given up could not be called off; it ends when the server notices");
            }
        };
        self.tracker.spawn_on(bounded, &runtime);
    }

    pub(super) async fn close(&self) {
        self.tracker.close();
        // Where that takes longer, the closed connection tells.
        let _ = timeout(CLOSE_MAX, self.tracker.wait()).await;
    }
}
