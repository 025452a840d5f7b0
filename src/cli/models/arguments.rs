//! dbt's flags, and the configuration that comes of them.

use super::list::ListOutput;
use crate::{
    cli::Context,
    config::Config,
    models::{Indirect, ProfileChoice, take_profile},
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use clap::Args as ClapArgs;
use std::{collections::BTreeMap, path::PathBuf};

/// What is listed, and how.
#[derive(Debug, ClapArgs)]
pub(super) struct Listed {
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// A line for each of them: its selector, name, JSON or path
    #[arg(long, value_enum, value_name = "FORM")]
    pub(super) output: Option<ListOutput>,
    /// Keys of the JSON
    #[arg(long, num_args = 1.., value_name = "KEY", requires = "output")]
    pub(super) output_keys: Vec<String>,
    /// Kinds that are listed: model, test, source, exposure, …
    #[arg(long, value_name = "KIND", requires = "output")]
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
    /// First moment whose rows microbatch models take, in UTC: 2024-01-31, 2024-01-31T06:00:00
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment, requires = "event_time_end")]
    pub(super) event_time_start: Option<DateTime<Utc>>,
    /// First moment whose rows they take no longer
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment, requires = "event_time_start")]
    pub(super) event_time_end: Option<DateTime<Utc>>,
    /// Models built at once
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<usize>,
}

pub(super) type Vars = BTreeMap<String, serde_json::Value>;

pub(super) fn parse_vars(text: &str) -> Result<Vars, String> {
    serde_saphyr::from_str(text).map_err(|error| error.without_snippet().to_string())
}

fn parse_indirect(word: &str) -> Result<Indirect, String> {
    Indirect::of(word).map_err(|error| error.context)
}

fn parse_moment(text: &str) -> Result<DateTime<Utc>, String> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|date| date.and_time(NaiveTime::MIN));
    let forms = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"].into_iter();
    let found = date.ok().or_else(|| forms.filter_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).next());
    found.map(|at| at.and_utc()).ok_or_else(|| "write it as 2024-01-31 or 2024-01-31T06:00:00".to_owned())
}

/// The configuration with the command's flags above it.
pub(super) fn configured(context: &Context, place: &Place) -> anyhow::Result<Config> {
    let mut config = Config::clone(&*context.config()?);
    if let Some(folder) = &place.project_dir {
        config.models.project_dir = Some(folder.clone());
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
