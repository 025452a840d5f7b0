//! How old the newest rows of sources are.

use crate::{
    cli::{Context, Outcome, output},
    models::Models,
    telemetry::rounded_seconds,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

/// One line of how fresh sources are.
#[derive(Debug, Serialize)]
struct FreshnessLine {
    source: String,
    status: &'static str,
    age_seconds: Option<i64>,
}

pub(super) async fn freshness(models: &Models, ids: &BTreeSet<String>, context: &Context) -> anyhow::Result<Outcome> {
    let since = Instant::now();
    let all = models.freshness(ids).await?;
    models.write_manifest(&BTreeMap::new())?;
    models.write_freshness(&all, rounded_seconds(since.elapsed()))?;
    let mut lines = Vec::new();
    for one in &all {
        if let Err(what) = &one.seen {
            eprintln!("{}: {what}", one.name);
        }
        let age_seconds = one.age().map(|age| age.num_seconds());
        lines.push(FreshnessLine { source: one.name.clone(), status: one.status, age_seconds });
    }
    output::rows(context.format(), &lines)?;
    let is_bad = all.iter().any(|one| matches!(one.status, "error" | "runtime error"));
    Ok(if is_bad { Outcome::Failed } else { Outcome::Done })
}
