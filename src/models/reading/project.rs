//! `dbt_project.yml`: what a project is called, where its parts lie and what it configures by folder.

use super::{
    super::context::relation::Policy,
    look_at_config,
    settings::Settings,
    shape, texts,
    yaml::{self, Step},
};
use crate::error::{Error, Kind, Result};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// The keys that name folders of files.
pub(in crate::models) const PATHS: &[&str] =
    &["model-paths", "seed-paths", "snapshot-paths", "analysis-paths", "macro-paths", "test-paths"];

/// A project's own file, with dbt's defaults filled in.
#[derive(Clone, Debug)]
pub(in crate::models) struct ProjectFile {
    /// Its name; the first part of every id.
    pub name: String,
    /// The profile it names.
    pub profile: Option<String>,
    /// The folder of `dbt_project.yml`.
    pub root: PathBuf,
    /// Where compiled SQL and artifacts are written.
    pub target_path: PathBuf,
    /// Where packages are installed.
    pub packages_path: PathBuf,
    raw: Map<String, Value>,
}

impl ProjectFile {
    /// Reads `dbt_project.yml` in a folder.
    ///
    /// # Errors
    /// It is not there, is no YAML, or is not as dbt wants it.
    pub(in crate::models) fn read(root: &Path) -> Result<Self> {
        let path = root.join("dbt_project.yml");
        let shown = path.display().to_string();
        if !path.is_file() {
            let what = format!("{shown}: there is no such file");
            return Err(Error::new(Kind::NoProject, what));
        }
        let raw = looked_through(&yaml::text_of(&path, &shown)?, &shown)?;
        let text = |key: &str| raw.get(key).and_then(Value::as_str).map(str::to_owned);
        let name =
            text("name").ok_or_else(|| Error::new(Kind::ModelProject, format!("{shown}: the project has no name")))?;
        let of_environment = |key: &str, variable: &str, usual: &str| {
            std::env::var(variable).ok().or_else(|| text(key)).unwrap_or_else(|| usual.to_owned())
        };
        Ok(Self {
            name,
            profile: text("profile"),
            target_path: root.join(of_environment("target-path", "DBT_TARGET_PATH", "target")),
            packages_path: root.join(of_environment(
                "packages-install-path",
                "DBT_PACKAGES_INSTALL_PATH",
                "dbt_packages",
            )),
            root: root.to_owned(),
            raw,
        })
    }

    /// The same with another target folder, where one is given: relative to the root.
    pub(in crate::models) fn with_target(mut self, folder: Option<&Path>) -> Self {
        if let Some(folder) = folder {
            self.target_path = self.root.join(folder);
        }
        self
    }

    /// The folders of one kind of file (`model-paths`), relative to the root.
    pub(in crate::models) fn folders(&self, kind: &str) -> Vec<String> {
        let (old, usual): (&str, &[&str]) = match kind {
            "model-paths" => ("source-paths", &["models"]),
            "seed-paths" => ("data-paths", &["seeds"]),
            "snapshot-paths" => ("", &["snapshots"]),
            "test-paths" => ("", &["tests"]),
            "analysis-paths" => ("", &["analyses"]),
            _ => ("", &["macros"]),
        };
        let given = self.raw.get(kind).or_else(|| self.raw.get(old)).map(texts);
        let folders = given.unwrap_or_else(|| usual.iter().map(|f| (*f).to_owned()).collect());
        folders.iter().map(|f| f.trim_start_matches("./").trim_end_matches('/').to_owned()).collect()
    }

    /// The folders that can be made again, as written.
    pub(in crate::models) fn clean_targets(&self) -> Vec<String> {
        let usual = || self.target_path.strip_prefix(&self.root).unwrap_or(&self.target_path).display().to_string();
        self.raw.get("clean-targets").map_or_else(|| vec![usual()], texts)
    }

    /// Variables as the nodes of a package see them: those for all, and above them those under its name.
    pub(in crate::models) fn vars(&self, package: &str, is_own: bool) -> Map<String, Value> {
        let Some(Value::Object(all)) = self.raw.get("vars") else { return Map::new() };
        let mut seen = all.clone();
        if is_own {
            seen.remove(package);
        }
        if let Some(Value::Object(own)) = all.get(package) {
            seen.extend(own.clone());
        }
        seen
    }

    /// Flags of the command line that the project sets, in upper case.
    pub(in crate::models) fn flags(&self) -> Map<String, Value> {
        let flags = self.raw.get("flags").and_then(Value::as_object).into_iter().flatten();
        flags.map(|(name, value)| (name.to_uppercase(), value.clone())).collect()
    }

    /// Which parts of names are quoted in SQL.
    pub(in crate::models) fn quoting(&self) -> Policy {
        self.raw.get("quoting").map_or(Policy::ALL, |said| Policy::ALL.said(said))
    }

    /// Where macros are searched, by namespace.
    pub(in crate::models) fn dispatch(&self) -> Vec<(String, Vec<String>)> {
        let entries = self.raw.get("dispatch").and_then(Value::as_array).into_iter().flatten();
        let entry =
            |entry: &Value| Some((entry["macro_namespace"].as_str()?.to_owned(), texts(&entry["search_order"])));
        entries.filter_map(entry).collect()
    }

    /// Statements of `on-run-start` or `on-run-end`.
    pub(in crate::models) fn statements(&self, key: &str) -> Vec<String> {
        self.raw.get(key).map(texts).unwrap_or_default()
    }

    /// What is wrong with a key of a tree: with the place in the file, which is read again.
    fn wrong_below(&self, way: &[&str], key: &str, what: &str) -> Error {
        let path = self.root.join("dbt_project.yml");
        let shown = path.display().to_string();
        let steps: Vec<Step> = way.iter().copied().chain([key]).map(|step| Step::Key(step.to_owned())).collect();
        match yaml::text_of(&path, &shown) {
            Ok(text) => yaml::wrong(&text, &shown, &steps, &format!("{} {what}", way.join(", "))),
            Err(error) => error,
        }
    }

    /// A file's path below the folder that it was found in.
    pub(in crate::models) fn below<'a>(&self, file: &'a str) -> &'a str {
        let rest = |folder: &String| file.strip_prefix(folder.as_str())?.strip_prefix('/');
        let found = PATHS.iter().flat_map(|kind| self.folders(kind)).filter_map(|folder| rest(&folder));
        // Of folders in each other, the inner one.
        found.min_by_key(|rest| rest.len()).unwrap_or(file)
    }

    /// What the tree of a kind of node (`models`) configures for one, by its folders: the nearer folder wins. Merged
    /// into `settings`, texts as `render` gives them.
    pub(in crate::models) fn configure(
        &self,
        kind: &str,
        fqn: &[String],
        settings: &mut Settings,
        render: &dyn Fn(&str, &str) -> Result<Value>,
    ) -> Result<()> {
        let kinds: &[&str] = if kind == "tests" { &["tests", "data_tests"] } else { &[kind] };
        for kind in kinds {
            let mut level = self.raw.get(*kind);
            let mut way = vec![*kind];
            let mut names = fqn.iter();
            while let Some(Value::Object(map)) = level {
                let below = names.next();
                for (key, value) in map {
                    let is_folder = value.is_object() && !key.starts_with('+');
                    // Without the plus a map can only be a folder, but for those keys that hold nothing else.
                    if is_folder && below.is_some_and(|name| name == key) {
                        continue;
                    }
                    if is_folder
                        && !matches!(
                            key.as_str(),
                            "meta"
                                | "docs"
                                | "persist_docs"
                                | "quoting"
                                | "grants"
                                | "contract"
                                | "column_types"
                                | "freshness"
                        )
                    {
                        continue;
                    }
                    let is_hook =
                        matches!(key.trim_start_matches('+'), "pre-hook" | "post-hook" | "pre_hook" | "post_hook");
                    let value = if is_hook {
                        value.clone()
                    } else {
                        rendered(value, &format!("dbt_project.yml: {kind}"), render)?
                    };
                    look_at_config(singular(kind), key, &value).map_err(|what| self.wrong_below(&way, key, &what))?;
                    settings.set(key, value);
                }
                way.extend(below.map(String::as_str));
                level = below.and_then(|name| map.get(name));
            }
        }
        Ok(())
    }
}

/// The kind of node that a tree configures.
fn singular(tree: &str) -> &str {
    match tree {
        "data_tests" => "test",
        tree => tree.trim_end_matches('s'),
    }
}

/// A value with the Jinja in its texts rendered, however deep.
pub(in crate::models) fn rendered(
    value: &Value,
    shown: &str,
    render: &dyn Fn(&str, &str) -> Result<Value>,
) -> Result<Value> {
    Ok(match value {
        Value::String(text) if text.contains("{{") || text.contains("{%") => render(text, shown)?,
        Value::Array(items) => items.iter().map(|item| rendered(item, shown, render)).collect::<Result<_>>()?,
        Value::Object(map) => Value::Object(
            map.iter().map(|(key, value)| Ok((key.clone(), rendered(value, shown, render)?))).collect::<Result<_>>()?,
        ),
        other => other.clone(),
    })
}

/// A file's map, which is as dbt wants it.
pub(super) fn looked_through(text: &str, shown: &str) -> Result<Map<String, Value>> {
    let document = yaml::document(text, shown)?;
    let refused = |misfit: shape::Misfit| {
        let way = misfit.way();
        let what = if way.is_empty() { misfit.what } else { format!("{way}: {}", misfit.what) };
        yaml::wrong(text, shown, &misfit.steps, &what)
    };
    for (key, line) in &document.twice {
        tracing::warn!(file = %shown, line, "'{key}' is said twice; the last counts");
    }
    for (steps, strange) in &document.strange {
        shape::look_at_strange_in_project(steps, *strange).map_err(refused)?;
    }
    let map = match document.value {
        Value::Object(map) => map,
        Value::Null => Map::new(),
        _ => return Err(Error::new(Kind::ModelProject, format!("{shown}: it must hold a map of keys"))),
    };
    shape::look_at_project(&map).map_err(refused)?;
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(yaml: &str) -> ProjectFile {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("dbt_project.yml"), yaml).expect("written");
        ProjectFile::read(folder.path()).expect("a good project")
    }

    #[test]
    fn the_nearer_folder_wins_and_tags_add_up() {
        let project = project(
            "name: p\nmodels:\n  +materialized: view\n  +tags: all\n  p:\n    marts:\n      +materialized: table\n      +tags: [daily]\n      big:\n        materialized: incremental\n        enabled: \"{{ 1 }}\"\n",
        );
        let get = |path: &[&str]| {
            let fqn: Vec<String> = std::iter::once("p").chain(path.iter().copied()).map(str::to_owned).collect();
            let mut settings = Settings::default();
            project.configure("models", &fqn, &mut settings, &|_, _| Ok(Value::Bool(true))).expect("configured");
            settings
        };
        assert_eq!(get(&["staging", "a"]).text("materialized").as_deref(), Some("view"));
        assert_eq!(get(&["marts", "a"]).text("materialized").as_deref(), Some("table"));
        assert_eq!(get(&["marts", "big"]).text("materialized").as_deref(), Some("incremental"));
        assert_eq!(get(&["marts", "big"]).flag("enabled"), Some(true));
        assert_eq!(get(&["marts", "a"]).texts("tags"), ["all", "daily"]);
    }

    #[test]
    fn a_file_is_seen_from_the_folder_it_was_found_in() {
        let project = project("name: p\nmodel-paths: [src/models, src/models/more, src/models2]\n");
        for (file, below) in [
            ("src/models/a/b.yml", "a/b.yml"),
            ("src/models/more/c.yml", "c.yml"),
            ("src/models2/a.yml", "a.yml"),
            ("seeds/s.yml", "s.yml"),
            ("elsewhere/e.yml", "elsewhere/e.yml"),
        ] {
            assert_eq!(project.below(file), below);
        }
    }

    #[test]
    fn vars_under_a_packages_name_stand_above_the_others() {
        let project = project("name: p\nvars:\n  a: 1\n  b: 1\n  p:\n    b: 2\n");
        let vars = project.vars("p", true);
        assert_eq!((vars["a"].clone(), vars["b"].clone()), (1.into(), 2.into()));
        assert!(!vars.contains_key("p"));
    }
}
