//! The integration suite: one binary, real servers.

mod harness;
mod servers;
