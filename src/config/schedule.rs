//! `[[schedule]]`: when what shall run.

use super::{Problem, keys::nearest};
use chrono::{DateTime, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::Cron;
use serde::{Deserialize, Serialize};

/// One schedule.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Its name; unique.
    pub name: String,
    /// Five fields (minute hour day month weekday), or six with seconds in front.
    pub cron: String,
    /// IANA name of the zone in which the expression is meant.
    #[serde(default = "utc")]
    pub timezone: String,
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
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            name: String::new(),
            cron: String::new(),
            timezone: utc(),
            select: all(),
            overlap: Overlap::default(),
            catch_up: CatchUp::default(),
            reconcile: false,
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
    }
    problems
}

impl Schedule {
    fn check(&self, index: usize) -> Vec<Problem> {
        let key = |field: &str| format!("schedule.{index}.{field}");
        let mut problems = Vec::new();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || self.name.len() > 63 || !self.name.chars().all(plain) {
            let remedy = "give a name of up to 63 letters, digits, - and _, such as every-five-minutes";
            problems.push(Problem::new(key("name"), format!("is \"{}\"", self.name), remedy));
        }
        if let Some(cause) = wrong_cron(&self.cron) {
            let remedy = "write minute hour day month weekday, such as */5 * * * * for every five minutes";
            problems.push(Problem::new(key("cron"), format!("is \"{}\": {cause}", self.cron), remedy));
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

/// Why an expression is none; one that never fires (30 February) counts too.
fn wrong_cron(expression: &str) -> Option<String> {
    let cron: Cron = match expression.parse() {
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
        for cron in ["", "* * *", "61 * * * *", "0 0 30 2 *", "hello"] {
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
    fn two_schedules_of_one_name_are_refused() {
        let problems = check(&[schedule("a", "0 2 * * *", "UTC"), schedule("a", "0 3 * * *", "UTC")]);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].key, "schedule.1.name");
    }
}
