//! `amalgam notify`: tries a notifier.

use super::{Context, Outcome, output};
use crate::{
    error::{Error, Kind},
    notify::Notifier,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Send two test messages through a notifier, that something is wrong and that it is over, and show the answers
    Test {
        /// Its name in the configuration
        name: String,
    },
}

pub(super) async fn run(args: Args, context: Context) -> anyhow::Result<Outcome> {
    let Command::Test { name } = args.command;
    let config = context.config()?;
    let Some(one) = config.notify.iter().find(|notify| notify.name == name) else {
        let names: Vec<&str> = config.notify.iter().map(|notify| notify.name.as_str()).collect();
        let text = format!("there is no notifier {name}; the configuration has {}", output::named(&names));
        return Err(Error::new(Kind::UnknownNotifier, text).into());
    };
    let notifier = Notifier::new(one)?;
    for (what, message) in ["open", "over"].into_iter().zip(Notifier::trial(context.clock().now())) {
        match notifier.send(&message).await {
            Ok(answer) => output::write(&format!("{what}: {answer}\n"))?,
            Err(undelivered) => {
                output::write(&format!("{what}: {undelivered}\n"))?;
                if !undelivered.answer.is_empty() {
                    output::write(&format!("it said: {}\n", undelivered.answer))?;
                }
                return Ok(Outcome::Failed);
            }
        }
    }
    Ok(Outcome::Done)
}
