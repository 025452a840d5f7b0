//! Loads a table whole: rows straight into a new table, then key and index, all in one transaction.

use super::{
    Action, SyncOutcome,
    encode::{self, Encoder},
    job::{Found, Job},
    plan,
};
use crate::{
    error::Result,
    source::Order,
    warehouse::{CopyIn, Dependents, Transaction, Trappings, dependents, literal, quote, relation},
};
use bytes::{BufMut, BytesMut};

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
        let keyed = plan::has_integer_key(self.table);
        let order = if keyed { Order::Key { after: None } } else { Order::Unordered };
        let mut reader = self.source.reader(self.table, &order).await?;
        let mut encoder = Encoder::new(&self.table.columns);
        let mut buffer = BytesMut::with_capacity(self.config.batch_bytes_max * 2);
        let (mut rows_read, mut key_max) = (0, None);
        buffer.put_slice(encode::HEADER);
        while let Some(mut range) = reader.range().await? {
            while let Some(cells) = range.next().await? {
                encoder.row(&cells, &mut buffer)?;
                rows_read += 1;
                if keyed {
                    key_max = encode::integer(&cells[self.table.key[0]]);
                }
                if buffer.len() >= self.config.batch_bytes_max {
                    copy.send(buffer.split().freeze()).await?;
                    buffer.reserve(self.config.batch_bytes_max * 2);
                }
            }
        }
        buffer.put_slice(encode::TRAILER);
        copy.send(buffer.freeze()).await?;
        copy.finish().await?;
        Ok(Found { action: Action::Load, rows_read, coerced: encoder.coerced, key_max, rows_before: None })
    }
}
