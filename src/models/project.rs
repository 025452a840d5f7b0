//! `dbt_project.yml`: what a project is called, where its parts lie and what it configures by folder.

use super::{config::Settings, yaml};
use crate::error::{Error, Kind, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// A project's own file, with dbt's defaults filled in.
#[derive(Clone, Debug)]
pub(super) struct Project {
    /// Its name; the first part of every id.
    pub name: String,
    /// The profile it names.
    pub profile: String,
    /// The folder of `dbt_project.yml`.
    pub root: PathBuf,
    /// Folders of models, relative to the root.
    pub model_paths: Vec<String>,
    /// Folders of macros, relative to the root.
    pub macro_paths: Vec<String>,
    /// Where compiled SQL is written.
    pub target_path: PathBuf,
    vars: Map<String, Value>,
    models: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ProjectFile {
    name: Option<String>,
    profile: Option<String>,
    model_paths: Option<Vec<String>>,
    macro_paths: Option<Vec<String>>,
    target_path: Option<String>,
    vars: Option<Map<String, Value>>,
    models: Option<Value>,
}

impl Project {
    /// Reads `dbt_project.yml` in a folder.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let path = root.join("dbt_project.yml");
        let file: ProjectFile = yaml::read(&path, &path.display().to_string())?;
        let name = file
            .name
            .ok_or_else(|| Error::new(Kind::ModelProject, format!("{}: the project has no name", path.display())))?;
        let or = |given: Option<Vec<String>>, usual: &str| given.unwrap_or_else(|| vec![usual.to_owned()]);
        Ok(Self {
            profile: file.profile.unwrap_or_else(|| name.clone()),
            model_paths: or(file.model_paths, "models"),
            macro_paths: or(file.macro_paths, "macros"),
            target_path: root.join(file.target_path.unwrap_or_else(|| "target".to_owned())),
            vars: file.vars.unwrap_or_default(),
            models: file.models.unwrap_or_default(),
            root: root.to_owned(),
            name,
        })
    }

    /// Variables as the project's own models see them: those of the project, and above them those
    /// under its name.
    pub(super) fn vars(&self) -> Map<String, Value> {
        let mut seen = self.vars.clone();
        if let Some(Value::Object(own)) = seen.remove(&self.name) {
            seen.extend(own);
        }
        seen
    }

    /// What `models:` configures for a model, by its folders: the nearer folder wins.
    ///
    /// `path` is the model's path below its model path, without `.sql`.
    pub(super) fn settings(&self, path: &[&str]) -> Settings {
        let mut settings = Settings::default();
        let mut level = &self.models;
        let names = std::iter::once(self.name.as_str()).chain(path.iter().copied());
        let mut names = names.peekable();
        loop {
            let next = names.next();
            let Value::Object(map) = level else { break };
            for (key, value) in map {
                match key.strip_prefix('+') {
                    Some(plain) => settings.set(plain, value.clone()),
                    // Without the plus a map can only be a folder.
                    None if !value.is_object() => settings.set(key, value.clone()),
                    None => {}
                }
            }
            match next.and_then(|name| map.get(name)) {
                Some(below) => level = below,
                None => break,
            }
        }
        settings
    }

    /// The files of some folders with an ending, in order; paths relative to the root, with slashes.
    pub(super) fn files(&self, folders: &[String], endings: &[&str]) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for folder in folders {
            collect(&self.root, Path::new(folder), endings, &mut found)?;
        }
        found.sort();
        found.dedup();
        Ok(found)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn project(yaml: &str) -> Project {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("dbt_project.yml"), yaml).expect("written");
        Project::read(folder.path()).expect("a good project")
    }

    #[test]
    fn the_nearer_folder_wins_and_tags_add_up() {
        let project = project(
            "name: p\nmodels:\n  +materialized: view\n  +tags: all\n  p:\n    marts:\n      +materialized: table\n      +tags: [daily]\n      big:\n        materialized: incremental\n",
        );
        let get = |path: &[&str]| project.settings(path).get("materialized").cloned();
        assert_eq!(get(&["staging", "a"]), Some("view".into()));
        assert_eq!(get(&["marts", "a"]), Some("table".into()));
        assert_eq!(get(&["marts", "big"]), Some("incremental".into()));
        assert_eq!(project.settings(&["marts", "a"]).texts("tags"), ["all", "daily"]);
    }

    #[test]
    fn vars_under_the_projects_name_stand_above_the_others() {
        let vars = project("name: p\nvars:\n  a: 1\n  b: 1\n  p:\n    b: 2\n").vars();
        assert_eq!((vars["a"].clone(), vars["b"].clone()), (1.into(), 2.into()));
        assert!(!vars.contains_key("p"));
    }
}
