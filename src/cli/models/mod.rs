//! `amalgam models`: dbt's verbs on the project, in the order of its graph.

mod apart;
mod arguments;
mod build;
mod clean;
mod clone;
mod compile;
mod debug;
mod deps;
mod freshness;
mod history;
mod lineage;
mod list;
mod on_nodes;
mod project;
mod report;
mod retry;
mod run_operation;
mod sample;
mod show;
mod verb;

use super::{Context, Outcome};
use crate::error::{Error, Kind};
use verb::Any;
pub(super) use verb::Args;

pub(super) async fn run(args: Args, context: Context) -> anyhow::Result<Outcome> {
    match args.verb {
        Any::OnNodes(verb) => on_nodes::run(verb, None, context).await,
        Any::Retry(retried) => match retry::last(&retried, &context)? {
            (_, again) if again.is_empty() => {
                eprintln!("nothing to try again: all ended well");
                Ok(Outcome::Done)
            }
            (Args { verb: Any::OnNodes(verb) }, again) => on_nodes::run(verb, Some(again), context).await,
            _ => Err(Error::new(Kind::Internal, "a verb that can be tried again works on nodes").into()),
        },
        Any::Apart(verb) => apart::run(verb, context).await,
    }
}
