//! The folder in which packages are put together, and its way to where they are used.
//!
//! Guarantee: what was installed stays until everything new is there, whole.

use super::refused;
use crate::error::{Error, Kind, Result};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// How deep the folders of a package may lie.
const DEPTH_MAX: usize = 64;

/// A folder beside the one of the packages, gone when it is dropped.
#[derive(Debug)]
pub(super) struct Stage {
    folder: PathBuf,
    target: PathBuf,
    fetched: usize,
}

impl Stage {
    /// Makes one beside the folder of a project's packages.
    ///
    /// # Errors
    /// It can't be made, or the folder of packages is one in which the project itself lies.
    pub(super) fn beside(packages: &Path, project: &Path) -> Result<Self> {
        let absolute = std::path::absolute(packages).map_err(|error| failed(packages, &error))?;
        // Where it is a link, the folder behind it is replaced.
        let target = absolute.canonicalize().unwrap_or(absolute);
        let project = project.canonicalize().map_err(|error| failed(project, &error))?;
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned());
        let (Some(name), Some(parent), false) = (name, target.parent(), project.starts_with(&target)) else {
            return Err(refused(format!(
                "packages-install-path: everything in {} would be replaced, and the project is in it",
                target.display()
            )));
        };
        fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
        let folder = parent.join(format!(".{name}.{:08x}.tmp", fastrand::u32(..)));
        fs::create_dir(&folder).map_err(|error| failed(&folder, &error))?;
        let stage = Self { folder, target, fetched: 0 };
        fs::create_dir(stage.packages()).map_err(|error| failed(&stage.folder, &error))?;
        Ok(stage)
    }

    fn packages(&self) -> PathBuf {
        self.folder.join("packages")
    }

    /// A new name below it, for what is fetched.
    pub(super) fn room(&mut self) -> PathBuf {
        self.fetched += 1;
        self.folder.join(format!("fetched-{}", self.fetched))
    }

    /// The place of a package.
    ///
    /// # Errors
    /// Its name is none for a folder.
    pub(super) fn place(&self, name: &str) -> Result<PathBuf> {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
            return Err(refused(format!("'{name}' can't be the name of a package")));
        }
        Ok(self.packages().join(name))
    }

    /// Puts a fetched folder in its place, without links that lead out of it or nowhere; what these were called.
    ///
    /// # Errors
    /// It can't be moved, or is no dbt project.
    pub(super) fn adopt(&self, name: &str, fetched: &Path) -> Result<Vec<String>> {
        let place = self.place(name)?;
        fs::rename(fetched, &place).map_err(|error| failed(&place, &error))?;
        if !place.join("dbt_project.yml").is_file() {
            return Err(refused(format!("package {name}: there is no dbt_project.yml in it")));
        }
        let mut dropped = Vec::new();
        let root = place.canonicalize().map_err(|error| failed(&place, &error))?;
        drop_links(&root, &root, &mut dropped, 0).map_err(|error| failed(&root, &error))?;
        Ok(dropped)
    }

    /// Links to a folder of the machine, or copies it where there are no links.
    ///
    /// # Errors
    /// Neither can be done.
    pub(super) fn link(&self, name: &str, folder: &Path) -> Result<()> {
        let place = self.place(name)?;
        let folder = folder.canonicalize().map_err(|error| failed(folder, &error))?;
        if std::os::unix::fs::symlink(&folder, &place).is_ok() {
            return Ok(());
        }
        copy(&folder, &place, &self.folder, 0).map_err(|error| failed(&place, &error))
    }

    /// Replaces what is installed with what is here.
    ///
    /// # Errors
    /// It can't be; what was installed is as it was.
    pub(super) fn publish(self) -> Result<()> {
        let old = self.folder.join("old");
        let had = match fs::rename(&self.target, &old) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(failed(&self.target, &error)),
        };
        fs::rename(self.packages(), &self.target).map_err(|error| {
            if had && let Err(error) = fs::rename(&old, &self.target) {
                tracing::error!(folder = %old.display(), %error, "the packages that were installed could not be put back");
            }
            failed(&self.target, &error)
        })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Never what could not be put back.
        let is_kept = self.folder.join("old").exists() && !self.target.exists();
        if !is_kept && let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(folder = %self.folder.display(), %error, "a folder of no more use could not be removed");
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::new(Kind::Io, format!("{}: {error}", path.display()))
}

fn too_deep() -> io::Error {
    io::Error::other(format!("folders lie deeper than {DEPTH_MAX} in one another"))
}

/// Removes the links below a folder that lead out of `root` or nowhere.
fn drop_links(root: &Path, folder: &Path, dropped: &mut Vec<String>, depth: usize) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(too_deep());
    }
    for entry in fs::read_dir(folder)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            drop_links(root, &path, dropped, depth + 1)?;
        } else if kind.is_symlink() {
            let is_relative = fs::read_link(&path)?.is_relative();
            let stays = path.canonicalize().is_ok_and(|target| target.starts_with(root));
            if !(is_relative && stays) {
                fs::remove_file(&path)?;
                dropped.push(path.strip_prefix(root).unwrap_or(&path).display().to_string());
            }
        }
    }
    Ok(())
}

/// Copies a folder, but for what is put together in it.
fn copy(from: &Path, to: &Path, but: &Path, depth: usize) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(too_deep());
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let Some(name) = path.file_name().filter(|_| path != but) else { continue };
        if path.is_dir() {
            copy(&path, &to.join(name), but, depth + 1)?;
        } else {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().canonicalize().expect("it is there");
        (folder, root)
    }

    fn package(at: &Path) {
        fs::create_dir_all(at).expect("made");
        fs::write(at.join("dbt_project.yml"), "name: a").expect("written");
    }

    #[test]
    fn what_was_installed_stays_until_everything_is_there() {
        let (_held, root) = folder();
        let packages = root.join("dbt_packages");
        package(&packages.join("old"));
        let stage = Stage::beside(&packages, &root).expect("made");
        package(&root.join("a"));
        stage.link("a", &root.join("a")).expect("linked");
        drop(stage);
        assert!(packages.join("old").is_dir() && !packages.join("a").exists());
        let stage = Stage::beside(&packages, &root).expect("made");
        stage.link("a", &root.join("a")).expect("linked");
        stage.publish().expect("published");
        assert!(!packages.join("old").exists() && packages.join("a").is_symlink());
        let mut left: Vec<_> = fs::read_dir(&root).expect("there").flatten().map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, ["a", "dbt_packages"]);
    }

    #[test]
    fn the_project_itself_is_never_replaced() {
        let (_held, root) = folder();
        for packages in [root.clone(), root.parent().expect("it has one").to_owned(), PathBuf::from("/")] {
            let error = Stage::beside(&packages, &root).expect_err("the project is in it").to_string();
            assert!(error.contains("the project is in it"), "{error}");
        }
    }

    #[test]
    fn links_that_lead_out_are_dropped() {
        let (_held, root) = folder();
        let mut stage = Stage::beside(&root.join("dbt_packages"), &root).expect("made");
        let fetched = stage.room();
        package(&fetched);
        fs::create_dir(fetched.join("macros")).expect("made");
        for (name, target) in [
            ("in", "dbt_project.yml"),
            ("out", "../../../secret"),
            ("absolute", "/etc/passwd"),
            ("nowhere", "nothing"),
            ("macros/through", "../out"),
            ("macros/back", "../dbt_project.yml"),
        ] {
            symlink(target, fetched.join(name)).expect("linked");
        }
        fs::write(root.join("secret"), "x").expect("written");
        let mut dropped = stage.adopt("a", &fetched).expect("adopted");
        dropped.sort();
        assert_eq!(dropped, ["absolute", "macros/through", "nowhere", "out"]);
        assert!(stage.place("a").expect("a name").join("macros/back").is_symlink());
    }

    #[test]
    fn a_packages_name_is_that_of_a_folder() {
        let (_held, root) = folder();
        let stage = Stage::beside(&root.join("dbt_packages"), &root).expect("made");
        for name in ["", ".", "..", ".git", "a/b", "../a", "a\\b", "a\0"] {
            assert!(stage.place(name).is_err(), "{name}");
        }
        assert!(stage.place("dbt_utils").is_ok());
    }

    #[test]
    fn a_folder_is_copied_where_there_are_no_links() {
        let (_held, root) = folder();
        package(&root.join("a/below"));
        copy(&root.join("a"), &root.join("b"), &root.join("a/.tmp"), 0).expect("copied");
        assert!(root.join("b/below/dbt_project.yml").is_file());
    }
}
