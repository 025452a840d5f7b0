//! The lineage in the warehouse's own catalog: `amalgam.lineage_node`, and the views over it.
//!
//! A row is written where it says something else than before, and not otherwise: builds every few minutes leave nothing.

use super::{
    super::{
        Models,
        manifest::{Manifest, Node},
    },
    Lineage, Query, blocking, columns_of, draw, has_query,
};
use crate::{domain::ModelId, error::Result, warehouse::Session};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

const WRITE: &str = "\
    insert into amalgam.lineage_node as l (node_id, kind, name, relation, reads, columns, rows, unresolved) \
    select node_id, kind, name, relation, reads, columns, rows, unresolved \
    from jsonb_to_recordset($1::jsonb) as n (node_id text, kind text, name text, relation text, reads text[], \
        columns jsonb, rows jsonb, unresolved text[]) \
    on conflict (node_id) do update set kind = excluded.kind, name = excluded.name, relation = excluded.relation, \
        reads = excluded.reads, columns = excluded.columns, rows = excluded.rows, unresolved = excluded.unresolved \
    where (l.kind, l.name, l.relation, l.reads, l.columns, l.rows, l.unresolved) is distinct from \
        (excluded.kind, excluded.name, excluded.relation, excluded.reads, excluded.columns, excluded.rows, \
        excluded.unresolved)";

/// Forgets nodes of these packages that are no longer there.
const FORGET: &str =
    "delete from amalgam.lineage_node where split_part(node_id, '.', 2) = any ($1) and node_id <> all ($2)";

impl Models {
    /// Writes the lineage of the whole project into the warehouse's catalog, and forgets nodes that are gone from it.
    ///
    /// # Errors
    /// The warehouse fails, or the schema `amalgam` isn't there.
    pub async fn record_lineage(&self, lineage: &Lineage) -> Result<()> {
        let doing = "writing the lineage";
        let ids: Vec<&str> = lineage.ids().collect();
        let packages: BTreeSet<&str> = ids.iter().filter_map(|id| id.split('.').nth(1)).collect();
        let packages = Vec::from_iter(packages);
        let mut session = self.warehouse.session().await?;
        let transaction = session.begin().await?;
        transaction.execute(WRITE, &[&records(&self.manifest, lineage, &ids)], doing).await?;
        transaction.execute(FORGET, &[&packages, &ids], doing).await?;
        transaction.commit().await
    }

    /// Writes the lineage of a node that was just built, and of the ephemeral models that became a part of it. That this
    /// fails changes nothing of the build.
    pub(in crate::models) async fn note_lineage(&self, session: &Session, node: &Node, sql: &str) {
        if let Err(error) = self.noted(session, node, sql).await {
            tracing::warn!(model = %node.id, kind = %error.kind, %error, "the lineage of a model could not be written down");
        }
    }

    async fn noted(&self, session: &Session, node: &Node, sql: &str) -> Result<()> {
        let mut parts = parts_of(&self.manifest, node);
        parts.sort_by_key(|id| self.manifest.dag.order().iter().position(|known| known == id));
        let mut ids: Vec<String> = parts.iter().map(|id| id.as_str().to_owned()).collect();
        let mut queries = if parts.is_empty() { Vec::new() } else { self.queries(session, parts).await? };
        if has_query(node) {
            queries.push((node.id.clone(), Ok(sql.to_owned())));
        }
        ids.push(node.id.as_str().to_owned());
        let (place, manifest) = ((node.relation.schema.clone(), node.relation.name.clone()), self.manifest.clone());
        let name = move |queries: Vec<Query>| (draw::named(&manifest, &queries), queries);
        let (mut places, queries) = blocking(move || name(queries)).await?;
        places.insert(place);
        let columns = columns_of(session, places.into_iter().collect()).await?;
        let manifest = self.manifest.clone();
        let records = blocking(move || {
            let lineage = Lineage::of(draw::draw(&manifest, &queries, &columns));
            records(&manifest, &lineage, &ids.iter().map(String::as_str).collect::<Vec<_>>())
        });
        session.execute(WRITE, &[&records.await?], "writing the lineage of a model").await?;
        Ok(())
    }
}

/// The ephemeral models that are a part of a node's query, at any depth.
fn parts_of(manifest: &Manifest, node: &Node) -> Vec<ModelId> {
    let mut found = BTreeSet::new();
    let mut left: Vec<&Node> = vec![node];
    while let Some(next) = left.pop() {
        let parents = next.parents.iter().filter_map(|id| manifest.nodes.get(id));
        for parent in parents.filter(|parent| parent.is_ephemeral()) {
            if found.insert(parent.id.clone()) {
                left.push(parent);
            }
        }
    }
    found.into_iter().collect()
}

/// Nodes as the catalog has them.
fn records(manifest: &Manifest, lineage: &Lineage, ids: &[&str]) -> Json {
    let relation = |id: &str| match manifest.nodes.get(&ModelId::new(id)) {
        Some(node) if node.is_ephemeral() => None,
        Some(node) => Some(node.relation.quoted()),
        None => manifest.sources.get(id).map(|source| source.relation.quoted()),
    };
    let record = |id: &&str| {
        let node = lineage.node(id)?;
        Some(json!({
            "node_id": node.node, "kind": node.kind, "name": node.name, "relation": relation(id),
            "reads": node.reads, "columns": node.columns, "rows": node.rows, "unresolved": node.unresolved,
        }))
    };
    ids.iter().filter_map(record).collect()
}
