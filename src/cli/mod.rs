//! Arguments to one command a file.

use std::process::ExitCode;

/// Runs the command that the arguments name. 0 done, 1 something failed, 2 usage or configuration.
pub fn main() -> ExitCode {
    ExitCode::from(2)
}
