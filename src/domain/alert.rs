//! What somebody may be told of, by the names of the Prometheus rules.
//!
//! Pure. One vocabulary with `deploy/prometheus/amalgam.rules.yml`: name, severity, label and page, and what each is
//! measured by; a test holds them together.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How bad it is, the worst last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For who reads along.
    Info,
    /// The last good version is served, and gets older.
    #[default]
    Warning,
    /// Nothing is kept in step, or numbers are about to be wrong.
    Critical,
}

impl Severity {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The severity of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Info, Self::Warning, Self::Critical].into_iter().find(|severity| severity.as_str() == word)
    }
}

/// Declares alerts: name, usual severity, the label that its subject stands under, and what it says.
macro_rules! alerts {
    ($($(#[doc = $doc:literal])+ $alert:ident = $severity:ident, $label:literal, $says:literal;)+) => {
        /// What somebody may be told of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Alert {
            $($(#[doc = $doc])+ $alert,)+
        }

        impl Alert {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$alert,)+];

            /// Its name without the program's.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$alert => stringify!($alert),)+ }
            }

            /// How bad it is, where nothing makes it worse.
            pub fn severity(self) -> Severity {
                match self { $(Self::$alert => Severity::$severity,)+ }
            }

            /// The label of what it speaks of; empty where it is of all.
            pub fn label(self) -> &'static str {
                match self { $(Self::$alert => $label,)+ }
            }

            fn says(self) -> &'static str {
                match self { $(Self::$alert => $says,)+ }
            }
        }
    };
}

alerts! {
    /// The practice's database does not answer.
    SourceDown = Critical, "", "The practice's database does not answer";
    /// The warehouse does not answer, or its schema is not up to date.
    WarehouseDown = Critical, "", "The warehouse does not answer";
    /// The warehouse has no room.
    WarehouseFull = Critical, "", "The disk of the warehouse is full";
    /// A loop of the process does not turn.
    LoopsLate = Critical, "", "The daemon lives and does not work";
    /// A new configuration was refused.
    ConfigRefused = Warning, "", "A new configuration was refused";
    /// A server's certificate expires soon.
    CertificateExpires = Warning, "peer", "The certificate of the {} expires soon";
    /// A schedule was due and did not fire.
    ScheduleMissed = Critical, "schedule", "Schedule {} did not fire";
    /// Runs of a schedule fail in a row.
    RunsFailing = Warning, "schedule", "Runs of schedule {} fail";
    /// A run neither ends nor moves.
    RunStuck = Critical, "schedule", "A run of schedule {} is stuck";
    /// Tables missed a whole cycle.
    TablesLate = Warning, "", "Tables are late";
    /// A table fails in several runs.
    TableFailing = Warning, "table", "Table {} can't be kept in step";
    /// Tables that were kept in step are gone from the source.
    TablesGone = Warning, "", "Tables are gone from the source";
    /// Rows of a table are set aside.
    RowsQuarantined = Warning, "table", "Rows of {} have no place in the warehouse and are set aside";
    /// Many rows were set aside within a day.
    QuarantineGrows = Critical, "", "The quarantine grows";
    /// Tables of the source have changed their shape.
    SchemaDrift = Info, "change", "Tables of the source have changed their shape ({})";
    /// A model can't be built.
    ModelFailing = Warning, "model", "Model {} can't be built";
    /// The last build of a model took long, or gave few rows.
    ModelUnusual = Warning, "model", "Model {} is not as usual";
    /// Failing tests hold models back.
    TestsFailing = Warning, "", "Tests of models fail";
    /// Tests warn.
    TestsWarning = Info, "", "Tests of models warn";
}

/// What they are measured by.
impl Alert {
    /// Failures in a row for which runs are told of.
    pub const RUN_FAILURES: i64 = 2;
    /// Failures in a row for which a table is told of.
    pub const TABLE_FAILURES: i32 = 3;
    /// A schedule is missed that is due for longer.
    pub const MISSED: TimeDelta = TimeDelta::seconds(300);
    /// A run is stuck that is older, and in which nothing has moved for [`Self::IDLE`].
    pub const STUCK: TimeDelta = TimeDelta::hours(1);
    /// In a run that is not stuck, something ends or moves within so long.
    pub const IDLE: TimeDelta = TimeDelta::minutes(30);
    /// A write that was refused for want of room is told of for so long.
    pub const FULL: TimeDelta = TimeDelta::minutes(15);
    /// More rows than these, set aside within a day, are many.
    pub const SET_ASIDE_LATELY: i64 = 100;
    /// A change of a table's shape is told of for so long.
    pub const CHANGED: TimeDelta = TimeDelta::hours(1);
    /// Certificates are told of so long before they end: as a warning.
    pub const EXPIRES: TimeDelta = TimeDelta::days(21);
    /// And as critical.
    pub const EXPIRES_SOON: TimeDelta = TimeDelta::days(2);

    /// For how long it has to be so before anybody is told.
    pub fn hold(self) -> TimeDelta {
        match self {
            Self::ScheduleMissed => TimeDelta::minutes(1),
            // Rows in quarantine may be released by the very sync that runs.
            Self::WarehouseDown | Self::LoopsLate | Self::RowsQuarantined => TimeDelta::minutes(2),
            Self::SourceDown | Self::RunStuck => TimeDelta::minutes(5),
            Self::QuarantineGrows => TimeDelta::minutes(10),
            Self::TablesLate | Self::TestsWarning => TimeDelta::hours(1),
            _ => TimeDelta::zero(),
        }
    }
}

impl Alert {
    /// The alert of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|alert| alert.as_str() == name)
    }

    /// Its name in the rules.
    pub fn rule(self) -> String {
        format!("Amalgam{}", self.as_str())
    }

    /// The page of what to do, in the repository.
    pub fn runbook(self) -> String {
        let mut page = "docs/runbooks/".to_owned();
        for (index, letter) in self.as_str().char_indices() {
            if letter.is_ascii_uppercase() && index > 0 {
                page.push('-');
            }
            page.push(letter.to_ascii_lowercase());
        }
        page + ".md"
    }

    /// Those that are silent while this one is open, being what follows from it: the inhibition rules of
    /// `deploy/alertmanager/alertmanager.yml`.
    pub fn silences(self) -> &'static [Self] {
        use Alert as A;
        match self {
            A::SourceDown => &[A::TablesLate, A::TableFailing, A::RunsFailing, A::RunStuck],
            A::WarehouseDown | A::WarehouseFull => {
                &[A::ScheduleMissed, A::TablesLate, A::TableFailing, A::RunsFailing, A::RunStuck, A::ModelFailing]
            }
            A::ModelFailing | A::TableFailing => &[A::RunsFailing],
            _ => &[],
        }
    }
}

/// An alert and what it speaks of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlertKey {
    /// Which.
    pub alert: Alert,
    /// The table, model, schedule …; empty where it is of all.
    pub subject: String,
}

impl AlertKey {
    /// An alert on a subject.
    pub fn new(alert: Alert, subject: impl Into<String>) -> Self {
        Self { alert, subject: subject.into() }
    }

    /// What it says, in one sentence without its full stop.
    pub fn summary(&self) -> String {
        if self.alert == Alert::RunStuck && self.subject.is_empty() {
            return "A run is stuck".to_owned();
        }
        self.alert.says().replace("{}", &self.subject)
    }
}

impl fmt::Display for AlertKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.alert.as_str())?;
        if self.subject.is_empty() { Ok(()) } else { write!(f, " {}", self.subject) }
    }
}

/// Something that is so now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What.
    pub key: AlertKey,
    /// How bad.
    pub severity: Severity,
    /// Since when.
    pub since: DateTime<Utc>,
    /// More about it, in sentences: names, counts, kinds of failure; no values.
    pub description: String,
}

/// What a notifier was told, and not yet that it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What.
    pub key: AlertKey,
    /// How bad it was when told.
    pub severity: Severity,
    /// Since when it is so.
    pub since: DateTime<Utc>,
    /// When it was last told.
    pub told_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_is_found_by_its_name_and_says_what_it_is_about() {
        for alert in Alert::ALL {
            assert_eq!(Alert::parse(alert.as_str()), Some(*alert));
            assert_eq!(alert.says().contains("{}"), !alert.label().is_empty(), "{alert:?}");
        }
        assert_eq!(AlertKey::new(Alert::TableFailing, "payment").summary(), "Table payment can't be kept in step");
        assert_eq!(Alert::TableFailing.runbook(), "docs/runbooks/table-failing.md");
        assert_eq!(Alert::parse("Nothing"), None);
    }

    #[test]
    fn no_cause_is_silenced_by_its_own_consequence() {
        for alert in Alert::ALL {
            for consequence in alert.silences() {
                assert!(!consequence.silences().contains(alert), "{alert:?}");
            }
        }
    }

    #[test]
    fn severities_are_ordered_and_found_by_their_words() {
        assert!(Severity::Critical > Severity::Warning && Severity::Warning > Severity::Info);
        assert_eq!(Severity::parse("critical"), Some(Severity::Critical));
        assert_eq!(Severity::parse("none"), None);
    }
}
