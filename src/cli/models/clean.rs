//! `clean`: what can be made again, removed.

use super::{arguments::Place, project::root_and_vars};
use crate::{
    cli::{Context, Outcome, output},
    models::clean,
};
use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Remove folders outside of the project too
    #[arg(long)]
    no_clean_project_files_only: bool,
    #[arg(long, hide = true, conflicts_with = "no_clean_project_files_only")]
    clean_project_files_only: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    let (root, _) = root_and_vars(context, &args.place)?;
    let inside_only = args.clean_project_files_only || !args.no_clean_project_files_only;
    output::rows(context.format(), &clean(&root, inside_only, args.place.target_path.as_deref())?)?;
    Ok(Outcome::Done)
}
