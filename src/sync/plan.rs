//! Plans one table's sync: its mode, and what to do now, each with the reason in words.
//!
//! Pure: no I/O and no clock. Carried out by [`super::load`], [`super::delta`], [`super::reconcile`] and
//! [`super::whole`].
//! Guarantee: a table is skipped only when its fingerprint proves that nothing was written since it was
//! last read; a delta is read only from a watermark of the table's own mode.

use super::{Action, SyncOptions, drift::Drift, kept};
use crate::{
    config::TableOverride,
    domain::{Deletes, Engine, SourceType, SyncMode, Table, Watermark},
    warehouse::TableState,
};
use chrono::{DateTime, TimeDelta, Utc};

/// Up to so many rows, comparing all of them costs less than keeping book.
const SMALL_ROWS: u64 = 10_000;
/// Up to so many bytes, likewise.
const SMALL_BYTES: u64 = 8 << 20;
/// A place of the source's log is moved on after so long, even if its table is quiet: logs are not kept for ever.
const LOG_PLACE_KEPT: TimeDelta = TimeDelta::hours(1);
/// Endings of names of tables that are only ever added to.
const LOG_ENDINGS: [&str; 3] = ["log", "loghash", "hist"];

/// Chooses how a table is kept in step.
pub(super) fn choose_mode(table: &Table, by_hand: Option<&TableOverride>) -> (SyncMode, String) {
    if let Some(mode) = by_hand.and_then(|o| o.mode) {
        return match usable(mode, table, by_hand) {
            Ok(()) => (mode, "the configuration says so".to_owned()),
            Err(why) => (SyncMode::Replace, format!("the configuration says {mode}, but {why}")),
        };
    }
    if !table.has_integer_key() {
        return (SyncMode::Replace, "no primary key of integers, so rows are compared as a whole".to_owned());
    }
    if table.rows <= SMALL_ROWS && table.data_bytes <= SMALL_BYTES {
        return (SyncMode::Replace, format!("small ({} rows), so all of it is compared", table.rows));
    }
    if let Some((_, stamp)) = stamp(table, by_hand) {
        return (SyncMode::Merge, format!("the server stamps every edit in {stamp}"));
    }
    let name = table.name.as_str().to_ascii_lowercase();
    // Other engines hand a key out before its row can be seen: a higher one may come first.
    if table.engine == Engine::MyIsam
        && table.integer_key().is_some_and(|k| k.auto_increment)
        && LOG_ENDINGS.iter().any(|e| name.ends_with(e))
    {
        return (SyncMode::Append, "a log by its name, with an increasing key and no stamp".to_owned());
    }
    (SyncMode::Replace, "no stamp tells its edits, so all of it is compared".to_owned())
}

/// The column whose stamp tells a table's edits: the one named by hand, else the first that the server
/// keeps itself. Only a `timestamp`: it is one instant, whatever the clinic's clock says.
pub(super) fn stamp<'t>(table: &'t Table, by_hand: Option<&TableOverride>) -> Option<(usize, &'t str)> {
    let is_stamp =
        |column: &crate::domain::Column| column.source_type == SourceType::Timestamp && column.rule.mapping.is_none();
    match by_hand.and_then(|o| o.cursor.as_deref()) {
        Some(name) => table.column(name).filter(|(_, c)| is_stamp(c)),
        None => table.columns.iter().enumerate().find(|(_, c)| is_stamp(c) && c.stamps_edits),
    }
    .map(|(at, column)| (at, column.name.as_str()))
}

fn usable(mode: SyncMode, table: &Table, by_hand: Option<&TableOverride>) -> Result<(), String> {
    match mode {
        SyncMode::Replace => Ok(()),
        SyncMode::Merge if !table.has_integer_key() => Err("the table has no primary key of integers".to_owned()),
        SyncMode::Merge if stamp(table, by_hand).is_none() => {
            Err("the table has no timestamp column to go by".to_owned())
        }
        SyncMode::Stream if !table.has_integer_key() => Err("the table has no primary key of integers".to_owned()),
        SyncMode::Append if table.integer_key().is_none() => Err("the table has no key of one integer".to_owned()),
        SyncMode::Merge | SyncMode::Append | SyncMode::Stream => Ok(()),
    }
}

/// What is known when a table's next step is chosen.
pub(super) struct Situation<'a> {
    pub table: &'a Table,
    pub mode: SyncMode,
    /// What the last sync left; `None`: there was none, or the raw table is gone.
    pub state: Option<&'a TableState>,
    pub drift: &'a Drift,
    /// What becomes of rows that the source has deleted.
    pub deletes: Deletes,
    /// The source's clock now.
    pub now: DateTime<Utc>,
    pub overlap: TimeDelta,
    /// The server that is read, as a table's state calls it: what another one says of a table's last write
    /// proves nothing.
    pub server: Option<&'a str>,
}

/// Chooses what to do now.
pub(super) fn choose_action(situation: &Situation<'_>, options: SyncOptions) -> (Action, String) {
    let Some(state) = situation.state else {
        return (Action::Load, "never loaded".to_owned());
    };
    if options.full {
        return (Action::Load, "asked to load everything again".to_owned());
    }
    let drift = situation.drift;
    if let Some(why) = &drift.reload {
        return (Action::Load, why.clone());
    }
    if let Some(why) = &drift.compare {
        return (Action::Reconcile, why.clone());
    }
    if let Some(why) = drift.dropped.as_ref().filter(|_| state.quarantined > 0) {
        return (Action::Reconcile, format!("{why}, and rows in quarantine may fit now"));
    }
    if options.reconcile {
        return (Action::Reconcile, "asked to compare everything".to_owned());
    }
    if was_rebuilt(situation, state) {
        return (Action::Reconcile, "the table was altered, replaced or rebuilt at the source".to_owned());
    }
    let follows = match new_rule(state, situation.deletes) {
        NewRule::Compared(why) => return (Action::Reconcile, why),
        NewRule::Applied => false,
        NewRule::None => true,
    };
    let is_proven = state.fingerprint.is_some()
        && state.fingerprint == situation.table.fingerprint
        && state.server.as_deref() == situation.server;
    let has_place = situation.mode == SyncMode::Stream && matches!(state.watermark, Some(Watermark::Log(_)));
    let is_left_behind = has_place && situation.now - state.source_read_at > LOG_PLACE_KEPT;
    if follows && drift.is_none() && is_proven && !is_left_behind {
        return (Action::Skip, format!("not written at the source since {}", state.synced_at.format("%F %T UTC")));
    }
    delta_or_reconcile(situation, state)
}

/// Whether the table is another than the one that was read, or was written anew: truncated, restored, swapped for
/// another by `rename table`, converted to another character set. Its values may have changed with no stamp. Each
/// server has a time of its own.
fn was_rebuilt(situation: &Situation<'_>, state: &TableState) -> bool {
    let (was, is) = (state.shape.made_at, situation.table.made_at);
    // The log tells of it by itself, and more exactly.
    let is_followed = matches!(state.watermark, Some(Watermark::Log(_)));
    !is_followed && was.is_some() && is.is_some() && was != is && state.server.as_deref() == situation.server
}

/// What a rule for deletes asks for, if it is another than that of the last sync.
enum NewRule {
    /// Nothing.
    None,
    /// The raw table must be made to follow it.
    Applied,
    /// Rows that were kept without a stamp must be found; why, in words.
    Compared(String),
}

fn new_rule(state: &TableState, rule: Deletes) -> NewRule {
    let is_stamped = state.raw.as_ref().is_some_and(kept::is_stamped);
    match (state.deletes, rule) {
        (Deletes::Ignore, Deletes::Hard | Deletes::Soft) => {
            NewRule::Compared(format!("deleted rows were kept as they are, and the rule is {rule} now"))
        }
        (Deletes::Soft, Deletes::Hard) => NewRule::Applied,
        (_, Deletes::Soft) if !is_stamped => NewRule::Applied,
        _ => NewRule::None,
    }
}

fn delta_or_reconcile(situation: &Situation<'_>, state: &TableState) -> (Action, String) {
    match (situation.mode, &state.watermark) {
        (SyncMode::Merge, Some(Watermark::Stamp(at))) if situation.now < *at - situation.overlap => {
            (Action::Reconcile, "the source's clock was put back behind the watermark".to_owned())
        }
        (SyncMode::Merge, Some(Watermark::Stamp(_))) if was_put_back(situation, state) => {
            (Action::Reconcile, "since the last sync, less time has passed at the source than here".to_owned())
        }
        (SyncMode::Merge, Some(Watermark::Stamp(at))) => {
            (Action::Delta, format!("rows stamped since {}", (*at - situation.overlap).format("%F %T UTC")))
        }
        (SyncMode::Stream, Some(Watermark::Log(position))) => {
            (Action::Delta, format!("what the source has logged since {position}"))
        }
        (SyncMode::Append, Some(Watermark::Key(_))) => {
            (Action::Delta, "rows above the last key that was read".to_owned())
        }
        (SyncMode::Replace, _) => (Action::Reconcile, "changed at the source".to_owned()),
        (mode, _) => (Action::Reconcile, format!("no watermark for {mode} yet")),
    }
}

/// Whether the source's clock has gone less far since the last sync than the warehouse's, which is asked first and
/// began to count later: then rows may bear stamps that had passed already.
fn was_put_back(situation: &Situation<'_>, state: &TableState) -> bool {
    let (there, here) = (situation.now - state.source_read_at, state.asked_at - state.synced_at);
    there + situation.overlap < here
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Column, Fingerprint, LogPosition},
        warehouse::Shape,
    };

    fn column(name: &str, declared: &str, stamps_edits: bool, auto_increment: bool) -> Column {
        Column { nullable: false, stamps_edits, auto_increment, ..Column::new(name, declared) }
    }

    fn table(name: &str, columns: Vec<Column>, rows: u64) -> Table {
        Table {
            name: name.into(),
            engine: Engine::MyIsam,
            columns,
            key: vec![0],
            rows,
            data_bytes: rows * 50,
            fingerprint: Some(Fingerprint("f".to_owned())),
            made_at: None,
        }
    }

    fn payment(rows: u64) -> Table {
        table(
            "payment",
            vec![column("PayNum", "bigint(20)", false, true), column("SecDateTEdit", "timestamp", true, false)],
            rows,
        )
    }

    fn state(watermark: Option<Watermark>) -> TableState {
        let table = payment(1);
        TableState {
            shape: Shape { columns: table.columns, key: table.key, made_at: table.made_at },
            fingerprint: Some(Fingerprint("f".to_owned())),
            watermark,
            revision: 1,
            row_count: 1,
            synced_at: at(0),
            source_read_at: at(0),
            asked_at: at(0),
            quarantined: 0,
            deletes: Deletes::Hard,
            server: None,
            position: None,
            raw: None,
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("a small number of seconds is a valid time")
    }

    fn action(table: &Table, mode: SyncMode, state: Option<&TableState>, now: i64, options: SyncOptions) -> Action {
        let overlap = TimeDelta::seconds(60);
        let (drift, deletes) = (&Drift::default(), Deletes::Hard);
        choose_action(&Situation { table, mode, state, drift, deletes, now: at(now), overlap, server: None }, options).0
    }

    #[test]
    fn modes_follow_what_the_table_offers() {
        let log = |name, stamped| {
            table(
                name,
                vec![column("Num", "bigint(20)", false, true), column("T", "timestamp", stamped, false)],
                1_000_000,
            )
        };
        assert_eq!(choose_mode(&payment(1_000_000), None).0, SyncMode::Merge);
        assert_eq!(choose_mode(&payment(100), None).0, SyncMode::Replace);
        assert_eq!(choose_mode(&log("securitylog", false), None).0, SyncMode::Append);
        let innodb = Table { engine: Engine::InnoDb, ..log("securitylog", false) };
        assert_eq!(choose_mode(&innodb, None).0, SyncMode::Replace);
        assert_eq!(choose_mode(&log("procedurelog", true), None).0, SyncMode::Merge);
        assert_eq!(choose_mode(&log("sheetfield", false), None).0, SyncMode::Replace);
    }

    #[test]
    fn a_column_that_goes_has_its_table_compared_where_rows_wait_in_quarantine() {
        let (table, mode) = (&payment(1), SyncMode::Merge);
        let drift = Drift { dropped: Some("the source no longer has v".to_owned()), ..Drift::default() };
        for (quarantined, expected) in [(0, Action::Delta), (1, Action::Reconcile)] {
            let state = TableState { quarantined, fingerprint: None, ..state(Some(Watermark::Stamp(at(0)))) };
            let (state, drift, deletes, now) = (Some(&state), &drift, Deletes::Hard, at(9));
            let situation =
                Situation { table, mode, state, drift, deletes, now, overlap: TimeDelta::seconds(60), server: None };
            assert_eq!(choose_action(&situation, SyncOptions::default()).0, expected, "{quarantined}");
        }
    }

    #[test]
    fn a_mode_by_hand_that_cannot_work_is_not_taken() {
        let by_hand = |mode| TableOverride { mode: Some(mode), ..TableOverride::default() };
        let keyless = Table { key: Vec::new(), ..payment(1_000_000) };
        assert_eq!(choose_mode(&payment(5), Some(&by_hand(SyncMode::Append))).0, SyncMode::Append);
        let (mode, why) = choose_mode(&keyless, Some(&by_hand(SyncMode::Merge)));
        assert!(mode == SyncMode::Replace && why.contains("no primary key"));
    }

    #[test]
    fn a_table_is_skipped_only_with_a_proof() {
        let seen = state(Some(Watermark::Stamp(at(0))));
        let unproven = Table { fingerprint: None, ..payment(1_000_000) };
        let options = SyncOptions::default();
        assert_eq!(action(&payment(1_000_000), SyncMode::Merge, Some(&seen), 9, options), Action::Skip);
        assert_eq!(action(&unproven, SyncMode::Merge, Some(&seen), 9, options), Action::Delta);
        assert_eq!(action(&payment(1_000_000), SyncMode::Merge, None, 9, options), Action::Load);
        let reconcile = SyncOptions { reconcile: true, ..SyncOptions::default() };
        assert_eq!(action(&payment(1_000_000), SyncMode::Merge, Some(&seen), 9, reconcile), Action::Reconcile);
    }

    #[test]
    fn a_place_of_the_log_is_moved_on_though_its_table_is_quiet() {
        let place = LogPosition { file: "binlog.000007".to_owned(), offset: 4, begun: 0 };
        let followed = state(Some(Watermark::Log(place)));
        let (table, options) = (&payment(1_000_000), SyncOptions::default());
        let (hour, kept) =
            (LOG_PLACE_KEPT.num_seconds(), |now| action(table, SyncMode::Stream, Some(&followed), now, options));
        assert_eq!([kept(hour), kept(hour + 1)], [Action::Skip, Action::Delta]);
        // Where there is no place, a comparison would only find that nothing has changed.
        assert_eq!(action(table, SyncMode::Stream, Some(&state(None)), hour + 1, options), Action::Skip);
    }

    #[test]
    fn what_one_server_says_of_the_last_write_proves_nothing_about_another() {
        let elsewhere = TableState { server: Some("replica:3306".to_owned()), ..state(Some(Watermark::Stamp(at(0)))) };
        let options = SyncOptions::default();
        assert_eq!(action(&payment(1_000_000), SyncMode::Merge, Some(&elsewhere), 9, options), Action::Delta);
    }

    #[test]
    fn a_clock_put_back_or_a_foreign_watermark_is_no_ground_for_a_delta() {
        let unproven = Table { fingerprint: None, ..payment(1_000_000) };
        let ahead = state(Some(Watermark::Stamp(at(7200))));
        let foreign = state(Some(Watermark::Key(7)));
        let options = SyncOptions::default();
        assert_eq!(action(&unproven, SyncMode::Merge, Some(&ahead), 3600, options), Action::Reconcile);
        assert_eq!(action(&unproven, SyncMode::Merge, Some(&foreign), 3600, options), Action::Reconcile);
    }
}
