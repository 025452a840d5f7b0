//! `amalgam models`: dbt's verbs on the project, in the order of its graph.

mod apart;
mod arguments;
mod build;
mod clean;
mod clone;
mod debug;
mod deps;
mod freshness;
mod history;
mod lineage;
mod list;
mod run_operation;
mod show;
mod test;

use super::{Context, Outcome, failure, output};
use crate::{
    config::Config,
    domain::ModelId,
    error::{Error, Kind},
    models::{BuildOptions, Models, Selection},
    state::State,
    warehouse::Warehouse,
};
use arguments::{Chosen, Compiled, Listed, Wanted, configured};
use build::build;
use clap::{Args as ClapArgs, Subcommand};
use freshness::freshness;
use history::{HistoryArgs, history};
use lineage::{LineageArgs, lineage};
use list::list;
use test::test;

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Any,
}

#[derive(Debug, Subcommand)]
enum Any {
    #[command(flatten)]
    OnNodes(Verb),
    #[command(flatten)]
    Apart(apart::Verb),
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Build, test and publish what changed, each model in one transaction
    Build(Wanted),
    /// Build the models alone: each is tested too, since nothing is published untested
    Run(Wanted),
    /// Build the seeds alone
    Seed(Wanted),
    /// Build the snapshots alone
    Snapshot(Wanted),
    /// Run the tests on what is published
    Test(Chosen),
    /// Write the SQL of the models below the target folder
    Compile(Compiled),
    /// List the models; with --output everything that is selected, as dbt does
    #[command(visible_alias = "list")]
    Ls(Listed),
    /// Read the project and write target/manifest.json
    Parse(Chosen),
    /// Show what models and columns come from, and where they go
    Lineage(LineageArgs),
    /// Show what past builds took and gave
    History(HistoryArgs),
    /// Write what documentation is made of
    #[command(subcommand)]
    Docs(Docs),
    /// Look at the sources
    #[command(subcommand)]
    Source(Source),
}

#[derive(Debug, Subcommand)]
enum Docs {
    /// Write target/manifest.json and target/catalog.json, which dbt's documentation site reads, and target/lineage.json
    Generate(Chosen),
}

#[derive(Debug, Subcommand)]
enum Source {
    /// How old the newest rows of the sources are that say when they count as stale; writes target/sources.json
    Freshness(Chosen),
}

impl Verb {
    fn chosen(&self) -> &Chosen {
        match self {
            Self::Build(wanted) | Self::Run(wanted) | Self::Seed(wanted) | Self::Snapshot(wanted) => &wanted.chosen,
            Self::Ls(listed) => &listed.chosen,
            Self::Lineage(args) => &args.chosen,
            Self::Compile(compiled) => &compiled.chosen,
            Self::Test(chosen) | Self::Parse(chosen) => chosen,
            Self::History(args) => &args.chosen,
            Self::Docs(Docs::Generate(chosen)) | Self::Source(Source::Freshness(chosen)) => chosen,
        }
    }

    fn is_about_models(&self) -> bool {
        !matches!(self, Self::Parse(_) | Self::Lineage(_) | Self::Docs(_) | Self::Source(_))
            && !matches!(self, Self::Ls(l) if l.output.is_some())
    }

    /// The beginning of the ids of what it builds, where that is not everything.
    fn builds_only(&self) -> Option<&'static str> {
        match self {
            Self::Run(_) => Some("model."),
            Self::Seed(_) => Some("seed."),
            Self::Snapshot(_) => Some("snapshot."),
            _ => None,
        }
    }
}

pub(super) async fn run(args: Args, context: Context) -> anyhow::Result<Outcome> {
    match args.verb {
        Any::OnNodes(verb) => run_on_nodes(verb, context).await,
        Any::Apart(verb) => apart::run(verb, context).await,
    }
}

async fn run_on_nodes(verb: Verb, context: Context) -> anyhow::Result<Outcome> {
    let chosen = verb.chosen();
    let config = configured(&context, &chosen.place)?;
    let models = loaded(&context, &config)?;
    if let Verb::Compile(Compiled { inline: Some(text), .. }) = &verb {
        output::write(&format!("{}\n", models.compile_inline(text)?.trim_end()))?;
        return Ok(Outcome::Done);
    }
    let selection = Selection {
        select: chosen.select.clone(),
        exclude: chosen.exclude.clone(),
        selector: chosen.selector.clone(),
        indirect: chosen.indirect_selection.unwrap_or_default(),
    };
    let found = models.find(&selection, chosen.state.as_deref())?;
    for part in &found.unmatched {
        eprintln!("warning: {part}");
    }
    let mut ids = models.in_order(&found.ids);
    if let Some(kind) = verb.builds_only() {
        ids.retain(|id| id.as_str().starts_with(kind));
    }
    if ids.is_empty() && verb.is_about_models() {
        eprintln!("warning: no model is selected");
    }
    match &verb {
        Verb::Build(wanted) | Verb::Run(wanted) | Verb::Seed(wanted) | Verb::Snapshot(wanted) => {
            State::new(&config.warehouse).migrate().await?;
            let threads = wanted.threads.unwrap_or(config.models.threads);
            let (event_time_start, event_time_end) = (wanted.event_time_start, wanted.event_time_end);
            if event_time_start.zip(event_time_end).is_some_and(|(start, end)| start >= end) {
                return Err(Error::new(Kind::Config, "--event-time-start must lie before --event-time-end").into());
            }
            let usual = BuildOptions::from(wanted.full_refresh);
            let options = BuildOptions { event_time_start, event_time_end, ..usual };
            build(models, ids, options, threads, &context).await
        }
        Verb::Test(_) => test(&models, &ids, &context).await,
        Verb::Compile(_) => compile(&models, &ids),
        Verb::Parse(_) => {
            models.write_manifest()?;
            tell_faults(&models)
        }
        Verb::Docs(Docs::Generate(_)) => {
            models.write_manifest()?;
            let catalog = models.write_catalog().await?;
            let lineage = models.lineage().await?;
            models.write_lineage(&lineage)?;
            // Where nothing was ever built, there is nothing to keep it in.
            if State::new(&config.warehouse).is_migrated().await? {
                models.record_lineage(&lineage).await?;
            }
            eprintln!("{} in the catalog", output::counted(catalog.relations, "relation"));
            tell_faults(&models)
        }
        Verb::History(args) => {
            let ids = ids.iter().map(|id| id.as_str().to_owned()).collect();
            history(&State::new(&config.warehouse), args, ids, &context).await
        }
        Verb::Lineage(args) => lineage(&models, args, &found.ids, &context).await,
        Verb::Source(Source::Freshness(_)) => freshness(&models, &found.ids, &context).await,
        Verb::Ls(Listed { output: Some(form), output_keys, resource_type, .. }) => {
            list(&models, &found.ids, *form, output_keys, resource_type)?;
            tell_faults(&models)
        }
        Verb::Ls(_) => {
            let rows: Vec<_> = ids.iter().map(|id| models.summary(id)).collect::<Result<_, _>>()?;
            output::rows(context.format(), &rows)?;
            tell_faults(&models)
        }
    }
}

/// The project, read.
fn loaded(context: &Context, config: &Config) -> anyhow::Result<Models> {
    let warehouse = Warehouse::new(&config.warehouse)?;
    let models = Models::load(config, warehouse, context.metrics(), context.clock())?;
    Ok(models.ok_or_else(|| Error::new(Kind::NoProject, "there is no project to take models from"))?)
}

fn tell_faults(models: &Models) -> anyhow::Result<Outcome> {
    let faults = models.faults();
    for error in &faults {
        failure::tell("reading the models", error);
    }
    Ok(if faults.is_empty() { Outcome::Done } else { Outcome::Failed })
}

fn compile(models: &Models, ids: &[ModelId]) -> anyhow::Result<Outcome> {
    let mut failed = false;
    for id in ids {
        match models.compile(id) {
            Ok(sql) if ids.len() == 1 => output::write(&format!("{}\n", sql.trim_end()))?,
            Ok(_) => {}
            Err(error) => {
                failed = true;
                failure::tell("compiling", &error);
            }
        }
    }
    if ids.len() != 1 {
        eprintln!("{} compiled", output::counted(ids.len(), "model"));
    }
    Ok(if failed { Outcome::Failed } else { Outcome::Done })
}
