//! `debug`: the project and its warehouse, looked at.

use super::{
    arguments::{Place, configured},
    project::{loaded, which},
};
use crate::cli::{Context, Outcome, doctor};
use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Look at the warehouse alone
    #[arg(long)]
    connection: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    let config = configured(context, &args.place);
    doctor::debug(context, config, |config| loaded(context, config, which("debug", &args.place)), args.connection).await
}
