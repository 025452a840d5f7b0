//! The same tables by another tool: sling, as its own documentation has it run.

use super::{
    Result,
    measure::{Measured, measured, run},
    places::Places,
};
use std::process::Command;

const TABLES: [&str; 2] = ["paysplit", "procedurelog"];

/// What both took.
pub(super) struct Compared {
    pub ours: Measured,
    pub theirs: Measured,
    /// The peer's, as it says itself.
    pub version: String,
}

/// `None` where the peer is not there.
pub(super) fn compared(places: &Places) -> Result<Option<Compared>> {
    let Ok(sling) = std::env::var("SLING") else { return Ok(None) };
    let said = run(Command::new(&sling).env("SLING_DISABLE_TELEMETRY", "true").arg("--version"))?;
    let version = said.split_whitespace().last().unwrap_or("of no version").to_owned();
    places.fresh_database()?;
    let ours = measured(places.amalgam().arg("sync").args(TABLES))?;
    let mut theirs = Measured { seconds: 0.0, peak_mebibytes: 0.0 };
    for table in TABLES {
        let one = measured(
            Command::new(&sling)
                .env("SOURCE", places.source_url())
                .env("WAREHOUSE", places.warehouse_url("bench") + "?sslmode=disable")
                .env("SLING_DISABLE_TELEMETRY", "true")
                .args(["run", "--src-conn", "SOURCE", "--src-stream", &format!("opendental.{table}")])
                .args(["--tgt-conn", "WAREHOUSE", "--tgt-object", &format!("public.{table}")])
                .args(["--mode", "full-refresh"]),
        )?;
        theirs = theirs.and(one);
    }
    println!("{}: we {ours}, sling {version} {theirs}", TABLES.join(" and "));
    Ok(Some(Compared { ours, theirs, version }))
}
