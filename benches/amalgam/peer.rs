//! The same tables by another tool: sling, as its own documentation has it run.

use super::{
    Result,
    measure::{Measured, measured, run},
    places::{PRACTICE, Places},
};
use std::{path::Path, process::Command};

const TABLES: [&str; 2] = ["paysplit", "procedurelog"];
/// A database of the source that has these tables and no others: the floor copies all there is.
const COPIES: &str = "copies";

/// What both took.
pub(super) struct Compared {
    /// The mean of one run before the other tool's and one after: a machine's speed drifts.
    pub ours: Measured,
    pub theirs: Measured,
    /// The floor's: whoever is to be many times as fast as the other has to be faster than this.
    pub floor: Measured,
    /// The peer's, as it says itself.
    pub version: String,
}

/// `None` where the peer is not there.
pub(super) fn compared(places: &Places, floor: &Path) -> Result<Option<Compared>> {
    let Ok(sling) = std::env::var("SLING") else { return Ok(None) };
    let said = run(Command::new(&sling).env("SLING_DISABLE_TELEMETRY", "true").arg("--version"))?;
    let version = said.split_whitespace().last().unwrap_or("of no version").to_owned();
    let before = ours(places)?;
    let mut theirs = Measured { seconds: 0.0, peak_mebibytes: 0.0 };
    for table in TABLES {
        let one = measured(
            Command::new(&sling)
                .env("SOURCE", places.source_url(PRACTICE))
                .env("WAREHOUSE", places.warehouse_url("bench") + "?sslmode=disable")
                .env("SLING_DISABLE_TELEMETRY", "true")
                .args(["run", "--src-conn", "SOURCE", "--src-stream", &format!("{PRACTICE}.{table}")])
                .args(["--tgt-conn", "WAREHOUSE", "--tgt-object", &format!("public.{table}")])
                .args(["--mode", "full-refresh"]),
        )?;
        theirs = theirs.and(one);
    }
    let after = ours(places)?;
    let floor = floor_of_tables(places, floor)?;
    println!("{}: we {before}, sling {version} {theirs}, we {after}, floor {floor}", TABLES.join(" and "));
    Ok(Some(Compared { ours: before.mean(after), theirs, version, floor }))
}

fn floor_of_tables(places: &Places, program: &Path) -> Result<Measured> {
    places.source(&format!("create database {COPIES}"))?;
    for table in TABLES {
        // In the order of the file, as the table itself.
        places.source(&format!(
            "create table {COPIES}.{table} like {table}; insert into {COPIES}.{table} select * from {table}"
        ))?;
    }
    places.fresh_database()?;
    let floor = measured(&mut places.floor(program, COPIES))?;
    places.source(&format!("drop database {COPIES}"))?;
    Ok(floor)
}

fn ours(places: &Places) -> Result<Measured> {
    places.fresh_database()?;
    measured(places.amalgam().arg("sync").args(TABLES))
}
