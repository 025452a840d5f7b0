//! Judges a dbt project, and the place where it is built: all that `amalgam models debug` looks at.

use super::{finding::Findings, tell, warehouse};
use crate::{
    cli::{Context, Outcome, output},
    config::Config,
    error::Error,
    models::Models,
    warehouse::Warehouse,
};
use std::time::Duration;
use tokio::{process::Command, time::timeout};

/// The project as it was read, or why it was not.
pub(super) fn judge(models: anyhow::Result<Models>, into: &mut Findings) {
    match models {
        Ok(models) => {
            into.ok("project", output::counted(models.nodes().len(), "model"));
            models.faults().iter().for_each(|fault| into.failed("model", fault));
        }
        Err(error) => failed("project", &error, into),
    }
}

fn failed(check: &'static str, error: &anyhow::Error, into: &mut Findings) {
    match error.downcast_ref::<Error>() {
        Some(known) => into.failed(check, known),
        None => into.fail(check, format!("{error:#}"), "correct the project"),
    }
}

/// Looks at a project, its profile and its warehouse, and tells what is found. `config`: what came of the profile.
pub(in crate::cli) async fn debug(
    context: &Context,
    config: anyhow::Result<Config>,
    load: impl FnOnce(&Config) -> anyhow::Result<Models>,
    only_connection: bool,
) -> anyhow::Result<Outcome> {
    let (mut on_models, mut on_warehouse) = (Findings::on("models"), Findings::on("warehouse"));
    match config {
        Ok(config) => {
            if !only_connection {
                let models = &config.models;
                let profile = models.profile.as_deref().map(|name| format!("profile {name}, "));
                let (profile, target, schema) = (profile.unwrap_or_default(), &models.target, &models.schema);
                on_models.ok("target", format!("{profile}target {target}, schema {schema}"));
                judge(load(&config), &mut on_models);
                git(&mut on_models).await;
            }
            examine(context, &config, &mut on_warehouse).await;
        }
        Err(error) => failed("target", &error, &mut on_models),
    }
    tell(context, &[on_models.into_vec(), on_warehouse.into_vec()].concat())
}

async fn examine(context: &Context, config: &Config, into: &mut Findings) {
    let schemas = [config.warehouse.raw_schema.as_str(), "amalgam", config.models.schema.as_str()];
    let schemas: Vec<&str> = schemas.into_iter().filter(|schema| !schema.is_empty()).collect();
    let facts = async { Warehouse::new(&config.warehouse)?.preflight(&context.clock(), &schemas).await };
    match facts.await {
        Ok(facts) => warehouse::judge(&facts, config, into),
        Err(error) => into.failed("reachable", &error),
    }
}

/// Only packages from repositories need it.
async fn git(into: &mut Findings) {
    let asked = Command::new("git").arg("--version").kill_on_drop(true).output();
    match timeout(Duration::from_secs(5), asked).await {
        Ok(Ok(output)) if output.status.success() => {
            into.ok("git", String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        _ => into.warn("git", "it is not installed", "install it where packages come from repositories"),
    }
}
