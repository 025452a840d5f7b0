//! What a selection holds, a line each.

use super::arguments::Listed;
use crate::{
    cli::{Context, output},
    error::Error,
    models::Models,
};
use clap::ValueEnum;
use serde_json::Value as Json;
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ListOutput {
    Selector,
    Name,
    Json,
    Path,
    Table,
}

/// What `ls --output json` shows of each where nobody says more.
const LISTED_KEYS: &[&str] = &[
    "alias",
    "name",
    "package_name",
    "depends_on",
    "tags",
    "config",
    "resource_type",
    "source_name",
    "original_file_path",
    "unique_id",
];

/// Lists everything that is selected, a line each.
pub(super) fn list(models: &Models, ids: &BTreeSet<String>, listed: &Listed, context: &Context) -> anyhow::Result<()> {
    let (form, keys, kinds) = (listed.output, &listed.output_keys, &listed.resource_type);
    if form == ListOutput::Table {
        let rows = models.in_order(ids).iter().map(|id| models.summary(id)).collect::<Result<Vec<_>, Error>>()?;
        return output::rows(context.format(), &rows);
    }
    for id in ids {
        let about = models.described(id);
        let text = |key: &str| about[key].as_str().unwrap_or_default().to_owned();
        let kind = text("resource_type");
        let is_meant = kinds.iter().any(|k| *k == kind || k == "all") || (kinds.is_empty() && kind != "analysis");
        if !is_meant {
            continue;
        }
        let line = match form {
            ListOutput::Path => text("original_file_path"),
            ListOutput::Name if kind == "source" => format!("{}.{}", text("source_name"), text("name")),
            ListOutput::Name => match &about["version"] {
                Json::Null => text("name"),
                version => {
                    format!("{}.v{}", text("name"), version.as_str().map_or_else(|| version.to_string(), str::to_owned))
                }
            },
            ListOutput::Selector => match kind.as_str() {
                "source" => format!("source:{}.{}.{}", text("package_name"), text("source_name"), text("name")),
                "exposure" | "unit_test" => format!("{kind}:{}.{}", text("package_name"), text("name")),
                _ => {
                    about["fqn"].as_array().into_iter().flatten().filter_map(Json::as_str).collect::<Vec<_>>().join(".")
                }
            },
            // Done above.
            ListOutput::Table => continue,
            ListOutput::Json => {
                let is_shown = |key: &str| {
                    if keys.is_empty() { LISTED_KEYS.contains(&key) } else { keys.iter().any(|k| k == key) }
                };
                let shown = about.as_object().into_iter().flatten().filter(|(key, _)| is_shown(key));
                Json::Object(shown.map(|(key, value)| (key.clone(), value.clone())).collect()).to_string()
            }
        };
        output::write(&format!("{line}\n"))?;
    }
    Ok(())
}
