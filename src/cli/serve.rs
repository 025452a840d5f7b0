//! `amalgam serve`: the daemon.

use super::{Context, Outcome};
use crate::lifecycle::{self, Shutdown};
use tokio_util::task::TaskTracker;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_args: Args, context: Context) -> anyhow::Result<Outcome> {
    let shutdown = Shutdown::on_signals(&TaskTracker::new())?;
    lifecycle::serve(context.config()?, context.clock(), shutdown).await?;
    Ok(Outcome::Done)
}
