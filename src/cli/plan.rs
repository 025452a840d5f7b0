//! `amalgam plan`: what a sync would do now, and why; changes nothing.

use super::{Context, Outcome, output, tables};
use crate::sync::{Action, SyncOptions};
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Tables, in the source's spelling; none: all
    tables: Vec<String>,
    /// Also show tables with nothing to do
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct Row {
    table: String,
    mode: &'static str,
    mode_reason: String,
    action: Action,
    reason: String,
    rows: u64,
}

pub(super) async fn run(args: Args, context: Context) -> anyhow::Result<Outcome> {
    let syncer = context.syncer()?;
    let plans = syncer.plan(tables::named(&args.tables).as_deref(), SyncOptions::default()).await?;
    tables::refuse_unknown(&args.tables, plans.iter().map(|p| p.table.name.as_str()))?;
    let rows: Vec<Row> = plans
        .iter()
        .filter(|p| args.all || !args.tables.is_empty() || p.action != Action::Skip)
        .map(|p| Row {
            table: p.table.name.to_string(),
            mode: p.mode.as_str(),
            mode_reason: p.mode_reason.clone(),
            action: p.action,
            reason: p.action_reason.clone(),
            rows: p.table.rows,
        })
        .collect();
    output::rows(context.format(), &rows)?;
    if context.format() == output::Format::Table {
        let skipped = plans.iter().filter(|p| p.action == Action::Skip).count();
        output::write(&format!("{} tables: {} to do, {skipped} unchanged\n", plans.len(), plans.len() - skipped))?;
    }
    Ok(Outcome::Done)
}
