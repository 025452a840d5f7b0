//! The heartbeat: somebody is shown that all is well, and raises the alarm when they no longer are.

use super::Pictures;
use crate::{config::HEARTBEAT, notify::Heartbeat, orchestrator::Orchestrator};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

/// Beats while all is well, until there are no more pictures.
pub(super) async fn beat(orchestrator: Orchestrator, heartbeat: Heartbeat, mut pictures: Pictures) {
    let mut ticks = interval(Duration::from_secs(orchestrator.config.heartbeat.seconds.into()));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let is_well = |pictures: &mut Pictures| pictures.borrow_and_update().as_ref().is_some_and(|p| p.is_well);
    let mut logged = String::new();
    loop {
        // The first beat comes with the first good picture, and not one interval later.
        while !is_well(&mut pictures) {
            if pictures.changed().await.is_err() {
                return;
            }
        }
        tokio::select! {
            _ = ticks.tick() => {}
            changed = pictures.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            }
        }
        let heard = heartbeat.beat().await;
        let result = if heard.is_ok() { "sent" } else { "failed" };
        orchestrator.metrics.notifications.with_label_values(&[HEARTBEAT, result]).inc();
        let text = heard.err().map(|unheard| unheard.to_string()).unwrap_or_default();
        if text != logged {
            match text.is_empty() {
                true => info!("the heartbeat is heard again"),
                false => warn!(host = heartbeat.host(), error = text, "the heartbeat was not heard"),
            }
            logged = text;
        }
    }
}
