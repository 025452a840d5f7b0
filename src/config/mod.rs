//! The configuration: one file a section, each with its own defaults and checks.
//!
//! Owns the shapes and their meaning. Loading lies in [`load`]. Secrets are [`Secret`]: they are
//! never printed.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod connection;
mod expand;
mod http;
mod keys;
pub mod load;
mod log;
mod models;
mod origin;
mod problem;
mod retry;
mod schedule;
mod secret;
mod source;
mod sync;
mod url;
mod warehouse;

pub use connection::TlsMode;
pub use http::Http;
pub use log::{Log, LogFormat};
pub use models::Models;
pub use problem::Problem;
pub use retry::Retry;
pub use schedule::{CatchUp, Overlap, Schedule};
pub use secret::Secret;
pub use source::Source;
pub use sync::{Sync, TableOverride};
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
    /// Everything that is wrong with it, as far as can be seen without a database.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = self.source.check();
        problems.extend(self.warehouse.check());
        problems.extend(self.sync.check());
        problems.extend(self.tables.iter().flat_map(|(name, table)| table.check(name)));
        problems.extend(self.models.check());
        problems.extend(schedule::check(&self.schedule));
        problems.extend(self.retry.check());
        problems.extend(self.log.check());
        problems
    }
}
