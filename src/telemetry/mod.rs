//! Logs and metrics.
//!
//! Owns every metric's declaration ([`Metrics`]) and the form of a log line ([`logs`]). Other rooms
//! count and log; they declare nothing of their own. No cell's value passes through here.

pub mod logs;
pub mod metrics;

pub use metrics::Metrics;
