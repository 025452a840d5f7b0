//! Models that are read where an earlier run has them: `--defer`.
//!
//! dbt's rules: dbt-core, `compilation.py` and `context/providers.py`.

use super::{Models, manifest::Manifest, relation::Relation, select::Before};
use crate::{
    domain::ModelId,
    error::{Error, Kind, Result},
};
use serde_json::Value as Json;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

impl Models {
    /// Lets what is not selected be read where the artifacts in a folder say that it is: where it is not there
    /// otherwise, or, with `is_favored`, in any case.
    ///
    /// # Errors
    /// The folder has no manifest, or the warehouse fails.
    pub async fn defer(&mut self, selected: &BTreeSet<String>, folder: &Path, is_favored: bool) -> Result<()> {
        let before = Before::read(folder)?;
        if before.manifest.is_null() {
            let what = format!("--defer: {} has no manifest.json; name the folder with --state", folder.display());
            return Err(Error::new(Kind::Config, what));
        }
        let mut there = elsewhere(&self.manifest, selected, &before.manifest);
        if !is_favored {
            let names: Vec<String> =
                there.keys().filter_map(|id| self.manifest.nodes.get(id)).map(|n| n.relation.quoted()).collect();
            let session = self.warehouse.session().await?;
            let sql = "select to_regclass(name) is not null from unnest($1::text[]) with ordinality as wanted (name, place) order by place";
            let rows = session.query(sql, &[&names], "looking for relations").await?;
            let mut is_there = rows.iter().map(|row| row.get::<_, bool>(0));
            there.retain(|_, _| !is_there.next().unwrap_or_default());
        }
        let manifest = Arc::get_mut(&mut self.manifest)
            .ok_or_else(|| Error::new(Kind::Internal, "a project is deferred before anything is built"))?;
        manifest.deferred = there;
        Ok(())
    }
}

/// Where an earlier run has what is not selected now.
fn elsewhere(manifest: &Manifest, selected: &BTreeSet<String>, before: &Json) -> BTreeMap<ModelId, Relation> {
    let of_node = |id: &ModelId| {
        let node = &before["nodes"][id.as_str()];
        let part = |key: &str| node[key].as_str().map(str::to_owned);
        Some(Relation { database: part("database")?, schema: part("schema")?, name: part("alias")? })
    };
    let unselected = manifest
        .nodes
        .values()
        .filter(|node| node.resource.is_built() && !node.is_ephemeral() && !selected.contains(node.id.as_str()));
    let found = unselected.filter_map(|node| Some((node.id.clone(), of_node(&node.id)?)));
    found.filter(|(id, place)| manifest.nodes.get(id).is_some_and(|node| node.relation != *place)).collect()
}
