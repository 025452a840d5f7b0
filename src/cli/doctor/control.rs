//! Judges the control plane: the schema `amalgam` of the warehouse.

use super::finding::Findings;
use crate::state::{SchemaVersion, State};

pub(super) async fn examine(state: &State, into: &mut Findings) {
    match state.schema_version().await {
        Ok(version) => judge(&version, into),
        Err(error) => into.failed("control plane", &error),
    }
}

fn judge(version: &SchemaVersion, into: &mut Findings) {
    match version {
        SchemaVersion::None => into.ok("control plane", "made by the first run"),
        SchemaVersion::Older { missing } => {
            into.ok("control plane", format!("the next start upgrades it by {missing} steps; an older daemon goes on working"));
        }
        SchemaVersion::Same => into.ok("control plane", "as this program needs it"),
        SchemaVersion::Newer { newest } => into.warn(
            "control plane",
            format!("made by a newer program (step {newest}); this one works with it, and knows less"),
            "install the newer program here too",
        ),
        SchemaVersion::Broken { step } => into.fail(
            "control plane",
            format!("step {step} of its upgrade did not come to an end"),
            format!("see the log of that time for the cause; then delete from amalgam._sqlx_migrations where version = {step}, and start again"),
        ),
    }
}
