//! `amalgam discover`: what the source holds, and how each table would be kept in step.

use super::{Context, Outcome, output};
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only tables with rows
    #[arg(long)]
    filled: bool,
}

#[derive(Serialize)]
struct Row {
    table: String,
    engine: String,
    /// Whether it is read as it was at one moment, or range by range.
    consistency: &'static str,
    rows: u64,
    data_bytes: u64,
    columns: usize,
    key: Vec<String>,
    mode: &'static str,
    reason: String,
}

pub(super) async fn run(args: Args, context: Context) -> anyhow::Result<Outcome> {
    let syncer = context.syncer()?;
    let catalog = syncer.discover().await?;
    let rows: Vec<Row> = catalog
        .tables
        .iter()
        .filter(|t| !args.filled || t.rows > 0)
        .map(|t| {
            let (mode, reason) = syncer.mode(t);
            Row {
                table: t.name.to_string(),
                engine: t.engine.to_string(),
                consistency: t.engine.consistency().as_str(),
                rows: t.rows,
                data_bytes: t.data_bytes,
                columns: t.columns.len(),
                key: t.key_columns().map(|c| c.name.clone()).collect(),
                mode: mode.as_str(),
                reason,
            }
        })
        .collect();
    output::rows(context.format(), &rows)?;
    Ok(Outcome::Done)
}
