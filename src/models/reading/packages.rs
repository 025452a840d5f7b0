//! The packages that are installed, the project's own first.

use super::{project::ProjectFile, yaml};
use crate::error::{Error, Kind, Result};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// Packages of one project, at most.
const PACKAGES_MAX: usize = 1_000;

/// The project, and every package that is installed below it; nobody asks the network.
///
/// # Errors
/// A package that the project names is not installed, or two have one name.
pub(in crate::models) fn packages(root: &std::path::Path) -> Result<Vec<ProjectFile>> {
    let own = ProjectFile::read(root)?;
    let mut all = vec![own];
    let mut folders: Vec<PathBuf> = match std::fs::read_dir(&all[0].packages_path) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => Vec::new(),
    };
    folders.sort();
    for folder in folders.into_iter().filter(|folder| folder.join("dbt_project.yml").is_file()).take(PACKAGES_MAX) {
        let package = ProjectFile::read(&folder)?;
        if let Some(twin) = all.iter().find(|known| known.name == package.name) {
            let (first, second) = (twin.root.display(), package.root.display());
            let text = format!("there are two packages named '{}': {first} and {second}", package.name);
            return Err(Error::new(Kind::ModelProject, text));
        }
        all.push(package);
    }
    let (own, installed) = (&all[0], all.len() - 1);
    let wanted = wanted(own)?;
    if wanted > installed {
        let text = format!(
            "{} names {wanted} package{} and {installed} are installed in {}: run `amalgam models deps`",
            own.root.display(),
            if wanted == 1 { "" } else { "s" },
            own.packages_path.display()
        );
        return Err(Error::new(Kind::ModelProject, text));
    }
    Ok(all)
}

/// How many packages `packages.yml` or `dependencies.yml` name.
fn wanted(project: &ProjectFile) -> Result<usize> {
    for name in ["packages.yml", "dependencies.yml"] {
        let path = project.root.join(name);
        if path.is_file() {
            let file: Map<String, Value> = yaml::read(&path, name)?;
            return Ok(file.get("packages").and_then(Value::as_array).map_or(0, Vec::len));
        }
    }
    Ok(0)
}
