//! `sources.json`: how fresh the sources were.

use super::{FRESHNESS, metadata, write};
use crate::{
    error::Result,
    models::{Models, freshness::Freshness},
};
use serde_json::json;

impl Models {
    /// Writes how fresh the sources are.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn write_freshness(&self, all: &[Freshness], seconds: f64) -> Result<()> {
        let artifact = json!({
            "metadata": metadata(&self.manifest, "sources/v3", self.clock.now()),
            "results": all.iter().map(Freshness::described).collect::<Vec<_>>(), "elapsed_time": seconds,
        });
        write(&self.manifest, FRESHNESS, &artifact)
    }
}
