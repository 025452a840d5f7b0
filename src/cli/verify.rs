//! `amalgam verify`: both sides compared, value for value; counts, and never shows, what differs.

use super::{Context, Outcome, crew, output, tables};
use crate::{
    domain::TableName,
    error::Kind,
    sync::{Differences, SyncOptions},
};
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Tables, in the source's spelling; none: all
    tables: Vec<String>,
    /// Mend what differs
    #[arg(long)]
    repair: bool,
    /// Also show tables that are equal
    #[arg(long)]
    all: bool,
    /// Read tables within the source's quiet hours too
    #[arg(long)]
    ignore_quiet_hours: bool,
}

/// Told under differences.
const LIVING: &str = "rows written since the last sync count too: on a living practice, run `amalgam sync` first\n";

#[derive(Serialize)]
struct Row {
    table: String,
    rows: u64,
    missing: u64,
    different: u64,
    surplus: u64,
    quarantined: u64,
    kept: u64,
    repaired: bool,
}

pub(super) async fn run(args: Args, mut context: Context) -> anyhow::Result<Outcome> {
    context.heed_quiet_hours(args.ignore_quiet_hours)?;
    if args.repair {
        context.state()?.migrate().await?;
    }
    let syncer = context.syncer()?;
    let catalog = syncer.discover().await?;
    tables::refuse_unknown(&args.tables, catalog.tables.iter().map(|t| t.name.as_str()))?;
    let asked = |t: &&crate::domain::Table| args.tables.is_empty() || args.tables.iter().any(|a| a == t.name.as_str());
    let todo = crew::largest_first(catalog.tables.iter().filter(asked));
    let repair = args.repair;
    let done = crew::work(&context, "verifying", todo, move |table: TableName| {
        let syncer = syncer.clone();
        async move {
            match syncer.verify_table(&table).await {
                Ok(differences) if repair && !differences.none() => {
                    syncer.sync_table(&table, SyncOptions { reconcile: true, every_row: true, full: false }).await?;
                    Ok(differences)
                }
                Err(error) if repair && error.kind == Kind::NotSynced => {
                    let rows = syncer.sync_table(&table, SyncOptions::default()).await?.rows_read;
                    Ok(Differences { rows, missing: rows, ..Differences::default() })
                }
                compared => compared,
            }
        }
    })
    .await?;
    report(&args, &context, &done)
}

fn report(args: &Args, context: &Context, done: &[crew::Done<Differences>]) -> anyhow::Result<Outcome> {
    let compared: Vec<(&TableName, Differences)> =
        done.iter().filter_map(|d| d.result.as_ref().ok().map(|r| (&d.table, *r))).collect();
    let rows: Vec<Row> = compared
        .iter()
        .filter(|(_, d)| args.all || !d.none())
        .map(|(table, d)| Row {
            table: table.to_string(),
            rows: d.rows,
            missing: d.missing,
            different: d.different,
            surplus: d.surplus,
            quarantined: d.quarantined,
            kept: d.kept,
            repaired: args.repair && !d.none(),
        })
        .collect();
    output::rows(context.format(), &rows)?;
    let differing = compared.iter().filter(|(_, d)| !d.none()).count();
    if context.format() == output::Format::Table {
        let total: u64 = compared.iter().map(|(_, d)| d.rows).sum();
        let failed = done.len() - compared.len();
        let differ = |n: usize| format!("{} differ{}", output::counted(n, "table"), if n == 1 { "s" } else { "" });
        let verdict = match (failed, differing, args.repair) {
            (0, 0, _) => "every value equal".to_owned(),
            (0, n, true) => format!("{}; mended", differ(n)),
            (0, n, false) => format!("{}; `amalgam verify --repair` mends that", differ(n)),
            (failed, n, _) => format!("{} could not be compared, {}", output::counted(failed, "table"), differ(n)),
        };
        let tables = output::counted(compared.len(), "table");
        output::write(&format!("{tables}, {total} rows compared: {verdict}\n"))?;
        let quarantined: u64 = compared.iter().map(|(_, d)| d.quarantined).sum();
        if quarantined > 0 {
            let rows = output::counted(usize::try_from(quarantined).unwrap_or(usize::MAX), "row");
            output::write(&format!("{rows} in quarantine, not in the warehouse: amalgam.quarantine tells why\n"))?;
        }
        let kept: u64 = compared.iter().map(|(_, d)| d.kept).sum();
        if kept > 0 {
            output::write(&format!("{kept} more that the source has deleted are kept, as the configuration says\n"))?;
        }
        if differing > 0 && !args.repair {
            output::write(LIVING)?;
        }
    }
    let clean = differing == 0 || args.repair;
    Ok(if clean { crew::outcome(done) } else { Outcome::Failed })
}
