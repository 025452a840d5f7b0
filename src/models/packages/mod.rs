//! Packages of a project, fetched and installed: `deps`.
//!
//! Owns the way from `packages.yml` to `dbt_packages/`. [`wanted`] reads what is asked for, [`resolve`] finds one version
//! of each that all who ask admit, [`fetch`] gets it ([`git`], [`hub`], [`archive`]), [`lock`] keeps what was found,
//! [`stage`] puts it where the project is read from. Refuses to read what is installed: that is `reading/`'s, and needs
//! no network.
//! Guarantee: all packages are replaced at once, or none; nothing is written outside of their folder but the lock.

mod add;
mod archive;
mod fetch;
mod git;
mod hub;
mod lock;
mod resolve;
mod stage;
mod version;
mod wanted;

use super::{
    jinja::{self, Engine},
    manifest::{explained, hint},
    profile::environment,
    reading::ProjectFile,
};
use crate::error::{Error, Kind, Result};
pub use add::{Added, PackageOrigin};
use chrono::{DateTime, Utc};
use fetch::{Fetcher, Pinned, Source};
use minijinja::value::Value;
use serde::Serialize;
use serde_json::Value as Json;
use stage::Stage;
use std::{collections::BTreeMap, path::Path, sync::Arc};
use wanted::Entry;

/// What `deps` is to do.
///
/// Where only the lock is written and it fits already, nothing is told of.
#[derive(Clone, Debug, Default)]
pub struct DepsOptions {
    /// A package to add to the project's list before anything else.
    pub add: Option<Added>,
    /// Whether the versions are chosen anew, whatever the lock says.
    pub upgrade: bool,
    /// Whether only the lock is written.
    pub lock_only: bool,
    /// Variables, for Jinja in the list.
    pub vars: BTreeMap<String, Json>,
}

/// A package that `deps` installed, or wrote into the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstalledPackage {
    /// The name of its project.
    pub package: String,
    /// `hub`, `git`, `local` or `tarball`.
    pub from: &'static str,
    /// The version, the commit, the folder or the address.
    pub version: String,
    /// A newer version that there is.
    pub newer: Option<String>,
}

/// Installs what a project names, and tells of what is odd about it.
///
/// # Errors
/// Something that is named can't be had, or doesn't fit together; what was installed is as it was.
pub async fn install_packages(
    root: &Path,
    options: &DepsOptions,
    now: DateTime<Utc>,
    warn: &mut dyn FnMut(String),
) -> Result<Vec<InstalledPackage>> {
    let engine = Engine::new(now);
    let globals = globals(&options.vars);
    let render = |text: &str, shown: &str| {
        let evaluated = engine.evaluate(shown, text, globals.clone());
        evaluated.map(|value| jinja::to_json(&value)).map_err(|error| explained(&error))
    };
    let project = ProjectFile::read(root)?;
    let (mut entries, file) = wanted::wanted_by(root, None, &render)?;
    if let Some(added) = &options.add {
        add::add(&root.join(file), added)?;
        entries = wanted::wanted_by(root, None, &render)?.0;
    }
    let digest = lock::digest(&entries);
    let locked = if options.upgrade { None } else { lock::read(root, &digest, &render)? };
    let mut stage = Stage::beside(&project.packages_path, root)?;
    let mut fetcher = Fetcher::new(root, &mut stage, &render);
    let pinned = match locked {
        Some(_) if options.lock_only => return Ok(Vec::new()),
        Some(locked) => fetcher.pin_all(locked, warn).await?,
        None if entries.is_empty() => Vec::new(),
        None => {
            let pinned = resolve::resolve(entries, &mut fetcher, warn).await?;
            no_twins(&project.name, &pinned)?;
            lock::write(root, &pinned, &digest)?;
            pinned
        }
    };
    if !options.lock_only {
        for one in &pinned {
            fetcher.install(one, warn).await?;
        }
        stage.publish()?;
    }
    Ok(pinned.into_iter().map(Pinned::told).collect())
}

/// Refuses two packages of one name: each has one folder, and one place in every id.
fn no_twins(own: &str, pinned: &[Pinned]) -> Result<()> {
    for (at, one) in pinned.iter().enumerate() {
        if one.project == own {
            return Err(refused(format!("package {} has the name of the project itself, '{own}'", one.source)));
        }
        if let Some(twin) = pinned[..at].iter().find(|twin| twin.project == one.project) {
            let (first, second) = (&twin.source, &one.source);
            return Err(refused(format!("there are two packages named '{}': {first} and {second}", one.project)));
        }
    }
    Ok(())
}

/// What Jinja sees in `packages.yml`: secrets too, as in profiles.
fn globals(vars: &BTreeMap<String, Json>) -> Value {
    let vars = Arc::new(vars.clone());
    let var = move |name: String, default: Option<Value>| match (vars.get(&name), default) {
        (Some(value), _) => Ok(jinja::from_json(value)),
        (None, Some(default)) => Ok(default),
        (None, None) => {
            let what = format!("var('{name}'): it is not given with --vars{}", hint(&name, vars.keys()));
            Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, what))
        }
    };
    minijinja::context! { env_var => Value::from_function(environment), var => Value::from_function(var) }
}

/// Writes a file whole, or leaves what was there.
fn replace(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension(format!("{:08x}.tmp", fastrand::u32(..)));
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| {
        // It is of no use, and may not even be there.
        let _ = std::fs::remove_file(&beside);
        Error::new(Kind::Io, format!("{}: {error}", path.display()))
    })
}

/// A package can't be had.
fn refused(what: impl Into<String>) -> Error {
    Error::new(Kind::Packages, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn two_packages_of_one_name_are_named() {
        let pinned = |project: &str, path: &str| Pinned {
            project: project.to_owned(),
            source: Source::Local { path: path.to_owned(), folder: PathBuf::new() },
        };
        let all = [pinned("a", "one"), pinned("b", "two"), pinned("a", "three")];
        let error = no_twins("p", &all).expect_err("two are named a").to_string();
        assert_eq!(error, "there are two packages named 'a': one and three");
        let error = no_twins("b", &all).expect_err("the project is b").to_string();
        assert_eq!(error, "package two has the name of the project itself, 'b'");
    }
}
