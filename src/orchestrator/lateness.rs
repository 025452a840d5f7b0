//! When a table counts as late.
//!
//! Pure. A table that every run looks at is late when it was not in step since the fire before the last
//! one: it has missed a whole cycle, and not just the one that may be under way. A fire within the source's
//! quiet hours counts when they are over: nothing is late for having left the source alone.

use super::cron::Timetable;
use crate::{config::Config, domain::QuietHours};
use chrono::{DateTime, Duration, Utc};

/// Tables in step before this moment only are late; `None` where no schedule selects everything.
pub fn late_before(config: &Config, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let quiet = config.source.quiet();
    config
        .schedule
        .iter()
        .filter(|s| s.select.iter().any(|pattern| pattern == "*"))
        .filter_map(|s| {
            let timetable = Timetable::new(s).ok()?;
            let (_, before) = last_chance(&timetable, quiet, now)?;
            last_chance(&timetable, quiet, before).map(|(chance, _)| chance)
        })
        .max()
}

/// Whether a table is late that was last in step then.
pub fn is_late(fresh_at: Option<DateTime<Utc>>, late_before: Option<DateTime<Utc>>) -> bool {
    late_before.is_some_and(|late| fresh_at.is_none_or(|fresh| fresh < late))
}

/// When a run could last begin to read, at or before a moment; and a moment before that chance, and before
/// all fires that had to wait for it.
fn last_chance(
    timetable: &Timetable,
    quiet: &QuietHours,
    moment: DateTime<Utc>,
) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let second = Duration::seconds(1);
    let fire = timetable.last_before(moment)?;
    match quiet.around(fire) {
        None => Some((fire, fire - second)),
        Some((from, to)) if to <= moment => Some((to, from - second)),
        // It still waits. Before these quiet hours it was not quiet.
        Some((from, _)) => match timetable.last_before(from - second)? {
            fire if quiet.around(fire).is_none() => Some((fire, fire - second)),
            fire => quiet.around(fire).map(|(from, to)| (to, from - second)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheduled(schedules: &[(&str, &str)]) -> Config {
        let mut config = Config::default();
        for (name, cron) in schedules {
            let text = serde_json::json!({ "name": name, "cron": cron });
            config.schedule.push(serde_json::from_value(text).expect("a schedule"));
        }
        config
    }

    fn told(config: &Config, now: &str) -> Option<String> {
        late_before(config, now.parse().expect("a time")).map(|t| t.format("%d %H:%M").to_string())
    }

    #[test]
    fn late_is_what_missed_a_whole_cycle_of_the_most_frequent_schedule() {
        let config = scheduled(&[("often", "*/5 * * * *"), ("nightly", "0 2 * * *")]);
        assert_eq!(told(&Config::default(), "2026-06-01T10:07:00Z"), None);
        assert_eq!(told(&config, "2026-06-01T10:07:00Z").as_deref(), Some("01 10:00"));
    }

    #[test]
    fn time_in_quiet_hours_makes_nothing_late() {
        let quiet = |mut config: Config, hours: &[&str]| {
            config.source.keep_quiet(hours, "UTC").expect("windows");
            config
        };
        let often = quiet(scheduled(&[("often", "*/5 * * * *")]), &["12:00-13:30"]);
        for (now, late) in [
            ("2026-06-01T11:59:00Z", "01 11:50"),
            // The last run that could read began at 11:55.
            ("2026-06-01T12:01:00Z", "01 11:50"),
            ("2026-06-01T13:29:59Z", "01 11:50"),
            ("2026-06-01T13:30:01Z", "01 11:55"),
            ("2026-06-01T13:35:01Z", "01 13:30"),
        ] {
            assert_eq!(told(&often, now).as_deref(), Some(late), "{now}");
        }
        // Every fire lies within quiet hours: it reads when they are over.
        let nightly = quiet(scheduled(&[("nightly", "0 2 * * *")]), &["22:00-04:00"]);
        for (now, late) in [("2026-06-03T03:00:00Z", "01 04:00"), ("2026-06-03T05:00:00Z", "02 04:00")] {
            assert_eq!(told(&nightly, now).as_deref(), Some(late), "{now}");
        }
    }

    #[test]
    fn a_table_that_was_never_in_step_is_late_where_anything_can_be() {
        let at = |text: &str| Some(text.parse().expect("a time"));
        let late = at("2026-06-01T10:00:00Z");
        assert!(is_late(None, late) && is_late(at("2026-06-01T09:59:59Z"), late));
        assert!(!is_late(at("2026-06-01T10:00:00Z"), late) && !is_late(None, None));
    }
}
