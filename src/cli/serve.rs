//! `amalgam serve`: the daemon.

use super::{Context, Outcome};
use crate::lifecycle::{self, Reread};
use std::sync::Arc;
use tokio_util::task::TaskTracker;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_args: Args, context: Context) -> anyhow::Result<Outcome> {
    let config = context.config()?;
    config.source.require()?;
    let stop = lifecycle::stop_on_signals(&TaskTracker::new())?;
    let clock = context.clock();
    let reread = Reread::at_hangup(move || {
        let config = context.read_config()?;
        config.source.require()?;
        Ok(Arc::new(config))
    })?;
    lifecycle::serve(config, clock, stop, reread).await?;
    Ok(Outcome::Done)
}
