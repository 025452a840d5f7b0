//! The files of a project, by kind.

use super::project::ProjectFile;
use crate::error::{Error, Kind, Result};
use std::path::Path;

/// One file.
#[derive(Clone, Debug)]
pub(in crate::models) struct File {
    /// Relative to the package's root, with slashes.
    pub path: String,
    /// Relative to the folder of its kind.
    pub below: String,
    /// What it holds.
    pub text: String,
}

/// The files of a kind (`model-paths`) with one of some endings, in order.
///
/// # Errors
/// A folder or file can't be read.
pub(in crate::models) fn files(project: &ProjectFile, kind: &str, endings: &[&str]) -> Result<Vec<File>> {
    let mut found = Vec::new();
    for folder in project.folders(kind) {
        let mut paths = Vec::new();
        collect(&project.root, Path::new(&folder), endings, &mut paths)?;
        for path in paths {
            let shown = project.root.join(&path);
            let bytes = std::fs::read(&shown)
                .map_err(|e| Error::new(Kind::ModelProject, format!("{}: {e}", shown.display())))?;
            let text = String::from_utf8(bytes).map_err(|_| {
                Error::new(Kind::ModelProject, format!("{}: it is not UTF-8; save it as that", shown.display()))
            })?;
            let below = path.strip_prefix(&folder).unwrap_or(&path).trim_start_matches('/').to_owned();
            let text = text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned);
            found.push(File { path, below, text });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.dedup_by(|a, b| a.path == b.path);
    Ok(found)
}

fn collect(root: &Path, folder: &Path, endings: &[&str], found: &mut Vec<String>) -> Result<()> {
    let here = root.join(folder);
    if !here.is_dir() {
        return Ok(());
    }
    let failed = |e: std::io::Error| Error::new(Kind::Io, format!("reading {}: {e}", here.display()));
    for entry in std::fs::read_dir(&here).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = folder.join(entry.file_name());
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        // Follows a link to a file, not one to a folder: a loop of links would never end.
        if entry.file_type().map_err(failed)?.is_dir() {
            if !hidden {
                collect(root, &path, endings, found)?;
            }
        } else if !hidden && endings.iter().any(|e| path.extension().is_some_and(|have| have == *e)) {
            found.push(path.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(())
}
