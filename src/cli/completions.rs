//! `amalgam completions`: what a shell completes after `amalgam`.

use super::{Cli, Context, Outcome, output};
use clap::CommandFactory;
use clap_complete::Shell;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell; its own manual says where the script belongs
    shell: Shell,
}

pub(super) async fn run(args: Args, _context: Context) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "amalgam", &mut script);
    output::write(&String::from_utf8(script)?)?;
    Ok(Outcome::Done)
}
