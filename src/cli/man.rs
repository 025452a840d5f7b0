//! `amalgam man`: the manual's pages, one a command, from what `--help` says. For packages.

use super::{Cli, Context, Outcome};
use anyhow::Context as _;
use clap::CommandFactory;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder that they are written into
    folder: PathBuf,
}

pub(super) async fn run(args: Args, _context: Context) -> anyhow::Result<Outcome> {
    let told = || format!("writing into {}", args.folder.display());
    std::fs::create_dir_all(&args.folder).with_context(told)?;
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), &args.folder).with_context(told)?;
    Ok(Outcome::Done)
}
