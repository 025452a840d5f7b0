//! Exposures: what people make of the models, such as dashboards. They are read and never run.

use super::{
    super::{
        context::scope::{Scope, Subject, Task},
        reading::{Settings, rendered},
    },
    Names, RefCall,
    load::{Read, explained},
    wrong,
};
use crate::error::Result;
use serde_json::{Map, Value as Json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

/// An exposure.
#[derive(Clone, Debug)]
pub(in crate::models) struct Exposure {
    /// Its unique id.
    pub id: String,
    /// Its package.
    pub package: String,
    /// The properties file.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Package, folders and name.
    pub fqn: Vec<String>,
    /// All that was said of it.
    pub said: Map<String, Json>,
    /// For people.
    pub description: String,
    /// Its configuration.
    pub settings: Settings,
    /// What it refers to.
    pub refs: Vec<RefCall>,
    /// The tables of sources it names.
    pub source_calls: Vec<(String, String)>,
    /// Nodes and tables of sources that it is made of, by unique id.
    pub parents: BTreeSet<String>,
}

/// Reads the exposures of all packages; those that are off come second.
pub(super) fn read(read: &Read, names: &Names) -> Result<(BTreeMap<String, Exposure>, Vec<Exposure>)> {
    let (mut found, mut disabled) = (BTreeMap::new(), Vec::new());
    for entry in read.properties.of("exposures") {
        let shown = format!("{}: exposure {}", entry.file, entry.name);
        let package = read.package(&entry.package).ok_or_else(|| wrong(&shown, "its package is gone"))?;
        let render = |text: &str, shown: &str| read.render(&entry.package, text, shown);
        let mut fqn = super::place::folders(package, &entry.file);
        fqn.push(entry.name.clone());
        let mut settings = Settings::default();
        if package.name != read.own().name {
            package.configure("exposures", &fqn, &mut settings, &render)?;
        }
        read.own().configure("exposures", &fqn, &mut settings, &render)?;
        for key in ["tags", "meta", "enabled"] {
            if let Some(value) = entry.map.get(key) {
                settings.set(key, value.clone());
            }
        }
        if let Some(Json::Object(config)) = entry.map.get("config").map(|c| rendered(c, &shown, &render)).transpose()? {
            settings.merge(&config);
        }
        let description = entry.map.get("description").and_then(Json::as_str).unwrap_or_default();
        let mut exposure = Exposure {
            id: format!("exposure.{}.{}", entry.package, entry.name),
            package: entry.package.clone(),
            file: entry.file.clone(),
            name: entry.name.clone(),
            fqn,
            description: read.described(&entry.package, description, &shown)?,
            said: entry.map.clone(),
            settings,
            refs: Vec::new(),
            source_calls: Vec::new(),
            parents: BTreeSet::new(),
        };
        if exposure.settings.flag("enabled") == Some(false) {
            disabled.push(exposure);
            continue;
        }
        depend(read, names, &mut exposure, &shown)?;
        if let Some(twin) = found.insert(exposure.id.clone(), exposure) {
            return Err(wrong(&shown, format!("there is one of this name in {} too", twin.file)));
        }
    }
    Ok((found, disabled))
}

/// Looks up what it says that it depends on: calls of `ref` and `source`.
fn depend(read: &Read, names: &Names, exposure: &mut Exposure, shown: &str) -> Result<()> {
    let scope = Scope::new(read.setting.clone(), Subject::of_package(&exposure.package), Task::Parse(Mutex::default()));
    let calls = exposure.said.get("depends_on").and_then(Json::as_array).cloned().unwrap_or_default();
    for call in calls.iter().filter_map(Json::as_str) {
        let text = if call.contains("{{") { call.to_owned() } else { format!("{{{{ {call} }}}}") };
        read.setting.engine.evaluate(shown, &text, scope.globals()).map_err(|e| explained(&e))?;
    }
    let collected = scope.collected();
    for call in &collected.refs {
        let id = names.resolve(call, &exposure.package).map_err(|what| wrong(shown, what))?;
        exposure.parents.insert(id.as_str().to_owned());
    }
    for (source, table) in &collected.sources {
        let found = names.source(source, table, &exposure.package).map_err(|what| wrong(shown, what))?;
        exposure.parents.insert(found.id.clone());
    }
    (exposure.refs, exposure.source_calls) = (collected.refs, collected.sources);
    Ok(())
}
