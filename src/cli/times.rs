//! Times for a person.

use chrono::{DateTime, TimeDelta, Utc};

/// How long ago, or how far ahead, in one unit.
pub(super) fn ago(moment: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let delta = now - moment;
    if delta < TimeDelta::zero() { format!("in {}", span(-delta)) } else { format!("{} ago", span(delta)) }
}

/// A duration in one unit.
pub(super) fn span(delta: TimeDelta) -> String {
    match delta.num_seconds() {
        s @ ..120 => format!("{s} s"),
        s @ ..7200 => format!("{} min", s / 60),
        s @ ..172_800 => format!("{} h", s / 3600),
        s => format!("{} days", s / 86_400),
    }
}

/// A short duration to a tenth of a second.
pub(super) fn seconds(delta: TimeDelta) -> String {
    match delta.num_milliseconds() {
        ms @ ..120_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => span(delta),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unit_is_enough() {
        let now = DateTime::from_timestamp(1_000_000, 0).expect("valid");
        let told = [3, 600, 7300, 400_000, -30].map(|s| ago(now - TimeDelta::seconds(s), now));
        assert_eq!(told, ["3 s ago", "10 min ago", "2 h ago", "4 days ago", "in 30 s"]);
        assert_eq!(seconds(TimeDelta::milliseconds(1449)), "1.4 s");
    }
}
