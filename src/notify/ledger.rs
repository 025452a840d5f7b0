//! What one notifier was told, and what it is to be told next.
//!
//! Pure: the moment is handed in. Guarantee: what is open is told once and then again at each repeat, and
//! what was told is told to be over, once; whatever was not taken by the other side is due again.

use super::message::{Entry, Message};
use crate::domain::{Alert, AlertKey, Condition, Severity, Told};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// Alerts in one message, at most; what is left goes into the next.
const MESSAGE_ALERTS_MAX: usize = 200;

/// When and of what a notifier is told.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// The least severe that it is told of.
    pub severity: Severity,
    /// How long the first change waits for others.
    pub group_wait: TimeDelta,
    /// When what is still open is told again.
    pub repeat: TimeDelta,
    /// Whether causes silence their consequences; not where the other side sees to it.
    pub silences: bool,
}

/// How much is known at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// Whether the warehouse answers, and nothing else.
    Warehouse,
}

impl Scope {
    fn holds(self, key: &AlertKey) -> bool {
        self == Self::All || key.alert == Alert::WarehouseDown
    }
}

/// What one notifier was told.
#[derive(Debug, Default)]
pub struct Ledger {
    told: BTreeMap<AlertKey, Told>,
    /// When the first change was noticed that waits for others.
    changed_at: Option<DateTime<Utc>>,
    dirty: bool,
}

impl Ledger {
    /// Takes in what is remembered of an earlier time; what was told since stands above it.
    pub fn recall(&mut self, told: Vec<Told>) {
        for told in told {
            self.told.entry(told.key.clone()).or_insert(told);
        }
    }

    /// Forgets all but what nobody else remembers: another process may have told meanwhile.
    pub fn forget(&mut self) {
        self.told.retain(|key, _| Scope::Warehouse.holds(key));
        self.changed_at = None;
    }

    /// What is to be remembered, where that has changed since it was last asked.
    pub fn unsaved(&mut self) -> Option<Vec<Told>> {
        std::mem::take(&mut self.dirty).then(|| self.told.values().cloned().collect())
    }

    /// What was handed out by [`Ledger::unsaved`] was not saved.
    pub fn not_saved(&mut self) {
        self.dirty = true;
    }

    /// What is to be told now; `None`: nothing yet.
    pub fn due(&mut self, open: &[Condition], scope: Scope, rhythm: Rhythm, now: DateTime<Utc>) -> Option<Message> {
        let open: Vec<&Condition> =
            open.iter().filter(|c| scope.holds(&c.key) && c.severity >= rhythm.severity).collect();
        let silent: BTreeSet<Alert> = match rhythm.silences {
            true => open.iter().flat_map(|c| c.key.alert.silences()).copied().collect(),
            false => BTreeSet::new(),
        };
        let is_news = |c: &Condition| self.told.get(&c.key).is_none_or(|told| told.severity < c.severity);
        let speaks = |c: &Condition| !silent.contains(&c.key.alert);
        let keys: BTreeSet<&AlertKey> = open.iter().map(|c| &c.key).collect();
        let over: Vec<&Told> = self.told.values().filter(|t| scope.holds(&t.key) && !keys.contains(&t.key)).collect();
        let has_news = !over.is_empty() || open.iter().any(|c| speaks(c) && is_news(c));
        let repeats = open
            .iter()
            .filter(|c| speaks(c))
            .filter_map(|c| self.told.get(&c.key))
            .any(|t| now - t.told_at >= rhythm.repeat);
        let changed_at = has_news.then(|| self.changed_at.unwrap_or(now));
        // A clock that was put back makes nothing wait longer.
        let waits = changed_at.is_some_and(|at| now - at < rhythm.group_wait && at <= now);
        let message = (has_news && !waits || repeats).then(|| {
            let entry = |c: &Condition| Entry {
                key: c.key.clone(),
                severity: c.severity,
                since: self.told.get(&c.key).map_or(c.since, |told| told.since.min(c.since)),
                description: c.description.clone(),
                is_repeated: !is_news(c),
            };
            let firing = open.iter().filter(|c| speaks(c) && (repeats || is_news(c))).map(|c| entry(c));
            let firing: Vec<Entry> = firing.take(MESSAGE_ALERTS_MAX).collect();
            let resolved = over.iter().take(MESSAGE_ALERTS_MAX - firing.len()).map(|told| Entry::over(told)).collect();
            Message { firing, resolved, at: now }
        });
        self.changed_at = changed_at;
        message
    }

    /// The other side has taken a message.
    pub fn take(&mut self, message: &Message) {
        for entry in &message.firing {
            let told =
                Told { key: entry.key.clone(), severity: entry.severity, since: entry.since, told_at: message.at };
            self.told.insert(entry.key.clone(), told);
        }
        for entry in &message.resolved {
            self.told.remove(&entry.key);
        }
        self.changed_at = None;
        self.dirty = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: Rhythm = Rhythm {
        severity: Severity::Warning,
        group_wait: TimeDelta::seconds(30),
        repeat: TimeDelta::hours(4),
        silences: true,
    };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
    }

    fn open(alert: Alert, subject: &str) -> Condition {
        let key = AlertKey::new(alert, subject);
        Condition { key, severity: alert.severity(), since: at(0), description: String::new() }
    }

    /// What a message says, in short.
    fn said(message: Option<Message>) -> (String, Option<Message>) {
        let Some(message) = message else { return (String::new(), None) };
        let mut words: Vec<String> =
            message.firing.iter().map(|e| format!("{}{}", if e.is_repeated { "*" } else { "+" }, e.key)).collect();
        words.extend(message.resolved.iter().map(|e| format!("-{}", e.key)));
        (words.join(", "), Some(message))
    }

    /// A notifier whose messages all arrive.
    #[derive(Default)]
    struct Listener(Ledger);

    impl Listener {
        fn hears(&mut self, open: &[Condition], seconds: i64) -> String {
            let (said, message) = said(self.0.due(open, Scope::All, RHYTHM, at(seconds)));
            message.iter().for_each(|message| self.0.take(message));
            said
        }
    }

    #[test]
    fn what_opens_within_the_wait_is_one_message_and_so_is_what_ends() {
        let mut listener = Listener::default();
        let (a, b) = (open(Alert::ModelFailing, "a"), open(Alert::ModelFailing, "b"));
        assert_eq!(listener.hears(std::slice::from_ref(&a), 0), "");
        assert_eq!(listener.hears(&[a.clone(), b.clone()], 20), "");
        assert_eq!(listener.hears(&[a.clone(), b.clone()], 30), "+ModelFailing a, +ModelFailing b");
        assert_eq!(listener.hears(&[a.clone(), b], 60), "");
        assert_eq!(listener.hears(&[a], 70), "");
        assert_eq!(listener.hears(&[], 99), "");
        assert_eq!(listener.hears(&[], 100), "-ModelFailing a, -ModelFailing b");
        assert_eq!(listener.hears(&[], 1000), "");
    }

    #[test]
    fn what_comes_and_goes_within_the_wait_is_not_told() {
        let mut listener = Listener::default();
        assert_eq!(listener.hears(&[open(Alert::ModelFailing, "a")], 0), "");
        assert_eq!(listener.hears(&[], 20), "");
        // The next one waits its own time.
        assert_eq!(listener.hears(&[open(Alert::ModelFailing, "b")], 40), "");
        assert_eq!(listener.hears(&[open(Alert::ModelFailing, "b")], 70), "+ModelFailing b");
    }

    #[test]
    fn what_is_still_open_is_told_again_after_the_repeat_and_all_of_it_at_once() {
        let mut listener = Listener::default();
        let (a, b) = (open(Alert::ModelFailing, "a"), open(Alert::TableFailing, "b"));
        listener.hears(std::slice::from_ref(&a), 0);
        assert_eq!(listener.hears(std::slice::from_ref(&a), 30), "+ModelFailing a");
        listener.hears(&[a.clone(), b.clone()], 7200);
        assert_eq!(listener.hears(&[a.clone(), b.clone()], 7230), "+TableFailing b");
        let repeat = 30 + 4 * 3600;
        assert_eq!(listener.hears(&[a.clone(), b.clone()], repeat - 1), "");
        assert_eq!(listener.hears(&[a.clone(), b.clone()], repeat), "*ModelFailing a, *TableFailing b");
        assert_eq!(listener.hears(&[a, b], repeat + 1), "");
    }

    #[test]
    fn what_did_not_arrive_is_due_again_as_things_stand_then() {
        let mut ledger = Ledger::default();
        let (a, b) = (open(Alert::ModelFailing, "a"), open(Alert::ModelFailing, "b"));
        let mut due = |open: &[Condition], seconds| said(ledger.due(open, Scope::All, RHYTHM, at(seconds))).0;
        due(std::slice::from_ref(&a), 0);
        assert_eq!(due(&[a], 30), "+ModelFailing a");
        // It was not taken; meanwhile that is over, and something else is so.
        assert_eq!(due(std::slice::from_ref(&b), 35), "+ModelFailing b");
        assert_eq!(ledger.unsaved(), None);
    }

    #[test]
    fn a_restart_neither_repeats_nor_forgets() {
        let (a, b) = (open(Alert::ModelFailing, "a"), open(Alert::ModelFailing, "b"));
        let mut before = Listener::default();
        before.hears(&[a.clone(), b.clone()], 0);
        before.hears(&[a.clone(), b], 30);
        let saved = before.0.unsaved().expect("it was told something");
        let mut after = Listener::default();
        after.0.recall(saved);
        assert_eq!(after.hears(std::slice::from_ref(&a), 40), "");
        assert_eq!(after.hears(&[a], 70), "-ModelFailing b");
    }

    #[test]
    fn less_severe_things_are_not_told_and_what_gets_worse_is_told_again() {
        let mut listener = Listener::default();
        let mut expires = open(Alert::CertificateExpires, "source");
        let drift = open(Alert::SchemaDrift, "added");
        listener.hears(&[drift.clone(), expires.clone()], 0);
        assert_eq!(listener.hears(&[drift, expires.clone()], 30), "+CertificateExpires source");
        expires.severity = Severity::Critical;
        listener.hears(std::slice::from_ref(&expires), 100);
        assert_eq!(listener.hears(std::slice::from_ref(&expires), 130), "+CertificateExpires source");
        expires.severity = Severity::Warning;
        assert_eq!(listener.hears(&[expires], 200), "");
    }

    #[test]
    fn a_cause_silences_its_consequences_which_are_not_told_to_be_over_for_it() {
        let mut listener = Listener::default();
        let (cause, table) = (open(Alert::SourceDown, ""), open(Alert::TableFailing, "a"));
        listener.hears(std::slice::from_ref(&table), 0);
        assert_eq!(listener.hears(std::slice::from_ref(&table), 30), "+TableFailing a");
        let all = [cause, table, open(Alert::TablesLate, "")];
        listener.hears(&all, 100);
        assert_eq!(listener.hears(&all, 130), "+SourceDown");
        assert_eq!(listener.hears(&all, 130 + 4 * 3600), "*SourceDown");
        // What is due again takes along what else there is to tell.
        assert_eq!(listener.hears(&all[1..], 20_000), "*TableFailing a, +TablesLate, -SourceDown");
    }

    #[test]
    fn without_the_warehouse_nothing_else_is_taken_to_be_over() {
        let mut ledger = Ledger::default();
        let told =
            |alert| Told { key: AlertKey::new(alert, ""), severity: alert.severity(), since: at(0), told_at: at(0) };
        ledger.recall(vec![told(Alert::TestsFailing), told(Alert::SourceDown)]);
        let away = [open(Alert::WarehouseDown, "")];
        ledger.due(&away, Scope::Warehouse, RHYTHM, at(0));
        let (text, message) = said(ledger.due(&away, Scope::Warehouse, RHYTHM, at(30)));
        assert_eq!(text, "+WarehouseDown");
        ledger.take(&message.expect("it was due"));
        // Another process may have told the rest meanwhile; of this one nobody else knows.
        ledger.forget();
        ledger.due(&[], Scope::Warehouse, RHYTHM, at(40));
        assert_eq!(said(ledger.due(&[], Scope::Warehouse, RHYTHM, at(70))).0, "-WarehouseDown");
    }

    #[test]
    fn a_message_has_its_bound_and_the_rest_comes_with_the_next() {
        let mut listener = Listener::default();
        let all: Vec<Condition> =
            (0..MESSAGE_ALERTS_MAX + 7).map(|n| open(Alert::TableFailing, &format!("t{n:04}"))).collect();
        let many = |said: String| said.matches('+').count();
        listener.hears(&all, 0);
        assert_eq!(many(listener.hears(&all, 30)), MESSAGE_ALERTS_MAX);
        listener.hears(&all, 35);
        assert_eq!(many(listener.hears(&all, 65)), 7);
    }
}
