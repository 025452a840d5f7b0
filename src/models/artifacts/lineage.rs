//! `lineage.json`: what every node and column comes from. No file of dbt's.

use super::{LINEAGE, moment, write};
use crate::{
    error::Result,
    models::{Lineage, Models},
};
use serde_json::json;

impl Models {
    /// Writes the lineage beside the catalog.
    ///
    /// # Errors
    /// The target folder can't be written.
    pub fn write_lineage(&self, lineage: &Lineage) -> Result<()> {
        let mut artifact = lineage.json();
        artifact["metadata"] = json!({
            "generated_at": moment(self.clock.now()), "invocation_id": self.manifest.setting.invocation,
            "project_name": self.manifest.project.name,
        });
        write(&self.manifest, LINEAGE, &artifact)
    }
}
