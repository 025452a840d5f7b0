//! Logs and metrics.
//!
//! Owns every metric's declaration ([`Metrics`]) and the form of a log line ([`logs`]). Other rooms
//! count and log; they declare nothing of their own. No cell's value passes through here.

mod family;
pub mod logs;
pub mod metrics;

pub use family::Family;
pub use metrics::Metrics;
pub use prometheus::IntCounter;

use std::time::Duration;

/// A counter of nobody's: for who may be asked to count, and is not.
pub fn uncounted() -> IntCounter {
    IntCounter::new("uncounted", "Shown nowhere.").expect("the name is well formed")
}

/// Seconds to the millisecond, as they stand in logs and tables: more would only look exact.
pub fn rounded_seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_three_decimals_at_most() {
        let told = [1_234_567_u64, 499, 2_000_000].map(|micros| rounded_seconds(Duration::from_micros(micros)));
        assert_eq!(told.map(|seconds| seconds.to_string()), ["1.235", "0", "2"]);
    }
}
