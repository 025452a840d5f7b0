//! Every metric, declared in one place.

use prometheus::Registry;

/// All metrics of the process, made once and handed on.
#[derive(Debug, Default)]
pub struct Metrics {
    /// What `/metrics` shows.
    pub registry: Registry,
}
