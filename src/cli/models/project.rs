//! The project that a command is about: read, selected from, and said to be wrong.

use super::arguments::{Chosen, Place, Vars};
use crate::{
    cli::{
        Context, Outcome,
        failure::{self, Unbegun},
        output,
        output::Format,
    },
    config::Config,
    error::{Error, Kind},
    models::{Models, Selected},
    warehouse::Warehouse,
};
use serde_json::{Map, Value as Json, json};
use std::path::PathBuf;

/// The flags of a command that has none but its verb and its place, in dbt's words.
pub(super) fn which(verb: &str, place: &Place) -> Map<String, Json> {
    let mut flags = Map::from_iter([("WHICH".to_owned(), verb.into())]);
    let target = place.target_path.as_ref().map(|folder| folder.display().to_string());
    flags.extend(target.map(|folder| ("TARGET_PATH".to_owned(), folder.into())));
    flags.extend(place.warn_error.then(|| ("WARN_ERROR".to_owned(), true.into())));
    let options = place.warn_error_options.as_ref().map(|options| json!(options));
    flags.extend(options.map(|options| ("WARN_ERROR_OPTIONS".to_owned(), options)));
    flags
}

/// The project, read, for a command with these flags.
pub(super) fn loaded(context: &Context, config: &Config, flags: Map<String, Json>) -> anyhow::Result<Models> {
    loaded_for(Warehouse::new(&config.warehouse)?, context, config, flags)
}

/// The same, with the warehouse.
pub(super) fn loaded_for(
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
pub(super) fn warn(models: &Models, event: &str, what: &str) -> Result<(), Unbegun> {
    if models.warned(event, Kind::UnknownSelection, what).map_err(Unbegun)? {
        eprintln!("warning: {what}");
    }
    Ok(())
}

/// Sees that the warehouse can be reached: where it can't, nothing has begun.
pub(super) async fn reached(models: &Models) -> Result<(), Unbegun> {
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

pub(super) fn tell_faults(models: &Models) -> anyhow::Result<Outcome> {
    let faults = models.faults();
    for error in &faults {
        failure::tell("reading the models", error);
    }
    Ok(if faults.is_empty() { Outcome::Done } else { Outcome::Failed })
}

/// What a command means, with what is not selected read where its flags say.
pub(super) async fn found(models: &mut Models, chosen: &Chosen) -> anyhow::Result<Selected> {
    let found = models.find(&chosen.selection(), chosen.state.as_deref())?;
    meant(models, chosen, found).await
}

/// The same, where it is known what is meant.
pub(super) async fn meant(models: &mut Models, chosen: &Chosen, found: Selected) -> anyhow::Result<Selected> {
    for part in &found.unmatched {
        warn(models, "NoNodesForSelectionCriteria", part)?;
    }
    if let Some(folder) = chosen.deferred()? {
        models.defer(&found.ids, folder, chosen.favor_state).await?;
    }
    Ok(found)
}

/// The project's folder and the variables, where no warehouse is needed.
pub(super) fn root_and_vars(context: &Context, place: &Place) -> anyhow::Result<(PathBuf, Vars)> {
    let config = context.config()?;
    let root = place.project_dir.clone().or_else(|| config.models.project_dir.clone());
    let root = root.ok_or_else(|| Error::new(Kind::NoProject, "there is no project"))?;
    let mut vars: Vars = config.models.vars.clone().into_iter().collect();
    vars.extend(place.vars.clone().unwrap_or_default());
    Ok((root, vars))
}
