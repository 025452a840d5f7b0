//! `run-operation`: a macro called by its name.

use super::{
    arguments::{Place, Vars, configured, parse_vars},
    project::{loaded, which},
};
use crate::cli::{Context, Outcome};
use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The macro's name, with its package and a dot before it where it is another's: codegen.generate_source
    #[arg(value_name = "MACRO")]
    name: String,
    /// The macro's arguments by name, in YAML or JSON: '{schema: raw}'
    #[arg(long, value_name = "YAML", value_parser = parse_vars)]
    args: Option<Vars>,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    let config = configured(context, &args.place)?;
    let models = loaded(context, &config, which("run-operation", &args.place))?;
    models.run_operation(&args.name, &args.args.unwrap_or_default()).await?;
    Ok(Outcome::Done)
}
