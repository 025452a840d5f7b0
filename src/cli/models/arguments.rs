//! dbt's flags, and the configuration that comes of them.

use super::{
    list::ListOutput,
    sample::{Sample, Window, parse_sample},
};
use crate::{
    cli::Context,
    config::Config,
    error::{Error, Kind},
    models::{BuildOptions, Indirect, ProfileChoice, Selection, checked_warnings, take_profile},
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use clap::Args as ClapArgs;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// What is listed, and how.
#[derive(Debug, ClapArgs)]
pub(super) struct Listed {
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// A line for each of them: its selector, name, JSON or path; or a table of the models
    #[arg(long, value_enum, value_name = "FORM", default_value = "selector")]
    pub(super) output: ListOutput,
    /// Keys of the JSON
    #[arg(long, num_args = 1.., value_name = "KEY")]
    pub(super) output_keys: Vec<String>,
    /// Kinds that are listed: model, test, source, exposure, …
    #[arg(long, num_args = 1.., value_name = "KIND")]
    pub(super) resource_type: Vec<String>,
}

/// Which project, and where it is built.
#[derive(Debug, ClapArgs)]
pub(super) struct Place {
    /// Folder of dbt_project.yml
    #[arg(long, value_name = "DIR")]
    pub(super) project_dir: Option<PathBuf>,
    /// Folder of profiles.yml: warehouse, schema and threads come from there
    #[arg(long, value_name = "DIR")]
    pub(super) profiles_dir: Option<PathBuf>,
    /// Profile in profiles.yml; else the one that the project names
    #[arg(long, value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// Variables above the project's, in YAML or JSON: '{raw_schema: raw}'
    #[arg(long, value_name = "YAML", value_parser = parse_vars)]
    pub(super) vars: Option<Vars>,
    /// Folder for compiled SQL and artifacts; else what DBT_TARGET_PATH or the project says
    #[arg(long, value_name = "DIR")]
    pub(super) target_path: Option<PathBuf>,
    /// Take warnings as errors
    #[arg(long)]
    pub(super) warn_error: bool,
    /// Which warnings are errors, by dbt's names, in YAML: `{error: all, warn: [NothingToDo], silence: []}`
    #[arg(long, value_name = "YAML", value_parser = parse_warnings, conflicts_with = "warn_error")]
    pub(super) warn_error_options: Option<Vars>,
    /// Name of the target, which macros see
    #[arg(long, short, value_name = "NAME")]
    pub(super) target: Option<String>,
}

/// dbt's flags.
#[derive(Debug, ClapArgs)]
pub(super) struct Chosen {
    #[command(flatten)]
    pub(super) place: Place,
    /// Models: name, stg_*, folder, +needs, needed+, tag:t, path:p, config.materialized:table; a comma for both
    #[arg(long, short, alias = "models", num_args = 1.., value_name = "SELECTION")]
    pub(super) select: Vec<String>,
    /// Models to leave out, in the same words
    #[arg(long, num_args = 1.., value_name = "SELECTION")]
    pub(super) exclude: Vec<String>,
    /// A selection with a name in selectors.yml
    #[arg(long, value_name = "NAME", conflicts_with_all = ["select", "exclude"])]
    pub(super) selector: Option<String>,
    /// Which tests are selected with what they are about: eager, cautious, buildable, empty
    #[arg(long, value_name = "WORD", value_parser = parse_indirect)]
    pub(super) indirect_selection: Option<Indirect>,
    /// Folder with the artifacts of an earlier run, which state:, result: and source_status: compare with
    #[arg(long, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
    /// Read what is not selected and not there from where the artifacts of --state say that it is
    #[arg(long)]
    pub(super) defer: bool,
    /// As --defer, where it is there too
    #[arg(long, requires = "defer")]
    pub(super) favor_state: bool,
    /// Folder with the artifacts for --defer, where it is not that of --state
    #[arg(long, value_name = "DIR", requires = "defer")]
    pub(super) defer_state: Option<PathBuf>,
}

/// What is compiled.
#[derive(Debug, ClapArgs)]
pub(super) struct Compiled {
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// A query with Jinja to compile in place of models
    #[arg(long, value_name = "SQL", conflicts_with_all = ["select", "exclude", "selector"])]
    pub(super) inline: Option<String>,
}

/// What is to be built, and how.
#[derive(Debug, ClapArgs)]
pub(super) struct Wanted {
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// Make incremental models and tables from scratch
    #[arg(long, short)]
    pub(super) full_refresh: bool,
    /// Make models whether or not anything changed, as dbt does
    #[arg(long)]
    pub(super) always: bool,
    /// Give models no rows to read: only their columns are tried
    #[arg(long)]
    pub(super) empty: bool,
    /// First moment whose rows microbatch models take, in UTC: 2024-01-31, 2024-01-31T06:00:00
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment, requires = "event_time_end")]
    pub(super) event_time_start: Option<DateTime<Utc>>,
    /// First moment whose rows they take no longer
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment, requires = "event_time_start")]
    pub(super) event_time_end: Option<DateTime<Utc>>,
    /// Show models only the rows of a window of event time: '3 days', '{start: 2024-01-01, end: 2024-02-01}'
    #[arg(long, value_name = "WINDOW", value_parser = parse_sample, conflicts_with_all = ["empty", "event_time_start"])]
    pub(super) sample: Option<Sample>,
    #[command(flatten)]
    pub(super) pace: Pace,
}

/// What is to be tested, and how.
#[derive(Debug, ClapArgs)]
pub(super) struct Tested {
    #[command(flatten)]
    pub(super) chosen: Chosen,
    #[command(flatten)]
    pub(super) pace: Pace,
}

/// How much is done at once, and for how long.
#[derive(Debug, Default, ClapArgs)]
pub(super) struct Pace {
    /// Nodes worked on at once
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<usize>,
    /// Begin nothing more once anything has failed
    #[arg(long, short = 'x')]
    pub(super) fail_fast: bool,
    /// Keep the rows that tests find in tables
    #[arg(long)]
    pub(super) store_failures: bool,
    /// Kinds of nodes alone: model, seed, snapshot, test, unit_test, exposure
    #[arg(long, num_args = 1.., value_name = "KIND")]
    pub(super) resource_type: Vec<String>,
    /// Kinds of nodes that are left out
    #[arg(long, num_args = 1.., value_name = "KIND")]
    pub(super) exclude_resource_type: Vec<String>,
}

impl Pace {
    /// Whether nodes of a kind are worked on.
    pub(super) fn has(&self, kind: &str) -> bool {
        let names = |kinds: &[String]| kinds.iter().any(|named| named == kind || named == "all");
        (self.resource_type.is_empty() || names(&self.resource_type)) && !names(&self.exclude_resource_type)
    }
}

impl Wanted {
    /// How a node is built.
    pub(super) fn options(&self, window: Option<Window>) -> Result<BuildOptions, Error> {
        let (event_time_start, event_time_end) = match window {
            Some((from, until)) => (Some(from), Some(until)),
            None => (self.event_time_start, self.event_time_end),
        };
        if event_time_start.zip(event_time_end).is_some_and(|(start, end)| start >= end) {
            return Err(Error::new(Kind::Config, "--event-time-start must lie before --event-time-end"));
        }
        let usual = BuildOptions::from(self.full_refresh);
        Ok(BuildOptions { always: self.always, event_time_start, event_time_end, ..usual })
    }
}

impl Chosen {
    /// The selection.
    pub(super) fn selection(&self) -> Selection {
        Selection {
            select: self.select.clone(),
            exclude: self.exclude.clone(),
            selector: self.selector.clone(),
            indirect: self.indirect_selection.unwrap_or_default(),
        }
    }

    /// The folder whose artifacts say where to read what is not selected.
    pub(super) fn deferred(&self) -> Result<Option<&Path>, Error> {
        if !self.defer {
            return Ok(None);
        }
        let folder = self.defer_state.as_deref().or(self.state.as_deref());
        folder.map(Some).ok_or_else(|| Error::new(Kind::Config, "--defer needs --state DIR"))
    }
}

pub(super) type Vars = BTreeMap<String, serde_json::Value>;

pub(super) fn parse_vars(text: &str) -> Result<Vars, String> {
    serde_saphyr::from_str(text).map_err(|error| error.without_snippet().to_string())
}

fn parse_warnings(text: &str) -> Result<Vars, String> {
    let options = parse_vars(text)?;
    checked_warnings(&options.clone().into_iter().collect()).map_err(|error| error.context)?;
    Ok(options)
}

fn parse_indirect(word: &str) -> Result<Indirect, String> {
    Indirect::of(word).map_err(|error| error.context)
}

pub(super) fn parse_moment(text: &str) -> Result<DateTime<Utc>, String> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|date| date.and_time(NaiveTime::MIN));
    let forms = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"].into_iter();
    let found = date.ok().or_else(|| forms.filter_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).next());
    let whole = || DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc());
    found
        .map(|at| at.and_utc())
        .or_else(whole)
        .ok_or_else(|| "write it as 2024-01-31 or 2024-01-31T06:00:00".to_owned())
}

/// The configuration with the command's flags above it.
pub(super) fn configured(context: &Context, place: &Place) -> anyhow::Result<Config> {
    let mut config = Config::clone(&*context.config()?);
    if let Some(folder) = &place.project_dir {
        config.models.project_dir = Some(folder.clone());
    } else if config.models.project_dir.is_none() && Path::new("dbt_project.yml").is_file() {
        config.models.project_dir = Some(PathBuf::from("."));
    }
    if place.profiles_dir.is_some() || place.profile.is_some() {
        let choice = ProfileChoice {
            folder: place.profiles_dir.as_deref(),
            name: place.profile.as_deref(),
            target: place.target.as_deref(),
        };
        take_profile(&mut config, &choice, context.clock().now())?;
    } else if let Some(target) = &place.target {
        config.models.target.clone_from(target);
    }
    if let Some(vars) = &place.vars {
        config.models.vars.extend(vars.clone());
    }
    Ok(config)
}
