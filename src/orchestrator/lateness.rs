//! When a table counts as late.
//!
//! Pure. A table that every run looks at is late when it was not in step since the fire before the last
//! one: it has missed a whole cycle, and not just the one that may be under way.

use super::cron::Timetable;
use crate::config::Config;
use chrono::{DateTime, Duration, Utc};

/// Tables in step before this moment only are late; `None` where no schedule selects everything.
pub fn late_before(config: &Config, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    config
        .schedule
        .iter()
        .filter(|s| s.select.iter().any(|pattern| pattern == "*"))
        .filter_map(|s| {
            let timetable = Timetable::new(s).ok()?;
            let last = timetable.last_before(now)?;
            timetable.last_before(last - Duration::seconds(1))
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_is_what_missed_a_whole_cycle_of_the_most_frequent_schedule() {
        let mut config = Config::default();
        let now = "2026-06-01T10:07:00Z".parse().expect("a time");
        assert_eq!(late_before(&config, now), None);
        for (name, cron) in [("often", "*/5 * * * *"), ("nightly", "0 2 * * *")] {
            let text = serde_json::json!({ "name": name, "cron": cron });
            config.schedule.push(serde_json::from_value(text).expect("a schedule"));
        }
        assert_eq!(late_before(&config, now), Some("2026-06-01T10:00:00Z".parse().expect("a time")));
    }
}
