//! What a command leaves below the target folder for other programs: dbt's artifacts.
//!
//! Formats: the JSON schemas of dbt 1.10, named in each file's `metadata.dbt_schema_version`.

mod catalog;
mod lineage;
mod manifest;
mod run_results;
mod sources;

pub use catalog::Catalog;

use super::{context::DBT_VERSION, manifest::Manifest};
use crate::error::{Error, Kind, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};
use std::{
    fs::File,
    io::{BufWriter, Write as _},
};

/// How much of an artifact is put together before it is written.
const BUFFER_BYTES: usize = 64 * 1024;

/// The project.
pub(super) const MANIFEST: &str = "manifest.json";
/// How a command ended.
pub(super) const RESULTS: &str = "run_results.json";
/// How fresh the sources are.
pub(super) const FRESHNESS: &str = "sources.json";
/// What the warehouse has.
pub(super) const CATALOG: &str = "catalog.json";
/// Which columns come from which.
pub(super) const LINEAGE: &str = "lineage.json";

/// A moment as artifacts have it.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// What stands above every artifact.
fn metadata(manifest: &Manifest, schema: &str, now: DateTime<Utc>) -> Json {
    json!({
        "dbt_schema_version": format!("https://schemas.getdbt.com/dbt/{schema}.json"),
        "dbt_version": DBT_VERSION, "generated_at": moment(now), "invocation_id": manifest.setting.invocation,
        "invocation_started_at": moment(now), "env": {},
    })
}

/// Writes an artifact whole or not at all: a reader never finds half of one.
fn write(manifest: &Manifest, file: &str, artifact: &impl Serialize) -> Result<()> {
    let folder = &manifest.project.target_path;
    let path = folder.join(file);
    let failed = |error: std::io::Error| Error::new(Kind::Io, format!("writing {}: {error}", path.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let beside = folder.join(format!(".{file}.{}", std::process::id()));
    let written = || {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, File::create(&beside)?);
        serde_json::to_writer(&mut out, artifact)?;
        out.flush()?;
        std::fs::rename(&beside, &path)
    };
    written().map_err(failed)
}

/// A map whose values are made as they are written: all at once they would take many times the memory of the nodes.
struct MapOf<F>(F);

impl<F, I, K, V> Serialize for MapOf<F>
where
    F: Fn() -> I,
    I: Iterator<Item = (K, V)>,
    K: Serialize,
    V: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map((self.0)())
    }
}

/// The same of a list.
struct ListOf<F>(F);

impl<F, I> Serialize for ListOf<F>
where
    F: Fn() -> I,
    I: Iterator<Item: Serialize>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}
