//! From the configuration to a project that is ready.

use super::{
    Models,
    context::Says,
    manifest::{Given, Manifest},
};
use crate::{config::Config, domain::Clock, error::Result, telemetry::Metrics, warehouse::Warehouse};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

impl Models {
    /// Reads and parses the project; `None` where the configuration names none.
    pub fn load(config: &Config, warehouse: Warehouse, metrics: Arc<Metrics>, clock: Clock) -> Result<Option<Self>> {
        Self::load_with(config, warehouse, metrics, clock, Map::new(), None)
    }

    /// As [`Models::load`], with flags of a command, in dbt's words and in upper case. `says` hears what templates say
    /// to people; where there is none, it is logged.
    ///
    /// # Errors
    /// The project as a whole is wrong.
    pub fn load_with(
        config: &Config,
        warehouse: Warehouse,
        metrics: Arc<Metrics>,
        clock: Clock,
        given: Map<String, Json>,
        says: Option<Says>,
    ) -> Result<Option<Self>> {
        let Some(root) = &config.models.project_dir else { return Ok(None) };
        let models = &config.models;
        let mut vars: Map<String, Json> =
            models.vars.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        // The project's sources lie where the sync puts them, unless somebody says otherwise.
        if !config.warehouse.raw_schema.is_empty() {
            vars.entry("raw_schema").or_insert_with(|| config.warehouse.raw_schema.clone().into());
        }
        let given = Given {
            target: target(config),
            vars,
            flags: flags(config).into_iter().chain(given).collect(),
            raw_schema: config.warehouse.raw_schema.clone(),
            invocation: uuid_of(fastrand::u128(..)),
            now: clock.now(),
            says,
        };
        let manifest = Arc::new(Manifest::load(root, given)?);
        Ok(Some(Self { manifest, warehouse, metrics, clock }))
    }
}

/// `target`. The password is no part of it.
fn target(config: &Config) -> Map<String, Json> {
    let (models, warehouse) = (&config.models, &config.warehouse);
    let profile = models.profile.clone().unwrap_or_else(|| "amalgam".to_owned());
    let all = json!({
        "name": models.target, "target_name": models.target, "profile_name": profile, "schema": models.schema,
        "type": "postgres", "dbname": warehouse.database, "database": warehouse.database, "host": warehouse.host,
        "port": warehouse.port, "user": warehouse.user, "threads": models.threads,
    });
    all.as_object().cloned().unwrap_or_default()
}

/// `flags`, as far as the configuration says them.
fn flags(config: &Config) -> Map<String, Json> {
    Map::from_iter([
        ("WHICH".to_owned(), "build".into()),
        ("TARGET".to_owned(), config.models.target.as_str().into()),
        ("THREADS".to_owned(), config.models.threads.into()),
    ])
}

/// Random bits as dbt writes an `invocation_id`.
fn uuid_of(bits: u128) -> String {
    let text = format!("{bits:032x}");
    format!("{}-{}-4{}-a{}-{}", &text[..8], &text[8..12], &text[13..16], &text[17..20], &text[20..])
}
