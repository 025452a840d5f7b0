//! `[models]`: the dbt project.

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
