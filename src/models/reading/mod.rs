//! What lies on disk, read: `dbt_project.yml`, packages, profiles, properties, files.
//!
//! Gives plain data; what it means is `manifest/`'s. As strict and as lenient as dbt 1.10: most unknown keys are passed
//! over, with a warning.

mod entry;
mod files;
mod packages;
mod profile;
mod project;
mod properties;
pub(super) mod selectors;
mod settings;
mod shape;
#[cfg(test)]
mod verdicts;
pub(super) mod yaml;

pub(super) use entry::Entry;
pub(super) use files::{File, files};
pub(super) use packages::packages;
pub(super) use profile::Profile;
pub(super) use project::{PATHS, ProjectFile, rendered};
pub(super) use properties::Properties;
pub(super) use settings::{Settings, texts};
pub(super) use shape::look_at_config;
pub(super) use yaml::{Step, line_of};
