//! Arguments to one command a file.
//!
//! Owns the command line, the runtime, the exit status and the one place where an error is printed.
//! A command is a file with `Args` and `run`; it gets a [`Context`] and answers with an [`Outcome`].

mod completions;
mod config;
mod context;
mod crew;
mod demo;
mod discover;
mod doctor;
mod failure;
mod history;
mod man;
mod models;
mod notify;
mod output;
mod plan;
mod run;
mod schedules;
mod serve;
mod status;
mod support;
mod sync;
mod tables;
mod times;
mod verify;

use crate::config::LogFormat;
use clap::{Parser, Subcommand};
use context::{Context, Global};
use std::{
    io::{IsTerminal, stderr},
    process::ExitCode,
    thread::available_parallelism,
    time::Duration,
};

/// How a command ended, where it did not fail with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// All done; exit status 0.
    Done,
    /// Something failed, and the command has told what; exit status 1.
    Failed,
}

/// Keeps a PostgreSQL warehouse exactly in step with a practice's OpenDental database.
///
/// Amalgam reads the practice's MariaDB (it never writes to it), copies what changed into PostgreSQL,
/// rebuilds the reports that depend on it, and says how it is doing.
///
/// New here? `amalgam demo` shows it all with an invented practice, on this machine alone.
/// With a database of your own: write config/amalgam.toml, then `amalgam doctor`, `amalgam plan`,
/// `amalgam run`, and at last `amalgam serve`, which keeps on running.
///
/// Exit status: 0 done, 1 something failed, 2 wrong usage or configuration.
#[derive(Debug, Parser)]
#[command(name = "amalgam", version, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run as a service: sync and rebuild by schedule, serve health and metrics, until stopped
    Serve(serve::Args),
    /// Do one run of everything that changed (sync, then models), and exit
    Run(run::Args),
    /// List what the practice's database holds, and how each table would be kept in step
    Discover(discover::Args),
    /// Show what a run would do now with each table and model, and why; changes nothing
    Plan(plan::Args),
    /// Bring tables of the warehouse in step with the practice's database
    Sync(sync::Args),
    /// Compare tables with the practice's database, value by value
    ///
    /// Rows that were written since the last sync count as differences: on a living practice, run
    /// `amalgam sync` first.
    Verify(verify::Args),
    /// Work with the models: the SQL that turns raw tables into reports
    Models(Box<models::Args>),
    /// Show what is fresh, what is late, what failed, and what comes next
    Status(status::Args),
    /// List what is due when; pause a schedule, let it go on, or ask for a run of it
    Schedules(schedules::Args),
    /// Try who is told of failures: send a test message, and say what was answered
    Notify(notify::Args),
    /// List past runs and what became of them
    History(history::Args),
    /// Check both databases, rights, clocks and settings, and say how to mend what is wrong
    Doctor(doctor::Args),
    /// Gather what somebody who helps from afar needs into one file: no value of a row, no secret
    Support(support::Args),
    /// Show or check the configuration
    Config(config::Args),
    /// Start an invented practice, a private warehouse and the service on top, to try it all out
    Demo(demo::Args),
    /// Print what a shell needs to complete commands and flags
    Completions(completions::Args),
    /// Write the manual's pages
    #[command(hide = true)]
    Man(man::Args),
}

impl Command {
    /// The daemon and its run log as configured; what prints results of its own logs only warnings.
    fn start_logs(&self, context: &Context) -> anyhow::Result<()> {
        match self {
            // On a terminal, a bar is drawn instead, and failures are told at the end.
            Self::Run(_) if stderr().is_terminal() => context.start_logs("off", LogFormat::Text),
            Self::Serve(_) | Self::Run(_) => {
                let config = context.config()?;
                context.start_logs(&config.log.filter, config.log.format)
            }
            Self::Demo(_) => Ok(()),
            _ => context.start_logs("warn", LogFormat::Text),
        }
    }

    async fn run(self, context: Context) -> anyhow::Result<Outcome> {
        match self {
            Self::Serve(args) => serve::run(args, context).await,
            Self::Run(args) => run::run(args, context).await,
            Self::Discover(args) => discover::run(args, context).await,
            Self::Plan(args) => plan::run(args, context).await,
            Self::Sync(args) => sync::run(args, context).await,
            Self::Verify(args) => verify::run(args, context).await,
            Self::Models(args) => models::run(*args, context).await,
            Self::Status(args) => status::run(args, context).await,
            Self::Schedules(args) => schedules::run(args, context).await,
            Self::Notify(args) => notify::run(args, context).await,
            Self::History(args) => history::run(args, context).await,
            Self::Doctor(args) => doctor::run(args, context).await,
            Self::Config(args) => config::run(args, context).await,
            Self::Support(args) => support::run(args, context).await,
            Self::Completions(args) => completions::run(args, context).await,
            Self::Man(args) => man::run(args, context).await,
            Self::Demo(args) => demo::run(args, context).await,
        }
    }
}

/// Runs the command that the arguments name. 0 done, 1 something failed, 2 usage or configuration.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // Two TLS clients share one provider; whoever comes first may have set the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match execute(cli) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Err(error) => failure::report(&error),
    }
}

fn execute(cli: Cli) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(available_parallelism().map_or(2, |n| n.get().max(2)))
        .thread_stack_size(crate::models::STACK_BYTES)
        .enable_all()
        .build()?;
    let context = Context::new(cli.global);
    cli.command.start_logs(&context)?;
    let source = context.opened_source();
    let outcome = runtime.block_on(async {
        let outcome = cli.command.run(context).await;
        if let Some(source) = source.get() {
            source.close().await;
        }
        outcome
    });
    // A blocking call that hangs (a name that doesn't resolve) must not keep the process alive.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
