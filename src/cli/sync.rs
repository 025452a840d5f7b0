//! `amalgam sync`.

use super::{Context, Outcome};

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_args: Args, _context: Context) -> anyhow::Result<Outcome> {
    anyhow::bail!("not yet")
}
