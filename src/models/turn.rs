//! Whose turn it is to build a model: two processes would do the same work twice, so the later one waits.
//!
//! Guarantee: whoever has waited decides anew, because there may be nothing left to do; and nobody waits longer than
//! for any other lock of the warehouse.

use super::manifest::Node;
use crate::{
    error::{Error, Kind, Result},
    warehouse::{Session, Transaction},
};

/// Takes a model's lock until the transaction ends, where that is free.
const TRY: &str = "select pg_try_advisory_xact_lock(hashtextextended($1, 0))";
/// So often somebody else may come first, before a build gives up.
pub(super) const TURNS_MAX: usize = 8;

/// Whether no other process builds the model now.
pub(super) async fn is_free(session: &Session, node: &Node) -> Result<bool> {
    Ok(session.query_one(TRY, &[&node.id.as_str()], "looking at a model's lock").await?.get(0))
}

/// Makes it this transaction's turn, until its end; no where another process builds the model.
pub(super) async fn take(transaction: &Transaction<'_>, node: &Node) -> Result<bool> {
    Ok(transaction.query_one(TRY, &[&node.id.as_str()], "locking a model").await?.get(0))
}

/// Waits until no other process builds the model, so many seconds at most.
pub(super) async fn wait(session: &mut Session, node: &Node, seconds_max: u64) -> Result<()> {
    tracing::warn!(model = %node.id, "another process is building it; waiting {seconds_max} s at most");
    let transaction = session.begin().await?;
    transaction.batch(&format!("set local lock_timeout = '{seconds_max}s'"), "setting a bound").await?;
    let sql = "select pg_advisory_xact_lock(hashtextextended($1, 0))";
    let waited = transaction.query_one(sql, &[&node.id.as_str()], "waiting for a model").await;
    match waited {
        Ok(_) => Ok(()),
        Err(error) if error.kind == Kind::WarehouseConflict => Err(error.during(busy(node))),
        Err(error) => Err(error),
    }
}

/// That another process is at it.
pub(super) fn busy(node: &Node) -> Error {
    Error::new(Kind::WarehouseConflict, format!("{} is being built by another process", node.name))
}
