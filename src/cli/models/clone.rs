//! `clone`: views over what another run has built.

use super::{
    arguments::{Chosen, configured},
    project::{found, loaded, reached, which},
};
use crate::{
    cli::{Context, Outcome, failure, output},
    error::{Error, Kind},
    models::Elsewhere,
};
use clap::Args as ClapArgs;
use serde::Serialize;

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// Replace what is there already
    #[arg(long, short)]
    full_refresh: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    model: String,
    relation: String,
    status: &'static str,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    let config = configured(context, &args.chosen.place)?;
    let mut models = loaded(context, &config, which("clone", &args.chosen.place))?;
    let chosen = args.chosen;
    let folder = chosen.state.as_deref();
    let missing = || Error::new(Kind::Config, "clone needs the artifacts of the other run: --state <folder>");
    let elsewhere = Elsewhere::read(folder.ok_or_else(missing)?)?;
    let found = found(&mut models, &chosen).await?;
    let (mut lines, mut outcome) = (Vec::new(), Outcome::Done);
    reached(&models).await?;
    for id in models.in_order(&found.ids) {
        let summary = models.summary(&id)?;
        if summary.materialized == "ephemeral" {
            continue;
        }
        let status = match models.clone_from(&id, &elsewhere, args.full_refresh).await {
            Ok(cloned) => cloned.as_str(),
            Err(error) => {
                outcome = Outcome::Failed;
                failure::tell(&summary.name, &error);
                "failed"
            }
        };
        lines.push(Line { model: summary.name, relation: summary.relation, status });
    }
    output::rows(context.format(), &lines)?;
    Ok(outcome)
}
