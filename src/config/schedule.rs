//! `[[schedule]]`: when what shall run, and what else starts it.

use super::{Problem, keys::nearest};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::{
    Cron,
    errors::CronError,
    parser::{CronParser, Seconds, Year},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// A schedule of an hour or less has to come round before the next.
const JITTER_SECONDS_MAX: u32 = 3600;

/// One schedule.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Its name; unique.
    pub name: String,
    /// Five fields (minute hour day month weekday), or six with seconds in front. Empty: only what follows
    /// starts it.
    #[serde(default)]
    pub cron: String,
    /// IANA name of the zone in which the expression is meant.
    #[serde(default = "utc")]
    pub timezone: String,
    /// How much later than its expression says it may fire. How much it is stays the same for one name and one
    /// practice.
    #[serde(default)]
    pub jitter_seconds: u32,
    /// Names of other schedules: a run of theirs that ends well starts this one.
    #[serde(default)]
    pub after: Vec<String>,
    /// Starts it whenever it appears or changes.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// A write to any table that is kept in step starts it.
    #[serde(default)]
    pub on_change: bool,
    /// What runs: `*` for all, else names of tables and models with `*`, and `+` before or after a
    /// name for what it needs and what needs it.
    #[serde(default = "all")]
    pub select: Vec<String>,
    /// What happens when the last run of this schedule is still under way.
    #[serde(default)]
    pub overlap: Overlap,
    /// What happens to fires that were missed while the daemon was down.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// Compares every selected table in full, which finds deletes and edits without a stamp.
    #[serde(default)]
    pub reconcile: bool,
    /// How much later than its expression says it fires: fixed, and spread over practices. Computed.
    #[serde(skip)]
    pub delay: TimeDelta,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            name: String::new(),
            cron: String::new(),
            timezone: utc(),
            jitter_seconds: 0,
            after: Vec::new(),
            file: None,
            on_change: false,
            select: all(),
            overlap: Overlap::default(),
            catch_up: CatchUp::default(),
            reconcile: false,
            delay: TimeDelta::zero(),
        }
    }
}

fn utc() -> String {
    "UTC".to_owned()
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

/// What happens when the last run of a schedule is still under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The fire is left out.
    #[default]
    Skip,
    /// The fire waits; at most one waits.
    Queue,
}

/// What happens to fires that were missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// However many were missed, one run makes up for them.
    #[default]
    Once,
    /// They are let go.
    None,
}

/// What is wrong with the schedules, each by itself and all together.
pub(super) fn check(schedules: &[Schedule]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, schedule) in schedules.iter().enumerate() {
        problems.extend(schedule.check(index));
        if schedules[..index].iter().any(|other| other.name == schedule.name) {
            problems.push(Problem::new(
                format!("schedule.{index}.name"),
                format!("a schedule \"{}\" stands above already", schedule.name),
                "give each schedule a name of its own",
            ));
        }
        for name in schedule.after.iter().filter(|name| schedules.iter().all(|other| other.name != **name)) {
            let known = schedules.iter().map(|other| other.name.as_str());
            let remedy = nearest(name, known)
                .map_or_else(|| "name schedules that there are".to_owned(), |near| format!("did you mean {near}?"));
            problems.push(Problem::new(format!("schedule.{index}.after"), format!("there is no \"{name}\""), remedy));
        }
    }
    if problems.is_empty() && has_circle(schedules) {
        let remedy = "take one of them out of the circle, and start it by a cron expression";
        problems.push(Problem::new("schedule.after", "schedules wait for each other in a circle", remedy));
    }
    problems
}

/// Whether schedules start each other for ever. Those that none of the others start are taken out until no such is
/// left.
fn has_circle(schedules: &[Schedule]) -> bool {
    let mut left: Vec<&Schedule> = schedules.iter().collect();
    loop {
        let names: Vec<&str> = left.iter().map(|s| s.name.as_str()).collect();
        let before = left.len();
        left.retain(|s| s.after.iter().any(|name| names.contains(&name.as_str())));
        if left.len() == before {
            return !left.is_empty();
        }
    }
}

impl Schedule {
    /// Fixes its delay. `place` tells this practice from others.
    pub(super) fn settle(&mut self, place: &str) {
        // The same for every version of this program, and of Rust.
        let digest = Sha256::digest(format!("{place}\n{}", self.name));
        let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        self.delay = TimeDelta::seconds((number % (self.jitter_seconds.min(JITTER_SECONDS_MAX) + 1)).into());
    }

    fn check(&self, index: usize) -> Vec<Problem> {
        let key = |field: &str| format!("schedule.{index}.{field}");
        let mut problems = Vec::new();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || self.name.len() > 63 || !self.name.chars().all(plain) {
            let remedy = "give a name of up to 63 letters, digits, - and _, such as every-five-minutes";
            problems.push(Problem::new(key("name"), format!("is \"{}\"", self.name), remedy));
        }
        let is_started_otherwise = !self.after.is_empty() || self.file.is_some() || self.on_change;
        if self.cron.is_empty() && is_started_otherwise {
            // Nothing to be wrong with.
        } else if let Some(cause) = wrong_cron(&self.cron) {
            let remedy = "write minute hour day month weekday, such as */5 * * * * for every five minutes";
            problems.push(Problem::new(key("cron"), format!("is \"{}\": {cause}", self.cron), remedy));
        }
        if self.jitter_seconds > JITTER_SECONDS_MAX {
            let what = format!("is {}", self.jitter_seconds);
            problems.push(Problem::new(key("jitter_seconds"), what, format!("give at most {JITTER_SECONDS_MAX}")));
        }
        problems.extend(zone(&key("timezone"), &self.timezone).err());
        if self.select.is_empty() || self.select.iter().any(String::is_empty) {
            problems.push(Problem::new(key("select"), "names nothing", "write [\"*\"] for all"));
        }
        problems
    }
}

/// The zone of an IANA name; else what is wrong with it, and the nearest one.
pub(super) fn zone(key: &str, name: &str) -> Result<Tz, Problem> {
    name.parse().map_err(|_| {
        let city = format!("/{name}");
        let zones = || TZ_VARIANTS.iter().map(|zone| zone.name());
        let near = zones().find(|zone| zone.ends_with(&city)).or_else(|| nearest(name, zones()));
        let remedy = match near {
            Some(near) => format!("did you mean {near}?"),
            None => "give an IANA name, such as America/Chicago".to_owned(),
        };
        Problem::new(key, format!("there is no zone \"{name}\""), remedy)
    })
}

/// Reads five fields (minute hour day month weekday), or six with seconds in front.
///
/// # Errors
/// What is wrong with the expression.
pub fn parse_cron(expression: &str) -> Result<Cron, CronError> {
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build().parse(expression)
}

/// Why an expression is none; one that never fires (30 February) counts too.
fn wrong_cron(expression: &str) -> Option<String> {
    let cron = match parse_cron(expression) {
        Ok(cron) => cron,
        Err(error) => return Some(format!("{error}")),
    };
    // Any time will do: an expression that has no next time now never has one.
    let any: DateTime<Utc> = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000);
    cron.find_next_occurrence(&any, false).err().map(|_| "it never comes due".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(name: &str, cron: &str, timezone: &str) -> Schedule {
        Schedule { name: name.to_owned(), cron: cron.to_owned(), timezone: timezone.to_owned(), ..Schedule::default() }
    }

    #[test]
    fn five_and_six_fields_are_good() {
        let schedules = [schedule("a", "*/5 * * * *", "America/Chicago"), schedule("b", "0 */5 * * * 1-5", "UTC")];
        assert_eq!(check(&schedules), []);
    }

    #[test]
    fn expressions_that_are_none_or_never_come_due_are_refused() {
        for cron in ["", "* * *", "61 * * * *", "0 0 30 2 *", "0 0 0 1 1 * 2030", "hello"] {
            let problems = check(&[schedule("a", cron, "UTC")]);
            assert_eq!(problems.len(), 1, "{cron}");
            assert_eq!(problems[0].key, "schedule.0.cron");
        }
    }

    #[test]
    fn an_unknown_zone_is_told_with_the_nearest() {
        let problems = check(&[schedule("a", "0 2 * * *", "America/Chicgo")]);
        assert_eq!(problems[0].remedy, "did you mean America/Chicago?");
    }

    #[test]
    fn what_starts_a_schedule_may_be_an_event_and_must_be_something() {
        let after = |name: &str, others: &[&str]| Schedule {
            after: others.iter().map(ToString::to_string).collect(),
            ..schedule(name, "", "UTC")
        };
        let nightly = schedule("nightly", "0 2 * * *", "UTC");
        assert_eq!(check(&[nightly.clone(), after("then", &["nightly"])]), []);
        assert_eq!(check(&[nightly.clone(), after("then", &[])])[0].key, "schedule.1.cron");
        assert_eq!(check(&[nightly, after("then", &["nigthly"])])[0].remedy, "did you mean nightly?");
        assert_eq!(check(&[after("a", &["b"]), after("b", &["a"])])[0].key, "schedule.after");
    }

    #[test]
    fn jitter_is_fixed_within_its_bound_and_spread_over_practices() {
        let delay = |place: &str| {
            let mut schedule = Schedule { jitter_seconds: 600, ..schedule("a", "0 2 * * *", "UTC") };
            schedule.settle(place);
            schedule.delay.num_seconds()
        };
        let delays: std::collections::BTreeSet<i64> = (0..100).map(|n| delay(&format!("practice {n}"))).collect();
        assert!(delays.len() > 50 && delays.iter().all(|d| (0..=600).contains(d)), "{delays:?}");
        assert_eq!(delay("one"), delay("one"));
    }

    #[test]
    fn two_schedules_of_one_name_are_refused() {
        let problems = check(&[schedule("a", "0 2 * * *", "UTC"), schedule("a", "0 3 * * *", "UTC")]);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].key, "schedule.1.name");
    }
}
