//! `clone`: views over the relations that another run of the project has built.
//!
//! Guarantee: what hangs on a relation that a view takes the place of hangs on the view, or nothing happens.

use super::{
    Models,
    context::connection::{Hanging, On},
    materialize::{relkind, restore},
    relation::Relation,
    select::Before,
    templates::Templates,
};
use crate::{
    domain::ModelId,
    error::{Error, Kind, Result},
};
use serde_json::Value as Json;
use std::{collections::BTreeMap, path::Path};

/// The relations of another run, by node.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere(BTreeMap<String, Relation>);

/// What became of a node that was to be cloned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloned {
    /// It is a view over the other relation now.
    Made,
    /// Its relation was there, and stays.
    Kept,
    /// It is the other relation.
    Same,
    /// The other run has no such relation.
    Unknown,
}

impl Cloned {
    /// As it is told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Made => "cloned",
            Self::Kept => "already there",
            Self::Same => "the same relation",
            Self::Unknown => "not in the state",
        }
    }
}

impl Elsewhere {
    /// Reads the manifest in the folder of a run's artifacts.
    ///
    /// # Errors
    /// There is none, or it can't be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let manifest = Before::read(folder)?.manifest;
        let Some(nodes) = manifest["nodes"].as_object() else {
            return Err(Error::new(Kind::ModelProject, format!("{}: there is no manifest.json", folder.display())));
        };
        let relation = |node: &Json| {
            let text = |key: &str| node[key].as_str().map(str::to_owned);
            node["relation_name"].as_str()?;
            Some(Relation { database: text("database")?, schema: text("schema")?, name: text("alias")? })
        };
        Ok(Self(nodes.iter().filter_map(|(id, node)| Some((id.clone(), relation(node)?))).collect()))
    }
}

impl Models {
    /// Makes a node's relation a view over that of another run. What is there already is replaced where `replaces` is
    /// set.
    ///
    /// # Errors
    /// The other relation lies in another database or is not there, or what hangs on ours does not fit the view.
    pub async fn clone_from(&self, id: &ModelId, other: &Elsewhere, replaces: bool) -> Result<Cloned> {
        let node = self.manifest.node(id)?;
        node.sound()?;
        let Some(from) = other.0.get(id.as_str()) else { return Ok(Cloned::Unknown) };
        if from.database != node.relation.database {
            let what = format!("{} lies in the database {}", from.quoted(), from.database);
            return Err(Error::new(Kind::ModelProject, format!("{what}: a view reads its own database alone")));
        }
        if *from == node.relation {
            return Ok(Cloned::Same);
        }
        let mut session = self.warehouse.session().await?;
        session.ensure_schema(&node.relation.schema).await?;
        let transaction = session.begin().await?;
        if !replaces && relkind(&transaction, &node.relation).await?.is_some() {
            return Ok(Cloned::Kept);
        }
        let templates = Templates {
            manifest: self.manifest.clone(),
            id: id.clone(),
            sql: Some(format!("select * from {}", from.quoted())),
            started: self.clock.now(),
            full_refresh: replaces,
            turn: None,
        };
        let hanging = Hanging::default();
        templates.materialize(On::Transaction(&transaction, &hanging), "view".to_owned()).await?;
        restore(&transaction, hanging, |_, _| None).await?;
        transaction.commit().await?;
        Ok(Cloned::Made)
    }
}
