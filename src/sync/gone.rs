//! Tables that were kept in step, and that the source shows no more.
//!
//! The source does not say why: information_schema leaves out what a user may not read. Their rows stay as they are.

use super::{Syncer, select};
use crate::config;
use tracing::warn;

/// So many are named in one line of the log; `status` names all.
const NAMED_MAX: usize = 20;

/// What to do about a table that is gone, for the operator.
pub const GONE_REMEDY: &str = "was it dropped or renamed at the source? Then leave it out by sync.exclude; the raw table is yours. \
                               Or has the source's user lost the right to read it? Then `grant select` on it again";

/// Whether a table is to be kept in step at all: included, and not excluded. Case does not count.
pub fn is_chosen(config: &config::Sync, table: &str) -> bool {
    select::chosen(config, table)
}

impl Syncer {
    /// Warns of tables that were kept in step, and that the source has ceased to show: not of those that the
    /// configuration excludes.
    pub fn tell_gone(&self, tables: &[String]) {
        let gone: Vec<&str> = tables.iter().map(String::as_str).filter(|t| is_chosen(&self.config.sync, t)).collect();
        if gone.is_empty() {
            return;
        }
        let (tables, named) = (gone.len(), gone[..gone.len().min(NAMED_MAX)].join(", "));
        warn!(
            tables,
            named, "tables that were kept in step are gone from the source, and their rows grow old: {GONE_REMEDY}"
        );
    }
}
