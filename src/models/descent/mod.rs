//! The lineage of the project: `lineage/`, given what the manifest and the warehouse know.
//!
//! [`draw`] makes the graph, [`told`] is what people see of it, [`record`] keeps it in the warehouse's catalog. Queries are
//! followed as a first build would run them, so that what is drawn does not depend on what is there.
//! Guarantee: nothing fails for want of lineage. What can't be followed says why.

mod draw;
mod record;
mod told;

pub use told::{ColumnLineage, ColumnOrigins, Lineage, NodeLineage, Origin, RowsOrigin};

use super::{
    Models,
    compile::{self, Manner},
    context::connection::{On, with_connection},
    manifest::{Manifest, Node, Resource},
};
use crate::{
    domain::ModelId,
    error::{Error, Kind, Result},
    warehouse::Session,
};
use std::{collections::BTreeMap, sync::Arc};

/// Columns of relations in their order, by schema and name.
type Columns = BTreeMap<(String, String), Vec<String>>;

/// A node's query, or the kind of failure that kept it from being compiled.
type Query = (ModelId, std::result::Result<String, Kind>);

impl Models {
    /// The lineage of the whole project. Columns are those of the warehouse; where it does not answer, those that
    /// queries, files of seeds and properties name.
    ///
    /// # Errors
    /// The warehouse answers, and fails.
    pub async fn lineage(&self) -> Result<Lineage> {
        let manifest = self.manifest.clone();
        let has_query = |id: &&ModelId| manifest.nodes.get(*id).is_some_and(has_query);
        let ids: Vec<ModelId> = manifest.dag.order().iter().filter(has_query).cloned().collect();
        let (queries, columns) = match self.warehouse.session().await {
            Ok(session) => {
                let relations = manifest.nodes.values().filter(|node| has_relation(node)).map(|node| &node.relation);
                let relations: Vec<_> = relations.chain(manifest.sources.values().map(|s| &s.relation)).collect();
                let places = relations.iter().map(|r| (r.schema.clone(), r.name.clone())).collect();
                (self.queries(&session, ids).await?, columns_of(&session, places).await?)
            }
            Err(error) => {
                tracing::debug!(%error, "lineage is drawn without the warehouse");
                let (manifest, manner) = (manifest.clone(), Manner::new(self.clock.now(), None));
                (blocking(move || compiled(&manifest, ids, &manner)).await?, Columns::new())
            }
        };
        let graph = blocking(move || draw::draw(&manifest, &queries, &columns)).await?;
        Ok(Lineage::of(graph))
    }

    /// The queries of nodes; each may ask the warehouse.
    async fn queries(&self, session: &Session, ids: Vec<ModelId>) -> Result<Vec<Query>> {
        let (manifest, started) = (self.manifest.clone(), self.clock.now());
        with_connection(On::Session(session), move |connection| {
            compiled(&manifest, ids, &Manner::new(started, Some(connection)))
        })
        .await
    }
}

fn compiled(manifest: &Arc<Manifest>, ids: Vec<ModelId>, manner: &Manner) -> Vec<Query> {
    let query = |id: ModelId| {
        let sql = manifest.node(&id).and_then(|node| compile::compile(manifest, node, manner));
        (id, sql.map_err(|error| error.kind))
    };
    ids.into_iter().map(query).collect()
}

/// Whether its columns come from a query.
fn has_query(node: &Node) -> bool {
    matches!(node.resource, Resource::Model | Resource::Snapshot)
}

fn has_relation(node: &Node) -> bool {
    node.resource.is_built() && !node.is_ephemeral()
}

/// Asks the warehouse for the columns of relations.
async fn columns_of(session: &Session, places: Vec<(String, String)>) -> Result<Columns> {
    let sql = "select n.nspname::text, c.relname::text, array_agg(a.attname::text order by a.attnum) \
               from unnest($1::name[], $2::name[]) as wanted (schema, name) \
               join pg_catalog.pg_namespace n on n.nspname = wanted.schema \
               join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = wanted.name \
               join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped \
               where c.relkind in ('r', 'v', 'f', 'p', 'm') group by 1, 2";
    let (schemas, names): (Vec<String>, Vec<String>) = places.into_iter().unzip();
    let rows = session.query(sql, &[&schemas, &names], "looking at the columns of relations").await?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}

/// Does what takes the processor's time on a thread where that keeps nobody else.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let failed = |error| Error::new(Kind::Internal, format!("the thread that follows queries ended early: {error}"));
    tokio::task::spawn_blocking(work).await.map_err(failed)
}
