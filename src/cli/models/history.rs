//! What past builds of models took and gave.

use super::arguments::Chosen;
use crate::{
    cli::{
        Context, Outcome,
        output::{self, Format},
        times::ago,
    },
    domain::short_name,
    state::{BuildRecord, State},
};
use chrono::{DateTime, Utc};
use clap::Args as ClapArgs;
use serde::Serialize;

#[derive(Debug, ClapArgs)]
pub(super) struct HistoryArgs {
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// How many
    #[arg(long, short = 'n', default_value_t = 20)]
    limit: u32,
}

/// One line of it; JSON has all, with the SQL.
#[derive(Debug, Serialize)]
struct Line {
    model: String,
    began: String,
    outcome: String,
    kind: Option<String>,
    seconds: f64,
    rows: Option<i64>,
    bytes: Option<i64>,
    unusual: Vec<String>,
    /// Why it was built; of a failure its kind.
    reason: Option<String>,
}

impl Line {
    fn new(build: BuildRecord, now: DateTime<Utc>) -> Self {
        Self {
            model: short_name(&build.model_id).to_owned(),
            began: ago(build.started_at, now),
            outcome: build.outcome,
            kind: build.kind,
            seconds: (build.seconds * 1000.0).round() / 1000.0,
            rows: build.rows,
            bytes: build.bytes,
            unusual: build.unusual,
            reason: build.error_kind.or(build.reason),
        }
    }
}

/// Shows the last builds of these models.
pub(super) async fn history(
    state: &State,
    args: &HistoryArgs,
    ids: Vec<String>,
    context: &Context,
) -> anyhow::Result<Outcome> {
    if !state.is_migrated().await? {
        output::write("nothing has run yet\n")?;
        return Ok(Outcome::Done);
    }
    let builds = state.builds(Some(&ids), args.limit).await?;
    match context.format() {
        Format::Json => context.print_rows(&builds)?,
        Format::Table => {
            let now = context.clock().now();
            context.print_rows(&builds.into_iter().map(|build| Line::new(build, now)).collect::<Vec<_>>())?;
        }
    }
    Ok(Outcome::Done)
}
