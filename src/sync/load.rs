//! Loads a table whole: rows straight into a new table, then key and index, all in one transaction.

use super::{
    Action, SyncOutcome, encode,
    job::{Found, Job},
    plan,
};
use crate::{
    error::Result,
    source::Order,
    warehouse::{CopyIn, Dependents, Transaction, Trappings, dependents, literal, quote, relation},
};
use bytes::Bytes;

impl Job<'_> {
    /// Loads everything into a new table; where one is there already, beside it, and puts it in its place.
    pub(super) async fn load(&self) -> Result<SyncOutcome> {
        let name = self.table.raw_name();
        // Not longer than a name may be, and nobody else's: it lives within this transaction alone.
        let beside = format!("amalgam_new_{:016x}", fastrand::u64(..));
        let raw = self.raw();
        let mut session = self.warehouse.session().await?;
        session.ensure_schema(self.warehouse.raw_schema()).await?;
        let replaces = session
            .query_one(
                &format!("select to_regclass({}) is not null", literal(&raw.name())),
                &[],
                "looking for the raw table",
            )
            .await?
            .get::<_, bool>(0);
        let target = if replaces { beside.as_str() } else { name.as_ref() };
        // Open while the source is read: the new table is nobody else's to see or to wait for.
        let transaction = session.begin().await?;
        let doing = format!("loading {name}");
        transaction.batch(&self.lock_timeout(), &doing).await?;
        transaction.batch(&raw.create(target), &doing).await?;
        let found = self.fill(transaction.copy_in(&raw.copy_in(target)).await?).await?;
        transaction.batch(&raw.finish(target, self.stamp.map(|at| &self.table.columns[at])), &doing).await?;
        if replaces {
            self.put_in_place(&transaction, &beside).await?;
        }
        self.save(&transaction, &found, true, found.rows_read).await?;
        transaction.commit().await?;
        Ok(SyncOutcome {
            action: Action::Load,
            rows_read: found.rows_read,
            rows_inserted: found.rows_read,
            rows_updated: 0,
            rows_deleted: 0,
            dates_coerced: found.coerced.dates,
            texts_coerced: found.coerced.texts,
        })
    }

    /// Puts the new table in the old one's place; what hangs on the old one hangs on the new one then.
    async fn put_in_place(&self, transaction: &Transaction<'_>, beside: &str) -> Result<()> {
        let (schema, name) = (self.warehouse.raw_schema(), &*self.table.raw_name());
        let doing = format!("putting the new {name} in place");
        let dependents = Dependents::take(transaction, schema, name).await?;
        let trappings = match dependents::oid(transaction, schema, name).await? {
            Some(old) => Some(Trappings::of(transaction, old, "r").await?),
            None => None,
        };
        let (old, new) = (relation(schema, name), relation(schema, beside));
        let swap = format!("drop table {old}; alter table {new} rename to {}", quote(name));
        transaction.batch(&swap, &doing).await?;
        if let Some(trappings) = trappings {
            trappings.give(transaction, schema, name).await?;
        }
        dependents.restore(transaction, |_, _| None).await
    }

    async fn fill(&self, mut copy: CopyIn) -> Result<Found> {
        let order = if plan::has_integer_key(self.table) { Order::Key { after: None } } else { Order::Unordered };
        let (reading, mut batches) = self.feed(order);
        let writing = async {
            copy.send(Bytes::from_static(encode::HEADER)).await?;
            while let Some(batch) = batches.recv().await {
                copy.send(batch.rows).await?;
            }
            Ok(copy)
        };
        let (fed, mut copy) = tokio::try_join!(reading, writing)?;
        copy.send(Bytes::from_static(encode::TRAILER)).await?;
        copy.finish().await?;
        Ok(Found::all(Action::Load, fed))
    }
}
