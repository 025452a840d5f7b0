//! `[models]`: the dbt project.

use super::{
    Problem,
    problem::{not_empty, within},
    schema::check_schema,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// Where the models are and how they are built.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Models {
    /// The folder of `dbt_project.yml`; none: no models.
    pub project_dir: Option<PathBuf>,
    /// `target.name`.
    pub target: String,
    /// `target.profile_name`; none: the project's own.
    pub profile: Option<String>,
    /// `target.schema`.
    pub schema: String,
    /// Models built at once.
    pub threads: usize,
    /// Variables, above those of the project.
    pub vars: BTreeMap<String, serde_json::Value>,
}

impl Default for Models {
    fn default() -> Self {
        Self {
            project_dir: None,
            target: "prod".to_owned(),
            profile: None,
            schema: "analytics".to_owned(),
            threads: 2,
            vars: BTreeMap::new(),
        }
    }
}

impl Models {
    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        not_empty(&mut problems, "models.target", &self.target, "give the target's name, such as prod");
        within(&mut problems, "models.threads", self.threads, 1..=64);
        problems.extend(check_schema("models.schema", &self.schema));
        if let Some(directory) = &self.project_dir
            && !directory.join("dbt_project.yml").is_file()
        {
            problems.push(Problem::new(
                "models.project_dir",
                format!("there is no dbt_project.yml in {}", directory.display()),
                "name the folder of a dbt project, seen from the folder in which amalgam is started",
            ));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound() {
        assert_eq!(Models::default().check(), []);
    }

    #[test]
    fn a_folder_without_a_project_is_refused() {
        let models = Models { project_dir: Some("/nonexistent".into()), threads: 0, ..Models::default() };
        let keys: Vec<String> = models.check().into_iter().map(|p| p.key).collect();
        assert_eq!(keys, ["models.threads", "models.project_dir"]);
    }
}
