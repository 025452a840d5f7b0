//! Puts `sql_models/` into the program, so that the demo has reports to build wherever it is run.
//!
//! A few lines instead of a crate, and Cargo sees when a model is added.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

const PROJECT: &str = "sql_models";

/// What dbt and Amalgam write there, and what is one machine's own.
const LEFT_OUT: [&str; 4] = ["dbt_packages", "logs", "profiles.yml", "target"];

fn main() -> Result<(), Box<dyn Error>> {
    let project = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join(PROJECT);
    println!("cargo::rerun-if-changed=build.rs");
    let mut list = String::from("&[\n");
    for part in entries(&project)? {
        println!("cargo::rerun-if-changed={}", part.display());
        for file in files(&part)? {
            let name = file.strip_prefix(&project)?.display().to_string();
            let path = file.display().to_string();
            list.push_str(&format!("    ({name:?}, include_str!({path:?})),\n"));
        }
    }
    list.push_str("]\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("sql_models.rs"), list)?;
    Ok(())
}

fn files(path: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in entries(path)? {
        found.extend(files(&entry)?);
    }
    Ok(found)
}

/// In the order of names: the same sources make the same program.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && !LEFT_OUT.contains(&name.as_str()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
