//! The configuration: one file a section, each with its own defaults and checks.
//!
//! Owns the shapes and their meaning. Loading lies in [`load`]. Secrets are [`Secret`]: they are
//! never printed.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

mod address;
mod expand;
mod extract;
mod heartbeat;
mod http;
mod keys;
pub mod load;
mod log;
mod models;
mod notify;
mod origin;
mod peer;
mod problem;
mod replica;
mod retry;
mod runs;
mod schedule;
mod schema;
mod secret;
mod source;
mod sync;
mod tls;
mod traces;
mod types;
mod url;
mod warehouse;

pub use heartbeat::{HEARTBEAT, Heartbeat};
pub use http::Http;
pub use log::{Log, LogFormat};
pub use models::Models;
pub use notify::{MailTls, Notify, NotifyKind};
pub use peer::PeerCertificate;
pub use problem::Problem;
pub use replica::Replica;
pub use retry::Retry;
pub use runs::Runs;
pub use schedule::{CatchUp, Overlap, Schedule, parse_cron};
pub use secret::Secret;
pub use source::Source;
pub use sync::{Sync, TableOverride};
pub use tls::{TlsMode, authorities};
pub use traces::{Traces, below_base};
pub use types::TypeRule;
pub use warehouse::Warehouse;

/// The whole configuration.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the practice's database is.
    pub source: Source,
    /// Where the warehouse is.
    pub warehouse: Warehouse,
    /// How tables are kept in step.
    pub sync: Sync,
    /// Overrides by table name.
    pub tables: BTreeMap<String, TableOverride>,
    /// Where the models are.
    pub models: Models,
    /// When what shall run.
    pub schedule: Vec<Schedule>,
    /// Bounds of all runs together.
    pub runs: Runs,
    /// How often and how fast to try again.
    pub retry: Retry,
    /// Who is told of what.
    pub notify: Vec<Notify>,
    /// A sign of life for who raises the alarm when it stops.
    pub heartbeat: Heartbeat,
    /// Where what runs took is sent.
    pub traces: Traces,
    /// Where to listen.
    pub http: Http,
    /// How to log.
    pub log: Log,
}

impl Config {
    /// Reads what is written in texts: once, when it is loaded. Tells everything that is wrong with them.
    fn parse(&mut self) -> Vec<Problem> {
        let place = format!("{} {}", self.source.host, self.source.database);
        self.schedule.iter_mut().for_each(|schedule| schedule.settle(&place));
        self.source.parse()
    }

    /// The keys in which another one differs, secrets among them; no values.
    pub fn changed(&self, other: &Self) -> Vec<String> {
        let flat = |config: &Self| keys::flatten(&serde_json::to_value(config).expect("a configuration is JSON"));
        let (ours, theirs) = (flat(self), flat(other));
        let mut keys: BTreeSet<String> =
            ours.keys().chain(theirs.keys()).filter(|key| ours.get(*key) != theirs.get(*key)).cloned().collect();
        // Stars equal stars.
        let secrets = [
            ("source.password", self.source.password != other.source.password),
            ("source.replica.password", self.source.replica.password != other.source.replica.password),
            ("warehouse.password", self.warehouse.password != other.warehouse.password),
            ("heartbeat.url", self.heartbeat.url != other.heartbeat.url),
            ("traces.headers", self.traces.headers != other.traces.headers),
        ];
        keys.extend(secrets.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned()));
        for (index, (ours, theirs)) in self.notify.iter().zip(&other.notify).enumerate() {
            keys.extend(ours.changed_secrets(theirs).map(|key| format!("notify.{index}.{key}")));
        }
        keys.into_iter().collect()
    }

    /// Everything else that is wrong with it, as far as can be seen without a database.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = self.source.check();
        problems.extend(self.warehouse.check());
        problems.extend(self.sync.check());
        problems.extend(types::check(&self.sync.types));
        problems.extend(self.tables.iter().flat_map(|(name, table)| table.check(name)));
        problems.extend(self.models.check());
        problems.extend(schedule::check(&self.schedule));
        problems.extend(self.runs.check());
        problems.extend(self.retry.check());
        problems.extend(notify::check(&self.notify));
        problems.extend(self.heartbeat.check());
        problems.extend(self.traces.check());
        problems.extend(self.log.check());
        problems.extend(self.check_connections());
        problems
    }

    /// What works at once must not wait for each other's connections: a table takes one of the source and
    /// two of the warehouse, a model one, and one is needed on each side to look around. The second one that a
    /// first load of a MyISAM table likes to have is taken of those beyond, or not at all.
    fn check_connections(&self) -> Vec<Problem> {
        let (tables, models) = (self.sync.parallel_tables, self.models.threads);
        let needs = [
            ("source.connections_max", tables.saturating_add(1), self.source.connections_max),
            (
                "warehouse.connections_max",
                tables.saturating_mul(2).saturating_add(models).saturating_add(1),
                self.warehouse.connections_max,
            ),
        ];
        let short = needs.into_iter().filter(|(_, needed, given)| needed > given);
        short
            .map(|(key, needed, given)| {
                let cause = format!(
                    "is {given}, but sync.parallel_tables = {tables} and models.threads = {models} need {needed}"
                );
                Problem::new(key, cause, format!("set it to {needed} or more, or let fewer work at once"))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_told_by_key_and_a_secret_without_its_value() {
        let (old, mut new) = (Config::default(), Config::default());
        assert_eq!(old.changed(&new), Vec::<String>::new());
        new.warehouse.password = Secret::new("hunter2");
        new.retry.attempts_max = 9;
        assert_eq!(old.changed(&new), ["retry.attempts_max", "warehouse.password"]);
    }

    #[test]
    fn connections_must_suffice_for_what_works_at_once() {
        assert_eq!(Config::default().check_connections(), []);
        let mut config = Config::default();
        config.sync.parallel_tables = 8;
        let keys: Vec<String> = config.check_connections().into_iter().map(|p| p.key).collect();
        assert_eq!(keys, ["source.connections_max", "warehouse.connections_max"]);
    }
}
