//! The program: arguments in, exit status out.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// Many threads make many small things: the system's allocator takes a fifth longer over a whole command.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    amalgam::cli::main()
}
