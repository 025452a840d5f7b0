//! `[sync]` and `[tables.<name>]`: how tables are kept in step.

use super::{Problem, TypeRule, problem::within};
use crate::domain::{Deletes, SyncMode};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How tables are kept in step.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sync {
    /// Tables to keep in step, by name, `*` standing for anything.
    pub include: Vec<String>,
    /// Tables to leave out, by name, `*` standing for anything.
    pub exclude: Vec<String>,
    /// Tables brought in step at once.
    pub parallel_tables: usize,
    /// Bytes that one batch on its way into the warehouse holds at most.
    pub batch_bytes_max: usize,
    /// Bytes of a first load that are committed at a time: a large table's load goes on from there when it
    /// was interrupted.
    pub load_part_bytes: u64,
    /// Seconds after which what has come of a first load is committed, however little.
    pub load_part_seconds: u64,
    /// What becomes of rows that the source has deleted.
    pub deletes: Deletes,
    /// Rows of a chunk, which a comparison passes over as long as neither side has changed.
    pub chunk_rows: u64,
    /// Seconds read again before the watermark: rows stamped by a statement that was under way.
    pub overlap_seconds: u64,
    /// Minutes after which one try of a table's sync, or of a model's build, is given up.
    pub timeout_minutes: u64,
    /// Columns that become another type than their declaration says.
    pub types: Vec<TypeRule>,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            include: vec!["*".to_owned()],
            exclude: Vec::new(),
            parallel_tables: 3,
            batch_bytes_max: 1 << 20,
            load_part_bytes: 512 << 20,
            load_part_seconds: 60,
            deletes: Deletes::Hard,
            chunk_rows: 10_000,
            overlap_seconds: 60,
            timeout_minutes: 120,
            types: Vec::new(),
        }
    }
}

/// What is decided by hand for one table.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableOverride {
    /// The mode, instead of the one discovery chooses.
    pub mode: Option<SyncMode>,
    /// The stamp column of `merge`.
    pub cursor: Option<String>,
    /// What becomes of rows that the source has deleted, instead of `sync.deletes`.
    pub deletes: Option<Deletes>,
}

impl Sync {
    /// What is read again before the watermark. At least a second: stamps are cut to it.
    pub fn overlap(&self) -> TimeDelta {
        TimeDelta::seconds(i64::try_from(self.overlap_seconds).expect("it is checked to be at most a day"))
    }

    /// [`Sync::load_part_seconds`].
    pub fn load_part_time(&self) -> Duration {
        Duration::from_secs(self.load_part_seconds)
    }

    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        within(&mut problems, "sync.parallel_tables", self.parallel_tables, 1..=64);
        within(&mut problems, "sync.batch_bytes_max", self.batch_bytes_max, 1 << 16..=1 << 28);
        within(&mut problems, "sync.load_part_bytes", self.load_part_bytes, 1..=1 << 40);
        within(&mut problems, "sync.load_part_seconds", self.load_part_seconds, 1..=3600);
        within(&mut problems, "sync.chunk_rows", self.chunk_rows, 1..=10_000_000);
        within(&mut problems, "sync.overlap_seconds", self.overlap_seconds, 1..=86_400);
        within(&mut problems, "sync.timeout_minutes", self.timeout_minutes, 1..=10_080);
        if self.include.is_empty() {
            problems.push(Problem::new(
                "sync.include",
                "is empty: nothing would be kept in step",
                "write [\"*\"] for all",
            ));
        }
        for (key, patterns) in [("sync.include", &self.include), ("sync.exclude", &self.exclude)] {
            if patterns.iter().any(|pattern| pattern.trim().is_empty()) {
                problems.push(Problem::new(key, "holds an empty name", "take it away, or write * for all"));
            }
        }
        problems
    }
}

impl TableOverride {
    pub(super) fn check(&self, name: &str) -> Option<Problem> {
        let key = |field| format!("tables.{name}.{field}");
        match (self.mode, &self.cursor) {
            (Some(SyncMode::Merge), None) => Some(Problem::new(
                key("mode"),
                "is merge, but no cursor is given",
                format!("give tables.{name}.cursor, a column that is stamped on every edit, such as DateTStamp"),
            )),
            (Some(SyncMode::Append | SyncMode::Replace | SyncMode::Stream), Some(_)) => Some(Problem::new(
                key("cursor"),
                "is given, but only merge has a cursor",
                format!("set tables.{name}.mode to merge, or take the cursor away"),
            )),
            (_, Some(cursor)) if cursor.is_empty() => {
                Some(Problem::new(key("cursor"), "is empty", "give the name of a column"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound() {
        assert_eq!(Sync::default().check(), []);
        assert_eq!(TableOverride::default().check("patient"), None);
    }

    #[test]
    fn no_worker_and_no_table_are_refused() {
        let sync = Sync { parallel_tables: 0, include: Vec::new(), ..Sync::default() };
        let keys: Vec<String> = sync.check().into_iter().map(|p| p.key).collect();
        assert_eq!(keys, ["sync.parallel_tables", "sync.include"]);
    }

    #[test]
    fn merge_needs_a_cursor_and_only_merge_has_one() {
        let merge = TableOverride { mode: Some(SyncMode::Merge), ..TableOverride::default() };
        assert!(merge.check("patient").expect("it is wrong").remedy.contains("tables.patient.cursor"));
        let append = TableOverride {
            mode: Some(SyncMode::Append),
            cursor: Some("DateTStamp".to_owned()),
            ..TableOverride::default()
        };
        assert_eq!(append.check("patient").expect("it is wrong").key, "tables.patient.cursor");
    }
}
