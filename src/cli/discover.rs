//! `amalgam discover`: what the source holds, and how each table would be kept in step.

use super::{Context, Outcome, output};
use crate::sync::RuledColumn;
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
    /// Columns that become another type than declared, and by which rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    types: Vec<RuledColumn>,
}

pub(super) async fn run(args: Args, context: Context) -> anyhow::Result<Outcome> {
    let syncer = context.syncer()?;
    let catalog = syncer.discover().await?;
    let mut rows: Vec<Row> = catalog
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
                types: syncer.ruled(t),
            }
        })
        .collect();
    // Below the tables for a person, with its table for a program.
    let ruled: Vec<RuledColumn> = match context.format() {
        output::Format::Json => Vec::new(),
        output::Format::Table => rows.iter_mut().flat_map(|row| std::mem::take(&mut row.types)).collect(),
    };
    context.print_rows(&rows)?;
    if !ruled.is_empty() {
        output::write("\n")?;
        context.print_rows(&ruled)?;
    }
    match syncer.sharing(&catalog).into_iter().next() {
        Some(error) => Err(error.into()),
        None => Ok(Outcome::Done),
    }
}
