//! Packages got: their folders fetched, each once.

use super::{
    Entry, InstalledPackage, archive,
    git::{self, scrubbed},
    hub::{Chosen, Hub},
    refused, resolve,
    stage::Stage,
    wanted::{self, Render, Wanted, Written},
};
use crate::{
    error::{Error, Kind, Result},
    models::reading,
};
use serde_json::Value as Json;
use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

/// A package of which it is known where it comes from, to the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pinned {
    /// The name of its project.
    pub project: String,
    /// Where it comes from.
    pub source: Source,
}

/// Where a package comes from; `folder`: where it was fetched to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Local { path: String, folder: PathBuf },
    Git { address: Written, revision: String, subdirectory: Option<String>, folder: PathBuf },
    Hub { package: String, version: String, latest: String, archive: String },
    Tarball { address: Written, folder: PathBuf },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { path, .. } => f.write_str(path),
            Self::Git { address, subdirectory: None, .. } | Self::Tarball { address, .. } => {
                f.write_str(&scrubbed(&address.text))
            }
            Self::Git { address, subdirectory: Some(below), .. } => write!(f, "{}/{below}", scrubbed(&address.text)),
            Self::Hub { package, .. } => f.write_str(package),
        }
    }
}

impl Pinned {
    /// As it is told of.
    pub(super) fn told(self) -> InstalledPackage {
        let shown = self.source.to_string();
        let (from, version, newer) = match self.source {
            Source::Local { .. } => ("local", shown, None),
            Source::Git { revision, .. } => ("git", revision, None),
            Source::Hub { version, latest, .. } => ("hub", version.clone(), Some(latest).filter(|new| *new != version)),
            Source::Tarball { .. } => ("tarball", shown, None),
        };
        InstalledPackage { package: self.project, from, version, newer }
    }
}

/// Gets packages into a stage.
pub(super) struct Fetcher<'a> {
    root: &'a Path,
    stage: &'a mut Stage,
    render: &'a Render<'a>,
    hub: Hub,
    /// Commit and folder of what was fetched, by package and revision; an archive has neither of both.
    fetched: BTreeMap<(String, String), (String, PathBuf)>,
    /// What packages of the hub ask for, by name and version.
    asked: BTreeMap<(String, String), Json>,
}

impl<'a> Fetcher<'a> {
    pub(super) fn new(root: &'a Path, stage: &'a mut Stage, render: &'a Render<'a>) -> Self {
        Self { root, stage, render, hub: Hub::new(), fetched: BTreeMap::new(), asked: BTreeMap::new() }
    }

    /// Finds where each of a list comes from.
    ///
    /// # Errors
    /// One can't be had.
    pub(super) async fn pin_all(&mut self, entries: Vec<Entry>, warn: &mut dyn FnMut(String)) -> Result<Vec<Pinned>> {
        let mut pinned = Vec::new();
        for wanted in resolve::merged(entries)? {
            pinned.push(self.pin(&wanted, warn).await?);
        }
        Ok(pinned)
    }

    /// Finds where a package comes from; what is no package of the hub is fetched for that.
    ///
    /// # Errors
    /// It can't be had, or is asked for in ways that don't go together.
    pub(super) async fn pin(&mut self, wanted: &Wanted, warn: &mut dyn FnMut(String)) -> Result<Pinned> {
        Ok(match wanted {
            Wanted::Local { path } => {
                let folder = self.root.join(at_home(path));
                Pinned { project: project_name(&folder, path)?, source: Source::Local { path: path.clone(), folder } }
            }
            Wanted::Git { address, revisions, subdirectory, warns_unpinned } => {
                let first = revisions.first().map_or("HEAD", |asked| asked.what.as_str());
                if let Some(other) = revisions.iter().find(|asked| asked.what != first) {
                    let by = revisions.first().map_or("", |asked| asked.by.as_str());
                    return Err(refused(format!(
                        "git package {}: {by} asks for revision {first}, and {} for {}",
                        scrubbed(&wanted.key()),
                        other.by,
                        other.what
                    )));
                }
                if *warns_unpinned && matches!(first, "HEAD" | "main" | "master") {
                    let what = format!("git package {} is not pinned", scrubbed(&wanted.key()));
                    warn(format!("{what}: {first} may change any day; name a tag or a commit with 'revision'"));
                }
                let (revision, checkout) = self.checkout(wanted, address, first).await?;
                let folder =
                    within(&checkout, subdirectory.as_deref()).map_err(|e| e.during(scrubbed(&address.text)))?;
                let project = project_name(&folder, &scrubbed(&wanted.key()))?;
                let (address, subdirectory) = (address.clone(), subdirectory.clone());
                Pinned { project, source: Source::Git { address, revision, subdirectory, folder } }
            }
            Wanted::Hub { name, .. } => {
                let Chosen { version, latest, project, archive, packages } = self.hub.choose(wanted, warn).await?;
                self.asked.insert((name.clone(), version.clone()), packages);
                Pinned { project, source: Source::Hub { package: name.clone(), version, latest, archive } }
            }
            Wanted::Tarball { address, name } => {
                let key = (address.text.clone(), String::new());
                if !self.fetched.contains_key(&key) {
                    let folder = self.unpacked(&address.text).await?;
                    self.fetched.insert(key.clone(), (String::new(), folder));
                }
                let folder = self.fetched[&key].1.clone();
                Pinned { project: name.clone(), source: Source::Tarball { address: address.clone(), folder } }
            }
        })
    }

    /// What a package asks for itself.
    ///
    /// # Errors
    /// Its list can't be read.
    pub(super) fn asked_by(&self, pinned: &Pinned) -> Result<Vec<Entry>> {
        match &pinned.source {
            Source::Local { folder, .. } | Source::Git { folder, .. } | Source::Tarball { folder, .. } => {
                Ok(wanted::wanted_by(folder, Some(&pinned.project), self.render)?.0)
            }
            Source::Hub { package, version, .. } => {
                let by = format!("package {}", pinned.project);
                let list = self.asked.get(&(package.clone(), version.clone()));
                wanted::entries(list.unwrap_or(&Json::Null), &format!("{package} {version}"), &by, self.render)
            }
        }
    }

    /// Puts a package in its place.
    ///
    /// # Errors
    /// It can't be had.
    pub(super) async fn install(&mut self, pinned: &Pinned, warn: &mut dyn FnMut(String)) -> Result<()> {
        let fetched = match &pinned.source {
            Source::Local { folder, .. } => return self.stage.link(&pinned.project, folder),
            Source::Git { folder, .. } | Source::Tarball { folder, .. } => folder.clone(),
            Source::Hub { package, version, archive, .. } => {
                self.unpacked(archive).await.map_err(|error| error.during(format!("package {package} {version}")))?
            }
        };
        for link in self.stage.adopt(&pinned.project, &fetched)? {
            warn(format!("package {}: {link} is left out: it is a link to outside of the package", pinned.project));
        }
        Ok(())
    }

    /// Two packages of one repository have a folder each: each is moved from there.
    async fn checkout(&mut self, wanted: &Wanted, address: &Written, revision: &str) -> Result<(String, PathBuf)> {
        let key = (wanted.key(), revision.to_owned());
        if let Some(found) = self.fetched.get(&key) {
            return Ok(found.clone());
        }
        let folder = self.stage.room();
        let commit = git::checkout(&address.text, revision, &folder).await?;
        self.fetched.insert(key, (commit.clone(), folder.clone()));
        Ok((commit, folder))
    }

    /// The package in the archive at an address.
    async fn unpacked(&mut self, address: &str) -> Result<PathBuf> {
        let bytes = self.hub.archive(address).await?;
        let into = self.stage.room();
        let shown = scrubbed(address);
        let work = move || {
            fs::create_dir(&into).map_err(|error| Error::new(Kind::Io, format!("{}: {error}", into.display())))?;
            archive::unpack(&bytes, &into, archive::UNPACKED_BYTES_MAX)
        };
        let ended = tokio::task::spawn_blocking(work).await;
        let ended = ended.map_err(|error| Error::new(Kind::Internal, format!("unpacking: {error}")))?;
        ended.map_err(|error| error.during(shown))
    }
}

/// A path whose `~` is the home of who asks.
fn at_home(path: &str) -> PathBuf {
    let below = path.strip_prefix("~/").zip(std::env::var_os("HOME"));
    below.map_or_else(|| path.into(), |(below, home)| Path::new(&home).join(below))
}

/// A folder below another one, and not beside it.
fn within(folder: &Path, below: Option<&str>) -> Result<PathBuf> {
    let Some(below) = below else { return Ok(folder.to_owned()) };
    let found = folder.join(below.trim_matches('/'));
    let stays = found.canonicalize().and_then(|found| Ok(found.starts_with(folder.canonicalize()?)));
    match stays {
        Ok(true) => Ok(found),
        _ => Err(refused(format!("there is no folder '{below}' in it"))),
    }
}

/// The name that a folder's `dbt_project.yml` says.
fn project_name(folder: &Path, shown: &str) -> Result<String> {
    let path = folder.join("dbt_project.yml");
    if !path.is_file() {
        return Err(refused(format!("package {shown}: there is no dbt_project.yml in {}", folder.display())));
    }
    let file = reading::yaml::read(&path, &path.display().to_string())?;
    let name = file.get("name").and_then(Json::as_str).map(str::to_owned);
    name.ok_or_else(|| refused(format!("package {shown}: its dbt_project.yml has no name")))
}
