//! `compile` and `docs generate`: the SQL of nodes, and what documentation is made of.

use super::project::tell_faults;
use crate::{
    cli::{Outcome, failure, output},
    domain::ModelId,
    error::Error,
    models::Models,
    state::State,
};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// Writes the SQL of what is selected; that of a single node is shown.
pub(super) async fn compile(models: &Models, ids: &BTreeSet<String>, arguments: &Json) -> anyhow::Result<Outcome> {
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

/// Writes what documentation is made of.
pub(super) async fn generate(
    models: &Models,
    ids: &BTreeSet<String>,
    schema: &State,
    arguments: &Json,
) -> anyhow::Result<Outcome> {
    let compiled = models.compile_all(ids).await?;
    write_compiled(models, &compiled, arguments)?;
    let catalog = models.write_catalog().await?;
    let lineage = models.lineage().await?;
    models.write_lineage(&lineage)?;
    // Where nothing was ever built, there is nothing to keep it in.
    if schema.is_migrated().await? {
        models.record_lineage(&lineage).await?;
    }
    eprintln!("{} in the catalog", output::counted(catalog.relations, "relation"));
    tell_faults(models)
}
