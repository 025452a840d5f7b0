//! SIGHUP: the configuration is read again.
//!
//! Guarantee: a configuration that is wrong in any way that can be seen without a database is refused with
//! all its problems in the log, and nothing changes. A good one comes into force whole: the reign of the old
//! ends as at a stop, and one by the new begins in the same process, so that no key needs a rule of its own.

use super::{listener::Listener, signals, systemd};
use crate::{
    config::{Config, load},
    error::Result,
    orchestrator::Orchestrator,
    telemetry::logs,
};
use sd_notify::NotifyState;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind};
use tracing::{error, info, warn};

/// What can't be taken over while the process runs.
const RESTARTED_KEYS: [&str; 1] = ["log.format"];

type Read = dyn Fn() -> std::result::Result<Arc<Config>, load::Error> + Send + Sync;

/// How the configuration is read again, and when.
pub struct Reread(Option<(Signal, Box<Read>)>);

/// What is to take the place of what there is.
pub(super) struct Next {
    pub(super) orchestrator: Orchestrator,
    /// None: the old one stays.
    pub(super) listener: Option<Listener>,
}

impl Reread {
    /// At each SIGHUP.
    ///
    /// # Errors
    /// The system refuses to tell of signals.
    pub fn at_hangup(
        read: impl Fn() -> std::result::Result<Arc<Config>, load::Error> + Send + Sync + 'static,
    ) -> Result<Self> {
        Ok(Self(Some((signals::listen(SignalKind::hangup())?, Box::new(read)))))
    }

    /// Never: SIGHUP ends the process, as a closed terminal should.
    pub fn never() -> Self {
        Self(None)
    }

    /// Waits until a good configuration has been read, and is ready to come into force.
    pub(super) async fn next(&mut self, orchestrator: &Orchestrator) -> Next {
        loop {
            let Some((hangup, read)) = &mut self.0 else { return std::future::pending().await };
            if hangup.recv().await.is_none() {
                return std::future::pending().await;
            }
            systemd::notify_reloading();
            match checked(read, orchestrator).await {
                Some(next) => return next,
                None => {
                    orchestrator.metrics().config_reload_ok.set(0);
                    let status = "the configuration was refused, see the log; the old one stays in force";
                    systemd::notify(&[NotifyState::Ready, NotifyState::Status(status)]);
                }
            }
        }
    }
}

/// Everything that can be wrong is found before anything is ended. `None`: refused, and told why.
async fn checked(read: &Read, orchestrator: &Orchestrator) -> Option<Next> {
    let config = match read() {
        Ok(config) => config,
        Err(refused) => {
            for problem in &refused.problems {
                let (key, cause, remedy) = (&problem.key, &problem.cause, &problem.remedy);
                error!(
                    key,
                    origin = problem.origin,
                    cause,
                    remedy,
                    "the configuration is refused; the old one stays in force"
                );
            }
            return None;
        }
    };
    let listener = match config.http.listen == orchestrator.config().http.listen {
        true => Ok(None),
        false => Listener::bind(config.http.listen).await.map(Some),
    };
    let next = listener.and_then(|listener| Ok((listener, orchestrator.reconfigured(Arc::clone(&config))?)));
    match next {
        Ok((listener, next)) => {
            tell(orchestrator.config(), &config);
            Some(Next { orchestrator: next, listener })
        }
        Err(error) => {
            error!(kind = %error.kind, %error, remedy = error.remedy(), "the configuration is refused; the old one stays in force");
            None
        }
    }
}

/// Tells what changes, by key, and what does not before the next start.
fn tell(old: &Config, new: &Config) {
    let (waiting, changed): (Vec<String>, Vec<String>) =
        old.changed(new).into_iter().partition(|key| RESTARTED_KEYS.contains(&key.as_str()));
    for key in waiting {
        warn!(key, "takes a restart of the process; until then it stays as it is");
    }
    info!(changed = changed.join(", "), "the configuration was read again; runs under way go on by it");
    if let Err(error) = logs::refilter(&new.log.filter) {
        // Its own check has read it before.
        error!(%error, "the log's filter stays as it is");
    }
}
