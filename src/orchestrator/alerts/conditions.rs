//! What is wrong now, by the thresholds of the Prometheus rules.
//!
//! Pure: the facts and the moment are handed in.

use super::super::{Side, is_late, short};
use crate::{
    domain::{Alert, AlertKey, Condition, Severity},
    error::Kind,
    models::TestStatus,
    state::{GoneTable, ModelHealth, RunHealth, ScheduleRow, SchemaChangeRecord, SetAside, TableHealth},
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use std::collections::BTreeMap;

/// Names in one description.
const NAMES_MAX: usize = 5;

/// What this process knows of itself, and of both databases.
#[derive(Clone, Debug, Default)]
pub(super) struct Process {
    pub(super) source: Side,
    pub(super) warehouse: Side,
    /// Whether the schema is up to date.
    pub(super) migrated: bool,
    /// How many loops do not turn.
    pub(super) late_loops: usize,
    pub(super) config_refused: bool,
    /// When the warehouse last refused a write for want of room.
    pub(super) full_at: Option<DateTime<Utc>>,
    /// When the last byte was read or written.
    pub(super) moved_at: Option<DateTime<Utc>>,
    pub(super) is_quiet: bool,
    pub(super) certificates: Vec<(&'static str, DateTime<Utc>)>,
}

/// What the control plane knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) tables: Vec<TableHealth>,
    pub(super) models: Vec<ModelHealth>,
    pub(super) schedules: Vec<ScheduleRow>,
    pub(super) runs: Vec<RunHealth>,
    /// Those alone that the configuration wants to be kept in step.
    pub(super) gone: Vec<GoneTable>,
    pub(super) set_aside: Vec<SetAside>,
    pub(super) verdicts: BTreeMap<String, i64>,
    /// Of the last hour.
    pub(super) changes: Vec<SchemaChangeRecord>,
    pub(super) task_ended_at: Option<DateTime<Utc>>,
    /// Tables in step before this are late; and what was so an hour ago.
    pub(super) late_before: Option<DateTime<Utc>>,
    pub(super) late_before_an_hour_ago: Option<DateTime<Utc>>,
}

/// Something that may be wrong, and for how long it has to be so.
pub(super) struct Candidate {
    pub(super) condition: Condition,
    pub(super) hold: TimeDelta,
}

/// What may be wrong. Where it isn't known since when, it is since now.
pub(super) fn candidates(process: &Process, known: Option<&Known>, now: DateTime<Utc>) -> Vec<Candidate> {
    let mut found = Found { now, candidates: Vec::new() };
    found.of_process(process);
    if let Some(known) = known {
        found.of_runs(process, known);
        found.of_tables(known);
        found.of_models(known);
    }
    found.candidates
}

struct Found {
    now: DateTime<Utc>,
    candidates: Vec<Candidate>,
}

impl Found {
    fn add(
        &mut self,
        alert: Alert,
        subject: &str,
        since: Option<DateTime<Utc>>,
        description: String,
    ) -> &mut Candidate {
        let key = AlertKey::new(alert, subject);
        let since = since.unwrap_or(self.now);
        let condition = Condition { key, severity: alert.severity(), since, description };
        self.candidates.push(Candidate { condition, hold: alert.hold() });
        self.candidates.last_mut().expect("one was just added")
    }

    fn of_process(&mut self, process: &Process) {
        let why = |side: &Side| side.error_kind.map_or_else(String::new, |kind| format!(" ({kind})"));
        if process.source.since.is_some() && !process.source.up {
            let text = format!(
                "MariaDB does not answer{}. The warehouse stays as it is, and gets older.",
                why(&process.source)
            );
            self.add(Alert::SourceDown, "", None, text);
        }
        if process.warehouse.since.is_some() && !(process.warehouse.up && process.migrated) {
            let text = format!(
                "PostgreSQL does not answer, or its schema is not up to date{}. Nothing is kept in step.",
                why(&process.warehouse)
            );
            self.add(Alert::WarehouseDown, "", None, text);
        }
        if let Some(at) = process.full_at.filter(|at| (TimeDelta::zero()..Alert::FULL).contains(&(self.now - *at))) {
            let text = "PostgreSQL refused to write for want of room. Nothing is kept in step until there is some.";
            self.add(Alert::WarehouseFull, "", Some(at), text.to_owned());
        }
        if process.late_loops > 0 {
            let text = format!("Loops of the daemon that do not turn any more: {}.", process.late_loops);
            self.add(Alert::LoopsLate, "", None, text);
        }
        if process.config_refused {
            let text = "The one before it stays in force. At its next start the daemon would refuse to run by it.";
            self.add(Alert::ConfigRefused, "", None, text.to_owned());
        }
        for (peer, at) in &process.certificates {
            let left = *at - self.now;
            if left < Alert::EXPIRES {
                let text = format!("It ends at {}.", time(*at));
                let found = self.add(Alert::CertificateExpires, peer, None, text);
                if left < Alert::EXPIRES_SOON {
                    found.condition.severity = Severity::Critical;
                }
            }
        }
    }

    fn of_runs(&mut self, process: &Process, known: &Known) {
        let now = self.now;
        // These are known since before anybody could be told, and are held from then on.
        let missed = Alert::MISSED + Alert::ScheduleMissed.hold();
        let (stuck, idle) = (Alert::STUCK + Alert::RunStuck.hold(), Alert::IDLE + Alert::RunStuck.hold());
        for schedule in &known.schedules {
            if let Some(due) = schedule.next_fire_at.filter(|due| now - *due > missed) {
                let text = format!("It was due at {}.", time(due));
                self.add(Alert::ScheduleMissed, &schedule.name, Some(due), text);
            }
        }
        let is_idle = |at: Option<DateTime<Utc>>| at.is_none_or(|at| now - at > idle);
        for run in &known.runs {
            if run.failures_in_a_row >= Alert::RUN_FAILURES && !run.schedule.is_empty() {
                let text = format!(
                    "The last {} in a row have failed. What did not fail in them is in step.",
                    run.failures_in_a_row
                );
                self.add(Alert::RunsFailing, &run.schedule, None, text);
            }
            let is_old = run.running_since.is_some_and(|since| now - since > stuck);
            if is_old && !process.is_quiet && is_idle(process.moved_at) && is_idle(known.task_ended_at) {
                let text = "For half an hour no task has ended and no byte was read or written.";
                self.add(Alert::RunStuck, &run.schedule, run.running_since, text.to_owned());
            }
        }
    }

    fn of_tables(&mut self, known: &Known) {
        // Late now, and by what it was last in step an hour ago as well: it got no fresher in between.
        let late: Vec<&str> = known
            .tables
            .iter()
            .filter(|t| is_late(t.fresh_at, known.late_before) && is_late(t.fresh_at, known.late_before_an_hour_ago))
            .map(|t| t.name.as_str())
            .collect();
        if !late.is_empty() {
            let text = format!("Tables that missed a whole cycle, and have for an hour: {}.", named(&late));
            // What the control plane knows of an hour ago counts, also where this process had not begun.
            self.add(Alert::TablesLate, "", None, text).hold = TimeDelta::zero();
        }
        for table in known.tables.iter().filter(|t| t.failures_in_a_row >= Alert::TABLE_FAILURES) {
            let text = format!(
                "Its sync failed in {} runs in a row{}. The warehouse has its last good version.",
                table.failures_in_a_row,
                kind(table.error_kind.as_deref())
            );
            self.add(Alert::TableFailing, &table.name, table.failing_since, text);
        }
        if !known.gone.is_empty() {
            let gone: Vec<&str> = known.gone.iter().map(|table| table.name.as_str()).collect();
            let text = format!(
                "Dropped, renamed, or no longer to be read by the source's user; their rows grow old: {}.",
                named(&gone)
            );
            self.add(Alert::TablesGone, "", None, text);
        }
        for table in &known.set_aside {
            let text = format!(
                "Rows in quarantine: {}. They are missing from the warehouse and from every report. \
                 amalgam.quarantine tells keys and reasons.",
                table.rows
            );
            self.add(Alert::RowsQuarantined, &table.source_table, Some(table.since), text);
        }
        let lately: i64 = known.set_aside.iter().map(|table| table.lately).sum();
        if lately > Alert::SET_ASIDE_LATELY {
            let text = format!("Within a day {lately} more rows were set aside: reports lack so many more.");
            self.add(Alert::QuarantineGrows, "", None, text);
        }
        let mut changed: BTreeMap<&str, Vec<&SchemaChangeRecord>> = BTreeMap::new();
        for change in &known.changes {
            changed.entry(&change.change).or_default().push(change);
        }
        for (change, records) in changed {
            let mut tables: Vec<&str> = records.iter().map(|record| record.source_table.as_str()).collect();
            tables.sort_unstable();
            tables.dedup();
            let since = records.iter().map(|record| record.changed_at).min();
            let text = format!(
                "Within the last hour: {}. Amalgam has followed by itself; models and reports may have to.",
                named(&tables)
            );
            self.add(Alert::SchemaDrift, change, since, text);
        }
    }

    fn of_models(&mut self, known: &Known) {
        for model in known.models.iter().filter(|model| model.failing_since.is_some()) {
            let text = format!(
                "Its last build failed{}. Reports see its last good version, which gets older.",
                kind(model.error_kind.as_deref())
            );
            self.add(Alert::ModelFailing, short(&model.name), model.failing_since, text);
        }
        for model in known.models.iter().filter(|model| !model.last.unusual.is_empty()) {
            let told: Vec<String> = model.last.told().into_iter().map(|what| format!("It {what}.")).collect();
            let text = format!("{} It was published; look at what it reads.", told.join(" "));
            self.add(Alert::ModelUnusual, short(&model.name), model.last.built_at, text);
        }
        let by_test = |model: &&ModelHealth| model.error_kind.as_deref() == Some(Kind::ModelTest.as_str());
        let held: Vec<&ModelHealth> = known.models.iter().filter(by_test).collect();
        if !held.is_empty() {
            let names: Vec<&str> = held.iter().map(|model| short(&model.name)).collect();
            let since = held.iter().filter_map(|model| model.failing_since).min();
            let text = format!(
                "Models that a failing test holds back: {}. Reports see the last version that passed.",
                named(&names)
            );
            self.add(Alert::TestsFailing, "", since, text);
        }
        let warnings = known.verdicts.get(TestStatus::Warn.as_str()).copied().unwrap_or_default();
        if warnings > 0 {
            let text = format!("Tests that found something and are only to warn: {warnings}.");
            self.add(Alert::TestsWarning, "", None, text);
        }
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The kind of a failure, where it is known.
fn kind(kind: Option<&str>) -> String {
    kind.map_or_else(String::new, |kind| format!(" ({kind})"))
}

/// Some names, and how many more there are.
fn named(names: &[&str]) -> String {
    let shown = names[..names.len().min(NAMES_MAX)].join(", ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::LastBuild;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minutes * 60, 0).expect("a time")
    }

    /// What may be wrong at minute 120.
    fn open(process: &Process, known: &Known) -> Vec<String> {
        candidates(process, Some(known), at(120)).iter().map(|c| c.condition.key.to_string()).collect()
    }

    fn table(name: &str) -> TableHealth {
        TableHealth {
            name: name.to_owned(),
            mode: None,
            row_count: None,
            fresh_at: Some(at(118)),
            source_at: None,
            changed_at: None,
            failing_since: None,
            failures_in_a_row: 0,
            error_kind: None,
            error: Some("a text that must not be told".to_owned()),
        }
    }

    fn run(schedule: &str, failures: i64, running_since: Option<DateTime<Utc>>) -> RunHealth {
        RunHealth {
            schedule: schedule.to_owned(),
            succeeded_at: None,
            running_since,
            failures_in_a_row: failures,
            seconds: None,
            rows_read: 0,
            rows_inserted: 0,
            rows_updated: 0,
            rows_deleted: 0,
        }
    }

    fn well() -> Process {
        let up = Side { up: true, since: Some(at(0)), ..Side::default() };
        Process { source: up.clone(), warehouse: up, migrated: true, ..Process::default() }
    }

    #[test]
    fn nothing_is_wrong_with_what_is_well_nor_with_what_was_never_asked() {
        assert_eq!(open(&well(), &Known::default()), Vec::<String>::new());
        assert_eq!(open(&Process::default(), &Known::default()), Vec::<String>::new());
    }

    #[test]
    fn databases_and_certificates_are_told_of() {
        let process = Process {
            source: Side { since: Some(at(0)), ..Side::default() },
            migrated: false,
            full_at: Some(at(110)),
            late_loops: 1,
            config_refused: true,
            certificates: vec![("source", at(120 + 20 * 1440)), ("warehouse", at(0)), ("replica", at(120 + 22 * 1440))],
            ..well()
        };
        let expected = [
            "SourceDown",
            "WarehouseDown",
            "WarehouseFull",
            "LoopsLate",
            "ConfigRefused",
            "CertificateExpires source",
            "CertificateExpires warehouse",
        ];
        assert_eq!(open(&process, &Known::default()), expected);
        // A clock that was put back.
        let ahead = Process { full_at: Some(at(121)), ..well() };
        assert_eq!(open(&ahead, &Known::default()), Vec::<String>::new());
        let severities: Vec<Severity> =
            candidates(&process, None, at(120)).iter().skip(5).map(|c| c.condition.severity).collect();
        assert_eq!(severities, [Severity::Warning, Severity::Critical]);
    }

    #[test]
    fn a_run_is_told_of_when_it_fails_again_and_when_nothing_moves() {
        let known = Known {
            runs: vec![run("often", 2, Some(at(0))), run("nightly", 1, Some(at(70))), run("", 9, None)],
            ..Known::default()
        };
        assert_eq!(open(&well(), &known), ["RunsFailing often", "RunStuck often"]);
        for moving in [Process { moved_at: Some(at(86)), ..well() }, Process { is_quiet: true, ..well() }] {
            assert_eq!(open(&moving, &known), ["RunsFailing often"]);
        }
        let stands = Process { moved_at: Some(at(84)), ..well() };
        assert_eq!(open(&stands, &known), ["RunsFailing often", "RunStuck often"]);
        let ended = Known { task_ended_at: Some(at(91)), ..known };
        assert_eq!(open(&well(), &ended), ["RunsFailing often"]);
    }

    #[test]
    fn tables_are_told_of_that_fail_are_late_for_an_hour_or_lack_rows() {
        let mut known = Known { late_before: Some(at(100)), late_before_an_hour_ago: Some(at(40)), ..Known::default() };
        known.tables = vec![
            TableHealth { failures_in_a_row: 3, error_kind: Some("source_timeout".to_owned()), ..table("a") },
            TableHealth { failures_in_a_row: 2, fresh_at: Some(at(50)), ..table("b") },
            TableHealth { fresh_at: Some(at(39)), ..table("c") },
        ];
        known.set_aside = vec![SetAside { source_table: "d".to_owned(), rows: 101, since: at(0), lately: 101 }];
        known.gone = vec![GoneTable { name: "e".to_owned(), synced_at: at(0), row_count: 1 }];
        let told = ["TablesLate", "TableFailing a", "TablesGone", "RowsQuarantined d", "QuarantineGrows"];
        assert_eq!(open(&well(), &known), told);
        let told: String =
            candidates(&well(), Some(&known), at(120)).into_iter().map(|c| c.condition.description).collect();
        assert!(
            told.contains("(source_timeout)") && told.contains("an hour: c.") && !told.contains("must not"),
            "{told}"
        );
    }

    #[test]
    fn models_tests_and_changed_tables_are_told_of() {
        let model = |name: &str, kind: &str| ModelHealth {
            name: format!("model.p.{name}"),
            good_at: None,
            failing_since: Some(at(5)),
            failures_in_a_row: 1,
            error_kind: Some(kind.to_owned()),
            error: None,
            last: LastBuild::default(),
        };
        let change = |table: &str| SchemaChangeRecord {
            changed_at: at(100),
            source_table: table.to_owned(),
            change: "added".to_owned(),
            told: String::new(),
        };
        let known = Known {
            models: vec![model("a", "model_sql"), model("b", "model_test")],
            changes: vec![change("t"), change("u"), change("t")],
            verdicts: BTreeMap::from([("warn".to_owned(), 1)]),
            ..Known::default()
        };
        let expected = ["SchemaDrift added", "ModelFailing a", "ModelFailing b", "TestsFailing", "TestsWarning"];
        assert_eq!(open(&well(), &known), expected);
        let tests = candidates(&well(), Some(&known), at(120));
        assert!(tests[0].condition.description.contains("hour: t, u."), "{}", tests[0].condition.description);
        assert_eq!(tests[1].condition.since, at(5));
    }

    #[test]
    fn a_model_that_is_not_as_usual_is_told_of_with_what_is_usual() {
        let last = LastBuild {
            unusual: vec!["few_rows".to_owned()],
            built_at: Some(at(7)),
            seconds: Some(1.0),
            usual_seconds: Some(1.0),
            rows: Some(3),
            usual_rows: Some(400.0),
        };
        let model = ModelHealth {
            name: "model.p.a".to_owned(),
            good_at: Some(at(7)),
            failing_since: None,
            failures_in_a_row: 0,
            error_kind: None,
            error: None,
            last,
        };
        let known = Known { models: vec![model], ..Known::default() };
        assert_eq!(open(&well(), &known), ["ModelUnusual a"]);
        let condition = &candidates(&well(), Some(&known), at(120))[0].condition;
        assert_eq!(condition.since, at(7));
        assert_eq!(
            condition.description,
            "It has 3 rows, and usually has 400. It was published; look at what it reads."
        );
    }

    #[test]
    fn a_schedule_is_missed_minutes_after_it_was_due() {
        let row = |name: &str, due| ScheduleRow {
            name: name.to_owned(),
            cron: String::new(),
            timezone: String::new(),
            after: Vec::new(),
            next_fire_at: Some(due),
            last_fire_at: None,
            queued_fire_at: None,
            queued_by: None,
            seen_file: None,
            seen_change: None,
            paused: false,
        };
        let known = Known { schedules: vec![row("a", at(113)), row("b", at(115))], ..Known::default() };
        assert_eq!(open(&well(), &known), ["ScheduleMissed a"]);
    }
}
