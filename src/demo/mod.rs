//! A private practice and warehouse to try Amalgam on; the private servers serve the tests too.

pub mod practice;
pub mod servers;
