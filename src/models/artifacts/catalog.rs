//! `catalog.json`: the relations of a project as the warehouse has them.

use super::{CATALOG, metadata, write};
use crate::{
    error::Result,
    models::{Models, relation::Relation},
};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// The relations of some schemas, each with its columns.
const RELATIONS: &str = "\
    select n.nspname::text, c.relname::text, \
        case c.relkind when 'v' then 'VIEW' when 'm' then 'MATERIALIZED VIEW' else 'BASE TABLE' end, \
        obj_description(c.oid, 'pg_class'), pg_get_userbyid(c.relowner)::text, a.attname::text, a.attnum::int4, \
        format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum) \
    from pg_catalog.pg_class c \
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped \
    where n.nspname = any ($1) and c.relkind in ('r', 'v', 'f', 'p', 'm') and c.relpersistence in ('p', 'u') \
    order by 1, 2, 7";

/// What was found.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// Relations that are there.
    pub relations: usize,
}

impl Models {
    /// Asks the warehouse for all relations of the project and its sources, and writes the catalog.
    ///
    /// # Errors
    /// The warehouse fails, or the target folder can't be written.
    pub async fn write_catalog(&self) -> Result<Catalog> {
        let manifest = &self.manifest;
        let has_relation = |n: &&super::super::manifest::Node| n.resource.is_built() && !n.is_ephemeral();
        let of_nodes = manifest.nodes.values().filter(has_relation).map(|n| (n.id.as_str(), &n.relation, "nodes"));
        let of_sources = manifest.sources.values().map(|s| (s.id.as_str(), &s.relation, "sources"));
        let wanted: Vec<(&str, &Relation, &str)> = of_nodes.chain(of_sources).collect();
        let schemas: Vec<&str> = wanted.iter().map(|(_, relation, _)| relation.schema.as_str()).collect();
        let session = self.warehouse.session().await?;
        let rows = session.query(RELATIONS, &[&schemas], "looking at the relations for the catalog").await?;
        let mut found: BTreeMap<(String, String), (Json, Map<String, Json>)> = BTreeMap::new();
        for row in &rows {
            let (schema, name): (String, String) = (row.get(0), row.get(1));
            let of = found.entry((schema.clone(), name.clone())).or_insert_with(|| {
                let about = json!({
                    "type": row.get::<_, String>(2), "schema": schema, "name": name,
                    "database": manifest.setting.database, "comment": row.get::<_, Option<String>>(3),
                    "owner": row.get::<_, String>(4),
                });
                (about, Map::new())
            });
            let column: String = row.get(5);
            let about = json!({
                "type": row.get::<_, String>(7), "index": row.get::<_, i32>(6), "name": column,
                "comment": row.get::<_, Option<String>>(8),
            });
            of.1.insert(column, about);
        }
        let stats = json!({"has_stats": {
            "id": "has_stats", "label": "Has Stats?", "value": false, "include": false,
            "description": "Indicates whether there are statistics for this table",
        }});
        let mut parts: BTreeMap<&str, Map<String, Json>> =
            BTreeMap::from([("nodes", Map::new()), ("sources", Map::new())]);
        for (id, relation, part) in wanted {
            let Some((about, columns)) = found.get(&(relation.schema.clone(), relation.name.clone())) else { continue };
            let entry = json!({"metadata": about, "columns": columns, "stats": stats, "unique_id": id});
            parts.entry(part).or_default().insert(id.to_owned(), entry);
        }
        let relations = parts.values().map(Map::len).sum();
        let artifact = json!({
            "metadata": metadata(manifest, "catalog/v1", self.clock.now()),
            "nodes": parts["nodes"], "sources": parts["sources"], "errors": null,
        });
        write(manifest, CATALOG, &artifact)?;
        Ok(Catalog { relations })
    }
}
