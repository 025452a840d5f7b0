//! `amalgam sync`: data only, without models.

use super::{Context, Outcome, crew, output, tables};
use crate::{
    domain::TableName,
    sync::{Action, SyncOptions, SyncOutcome},
};
use serde::Serialize;
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Tables, in the source's spelling; none: all
    tables: Vec<String>,
    /// Load everything again, beside the present rows
    #[arg(long)]
    full: bool,
    /// Compare every row with the source and mend: finds deletes and edits without a stamp
    #[arg(long, conflicts_with = "full")]
    reconcile: bool,
    /// Read every row, also where checksums say that neither side has changed
    #[arg(long, requires = "reconcile")]
    every_row: bool,
    /// Read tables within the source's quiet hours too
    #[arg(long)]
    ignore_quiet_hours: bool,
}

#[derive(Serialize)]
struct Row {
    table: String,
    action: Action,
    rows_read: u64,
    inserted: u64,
    updated: u64,
    deleted: u64,
    values_coerced: u64,
    seconds: f64,
}

impl Row {
    fn new(table: &TableName, outcome: &SyncOutcome, seconds: f64) -> Self {
        Self {
            table: table.to_string(),
            action: outcome.action,
            rows_read: outcome.rows_read,
            inserted: outcome.rows_inserted,
            updated: outcome.rows_updated,
            deleted: outcome.rows_deleted,
            values_coerced: outcome.dates_coerced + outcome.local_times_coerced + outcome.texts_coerced,
            seconds,
        }
    }
}

pub(super) async fn run(args: Args, mut context: Context) -> anyhow::Result<Outcome> {
    context.heed_quiet_hours(args.ignore_quiet_hours)?;
    let started = Instant::now();
    let state = context.state()?;
    state.migrate().await?;
    let syncer = context.syncer()?;
    let options = SyncOptions { full: args.full, reconcile: args.reconcile, every_row: args.every_row };
    let looked_at = context.clock().now();
    let plans = syncer.plan(tables::named(&args.tables).as_deref(), options).await?;
    tables::refuse_unknown(&args.tables, plans.iter().map(|p| p.table.name.as_str()))?;
    if args.tables.is_empty() {
        let found: Vec<String> = plans.iter().map(|p| p.table.name.to_string()).collect();
        syncer.tell_gone(&state.note_catalog(looked_at, &found).await?);
    }
    let unchanged = plans.iter().filter(|p| p.action == Action::Skip).count();
    let todo = crew::largest_first(plans.iter().filter(|p| p.action != Action::Skip).map(|p| &p.table));
    let done = crew::work(&context, "syncing", todo, move |table| {
        let syncer = syncer.clone();
        async move { syncer.sync_table(&table, options).await }
    })
    .await?;
    let rows: Vec<Row> =
        done.iter().filter_map(|d| d.result.as_ref().ok().map(|o| Row::new(&d.table, o, d.seconds))).collect();
    output::rows(context.format(), &rows)?;
    if context.format() == output::Format::Table {
        let (read, written) = rows
            .iter()
            .fold((0, 0), |(read, written), r| (read + r.rows_read, written + r.inserted + r.updated + r.deleted));
        output::write(&format!(
            "{}: {} read, {unchanged} unchanged and not read; {read} rows read, {written} written, {:.1} s\n",
            output::counted(plans.len(), "table"),
            rows.len(),
            started.elapsed().as_secs_f64()
        ))?;
    }
    Ok(crew::outcome(&done))
}
