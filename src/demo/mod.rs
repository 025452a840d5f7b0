//! A private practice and warehouse to try Amalgam on; the private servers serve the tests too.
//!
//! Owns: [`servers`], the invented [`practice`], and bringing both up in one folder ([`Demo`]) with
//! a configuration that a daemon can be run with. The daemon itself is `lifecycle`'s.
//! Refuses a folder that is somebody else's.

mod folder;
pub mod practice;
pub mod project;
pub mod servers;
mod stage;

pub use stage::{Demo, DemoError, Options};
