//! The same tables by another tool: sling, as its own documentation has it run.

use super::{
    Result,
    measure::{Measured, measured},
    places::Places,
};
use std::process::Command;

const TABLES: [&str; 2] = ["paysplit", "procedurelog"];

/// What we took, and what the peer took; `None` where the peer is not there.
pub(super) fn compared(places: &Places) -> Result<Option<(Measured, Measured)>> {
    let Ok(sling) = std::env::var("SLING") else { return Ok(None) };
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
        theirs.seconds += one.seconds;
        theirs.peak_mebibytes = theirs.peak_mebibytes.max(one.peak_mebibytes);
    }
    println!("{}: we {ours}, sling {theirs}", TABLES.join(" and "));
    Ok(Some((ours, theirs)))
}
