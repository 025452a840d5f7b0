//! `profiles.yml`: which PostgreSQL, and which schema.

use super::yaml;
use crate::error::{Error, Kind, Result};
use serde_json::{Map, Value};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// One output of a profile.
#[derive(Clone)]
pub(in crate::models) struct Profile {
    /// Its profile's name.
    pub name: String,
    /// Its own name.
    pub target: String,
    output: Map<String, Value>,
}

impl fmt::Debug for Profile {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "profile {}, target {}", self.name, self.target)
    }
}

impl Profile {
    /// Where `profiles.yml` is: the folder that was named, `DBT_PROFILES_DIR`, the project's, `~/.dbt`.
    pub(in crate::models) fn find(named: Option<&Path>, project: &Path) -> Option<PathBuf> {
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".dbt"));
        let places = match (named, std::env::var_os("DBT_PROFILES_DIR")) {
            (Some(named), _) => vec![named.to_owned()],
            (None, Some(given)) => vec![PathBuf::from(given)],
            (None, None) => std::iter::once(project.to_owned()).chain(home).collect(),
        };
        places.into_iter().map(|place| place.join("profiles.yml")).find(|path| path.is_file())
    }

    /// Reads an output; `render` gives the value of Jinja in it.
    ///
    /// # Errors
    /// There is no such profile or target, or it is for another database.
    pub(in crate::models) fn read(
        path: &Path,
        name: &str,
        target: Option<&str>,
        render: &dyn Fn(&str, &str) -> Result<Value>,
    ) -> Result<Self> {
        let shown = path.display().to_string();
        let wrong = |what: String| Error::new(Kind::ModelProject, format!("{shown}: {what}"));
        let all: Map<String, Value> = yaml::read_secret(path, &shown)?;
        let profile = all.get(name).and_then(Value::as_object).ok_or_else(|| {
            let names: Vec<&str> = all.keys().map(String::as_str).filter(|key| *key != "config").collect();
            wrong(format!("there is no profile '{name}'; it has {}", names.join(", ")))
        })?;
        let rendered = |value: &Value| super::project::rendered(value, &shown, render);
        let usual = profile.get("target").map(rendered).transpose()?.and_then(|t| t.as_str().map(str::to_owned));
        let target = target.map(str::to_owned).or(usual).unwrap_or_else(|| "default".to_owned());
        let outputs = profile.get("outputs").and_then(Value::as_object);
        let output = outputs.and_then(|outputs| outputs.get(&target)).ok_or_else(|| {
            let names: Vec<&str> = outputs.into_iter().flat_map(Map::keys).map(String::as_str).collect();
            wrong(format!("profile '{name}' has no target '{target}'; it has {}", names.join(", ")))
        })?;
        let Value::Object(output) = rendered(output)? else {
            return Err(wrong(format!("target '{target}' is no map")));
        };
        match output.get("type").and_then(Value::as_str) {
            Some("postgres") => Ok(Self { name: name.to_owned(), target, output }),
            other => {
                let other = other.unwrap_or("nothing");
                Err(wrong(format!("target '{target}' is for {other}; only postgres can be built here")))
            }
        }
    }

    /// A key's text.
    pub(in crate::models) fn text(&self, keys: &[&str]) -> Option<String> {
        keys.iter().find_map(|key| match self.output.get(*key)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        })
    }
}
