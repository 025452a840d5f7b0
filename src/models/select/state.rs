//! An earlier run, by its artifacts: what `state:`, `result:` and `source_status:` compare with.

use super::universe::{Ids, Thing, Universe};
use crate::{
    error::{Error, Kind, Result},
    models::{
        artifacts::{FRESHNESS, MANIFEST, RESULTS},
        manifest::{Manifest, Node, described_exposure, described_source},
    },
};
use serde_json::Value as Json;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// What `state:` can ask.
const QUESTIONS: &[&str] = &[
    "new",
    "old",
    "modified",
    "unmodified",
    "modified.body",
    "modified.configs",
    "modified.persisted_descriptions",
    "modified.relation",
    "modified.macros",
    "modified.contract",
];

/// The artifacts of an earlier run. What is not there is null.
#[derive(Clone, Debug)]
pub(in crate::models) struct Before {
    folder: PathBuf,
    /// `manifest.json`.
    pub manifest: Json,
    results: Json,
    sources: Json,
}

/// An artifact; null where there is none.
fn artifact(folder: &Path, file: &str) -> Result<Json> {
    let path = folder.join(file);
    let wrong = |what: String| Error::new(Kind::ModelProject, format!("{}: {what}", path.display()));
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| wrong(format!("it is no JSON: {e}"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Json::Null),
        Err(error) => Err(wrong(error.to_string())),
    }
}

impl Before {
    /// Reads the artifacts in a folder.
    ///
    /// # Errors
    /// There is no such folder, or an artifact in it can't be read.
    pub(in crate::models) fn read(folder: &Path) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Error::new(
                Kind::ModelProject,
                format!("--state {}: there is no such folder", folder.display()),
            ));
        }
        let (manifest, results, sources) =
            (artifact(folder, MANIFEST)?, artifact(folder, RESULTS)?, artifact(folder, FRESHNESS)?);
        Ok(Self { folder: folder.to_owned(), manifest, results, sources })
    }

    /// Nodes that ended so: `error`, `fail`, `success`.
    pub(super) fn with_status(&self, status: &str) -> BTreeSet<&str> {
        let all = self.results["results"].as_array().into_iter().flatten();
        all.filter(|r| r["status"] == status).filter_map(|r| r["unique_id"].as_str()).collect()
    }

    /// Source tables that were loaded since: by the freshness that was measured now, and then.
    pub(super) fn fresher(&self, target: &Path) -> Result<BTreeSet<String>, String> {
        let now = artifact(target, FRESHNESS).map_err(|e| e.to_string())?;
        for (what, folder) in [(&self.sources, self.folder.as_path()), (&now, target)] {
            if what.is_null() {
                return Err(format!("{} has no {FRESHNESS}: run `amalgam models source freshness`", folder.display()));
            }
        }
        let loaded = |results: &Json, id: &str| {
            let all = results["results"].as_array().into_iter().flatten();
            all.filter(|r| r["unique_id"] == id).find_map(|r| r["max_loaded_at"].as_str().map(str::to_owned))
        };
        let all = now["results"].as_array().into_iter().flatten().filter_map(|r| r["unique_id"].as_str());
        let is_fresher = |id: &&str| loaded(&now, id) > loaded(&self.sources, id);
        Ok(all.filter(is_fresher).map(str::to_owned).collect())
    }

    /// The ids that a question of `state:` holds for.
    pub(super) fn changed<'a>(
        &self,
        manifest: &'a Manifest,
        universe: &Universe<'a>,
        arguments: &[String],
        value: &str,
    ) -> Result<Ids<'a>, String> {
        if self.manifest.is_null() {
            return Err(format!("{} has no {MANIFEST} to compare with", self.folder.display()));
        }
        let asked = arguments.iter().map(String::as_str).chain([value]).collect::<Vec<_>>().join(".");
        if !QUESTIONS.contains(&asked.as_str()) {
            return Err(format!("'{asked}' is none of {}", QUESTIONS.join(", ")));
        }
        let macros = self.changed_macros(manifest);
        let holds = |thing: Thing<'_>| match thing {
            Thing::Node(node) => self.node_holds(manifest, node, &macros, &asked),
            Thing::Source(source) => other_holds(
                &self.manifest["sources"][&source.id],
                &described_source(source),
                &["relation_name", "fqn", "config", "loader", "quoting"],
                &asked,
            ),
            Thing::Exposure(exposure) => other_holds(
                &self.manifest["exposures"][&exposure.id],
                &described_exposure(exposure),
                &["fqn", "type", "owner", "maturity", "url", "description", "label", "depends_on", "config"],
                &asked,
            ),
        };
        Ok(universe.things.iter().filter(|(_, thing)| holds(**thing)).map(|(id, _)| *id).collect())
    }

    fn node_holds(&self, manifest: &Manifest, node: &Node, macros: &BTreeSet<String>, asked: &str) -> bool {
        let before = match &self.manifest["nodes"][node.id.as_str()] {
            Json::Null => &self.manifest["unit_tests"][node.id.as_str()],
            found => found,
        };
        let now = manifest.described(node);
        let is_new = before.is_null();
        let differs = |fields: &[&str]| fields.iter().any(|field| before[*field] != now[*field]);
        let calls_changed = || manifest.calls(node).iter().any(|called| macros.contains(called));
        let persisted = || {
            let of = |part: &str| now["config"]["persist_docs"][part] == true;
            let columns = |of: &Json| -> Vec<(String, Json)> {
                let all = of["columns"].as_object().into_iter().flatten();
                all.map(|(name, column)| (name.clone(), column["description"].clone())).collect()
            };
            (of("relation") && differs(&["description"])) || (of("columns") && columns(before) != columns(&now))
        };
        let contract = || before["contract"]["enforced"] == true && differs(&["contract"]);
        let modified = || {
            is_new || differs(&["checksum", "unrendered_config", "fqn"]) || persisted() || contract() || calls_changed()
        };
        match asked {
            "new" => is_new,
            "old" => !is_new,
            "unmodified" => !modified(),
            "modified.body" => is_new || differs(&["checksum"]),
            "modified.configs" => is_new || differs(&["unrendered_config"]),
            "modified.persisted_descriptions" => is_new || persisted(),
            "modified.relation" => is_new || differs(&["database", "schema", "alias"]),
            "modified.macros" => calls_changed(),
            "modified.contract" => is_new || contract(),
            _ => modified(),
        }
    }

    /// Macros that are new, gone or otherwise than they were, by unique id.
    fn changed_macros(&self, manifest: &Manifest) -> BTreeSet<String> {
        let before = self.manifest["macros"].as_object().cloned().unwrap_or_default();
        let text_of = |value: &Json| value["macro_sql"].as_str().map(|text| text.trim().to_owned());
        let now = manifest.macro_texts();
        let changed = now.iter().filter(|(id, text)| before.get(*id).and_then(text_of).as_deref() != Some(text.trim()));
        let gone = before.keys().filter(|id| !id.starts_with("macro.dbt") && !now.contains_key(*id));
        changed.map(|(id, _)| id.clone()).chain(gone.cloned()).collect()
    }
}

fn other_holds(before: &Json, now: &Json, fields: &[&str], asked: &str) -> bool {
    let is_new = before.is_null();
    match asked {
        "new" => is_new,
        "old" => !is_new,
        "modified" => is_new || fields.iter().any(|field| before[*field] != now[*field]),
        "unmodified" => !is_new && fields.iter().all(|field| before[*field] == now[*field]),
        _ => false,
    }
}
