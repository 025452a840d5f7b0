//! What models and columns come from, and where they go.

use super::arguments::Chosen;
use crate::{
    cli::{
        Context, Outcome,
        output::{self, Format},
    },
    models::{ColumnLineage, Models, NodeLineage, Origin},
};
use clap::{Args as ClapArgs, ValueEnum};
use std::{
    collections::BTreeSet,
    fmt::{self, Write},
};

#[derive(Debug, ClapArgs)]
pub(super) struct LineageArgs {
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// One column, and all that it comes from and goes to: orders.total
    #[arg(long, value_name = "MODEL.COLUMN")]
    column: Option<String>,
    /// How it is told; else as --format says
    #[arg(long, value_enum, value_name = "FORM")]
    output: Option<LineageOutput>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LineageOutput {
    Text,
    Json,
}

/// Shows one column, the nodes that are selected, or everything.
pub(super) async fn lineage(
    models: &Models,
    args: &LineageArgs,
    ids: &BTreeSet<String>,
    context: &Context,
) -> anyhow::Result<Outcome> {
    let is_json = match args.output {
        Some(output) => output == LineageOutput::Json,
        None => context.format() == Format::Json,
    };
    let lineage = models.lineage().await?;
    if let Some(name) = &args.column {
        let column = lineage.column(name)?;
        if is_json {
            output::record(Format::Json, &column)?;
        } else {
            output::write(&of_column(&column)?)?;
        }
        return Ok(Outcome::Done);
    }
    let chosen = &args.chosen;
    let is_everything = chosen.select.is_empty() && chosen.exclude.is_empty() && chosen.selector.is_none();
    if is_json && is_everything {
        output::write(&format!("{:#}\n", lineage.json()))?;
        return Ok(Outcome::Done);
    }
    let is_meant = |id: &&str| is_everything || ids.contains(*id);
    let nodes: Vec<NodeLineage> = lineage.ids().filter(is_meant).filter_map(|id| lineage.node(id)).collect();
    if is_json {
        output::record(Format::Json, &nodes)?;
    } else {
        let texts: Vec<String> = nodes.iter().map(of_node).collect::<Result<_, _>>()?;
        output::write(&texts.join("\n"))?;
    }
    Ok(Outcome::Done)
}

fn of_node(node: &NodeLineage) -> Result<String, fmt::Error> {
    let mut text = format!("{}\n", node.node);
    list(&mut text, "reads", &node.reads)?;
    list(&mut text, "read by", &node.read_by)?;
    list(&mut text, "exposures", &node.exposures)?;
    let rows: Vec<String> = node.rows.iter().map(|at| format!("{}.{}", at.node, at.column)).collect();
    list(&mut text, "rows by", &rows)?;
    list(&mut text, "unresolved", &node.unresolved)?;
    for column in &node.columns {
        let unresolved = column.unresolved.iter().map(|reason| format!("unresolved: {reason}"));
        let from: Vec<String> = column.from.iter().map(told).chain(unresolved).collect();
        let arrow = if from.is_empty() { "" } else { " <- " };
        writeln!(text, "  {}{arrow}{}", column.name, from.join(", "))?;
    }
    Ok(text)
}

fn of_column(column: &ColumnLineage) -> Result<String, fmt::Error> {
    let mut text = format!("{}.{}\n", column.node, column.column);
    let all = |origins: &[Origin]| origins.iter().map(told).collect::<Vec<_>>();
    list(&mut text, "comes from", &all(&column.upstream))?;
    list(&mut text, "unresolved", &column.unresolved)?;
    list(&mut text, "goes to", &all(&column.downstream))?;
    list(&mut text, "decides the rows of", &column.rows_decided)?;
    list(&mut text, "exposures", &column.exposures)?;
    Ok(text)
}

fn told(origin: &Origin) -> String {
    format!("{}.{} ({})", origin.node, origin.column, origin.way)
}

/// A heading with a line for each; nothing where there are none.
fn list(text: &mut String, heading: &str, lines: &[String]) -> fmt::Result {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(text, "  {heading}")?;
    lines.iter().try_for_each(|line| writeln!(text, "    {line}"))
}
