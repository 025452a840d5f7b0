//! `amalgam serve`: the daemon.

use super::{Context, Outcome};
use crate::lifecycle;
use tokio_util::task::TaskTracker;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_args: Args, context: Context) -> anyhow::Result<Outcome> {
    let config = context.config()?;
    config.source.require()?;
    let stop = lifecycle::stop_on_signals(&TaskTracker::new())?;
    lifecycle::serve(config, context.clock(), stop).await?;
    Ok(Outcome::Done)
}
