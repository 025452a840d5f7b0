//! The SQL of nodes, for people and artifacts.

use super::{
    Models,
    compile::{Manner, compile},
    context::connection::{Connection, On, with_connection},
    manifest::{Node, Resource},
};
use crate::{domain::ModelId, error::Result};
use std::collections::BTreeSet;

impl Models {
    /// The SQL of a model, as for a first build; also written below the target folder.
    pub fn compile(&self, model: &ModelId) -> Result<String> {
        let node = self.manifest.node(model)?;
        let manner = Manner::new(self.clock.now(), None).aloud(&self.manifest);
        let sql = compile(&self.manifest, node, &manner)?;
        self.manifest.write_compiled(node, &sql);
        Ok(sql)
    }

    /// The SQL of nodes as they would be built now, for those that have any: models, snapshots, tests, analyses. What
    /// asks the warehouse fails by itself where that can't be reached.
    ///
    /// # Errors
    /// The thread that renders is gone.
    pub async fn compile_all(&self, ids: &BTreeSet<String>) -> Result<Vec<(ModelId, Result<String>)>> {
        let has_sql = |node: &&Node| {
            use Resource as R;
            let may_have = matches!(node.resource, R::Model | R::Snapshot | R::Test | R::Analysis);
            may_have && ids.contains(node.id.as_str()) && !node.is_empty()
        };
        let wanted: Vec<ModelId> = self.manifest.nodes.values().filter(has_sql).map(|node| node.id.clone()).collect();
        let (manifest, started) = (self.manifest.clone(), self.clock.now());
        let compiled = move |connection: Option<Connection>| {
            let manner = Manner { as_new: connection.is_none(), ..Manner::new(started, connection).aloud(&manifest) };
            let one = |id: ModelId| {
                let sql = manifest.node(&id).and_then(|node| {
                    let sql = compile(&manifest, node, &manner)?;
                    manifest.write_compiled(node, &sql);
                    Ok(sql)
                });
                (id, sql)
            };
            wanted.into_iter().map(one).collect::<Vec<_>>()
        };
        match self.warehouse.session().await {
            Ok(session) => with_connection(On::Session(&session), move |connection| compiled(Some(connection))).await,
            Err(error) => {
                tracing::debug!(%error, "compiling without the warehouse");
                Ok(compiled(None))
            }
        }
    }
}
