//! What a template sees: dbt's names, and the way from them to the warehouse.
//!
//! Owns the context of dbt: [`scope`] finds a name, the other files are what is found. Refuses to know how Jinja is
//! rendered (`jinja/`) and what a build does with the text.

pub(super) mod adapter;
pub(super) mod batch;
pub(super) mod column;
pub(super) mod connection;
pub(super) mod constant;
mod constraints;
mod exceptions;
mod flags;
mod functions;
pub(super) mod index;
mod plain;
mod references;
pub(super) mod relation;
pub(super) mod results;
pub(super) mod scope;
mod settings;
pub(super) mod table;
pub(super) mod unit;
pub(super) mod voice;

pub use batch::SAMPLE;
pub(super) use batch::Window;
pub use voice::Says;

/// The version of dbt whose behaviour this is.
pub(super) const DBT_VERSION: &str = "1.10.23";
