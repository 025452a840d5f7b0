//! What a project runs before and after everything: `on-run-start` and `on-run-end`.

use super::{
    Models, compile,
    context::connection::{On, with_connection},
    jinja,
    manifest::Resource,
};
use crate::{
    domain::ModelId,
    error::{Kind, Result},
};
use minijinja::value::Value;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// When.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the first node.
    Start,
    /// After the last one.
    End,
}

/// How a node ended, for `results`.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The node.
    pub id: ModelId,
    /// dbt's word: `success`, `error`, `skipped`.
    pub status: &'static str,
    /// How long it took.
    pub seconds: f64,
    /// What went wrong.
    pub message: Option<String>,
}

impl Models {
    /// Runs the statements of the project and of its packages, each by itself, in their order.
    ///
    /// # Errors
    /// The first that fails.
    pub async fn operate(&self, moment: Moment, results: &[Ended]) -> Result<()> {
        let key = if moment == Moment::Start { "on-run-start" } else { "on-run-end" };
        let wanted = |node: &&super::manifest::Node| node.resource == Resource::Operation && node.path == key;
        let nodes: Vec<ModelId> = self.manifest.nodes.values().filter(wanted).map(|node| node.id.clone()).collect();
        if nodes.is_empty() {
            return Ok(());
        }
        let session = self.warehouse.session().await?;
        session.ensure_schema(&self.manifest.setting.schema).await?;
        let (manifest, started, results) = (self.manifest.clone(), self.clock.now(), results.to_vec());
        with_connection(On::Session(&session), move |connection| {
            for id in &nodes {
                let node = manifest.node(id)?;
                node.sound()?;
                let manner =
                    compile::Manner { as_new: false, ..compile::Manner::new(started, Some(connection.clone())) };
                let mut extra = BTreeMap::new();
                if moment == Moment::End {
                    let described = |ended: &Ended| {
                        json!({
                            "node": manifest.describe(ended.id.as_str()), "status": ended.status,
                            "execution_time": ended.seconds, "message": ended.message, "unique_id": ended.id.as_str(),
                        })
                    };
                    let built = results.iter().filter(|r| r.status == "success");
                    let schemas: BTreeSet<&str> =
                        built.filter_map(|r| manifest.nodes.get(&r.id)).map(|n| n.relation.schema.as_str()).collect();
                    let database = manifest.setting.database.as_str();
                    let both = schemas.iter().map(|s| jinja::tuple(vec![database.into(), Value::from(*s)])).collect();
                    extra.insert("results", jinja::from_json(&results.iter().map(described).collect()));
                    extra.insert("schemas", jinja::list(schemas.iter().map(|s| Value::from(*s)).collect()));
                    extra.insert("database_schemas", jinja::list(both));
                }
                let scope = compile::scope(&manifest, node, &manner, extra);
                let rendered = manifest.setting.engine.render(&node.file, &node.source, scope.globals());
                let sql = rendered.map_err(|error| compile::failed(&scope, &error))?;
                if !sql.trim().is_empty() {
                    connection.ask(sql.trim(), false).map_err(|located| match located.error.kind {
                        Kind::WarehouseQuery => located.error.during(format!("{}: {key}", node.file)),
                        _ => located.error,
                    })?;
                }
            }
            Ok(())
        })
        .await?
    }
}
