//! `amalgam config`: the configuration in force, and whether it is sound.

use super::{Context, Outcome, output::Format};
use crate::config::load::{self, Setting};
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print every setting in force; passwords are stars
    Show {
        /// Tell where each value came from: a file and line, an environment variable, a flag
        #[arg(long)]
        origin: bool,
    },
    /// Tell everything that is wrong with the configuration; connects to nothing
    Check,
}

/// A setting without its origin.
#[derive(Serialize)]
struct Plain {
    key: String,
    value: Value,
}

pub(super) async fn run(args: Args, context: Context) -> anyhow::Result<Outcome> {
    let loaded = load::load_with_origins(&context.sources())?;
    match args.command {
        Command::Show { origin: true } => context.print_rows(&quoted(loaded.settings(), context.format()))?,
        Command::Show { origin: false } if context.format() == Format::Json => context.print_record(&loaded.config)?,
        Command::Show { origin: false } => {
            let plain = |Setting { key, value, .. }| Plain { key, value };
            let rows: Vec<Plain> = quoted(loaded.settings(), context.format()).into_iter().map(plain).collect();
            context.print_rows(&rows)?;
        }
        Command::Check => {
            loaded.config.source.require()?;
            let files = context.sources().files;
            let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
            let read = if files.is_empty() { "no file was read".to_owned() } else { files.join(", ") };
            context.print_record(&serde_json::json!({ "configuration": "is sound", "read": read }))?;
        }
    }
    Ok(Outcome::Done)
}

/// In a table, values are written as in a file: texts in quotes, lists in brackets.
fn quoted(settings: Vec<Setting>, format: Format) -> Vec<Setting> {
    let quote = |setting: Setting| match (&setting.value, format) {
        (Value::Null, _) | (_, Format::Json) => setting,
        _ => Setting { value: setting.value.to_string().into(), ..setting },
    };
    settings.into_iter().map(quote).collect()
}
