//! Finds dbt-core 1.10 with dbt-postgres, or makes a virtual environment that has it, where the differential suite has
//! its own.

use super::super::{Result, measure::run};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What pip is asked for.
const PACKAGES: [&str; 2] = ["dbt-core==1.10.*", "dbt-postgres<1.11"];

/// The program; `None` where there is no Python, having said so.
pub(super) fn found() -> Result<Option<PathBuf>> {
    if let Some(dbt) = std::env::var_os("AMALGAM_DBT") {
        let dbt = std::path::absolute(dbt)?;
        return if dbt.is_file() {
            Ok(Some(dbt))
        } else {
            Err(format!("AMALGAM_DBT: there is no {}", dbt.display()).into())
        };
    }
    let python = Command::new("python3").args(["-c", "import venv"]).stderr(Stdio::null()).status();
    if !python.is_ok_and(|status| status.success()) {
        println!("there is no python3 with its module venv, and so no dbt-core: nothing is compared");
        return Ok(None);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dbt-1.10");
    let (done, dbt) = (folder.join("done"), folder.join("bin/dbt"));
    if !done.exists() {
        println!("making a virtual environment with dbt-core");
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet"]).args(PACKAGES))?;
        std::fs::write(done, "")?;
    }
    Ok(Some(dbt))
}
