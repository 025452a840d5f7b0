//! The one place where an error is printed, and its exit status.

use crate::{
    config::load,
    demo::DemoError,
    error::{Error, Kind},
};
use std::{fmt, process::ExitCode};

/// Prints the error with its causes and remedy; 2 for configuration, else 1.
pub(super) fn report(error: &anyhow::Error) -> ExitCode {
    let (text, status) = describe(error);
    eprintln!("{text}");
    ExitCode::from(status)
}

/// Tells of a failure that does not end the command: one of many tables.
pub(super) fn tell(doing: &str, error: &Error) {
    eprintln!("error: {doing}: {error}\nremedy: {}", error.remedy());
}

/// What kept a command from beginning: its exit status is 2, whatever its kind.
#[derive(Debug)]
pub(super) struct Unbegun(pub(super) Error);

impl fmt::Display for Unbegun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unbegun {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

fn describe(error: &anyhow::Error) -> (String, u8) {
    if let Some(problems) = error.chain().find_map(|e| e.downcast_ref::<load::Error>()) {
        return (format!("error: {problems}"), 2);
    }
    let mut text = format!("error: {}", chain(error));
    if let Some(demo) = error.chain().find_map(|e| e.downcast_ref::<DemoError>()) {
        text.extend(demo.remedy().map(|remedy| format!("\nremedy: {remedy}")));
        return (text, if demo.is_usage() { 2 } else { 1 });
    }
    match error.chain().find_map(|e| e.downcast_ref::<Error>()) {
        Some(known) => {
            text.push_str(&format!("\nremedy: {}", known.remedy()));
            let is_unbegun = error.is::<Unbegun>() || is_usage(known.kind);
            (text, if is_unbegun { 2 } else { 1 })
        }
        None => (text, 1),
    }
}

/// Whether what was asked for is wrong, and not what was found.
fn is_usage(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Config
            | Kind::UnknownTable
            | Kind::UnknownRun
            | Kind::UnknownSelection
            | Kind::NoProject
            | Kind::Packages
            | Kind::ModelProject
            | Kind::UnknownMacro
    )
}

/// The causes from the outside to the inside; one that its outer already quotes is left out.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn causes_and_remedy_follow_the_error() {
        let error =
            Error::new(Kind::SourceAuth, "connecting: access denied").with_source(std::io::Error::other("1045"));
        let (text, status) = describe(&Err::<(), _>(error).context("syncing").unwrap_err());
        assert_eq!(
            text,
            "error: syncing: connecting: access denied: 1045\n\
             remedy: set the right [source] user and password, and [source] tls where the user requires it; the user needs SELECT on the database and nothing else"
        );
        assert_eq!(status, 1);
    }

    #[test]
    fn configuration_has_an_exit_status_of_its_own() {
        assert_eq!(describe(&Error::new(Kind::Config, "x").into()).1, 2);
        let lost = || Error::new(Kind::WarehouseUnreachable, "connecting: refused");
        let (text, status) = describe(&Unbegun(lost()).into());
        assert_eq!((text, status), (describe(&lost().into()).0, 2));
    }
}
