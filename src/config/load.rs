//! Loads and merges the configuration: files, environment, flags.

use super::Config;
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use std::path::PathBuf;

/// Where the configuration is looked for.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Files named by hand; none: the usual places.
    pub files: Vec<PathBuf>,
    /// `key=value` of `--set`, above all else.
    pub overrides: Vec<String>,
}

impl Sources {
    /// What the process was started with.
    pub fn from_process() -> Self {
        Self::default()
    }
}

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// Loads, merges and checks.
pub fn load(sources: &Sources) -> Result<Config, Error> {
    let mut figment = Figment::new();
    for file in &sources.files {
        figment = figment.merge(Toml::file_exact(file));
    }
    figment = figment.merge(Env::prefixed("AMALGAM_").ignore(&["config"]).split("__"));
    for item in &sources.overrides {
        if let Some((key, value)) = item.split_once('=') {
            figment = figment.merge(Serialized::default(key, value));
        }
    }
    figment.extract().map_err(|e| Error(e.to_string()))
}
