//! What hangs on a relation, and on what hangs on it: kept while the relation is replaced.
//!
//! [`Dependents::take`] writes down and drops every view and materialized view above a relation, one
//! by one; [`Dependents::restore`] makes them again, on whatever now bears the relation's name. Owners,
//! grants, comments, options, indexes, rules and triggers come back with them.
//! Guarantee: nothing is ever dropped with `cascade`; what can't be made again is named, and the
//! caller's transaction rolls everything back.

use super::{Transaction, relation};
use crate::error::{Error, Kind, Result};
use tokio_postgres::types::Oid;

/// Indexes whose names begin so are made by Amalgam from configuration, and not kept as somebody's own.
pub const OWN_INDEX_PREFIX: &str = "amalgam_";

/// Only one transaction at a time takes dependents: two that share a view would lock it crosswise.
/// The number is arbitrary and names nothing else.
const LOCK: i64 = 0x616d_616c_6461_6d01;

/// What was taken from above a relation.
#[derive(Debug)]
pub struct Dependents {
    of: String,
    views: Vec<View>,
}

/// One view, as it was.
#[derive(Debug)]
struct View {
    oid: Oid,
    schema: String,
    name: String,
    materialized: bool,
    populated: bool,
    definition: String,
    trappings: Trappings,
}

/// What a relation has beside columns and rows: owner, options, indexes, comments, grants and the like.
#[derive(Debug, Default)]
pub struct Trappings {
    statements: Vec<(String, String)>,
    has_grants: bool,
}

impl Dependents {
    /// Writes down what hangs on a relation, and drops it, the farthest first. A relation that isn't
    /// there has no dependents.
    ///
    /// # Errors
    /// [`Kind::Dependent`] where something hangs on it that is no view, or a view that belongs to
    /// somebody whose views we may not drop.
    pub async fn take(transaction: &Transaction<'_>, schema: &str, name: &str) -> Result<Self> {
        let of = relation(schema, name);
        transaction.query("select pg_advisory_xact_lock($1)", &[&LOCK], "waiting for another change of views").await?;
        let Some(oid) = oid(transaction, schema, name).await? else {
            return Ok(Self { of, views: Vec::new() });
        };
        refuse_others(transaction, oid, &of).await?;
        let mut views = Vec::new();
        let rows = transaction
            .query(include_str!("queries/dependents.sql"), &[&oid], "looking for what hangs on a relation")
            .await?;
        for row in rows {
            let (schema, name): (String, String) = (row.get(1), row.get(2));
            if !row.get::<_, bool>(6) {
                return Err(Error::new(
                    Kind::Dependent,
                    format!(
                        "{} hangs on {of} and belongs to a role that we are no member of",
                        relation(&schema, &name)
                    ),
                ));
            }
            let view = View {
                oid: row.get(0),
                trappings: Trappings::of(transaction, row.get(0), &row.get::<_, String>(3)).await?,
                materialized: row.get::<_, String>(3) == "m",
                populated: row.get(4),
                definition: row.get(5),
                schema,
                name,
            };
            refuse_others(transaction, view.oid, &relation(&view.schema, &view.name)).await?;
            views.push(view);
        }
        for view in views.iter().rev() {
            let kind = if view.materialized { "materialized view" } else { "view" };
            let drop = format!("drop {kind} {}", relation(&view.schema, &view.name));
            transaction.batch(&drop, &format!("taking {} off {of}", relation(&view.schema, &view.name))).await?;
        }
        Ok(Self { of, views })
    }

    /// Makes again what was taken, the nearest first.
    ///
    /// `otherwise` gives, for a view that no longer fits, the definition it is to have instead.
    ///
    /// # Errors
    /// [`Kind::Dependent`] that names the view that can't be made again.
    pub async fn restore(
        self,
        transaction: &Transaction<'_>,
        otherwise: impl Fn(&str, &str) -> Option<String>,
    ) -> Result<()> {
        for view in &self.views {
            let name = relation(&view.schema, &view.name);
            let refused = |e: Error| match e.kind {
                Kind::WarehouseQuery | Kind::WarehouseDenied => Error::new(
                    Kind::Dependent,
                    format!("{name} hangs on {} and no longer fits it: {}", self.of, e.context),
                ),
                _ => e,
            };
            if let Err(first) = attempt(transaction, &view.create(&view.definition)).await {
                let Some(definition) = otherwise(&view.schema, &view.name) else { return Err(refused(first)) };
                attempt(transaction, &view.create(&definition)).await.map_err(refused)?;
            }
            view.trappings.give(transaction, &view.schema, &view.name).await.map_err(refused)?;
        }
        Ok(())
    }
}

impl View {
    fn create(&self, definition: &str) -> String {
        let definition = definition.trim().trim_end_matches(';');
        let name = relation(&self.schema, &self.name);
        if self.materialized {
            let data = if self.populated { "" } else { " with no data" };
            format!("create materialized view {name} as\n{definition}{data}")
        } else {
            format!("create view {name} as\n{definition}")
        }
    }
}

impl Trappings {
    /// Writes down what a relation has and what goes along when it is made anew as `kind`: `r` a
    /// table, `v` a view, `m` a materialized view (PostgreSQL docs § pg_class, relkind).
    pub async fn of(transaction: &Transaction<'_>, oid: Oid, kind: &str) -> Result<Self> {
        let rows = transaction
            .query(
                include_str!("queries/trappings.sql"),
                &[&oid, &OWN_INDEX_PREFIX, &kind],
                "looking at a relation's grants and indexes",
            )
            .await?;
        let has_grants = rows.iter().any(|row| row.get::<_, i32>(0) == 70);
        let statements = rows.iter().map(|row| (row.get(1), row.get(2))).collect();
        Ok(Self { statements, has_grants })
    }

    /// Gives it all to the relation that now bears the name, which was made in this transaction.
    ///
    /// # Errors
    /// [`Kind::Dependent`] that names what can't be given.
    pub async fn give(&self, transaction: &Transaction<'_>, schema: &str, name: &str) -> Result<()> {
        let shown = relation(schema, name);
        self.clear_grants(transaction, schema, name).await?;
        for (about, statement) in &self.statements {
            transaction.batch(statement, &format!("giving {shown} its {about} back")).await.map_err(|e| {
                match e.kind {
                    Kind::WarehouseQuery | Kind::WarehouseDenied => {
                        Error::new(Kind::Dependent, format!("the {about} of {shown} no longer fits it: {}", e.context))
                    }
                    _ => e,
                }
            })?;
        }
        Ok(())
    }

    /// Forgets what default privileges granted to the new relation: the old one's grants count. Where
    /// the old one had none written down, its owner's are understood and stay.
    async fn clear_grants(&self, transaction: &Transaction<'_>, schema: &str, name: &str) -> Result<()> {
        let sql = "select distinct case when x.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(x.grantee)) end \
                   from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) x \
                   where n.nspname = $1 and c.relname = $2 and ($3 or x.grantee <> c.relowner)";
        for row in transaction.query(sql, &[&schema, &name, &self.has_grants], "looking at default privileges").await? {
            let revoke = format!("revoke all on {} from {}", relation(schema, name), row.get::<_, String>(0));
            transaction.batch(&revoke, "clearing default privileges").await?;
        }
        Ok(())
    }
}

/// The oid of a relation; `None` where there is none.
pub async fn oid(transaction: &Transaction<'_>, schema: &str, name: &str) -> Result<Option<Oid>> {
    let sql = "select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
               where n.nspname = $1 and c.relname = $2";
    let row = transaction.query_opt(sql, &[&schema, &name], "looking for a relation").await?;
    Ok(row.map(|row| row.get(0)))
}

async fn refuse_others(transaction: &Transaction<'_>, oid: Oid, shown: &str) -> Result<()> {
    let rows = transaction
        .query(include_str!("queries/other_dependents.sql"), &[&oid], "looking for what else hangs on a relation")
        .await?;
    let others: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(Error::new(Kind::Dependent, format!("on {shown} hangs what can't be made again: {}", others.join(", "))))
}

/// Runs a statement that may fail without spoiling the transaction.
async fn attempt(transaction: &Transaction<'_>, statement: &str) -> Result<()> {
    transaction.batch("savepoint dependent", "setting a savepoint").await?;
    match transaction.batch(statement, "making a view again").await {
        Ok(()) => transaction.batch("release savepoint dependent", "releasing a savepoint").await,
        Err(error) => {
            // Where the connection is gone this fails too; the first error is the one that counts.
            let _ = transaction.batch("rollback to savepoint dependent", "going back to a savepoint").await;
            Err(error)
        }
    }
}
