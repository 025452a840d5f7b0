//! `amalgam verify`: both sides compared, value for value; counts, and never shows, what differs.

use super::{Context, Outcome, crew, output, tables};
use crate::{
    domain::TableName,
    error::{Kind, Result},
    sync::{Differences, SyncOptions, Syncer},
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

/// How often a table is repaired at most: what is written at the source meanwhile differs again.
const REPAIRS_MAX: u32 = 2;

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

/// What comparing a table has shown.
struct Compared {
    /// Before anything was mended.
    found: Differences,
    /// Whether another comparison has shown that all of it was mended.
    mended: bool,
}

impl Compared {
    fn differs_still(&self) -> bool {
        !self.found.none() && !self.mended
    }
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
            if repair {
                return mend(&syncer, &table).await;
            }
            Ok(Compared { found: syncer.verify_table(&table).await?, mended: false })
        }
    })
    .await?;
    report(&args, &context, &done)
}

/// Mends what differs, and compares again: only what is equal then has been mended.
async fn mend(syncer: &Syncer, table: &TableName) -> Result<Compared> {
    let found = match syncer.verify_table(table).await {
        Err(error) if error.kind == Kind::NotSynced => {
            let rows = syncer.sync_table(table, SyncOptions::default()).await?.rows_read;
            let found = Differences { rows, missing: rows, ..Differences::default() };
            if syncer.verify_table(table).await?.none() {
                return Ok(Compared { found, mended: true });
            }
            found
        }
        compared => compared?,
    };
    for _ in 0..REPAIRS_MAX {
        if found.none() {
            break;
        }
        syncer.sync_table(table, SyncOptions { reconcile: true, every_row: true, full: false }).await?;
        if syncer.verify_table(table).await?.none() {
            return Ok(Compared { found, mended: true });
        }
    }
    Ok(Compared { found, mended: false })
}

fn report(args: &Args, context: &Context, done: &[crew::Done<Compared>]) -> anyhow::Result<Outcome> {
    let compared: Vec<(&TableName, &Compared)> =
        done.iter().filter_map(|d| d.result.as_ref().ok().map(|r| (&d.table, r))).collect();
    let rows: Vec<Row> = compared
        .iter()
        .filter(|(_, c)| args.all || !c.found.none())
        .map(|(table, Compared { found: d, mended })| Row {
            table: table.to_string(),
            rows: d.rows,
            missing: d.missing,
            different: d.different,
            surplus: d.surplus,
            quarantined: d.quarantined,
            kept: d.kept,
            repaired: *mended && !d.none(),
        })
        .collect();
    output::rows(context.format(), &rows)?;
    let sum = |of: fn(&Differences) -> u64| compared.iter().map(|(_, c)| of(&c.found)).sum::<u64>();
    let differing = compared.iter().filter(|(_, c)| !c.found.none()).count();
    let left = compared.iter().filter(|(_, c)| c.differs_still()).count();
    if context.format() == output::Format::Table {
        let total = sum(|d| d.rows);
        let failed = done.len() - compared.len();
        let verb = |n: usize| if n == 1 { "differs" } else { "differ" };
        let differ = |n: usize| format!("{} {}", output::counted(n, "table"), verb(n));
        let verdict = match (failed, differing, args.repair) {
            (0, 0, _) => "every value equal".to_owned(),
            (0, n, true) if left == 0 => format!("{}; mended", differ(n)),
            (0, n, true) => {
                let mended = n - left;
                let are = if mended == 1 { "is" } else { "are" };
                format!("{}; {mended} {are} mended, {left} {} still", differ(n), verb(left))
            }
            (0, n, false) => format!("{}; `amalgam verify --repair` mends that", differ(n)),
            (failed, n, repair) => {
                let done = if repair { "compared or repaired" } else { "compared" };
                format!("{} could not be {done}, {}", output::counted(failed, "table"), differ(n))
            }
        };
        let tables = output::counted(compared.len(), "table");
        output::write(&format!("{tables}, {total} rows compared: {verdict}\n"))?;
        let quarantined = sum(|d| d.quarantined);
        if quarantined > 0 {
            let rows = output::counted(usize::try_from(quarantined).unwrap_or(usize::MAX), "row");
            output::write(&format!("{rows} in quarantine, not in the warehouse: amalgam.quarantine tells why\n"))?;
        }
        let kept = sum(|d| d.kept);
        if kept > 0 {
            output::write(&format!("{kept} more that the source has deleted are kept, as the configuration says\n"))?;
        }
        if left > 0 {
            output::write(LIVING)?;
        }
    }
    Ok(if left == 0 { crew::outcome(done) } else { Outcome::Failed })
}
