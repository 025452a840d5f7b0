//! The verbs that work on the nodes of a project, and what each of them means.

use super::{
    apart,
    arguments::{Chosen, Compiled, Listed, Pace, Tested, Wanted},
    build::Manner,
    history::HistoryArgs,
    lineage::LineageArgs,
    project::which,
    retry, sample,
};
use crate::{
    config::Config,
    error::Error,
    models::{Models, SAMPLE},
};
use chrono::{DateTime, Utc};
use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Map, Value as Json, json};

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    pub(super) verb: Any,
}

#[derive(Debug, Subcommand)]
pub(super) enum Any {
    #[command(flatten)]
    OnNodes(Verb),
    /// Do the last command once more, for what did not end well in it: by target/run_results.json
    Retry(retry::Retried),
    #[command(flatten)]
    Apart(apart::Verb),
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
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
pub(super) enum Docs {
    /// Write target/manifest.json and target/catalog.json, which dbt's documentation site reads, and target/lineage.json
    Generate(Chosen),
}

#[derive(Debug, Subcommand)]
pub(super) enum Source {
    /// How old the newest rows of the sources are that say when they count as stale; writes target/sources.json
    Freshness(Chosen),
}

impl Verb {
    pub(super) fn chosen(&self) -> &Chosen {
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
    pub(super) fn works_on(&self) -> Option<(&'static str, &'static [&'static str])> {
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

    pub(super) fn pace(&self) -> Option<&Pace> {
        match self {
            Self::Test(tested) => Some(&tested.pace),
            _ => self.wanted().map(|wanted| &wanted.pace),
        }
    }

    /// What templates see of the command: `flags`.
    pub(super) fn flags(&self, now: DateTime<Utc>) -> Result<Map<String, Json>, Error> {
        let word = match self {
            Self::Compile(_) => "compile",
            Self::Ls(_) => "list",
            Self::Parse(_) => "parse",
            Self::Docs(_) => "generate",
            Self::Source(_) => "freshness",
            Self::Lineage(_) => "lineage",
            Self::History(_) => "history",
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
    pub(super) fn manner(&self, word: &str, config: &Config, models: &Models) -> Result<Manner, Error> {
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
    pub(super) fn arguments(&self, word: &str, config: &Config, models: &Models) -> Json {
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
            "event_time_start": self.wanted().and_then(|wanted| wanted.event_time_start),
            "event_time_end": self.wanted().and_then(|wanted| wanted.event_time_end),
            "sample": models.sample().map(sample::written), "empty": self.wanted().is_some_and(|wanted| wanted.empty),
            "store_failures": self.pace().is_some_and(|pace| pace.store_failures),
        })
    }
}
