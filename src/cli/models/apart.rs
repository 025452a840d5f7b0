//! dbt's verbs that select nothing, or something of their own.

use super::{clean, clone, debug, deps, run_operation, show};
use crate::cli::{Context, Outcome};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Install the packages that packages.yml or dependencies.yml name, and write package-lock.yml
    Deps(deps::Args),
    /// Remove the folders that clean-targets of dbt_project.yml names
    Clean(clean::Args),
    /// Show the first rows of what a model, a test or a query gives
    Show(show::Args),
    /// Call a macro
    RunOperation(run_operation::Args),
    /// Make views over the relations that another run of the project has built: --state
    Clone(clone::Args),
    /// Look at the project, its profile and the warehouse, and say what is wrong
    Debug(debug::Args),
}

pub(super) async fn run(verb: Verb, context: Context) -> anyhow::Result<Outcome> {
    match verb {
        Verb::Deps(args) => deps::run(args, &context).await,
        Verb::Clean(args) => clean::run(&args, &context),
        Verb::Show(args) => show::run(args, &context).await,
        Verb::RunOperation(args) => run_operation::run(args, &context).await,
        Verb::Clone(args) => clone::run(args, &context).await,
        Verb::Debug(args) => debug::run(args, &context).await,
    }
}
