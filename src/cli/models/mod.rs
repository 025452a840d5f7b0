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
mod retry;
mod run_operation;
mod sample;
mod show;

use super::{
    Context, Outcome,
    failure::{self, Unbegun},
    output,
    output::Format,
};
use crate::{
    config::Config,
    domain::ModelId,
    error::{Error, Kind},
    models::{Models, SAMPLE, Selected, Selection},
    state::State,
    warehouse::Warehouse,
};
use arguments::{Chosen, Compiled, Listed, Pace, Place, Tested, Wanted, configured};
use build::{Manner, perform};
use chrono::{DateTime, Utc};
use clap::{Args as ClapArgs, Subcommand};
use freshness::freshness;
use history::{HistoryArgs, history};
use lineage::{LineageArgs, lineage};
use list::list;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use tokio::task::JoinSet;

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Any,
}

#[derive(Debug, Subcommand)]
enum Any {
    #[command(flatten)]
    OnNodes(Verb),
    /// Do the last command once more, for what did not end well in it: by target/run_results.json
    Retry(retry::Retried),
    #[command(flatten)]
    Apart(apart::Verb),
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Build, test and publish what changed, each model in one transaction
    Build(Wanted),
    /// Build the models alone, untested
    Run(Wanted),
    /// Build the seeds alone, untested
    Seed(Wanted),
    /// Build the snapshots alone, untested
    Snapshot(Wanted),
    /// Run the tests on what is published
    Test(Tested),
    /// Write the SQL of the models below the target folder
    Compile(Compiled),
    /// List what is selected, a line each
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
            Self::Test(tested) => &tested.chosen,
            Self::Compile(compiled) => &compiled.chosen,
            Self::History(args) => &args.chosen,
            Self::Parse(chosen) => chosen,
            Self::Docs(Docs::Generate(chosen)) | Self::Source(Source::Freshness(chosen)) => chosen,
        }
    }

    /// dbt's word for it, and the kinds of nodes that it works on; `None` where it works on none.
    fn works_on(&self) -> Option<(&'static str, &'static [&'static str])> {
        Some(match self {
            Self::Build(_) => ("build", &["model", "seed", "snapshot", "test", "unit_test", "exposure"]),
            Self::Run(_) => ("run", &["model"]),
            Self::Seed(_) => ("seed", &["seed"]),
            Self::Snapshot(_) => ("snapshot", &["snapshot"]),
            Self::Test(_) => ("test", &["test", "unit_test"]),
            _ => return None,
        })
    }

    fn wanted(&self) -> Option<&Wanted> {
        match self {
            Self::Build(wanted) | Self::Run(wanted) | Self::Seed(wanted) | Self::Snapshot(wanted) => Some(wanted),
            _ => None,
        }
    }

    fn pace(&self) -> Option<&Pace> {
        match self {
            Self::Test(tested) => Some(&tested.pace),
            _ => self.wanted().map(|wanted| &wanted.pace),
        }
    }

    /// What templates see of the command: `flags`.
    fn flags(&self, now: DateTime<Utc>) -> Result<Map<String, Json>, Error> {
        let word = match self {
            Self::Compile(_) => "compile",
            Self::Ls(_) => "list",
            Self::Parse(_) => "parse",
            Self::Docs(_) => "generate",
            Self::Source(_) => "freshness",
            working => working.works_on().map_or("", |(word, _)| word),
        };
        let mut flags = which(word, &self.chosen().place);
        let pace = self.pace();
        let given = [
            ("FAIL_FAST", pace.is_some_and(|pace| pace.fail_fast)),
            ("STORE_FAILURES", pace.is_some_and(|pace| pace.store_failures)),
            ("DEFER", self.chosen().defer),
            ("EMPTY", self.wanted().is_some_and(|wanted| wanted.empty)),
            ("FULL_REFRESH", self.wanted().is_some_and(|wanted| wanted.full_refresh)),
        ];
        // What is not given is left to the project.
        flags.extend(given.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (name.to_owned(), true.into())));
        let sample = self.wanted().and_then(|wanted| wanted.sample).map(|sample| sample.window(now)).transpose()?;
        flags.extend(sample.map(|window| (SAMPLE.to_owned(), sample::written(window))));
        Ok(flags)
    }

    /// How the work is done.
    fn manner(&self, word: &str, config: &Config, models: &Models) -> Result<Manner, Error> {
        let options = self.wanted().map(|wanted| wanted.options(models.sample())).transpose()?.unwrap_or_default();
        let fail_fast = self.pace().is_some_and(|pace| pace.fail_fast);
        Ok(Manner {
            options,
            threads: self.threads(config),
            fail_fast,
            arguments: self.arguments(word, config, models),
        })
    }

    fn threads(&self, config: &Config) -> usize {
        self.pace().and_then(|pace| pace.threads).unwrap_or(config.models.threads)
    }

    /// What the command was given, in dbt's words: `args` of `run_results.json`.
    fn arguments(&self, word: &str, config: &Config, models: &Models) -> Json {
        let chosen = self.chosen();
        json!({
            "which": word, "select": chosen.select, "exclude": chosen.exclude, "selector": chosen.selector,
            "indirect_selection": chosen.indirect_selection.unwrap_or_default().as_str(), "vars": chosen.place.vars,
            "full_refresh": self.wanted().is_some_and(|wanted| wanted.full_refresh), "threads": self.threads(config),
            "fail_fast": self.pace().is_some_and(|pace| pace.fail_fast), "target": chosen.place.target,
            "profile": chosen.place.profile, "target_path": chosen.place.target_path,
            "warn_error": chosen.place.warn_error, "warn_error_options": chosen.place.warn_error_options, "project_dir": chosen.place.project_dir, "profiles_dir": chosen.place.profiles_dir,
            "state": chosen.state, "defer": chosen.defer, "favor_state": chosen.favor_state,
            "defer_state": chosen.defer_state, "always": self.wanted().is_some_and(|wanted| wanted.always),
            "sample": models.sample().map(sample::written), "empty": self.wanted().is_some_and(|wanted| wanted.empty),
            "store_failures": self.pace().is_some_and(|pace| pace.store_failures),
        })
    }
}

pub(super) async fn run(args: Args, context: Context) -> anyhow::Result<Outcome> {
    match args.verb {
        Any::OnNodes(verb) => run_on_nodes(verb, None, context).await,
        Any::Retry(retried) => match retry::last(&retried, &context)? {
            (_, again) if again.is_empty() => {
                eprintln!("nothing to try again: all ended well");
                Ok(Outcome::Done)
            }
            (Args { verb: Any::OnNodes(verb) }, again) => run_on_nodes(verb, Some(again), context).await,
            _ => Err(Error::new(Kind::Internal, "a verb that can be tried again works on nodes").into()),
        },
        Any::Apart(verb) => apart::run(verb, context).await,
    }
}

/// `only`: the nodes that are meant, whatever is selected.
async fn run_on_nodes(verb: Verb, only: Option<BTreeSet<String>>, context: Context) -> anyhow::Result<Outcome> {
    let chosen = verb.chosen();
    let config = configured(&context, &chosen.place)?;
    let warehouse = Warehouse::new(&config.warehouse)?;
    let schema = State::new(&config.warehouse);
    let mut beside = JoinSet::new();
    if verb.works_on().is_some() {
        beside.spawn(ready(warehouse.clone(), schema.clone()));
    }
    let mut models = loaded_for(warehouse, &context, &config, verb.flags(context.clock().now())?)?;
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
    let found = match only {
        Some(ids) => Selected { ids, ..Selected::default() },
        None => models.find(&selection, chosen.state.as_deref())?,
    };
    for part in &found.unmatched {
        warn(&models, "NoNodesForSelectionCriteria", part)?;
    }
    if let Some(folder) = chosen.deferred()? {
        models.defer(&found.ids, folder, chosen.favor_state).await?;
    }
    models.keep();
    if let Some((word, kinds)) = verb.works_on() {
        let pace = verb.pace();
        let kinds: Vec<&str> = kinds.iter().copied().filter(|kind| pace.is_none_or(|pace| pace.has(kind))).collect();
        let agenda = models.agenda(&found.ids, &kinds);
        if agenda.steps.is_empty() {
            warn(&models, "NothingToDo", "nothing is selected")?;
        }
        while let Some(ready) = beside.join_next().await {
            let (reached, is_migrated) = ready?;
            reached.map_err(Unbegun)?;
            if word != "test" && !is_migrated? {
                schema.migrate().await?;
            }
        }
        let manner = verb.manner(word, &config, &models)?;
        return perform(models, agenda, manner, &context).await;
    }
    match &verb {
        Verb::Compile(_) => compile(&models, &found.ids, &verb.arguments("compile", &config, &models)).await,
        Verb::Parse(_) => {
            models.write_manifest(&BTreeMap::new())?;
            tell_faults(&models)
        }
        Verb::Docs(Docs::Generate(_)) => {
            reached(&models).await?;
            let compiled = models.compile_all(&found.ids).await?;
            write_compiled(&models, &compiled, &verb.arguments("generate", &config, &models))?;
            let catalog = models.write_catalog().await?;
            let lineage = models.lineage().await?;
            models.write_lineage(&lineage)?;
            // Where nothing was ever built, there is nothing to keep it in.
            if schema.is_migrated().await? {
                models.record_lineage(&lineage).await?;
            }
            eprintln!("{} in the catalog", output::counted(catalog.relations, "relation"));
            tell_faults(&models)
        }
        Verb::History(args) => {
            reached(&models).await?;
            let ids = models.in_order(&found.ids).iter().map(|id| id.as_str().to_owned()).collect();
            history(&schema, args, ids, &context).await
        }
        Verb::Lineage(args) => lineage(&models, args, &found.ids, &context).await,
        Verb::Source(Source::Freshness(_)) => {
            reached(&models).await?;
            freshness(&models, &found.ids, &context).await
        }
        Verb::Ls(listed) => {
            if found.ids.is_empty() {
                eprintln!("warning: nothing is selected");
            }
            list(&models, &found.ids, listed, &context)?;
            tell_faults(&models)
        }
        _ => Ok(Outcome::Done),
    }
}

/// The flags of a command that has none but its verb and its place, in dbt's words.
fn which(verb: &str, place: &Place) -> Map<String, Json> {
    let mut flags = Map::from_iter([("WHICH".to_owned(), verb.into())]);
    let target = place.target_path.as_ref().map(|folder| folder.display().to_string());
    flags.extend(target.map(|folder| ("TARGET_PATH".to_owned(), folder.into())));
    flags.extend(place.warn_error.then(|| ("WARN_ERROR".to_owned(), true.into())));
    let options = place.warn_error_options.as_ref().map(|options| json!(options));
    flags.extend(options.map(|options| ("WARN_ERROR_OPTIONS".to_owned(), options)));
    flags
}

/// The project, read, for a command with these flags.
fn loaded(context: &Context, config: &Config, flags: Map<String, Json>) -> anyhow::Result<Models> {
    loaded_for(Warehouse::new(&config.warehouse)?, context, config, flags)
}

/// The same, with the warehouse.
fn loaded_for(
    warehouse: Warehouse,
    context: &Context,
    config: &Config,
    flags: Map<String, Json>,
) -> anyhow::Result<Models> {
    let says = match context.format() {
        Format::Table => say,
        Format::Json => say_beside,
    };
    let models = Models::load_with(config, warehouse, context.metrics(), context.clock(), flags, Some(says));
    let models = models.map_err(Unbegun)?;
    Ok(models.ok_or_else(|| Error::new(Kind::NoProject, "there is no project to take models from"))?)
}

/// Tells of something odd, by dbt's name for it; or ends with it, where that was asked for.
fn warn(models: &Models, event: &str, what: &str) -> Result<(), Unbegun> {
    if models.warned(event, Kind::UnknownSelection, what).map_err(Unbegun)? {
        eprintln!("warning: {what}");
    }
    Ok(())
}

/// What is asked of the warehouse while the project is read: whether it can be reached, and whether what this program
/// keeps there is as it needs it.
async fn ready(warehouse: Warehouse, schema: State) -> (Result<(), Error>, Result<bool, Error>) {
    let (session, is_migrated) = tokio::join!(warehouse.session(), schema.is_migrated());
    (session.map(drop), is_migrated)
}

/// Sees that the warehouse can be reached: where it can't, nothing has begun.
async fn reached(models: &Models) -> Result<(), Unbegun> {
    models.reach().await.map_err(Unbegun)
}

/// Tells what a template says to people.
fn say(message: &str) {
    if let Err(error) = output::write(&format!("{message}\n")) {
        eprintln!("error: {error:#}");
    }
}

/// The same, where standard output is for a program.
fn say_beside(message: &str) {
    eprintln!("{message}");
}

fn tell_faults(models: &Models) -> anyhow::Result<Outcome> {
    let faults = models.faults();
    for error in &faults {
        failure::tell("reading the models", error);
    }
    Ok(if faults.is_empty() { Outcome::Done } else { Outcome::Failed })
}

/// Writes the SQL of what is selected; that of a single node is shown.
async fn compile(models: &Models, ids: &BTreeSet<String>, arguments: &Json) -> anyhow::Result<Outcome> {
    let compiled = models.compile_all(ids).await?;
    let mut failed = false;
    for (_, sql) in &compiled {
        match sql {
            Ok(sql) if compiled.len() == 1 => output::write(&format!("{}\n", sql.trim_end()))?,
            Ok(_) => {}
            Err(error) => {
                failed = true;
                failure::tell("compiling", error);
            }
        }
    }
    if compiled.len() != 1 {
        eprintln!("{} compiled", output::counted(compiled.len(), "node"));
    }
    write_compiled(models, &compiled, arguments)?;
    Ok(if failed { Outcome::Failed } else { Outcome::Done })
}

/// Writes the artifacts of what was compiled.
fn write_compiled(
    models: &Models,
    compiled: &[(ModelId, Result<String, Error>)],
    arguments: &Json,
) -> Result<(), Error> {
    let good = compiled.iter().filter_map(|(id, sql)| Some((id.as_str(), sql.as_deref().ok()?)));
    models.write_manifest(&good.collect())?;
    models.write_results(&models.compiled_results(compiled), 0.0, arguments)
}
