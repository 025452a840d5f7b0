//! dbt's verbs that select nothing, or something of their own.

use super::{
    arguments::{Place, Vars},
    deps,
};
use crate::{
    cli::{Context, Outcome},
    error::{Error, Kind},
};
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Install the packages that packages.yml or dependencies.yml name, and write package-lock.yml
    Deps(deps::Args),
}

pub(super) async fn run(verb: Verb, context: Context) -> anyhow::Result<Outcome> {
    match verb {
        Verb::Deps(args) => deps::run(args, &context).await,
    }
}

/// The project's folder and the variables, where no warehouse is needed.
pub(super) fn project(context: &Context, place: &Place) -> anyhow::Result<(PathBuf, Vars)> {
    let config = context.config()?;
    let root = place.project_dir.clone().or_else(|| config.models.project_dir.clone());
    let root = root.ok_or_else(|| Error::new(Kind::NoProject, "there is no project"))?;
    let mut vars: Vars = config.models.vars.clone().into_iter().collect();
    vars.extend(place.vars.clone().unwrap_or_default());
    Ok((root, vars))
}
