//! What a project says it needs: the entries of `packages.yml`, of `dependencies.yml` and of the lock.

use super::{
    super::{jinja, reading},
    refused,
    version::Requirement,
};
use crate::error::Result;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Something that is asked for, and who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked<T> {
    pub what: T,
    /// `packages.yml`, or `package codegen`.
    pub by: String,
}

/// A package that is asked for, by one or by several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A folder, seen from the project.
    Local { path: String },
    /// A repository.
    Git { address: Written, revisions: Vec<Asked<String>>, subdirectory: Option<String>, warns_unpinned: bool },
    /// A package of the hub.
    Hub { name: String, versions: Vec<Asked<Requirement>>, takes_prereleases: bool },
    /// An archive at an address.
    Tarball { address: Written, name: String },
}

/// A text, and how it is written where its Jinja is not rendered: a lock keeps no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub text: String,
    pub unrendered: String,
}

/// One entry, and the text that dbt makes its lock's digest of.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub wanted: Wanted,
    pub digested: String,
}

/// The value of Jinja in a file: the text, and the file's name for messages.
pub(super) type Render<'a> = dyn Fn(&str, &str) -> Result<Value> + 'a;

/// The file in which a project names its packages.
pub(super) const PACKAGES: &str = "packages.yml";
const DEPENDENCIES: &str = "dependencies.yml";

/// What a project names, and the file in which it does.
///
/// # Errors
/// A file can't be read, both name packages, or an entry is wrong.
pub(super) fn wanted_by(root: &Path, by: Option<&str>, render: &Render<'_>) -> Result<(Vec<Entry>, &'static str)> {
    let read = |name: &str| {
        let path = root.join(name);
        if path.is_file() { reading::yaml::read(&path, &path.display().to_string()) } else { Ok(Map::new()) }
    };
    let (packages, dependencies) = (read(PACKAGES)?, read(DEPENDENCIES)?);
    if packages.contains_key("projects") {
        return Err(refused(format!("{PACKAGES}: 'projects' belong into {DEPENDENCIES}")));
    }
    if packages.contains_key("packages") && dependencies.contains_key("packages") {
        return Err(refused(format!("{PACKAGES} and {DEPENDENCIES} both name packages: keep one of the lists")));
    }
    let (list, file) = match dependencies.get("packages") {
        Some(list) => (Some(list), DEPENDENCIES),
        None => (packages.get("packages"), PACKAGES),
    };
    let shown = root.join(file).display().to_string();
    // dbt takes the project's own dependencies.yml as it stands.
    let as_it_stands = |text: &str, _: &str| Ok(Value::from(text));
    let render: &Render<'_> = if by.is_none() && file == DEPENDENCIES { &as_it_stands } else { render };
    let by = by.map_or_else(|| file.to_owned(), |package| format!("package {package}"));
    let entries = entries(list.unwrap_or(&Value::Null), &shown, &by, render)?;
    Ok((entries, file))
}

/// The entries of a list of packages.
///
/// # Errors
/// One of them is wrong.
pub(super) fn entries(list: &Value, shown: &str, by: &str, render: &Render<'_>) -> Result<Vec<Entry>> {
    let wrong = || refused(format!("{shown}: 'packages' must be a list"));
    let items = match list {
        Value::Null => &Vec::new(),
        Value::Array(items) => items,
        _ => return Err(wrong()),
    };
    let entry = |(at, item): (usize, &Value)| {
        let place = format!("{shown}: package {}", at + 1);
        let rendered = reading::rendered(item, &place, render)?;
        read(&rendered, item, by).map_err(|error| error.during(&place))
    };
    items.iter().enumerate().map(entry).collect()
}

/// The keys of each kind of entry; the first says which kind it is.
const KINDS: &[(&str, &[&str])] = &[
    ("local", &["name"]),
    ("tarball", &["name"]),
    ("git", &["revision", "warn-unpinned", "subdirectory", "name"]),
    ("package", &["version", "install_prerelease", "install-prerelease", "name"]),
    ("private", &["provider", "revision", "warn-unpinned", "subdirectory", "name"]),
];

fn read(entry: &Value, unrendered: &Value, by: &str) -> Result<Entry> {
    let known = || KINDS.iter().map(|(kind, _)| *kind).collect::<Vec<_>>().join(", ");
    let map = entry.as_object().ok_or_else(|| refused(format!("it must be a map with one of {}", known())))?;
    let kind = KINDS.iter().find(|(kind, _)| map.contains_key(*kind));
    let (kind, keys) = kind.ok_or_else(|| refused(format!("it has none of {}", known())))?;
    if let Some(strange) = map.keys().find(|key| *key != kind && !keys.contains(&key.as_str())) {
        return Err(refused(format!("'{strange}' is no key of it; there are {kind}, {}", keys.join(", "))));
    }
    let text = |key: &str| match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) if key != *kind => Ok(Some(number.to_string())),
        Some(_) => Err(refused(format!("'{key}' must be a text"))),
    };
    let flag = |key: &str| match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(refused(format!("'{key}' must be true or false"))),
    };
    let main = text(kind)?.filter(|text| !text.is_empty()).ok_or_else(|| refused(format!("'{kind}' is empty")))?;
    let written = || Written {
        text: main.clone(),
        unrendered: unrendered.get(kind).and_then(Value::as_str).unwrap_or(&main).to_owned(),
    };
    let name = text("name")?;
    let (revision, subdirectory) = (text("revision")?, text("subdirectory")?);
    let warns = flag("warn-unpinned")?;
    let prerelease = flag("install_prerelease")?.or(flag("install-prerelease")?);
    let by = by.to_owned();
    let mut digested = json!({ *kind: main, "unrendered": unrendered });
    let mut digest = |key: &str, value: Value| digested[key] = value;
    let raw = |key: &str| map.get(key).cloned().unwrap_or_default();
    let wanted = match *kind {
        "local" => Wanted::Local { path: main.clone() },
        "tarball" => {
            let name = name.clone().ok_or_else(|| refused("'name' is missing: the name of the package's project"))?;
            Wanted::Tarball { address: written(), name }
        }
        "git" => {
            digest("revision", raw("revision"));
            digest("subdirectory", raw("subdirectory"));
            digest("warn-unpinned", raw("warn-unpinned"));
            let revisions = revision.into_iter().map(|what| Asked { what, by: by.clone() }).collect();
            let subdirectory = subdirectory.filter(|folder| !folder.is_empty());
            Wanted::Git { address: written(), revisions, subdirectory, warns_unpinned: warns != Some(false) }
        }
        "package" => {
            digest("version", raw("version"));
            digest("install_prerelease", prerelease.unwrap_or(false).into());
            if !main.contains('/') {
                return Err(refused(format!("'{main}' has no namespace: write it as dbt-labs/dbt_utils")));
            }
            let versions = reading::texts(&raw("version"));
            if versions.iter().all(String::is_empty) {
                return Err(refused(format!("{main}: 'version' is missing")));
            }
            let asked = |text: &String| Ok(Asked { what: Requirement::of(text)?, by: by.clone() });
            let versions = versions.iter().map(asked).collect::<Result<Vec<_>>>();
            Wanted::Hub {
                versions: versions.map_err(|error| error.during(&main))?,
                name: main.clone(),
                takes_prereleases: prerelease == Some(true),
            }
        }
        _ => return Err(refused(format!("private package {main}: only dbt Cloud has these; name it with 'git'"))),
    };
    if let Some(name) = name {
        digest("name", name.into());
    }
    digested.sort_all_objects();
    Ok(Entry { wanted, digested: jinja::json_text(&digested) })
}

impl Wanted {
    /// What it is asked for by.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Local { path } => path.clone(),
            Self::Tarball { address, .. } => address.text.clone(),
            Self::Hub { name, .. } => name.clone(),
            // With and without its ending it is one repository.
            Self::Git { address, subdirectory, .. } => {
                let address = address.text.strip_suffix(".git").unwrap_or(&address.text);
                subdirectory.as_ref().map_or_else(|| address.to_owned(), |below| format!("{address}/{below}"))
            }
        }
    }

    /// Takes in what somebody else asks of the same package.
    ///
    /// # Errors
    /// It is a package of another kind.
    pub(super) fn incorporate(&mut self, other: Self) -> Result<()> {
        match (&mut *self, other) {
            (Self::Local { .. }, Self::Local { .. }) | (Self::Tarball { .. }, Self::Tarball { .. }) => {}
            (
                Self::Git { revisions, warns_unpinned, .. },
                Self::Git { revisions: more, warns_unpinned: also_warns, .. },
            ) => {
                add(revisions, more);
                *warns_unpinned &= also_warns;
            }
            // Whether versions before a release count is for who asks first: the project itself.
            (Self::Hub { versions, .. }, Self::Hub { versions: more, .. }) => add(versions, more),
            (this, other) => {
                let (kind, another) = (this.kind(), other.kind());
                return Err(refused(format!(
                    "package {} is asked for as {kind} and as {another}: name it in one way everywhere",
                    other.key()
                )));
            }
        }
        Ok(())
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Local { .. } => "local",
            Self::Git { .. } => "git",
            Self::Hub { .. } => "package",
            Self::Tarball { .. } => "tarball",
        }
    }
}

fn add<T: PartialEq>(all: &mut Vec<Asked<T>>, more: Vec<Asked<T>>) {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(yaml: &str) -> Result<Vec<Entry>> {
        let map = reading::yaml::parse(yaml, "packages.yml")?;
        let render = |text: &str, _: &str| Ok(Value::from(text.replace("{{ x }}", "1")));
        entries(&map["packages"], "packages.yml", "packages.yml", &render)
    }

    fn digested(item: &str) -> String {
        let yaml = format!("packages:\n  - {}\n", item.replace('\n', "\n    "));
        all(&yaml).expect("a good entry").remove(0).digested
    }

    #[test]
    fn an_entry_is_digested_as_dbt_writes_it() {
        for (item, text) in [
            ("local: loc", r#"{"local": "loc", "unrendered": {"local": "loc"}}"#),
            (
                "git: /x\nsubdirectory: sub\nrevision: 1.0",
                r#"{"git": "/x", "revision": 1.0, "subdirectory": "sub", "unrendered": {"git": "/x", "revision": 1.0, "subdirectory": "sub"}, "warn-unpinned": null}"#,
            ),
            (
                "git: file:///x\nrevision: v1\nwarn-unpinned: false",
                r#"{"git": "file:///x", "revision": "v1", "subdirectory": null, "unrendered": {"git": "file:///x", "revision": "v1", "warn-unpinned": false}, "warn-unpinned": false}"#,
            ),
            (
                "package: dbt-labs/dbt_utils\nversion: [\">=1.0.0\", \"<2.0.0\"]",
                r#"{"install_prerelease": false, "package": "dbt-labs/dbt_utils", "unrendered": {"package": "dbt-labs/dbt_utils", "version": [">=1.0.0", "<2.0.0"]}, "version": [">=1.0.0", "<2.0.0"]}"#,
            ),
            (
                "tarball: https://é/x.tar.gz\nname: tp",
                r#"{"name": "tp", "tarball": "https://\u00e9/x.tar.gz", "unrendered": {"name": "tp", "tarball": "https://\u00e9/x.tar.gz"}}"#,
            ),
            ("local: 'v{{ x }}'", r#"{"local": "v1", "unrendered": {"local": "v{{ x }}"}}"#),
        ] {
            assert_eq!(digested(item), text);
        }
    }

    #[test]
    fn what_is_wrong_with_an_entry_is_said_with_its_place() {
        for (item, told) in [
            ("{package: dbt_utils, version: 1.0.0}", "packages.yml: package 1: 'dbt_utils' has no namespace"),
            ("{package: a/b}", "packages.yml: package 1: a/b: 'version' is missing"),
            ("{package: a/b, version: '1.0'}", "packages.yml: package 1: a/b: '1.0' is no version"),
            ("{git: /x, revison: v1}", "packages.yml: package 1: 'revison' is no key of it"),
            ("{local: ''}", "packages.yml: package 1: 'local' is empty"),
            ("{tarball: x}", "packages.yml: package 1: 'name' is missing"),
            ("{private: a/b}", "packages.yml: package 1: private package a/b"),
            ("{nothing: 1}", "packages.yml: package 1: it has none of local"),
            ("5", "packages.yml: package 1: it must be a map"),
        ] {
            let error = all(&format!("packages: [{item}]")).expect_err(item).to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }

    #[test]
    fn a_repository_is_the_same_with_and_without_its_ending() {
        let keys: Vec<String> = all("packages: [{git: a/b.git}, {git: a/b}, {git: a/b.git, subdirectory: c}]")
            .expect("good entries")
            .iter()
            .map(|entry| entry.wanted.key())
            .collect();
        assert_eq!(keys, ["a/b", "a/b", "a/b/c"]);
    }
}
