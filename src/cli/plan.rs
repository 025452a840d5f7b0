//! `amalgam plan`: what a run would do now, and why; changes nothing.

use super::{Context, Outcome, failure, output};
use crate::{
    orchestrator::{ModelAction, ModelPlan, Orchestrator, RunRequest, short},
    sync::{Action, RuledColumn, TablePlan},
};
use serde::Serialize;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Tables and models, as `run --select` names them; none: all
    #[arg(value_name = "PATTERN")]
    select: Vec<String>,
    /// Also show tables and models with nothing to do
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct TableRow {
    table: String,
    mode: &'static str,
    mode_reason: String,
    action: Action,
    reason: String,
    rows: u64,
    /// Columns that become another type than declared, and by which rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    types: Vec<RuledColumn>,
}

#[derive(Serialize)]
struct ModelRow {
    model: String,
    action: ModelAction,
    reason: String,
}

pub(super) async fn run(args: Args, context: Context) -> anyhow::Result<Outcome> {
    let config = context.config()?;
    config.source.require()?;
    let orchestrator = Orchestrator::new(config, context.clock(), context.metrics())?;
    let shows_all = args.all || !args.select.is_empty();
    let request = if args.select.is_empty() {
        RunRequest::default()
    } else {
        RunRequest { select: args.select, ..RunRequest::default() }
    };
    tell(&context, &orchestrator, &request, shows_all).await
}

/// Says what a run would do now that is asked for so.
pub(super) async fn tell(
    context: &Context,
    orchestrator: &Orchestrator,
    request: &RunRequest,
    shows_all: bool,
) -> anyhow::Result<Outcome> {
    let quiet = context.told_quiet()?;
    let outlook = orchestrator.outlook(request).await;
    let quiet_until = orchestrator.quiet_until();
    orchestrator.close().await;
    let outlook = outlook?;
    let (tables, models) = (outlook.tables.len(), outlook.models.len());
    let has_work = (
        outlook.tables.iter().filter(|t| t.action != Action::Skip).count(),
        outlook.models.iter().filter(|m| m.action != ModelAction::Skip).count(),
    );
    let mut table_rows: Vec<TableRow> =
        outlook.tables.iter().filter(|t| shows_all || t.action != Action::Skip).map(TableRow::new).collect();
    let model_rows: Vec<ModelRow> =
        outlook.models.into_iter().filter(|m| shows_all || m.action != ModelAction::Skip).map(ModelRow::new).collect();
    match context.format() {
        output::Format::Json => {
            context.print_record(&json!({ "quiet_until": quiet_until, "tables": table_rows, "models": model_rows }))?
        }
        output::Format::Table => {
            let ruled: Vec<RuledColumn> =
                table_rows.iter_mut().flat_map(|row| std::mem::take(&mut row.types)).collect();
            context.print_rows(&table_rows)?;
            let counted = output::counted(tables, "table");
            output::write(&format!("{counted}: {} to do, {} unchanged\n", has_work.0, tables - has_work.0))?;
            if let Some(quiet) = quiet {
                output::write(&format!("the source is {quiet}: tables are read after that\n"))?;
            }
            if !ruled.is_empty() {
                output::write("\n")?;
                context.print_rows(&ruled)?;
            }
            if models > 0 {
                output::write("\n")?;
                context.print_rows(&model_rows)?;
                let counted = output::counted(models, "model");
                output::write(&format!("{counted}: {} to do, {} up to date\n", has_work.1, models - has_work.1))?;
            }
        }
    }
    Ok(match outlook.unread {
        Some(error) => {
            failure::tell("reading the models", &error);
            Outcome::Failed
        }
        None => Outcome::Done,
    })
}

impl TableRow {
    fn new(plan: &TablePlan) -> Self {
        Self {
            table: plan.table.name.to_string(),
            mode: plan.mode.as_str(),
            mode_reason: plan.mode_reason.clone(),
            action: plan.action,
            reason: plan.action_reason.clone(),
            rows: plan.table.rows,
            types: plan.types.clone(),
        }
    }
}

impl ModelRow {
    fn new(plan: ModelPlan) -> Self {
        Self { model: short(plan.model.as_str()).to_owned(), action: plan.action, reason: plan.reason }
    }
}
