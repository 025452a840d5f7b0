//! `clean`: folders of a project that can be made again, removed.
//!
//! Guarantee: no folder that holds the project or what it is written in is removed, whatever is configured.

use super::reading::{PATHS, ProjectFile};
use crate::error::{Error, Kind, Result};
use serde::Serialize;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A folder of `clean-targets`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// The folder.
    pub folder: String,
    /// `removed`, or `not there`.
    pub status: &'static str,
}

/// Removes the folders that `clean-targets` names; without such a list, the target folder, which
/// `target` may name.
///
/// # Errors
/// One of them can't be removed; or none was touched because one lies outside of the project and `inside_only` is set,
/// or holds what is no product of the project.
pub fn clean(root: &Path, inside_only: bool, target: Option<&Path>) -> Result<Vec<Cleaned>> {
    let project = ProjectFile::read(root)?.with_target(target);
    let home = resolved(root)?;
    let written: Vec<PathBuf> =
        PATHS.iter().flat_map(|kind| project.folders(kind)).map(|folder| root.join(folder)).collect();
    let written = written.iter().map(|folder| resolved(folder)).collect::<Result<Vec<_>>>()?;
    let mut targets = Vec::new();
    for named in project.clean_targets() {
        let target = resolved(&root.join(&named))?;
        let wrong = |what: &str| {
            let text = format!("{}: clean-targets: '{named}' {what}", root.join("dbt_project.yml").display());
            Err(Error::new(Kind::ModelProject, text))
        };
        if home.starts_with(&target) {
            return wrong("holds the project itself");
        }
        if written.iter().any(|folder| folder.starts_with(&target)) {
            return wrong("holds what the project is written in");
        }
        if inside_only && !target.starts_with(&home) {
            return wrong("lies outside of the project; --no-clean-project-files-only removes it nevertheless");
        }
        targets.push((named, target));
    }
    let mut cleaned = Vec::new();
    for (folder, target) in targets {
        let status = match removed(&target) {
            Ok(()) => "removed",
            Err(error) if error.kind() == io::ErrorKind::NotFound => "not there",
            Err(error) => return Err(Error::new(Kind::Io, format!("removing {}: {error}", target.display()))),
        };
        cleaned.push(Cleaned { folder, status });
    }
    Ok(cleaned)
}

fn removed(target: &Path) -> io::Result<()> {
    if fs::symlink_metadata(target)?.is_dir() { fs::remove_dir_all(target) } else { fs::remove_file(target) }
}

/// Where a path leads in the end, links and dots followed as far as it is there.
fn resolved(path: &Path) -> Result<PathBuf> {
    let failed = |error: io::Error| Error::new(Kind::Io, format!("{}: {error}", path.display()));
    let absolute = std::path::absolute(path).map_err(failed)?;
    let mut found = PathBuf::new();
    for part in absolute.components() {
        match part {
            std::path::Component::ParentDir => drop(found.pop()),
            part => found.push(part),
        }
        found = found.canonicalize().unwrap_or(found);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(more: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("project");
        for below in ["project/models/below", "project/target/run", "project/logs", "outside"] {
            fs::create_dir_all(folder.path().join(below)).expect("made");
        }
        fs::write(root.join("dbt_project.yml"), format!("name: p\n{more}")).expect("written");
        (folder, root)
    }

    #[test]
    fn the_target_folder_goes_where_nothing_is_said() {
        let (_held, root) = project("");
        let one = |status| vec![Cleaned { folder: "target".to_owned(), status }];
        assert_eq!(clean(&root, true, None).expect("cleaned"), one("removed"));
        assert_eq!(clean(&root, true, None).expect("cleaned"), one("not there"));
        assert!(root.join("logs").is_dir() && !root.join("target").exists());
    }

    #[test]
    fn nothing_goes_where_one_folder_may_not() {
        for (named, told) in [
            (".", "holds the project itself"),
            ("..", "holds the project itself"),
            ("target/../..", "holds the project itself"),
            ("models", "holds what the project is written in"),
            ("./models/", "holds what the project is written in"),
            ("way", "lies outside of the project"),
            ("../outside", "lies outside of the project"),
            ("/tmp/amalgam-nothing", "lies outside of the project"),
        ] {
            let (held, root) = project(&format!("clean-targets: [target, '{named}']\n"));
            std::os::unix::fs::symlink(held.path().join("outside"), root.join("way")).expect("linked");
            let error = clean(&root, true, None).expect_err(named).to_string();
            assert!(error.contains(told) && error.contains(named), "{error}");
            assert!(root.join("target/run").is_dir() && root.join("models").is_dir(), "{named}");
        }
        let (_held, root) = project("model-paths: [src/models]\nclean-targets: [src]\n");
        let error = clean(&root, false, None).expect_err("the models are below it").to_string();
        assert!(error.contains("holds what the project is written in"), "{error}");
    }

    #[test]
    fn a_folder_outside_goes_when_it_is_asked_for() {
        let (held, root) = project("clean-targets: [../outside]\n");
        assert_eq!(clean(&root, false, None).expect("cleaned")[0].status, "removed");
        assert!(!held.path().join("outside").exists());
        assert!(clean(held.path().parent().expect("it has one"), false, None).is_err());
    }
}
