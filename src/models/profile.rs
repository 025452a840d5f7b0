//! A profile's output as configuration: where dbt would build, Amalgam builds.

use super::{
    jinja::{Engine, to_json},
    manifest::explained,
    reading::{Profile, ProjectFile},
};
use crate::{
    config::{Config, Secret, TlsMode},
    error::{Error, Kind, Result},
};
use chrono::{DateTime, Utc};
use minijinja::{ErrorKind, value::Value};
use std::path::Path;

/// What the command says of profiles.
#[derive(Clone, Debug, Default)]
pub struct ProfileChoice<'a> {
    /// The folder of `profiles.yml`.
    pub folder: Option<&'a Path>,
    /// The profile; the one that the project names where none is given.
    pub name: Option<&'a str>,
    /// The target; the profile's own where none is given.
    pub target: Option<&'a str>,
}

/// Takes warehouse, schema and threads from `profiles.yml` into a configuration.
///
/// # Errors
/// There is no such file, profile or target, or it is for another database.
pub fn take_profile(config: &mut Config, choice: &ProfileChoice<'_>, now: DateTime<Utc>) -> Result<()> {
    let wrong = |what: &str| Error::new(Kind::ModelProject, what.to_owned());
    let root = config.models.project_dir.clone().ok_or_else(|| wrong("a profile needs a project: name its folder"))?;
    let project = ProjectFile::read(&root)?;
    let path = Profile::find(choice.folder, &root)
        .ok_or_else(|| wrong("there is no profiles.yml; name its folder with --profiles-dir"))?;
    let name = choice.name.map(str::to_owned).or(project.profile).unwrap_or(project.name);
    let engine = Engine::new(now);
    let globals = minijinja::context! { env_var => Value::from_function(environment) };
    let render = |text: &str, shown: &str| {
        engine.evaluate(shown, text, globals.clone()).map(|value| to_json(&value)).map_err(|error| explained(&error))
    };
    let profile = Profile::read(&path, &name, choice.target, &render)?;
    let shown = path.display();
    let number = |key: &str, least: u64, most: u64| -> Result<Option<u64>> {
        let Some(text) = profile.text(&[key]) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        let what = || wrong(&format!("{shown}: {key} is '{text}'; it must be a number from {least} to {most}"));
        number.map(Some).ok_or_else(what)
    };
    let warehouse = &mut config.warehouse;
    if let Some(host) = profile.text(&["host"]) {
        warehouse.host = host;
    }
    if let Some(port) = number("port", 1, u16::MAX.into())?.and_then(|port| u16::try_from(port).ok()) {
        warehouse.port = port;
    }
    if let Some(user) = profile.text(&["user"]) {
        warehouse.user = user;
    }
    warehouse.password = profile.text(&["password", "pass"]).map(Secret::new).unwrap_or_default();
    if let Some(database) = profile.text(&["dbname", "database"]) {
        warehouse.database = database;
    }
    if let Some(mode) = profile.text(&["sslmode"]) {
        warehouse.tls = match mode.as_str() {
            // Whoever would do without it does without it.
            "disable" | "allow" | "prefer" => TlsMode::Disable,
            "require" => TlsMode::Require,
            "verify-ca" | "verify-full" => TlsMode::VerifyFull,
            other => {
                let known = "disable, allow, prefer, require, verify-ca, verify-full";
                return Err(wrong(&format!("{shown}: sslmode is '{other}'; it must be one of {known}")));
            }
        };
        warehouse.tls_ca_file = profile.text(&["sslrootcert"]).map(Into::into);
    }
    // Whoever builds for a profile of dbt's has no tables that the sync fills: every schema is the project's.
    warehouse.raw_schema.clear();
    let models = &mut config.models;
    models.schema = profile
        .text(&["schema"])
        .ok_or_else(|| wrong(&format!("{shown}: the target {} has no schema", profile.target)))?;
    if let Some(threads) = number("threads", 1, u32::MAX.into())?.and_then(|threads| usize::try_from(threads).ok()) {
        models.threads = threads.min(64);
    }
    models.target = profile.target.clone();
    models.profile = Some(profile.name.clone());
    Ok(())
}

/// `env_var` of profiles and of lists of packages, where secrets are let in.
pub(super) fn environment(name: String, default: Option<String>) -> std::result::Result<String, minijinja::Error> {
    std::env::var(&name).ok().or(default).ok_or_else(|| {
        let what = format!("env_var('{name}'): it is not set and there is no default");
        minijinja::Error::new(ErrorKind::InvalidOperation, what)
    })
}
