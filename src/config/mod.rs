//! The configuration: one file a section, each with its own defaults and checks.
//!
//! Owns the shapes and their meaning. Loading lies in [`load`]. Secrets are [`Secret`]: they are
//! never printed.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod expand;
mod extract;
mod http;
mod keys;
pub mod load;
mod log;
mod models;
mod origin;
mod problem;
mod replica;
mod retry;
mod schedule;
mod schema;
mod secret;
mod source;
mod sync;
mod tls;
mod types;
mod url;
mod warehouse;

pub use http::Http;
pub use log::{Log, LogFormat};
pub use models::Models;
pub use problem::Problem;
pub use replica::Replica;
pub use retry::Retry;
pub use schedule::{CatchUp, Overlap, Schedule};
pub use secret::Secret;
pub use source::Source;
pub use sync::{Sync, TableOverride};
pub use tls::{TlsMode, authorities};
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
    /// How often and how fast to try again.
    pub retry: Retry,
    /// Where to listen.
    pub http: Http,
    /// How to log.
    pub log: Log,
}

impl Config {
    /// Reads what is written in texts: once, when it is loaded. Tells everything that is wrong with them.
    fn parse(&mut self) -> Vec<Problem> {
        self.source.parse()
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
        problems.extend(self.retry.check());
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
    fn connections_must_suffice_for_what_works_at_once() {
        assert_eq!(Config::default().check_connections(), []);
        let mut config = Config::default();
        config.sync.parallel_tables = 8;
        let keys: Vec<String> = config.check_connections().into_iter().map(|p| p.key).collect();
        assert_eq!(keys, ["source.connections_max", "warehouse.connections_max"]);
    }
}
