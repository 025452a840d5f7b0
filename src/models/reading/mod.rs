//! What lies on disk, read: `dbt_project.yml`, packages, profiles, properties, files.
//!
//! Gives plain data; what it means is `manifest/`'s. Lenient where dbt 1.10 is: unknown keys are passed over.

mod files;
mod packages;
mod profile;
mod project;
mod properties;
mod settings;
mod shape;
pub(super) mod yaml;

pub(super) use files::{File, files};
pub(super) use packages::packages;
pub(super) use profile::Profile;
pub(super) use project::{ProjectFile, rendered};
pub(super) use properties::{Entry, Properties};
pub(super) use settings::{Settings, texts};
