//! Judges when things shall run, by the source's own clock. Pure: from facts to findings.

use super::{finding::Findings, output};
use crate::{config::Schedule, source::Preflight};
use chrono::{DateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

pub(super) fn judge(schedules: &[Schedule], source: Option<&Preflight>, now: DateTime<Utc>, into: &mut Findings) {
    if schedules.is_empty() {
        return into.warn(
            "schedules",
            "none: the daemon serves, and runs nothing by itself",
            "add a [[schedule]] with name, cron and timezone: docs/configuration.md",
        );
    }
    into.ok("schedules", output::counted(schedules.len(), "schedule"));
    let Some(source) = source else { return };
    for schedule in schedules {
        let Some(apart) = apart(schedule, source.ahead_of_utc, now).filter(|apart| !apart.is_zero()) else { continue };
        // One for every few minutes fires all day long, in whatever zone.
        if schedule.cron.split_whitespace().rev().nth(3).is_none_or(|hours| hours.starts_with('*')) {
            continue;
        }
        let side = if apart > TimeDelta::zero() { "ahead of" } else { "behind" };
        into.warn(
            "time zone",
            format!(
                "schedule {} is meant in {}, which is {:.1} h {side} the source's own clock now",
                schedule.name,
                schedule.timezone,
                hours(apart)
            ),
            format!("set timezone of [[schedule]] {} to the clinic's, such as America/Chicago", schedule.name),
        );
    }
}

/// How far the schedule's clock is ahead of the source's.
fn apart(schedule: &Schedule, source_ahead: TimeDelta, now: DateTime<Utc>) -> Option<TimeDelta> {
    let zone: Tz = schedule.timezone.parse().ok()?;
    let ahead = zone.offset_from_utc_datetime(&now.naive_utc()).fix().local_minus_utc();
    Some(TimeDelta::seconds(i64::from(ahead)) - source_ahead)
}

#[expect(clippy::cast_precision_loss, reason = "a day has few minutes")]
fn hours(apart: TimeDelta) -> f64 {
    apart.num_minutes().unsigned_abs() as f64 / 60.0
}
