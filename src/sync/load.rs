//! Loads a table whole: rows straight into a new table, then key and index, all in one transaction.
//!
//! What is large is loaded by [`super::parts`] instead.

use super::{
    Action, SyncOutcome,
    job::{Found, Job},
    raw::Statistics,
    sift::Filling,
};
use crate::{
    domain::{Column, Engine},
    error::{Error, Kind, Result},
    source::Order,
    warehouse::{Dependents, RawTable, Session, Transaction, Trappings, dependents, quote, relation},
};
use bytes::Bytes;
use tracing::warn;

/// Loads of tables up to so many bytes begin anew when they were interrupted, whatever a part may hold.
const WORTH_KEEPING: u64 = 64 << 20;
/// What is smaller is read in a moment, in whatever order.
const FILE_BYTES: u64 = 1 << 20;

impl Job<'_> {
    /// Loads everything into a new table; where one is there already, beside it, and puts it in its place.
    pub(super) async fn load(&self) -> Result<SyncOutcome> {
        let mut session = self.warehouse.session().await?;
        session.ensure_schema(self.warehouse.raw_schema()).await?;
        if self.table.data_bytes > self.config.load_part_bytes.min(WORTH_KEEPING) && self.table.has_integer_key() {
            return self.load_in_parts(&mut session).await;
        }
        let mut orders = if self.lies_in_a_file() { vec![Order::File] } else { Vec::new() };
        if self.table.has_integer_key() {
            orders.push(Order::Key { after: Vec::new() });
        } else {
            orders.extend([Order::OwnKey, Order::Unordered]);
        }
        for order in orders {
            if let Some(outcome) = self.load_at_once(&mut session, order).await? {
                return Ok(outcome);
            }
        }
        Err(Error::new(Kind::Internal, "a reading was called off that nobody watched over"))
    }

    /// Whether reading in the order of the file is worth a second connection: MyISAM reads each row by
    /// itself wherever an order is asked for.
    pub(super) fn lies_in_a_file(&self) -> bool {
        self.table.engine == Engine::MyIsam && self.table.data_bytes > FILE_BYTES
    }

    /// `None` where the reading was called off, or its order can't be followed: nothing has happened then.
    async fn load_at_once(&self, session: &mut Session, order: Order) -> Result<Option<SyncOutcome>> {
        let (schema, name) = (self.warehouse.raw_schema(), &*self.table.raw_name());
        let replaces = self.replaces(session).await?;
        // Not longer than a name may be, and nobody else's: it lives within this transaction alone.
        let beside = format!("amalgam_new_{:016x}", fastrand::u64(..));
        let target = relation(schema, if replaces { &beside } else { name });
        // Open while the source is read: the new table is nobody else's to see or to wait for.
        let transaction = session.begin().await?;
        let doing = format!("loading {name}");
        transaction.batch(&self.lock_timeout(), &doing).await?;
        transaction.batch(&self.raw().create(&target), &doing).await?;
        let filling = self.filling(&transaction, &target, true).await?;
        let Some(mut found) = self.fill(filling, order).await? else { return Ok(None) };
        found.position = self.source.logged().await;
        transaction
            .batch(&self.raw().finish(&target, self.cursor(), Statistics::of(found.rows_kept())), &doing)
            .await?;
        if replaces {
            let rename = format!("alter table {target} rename to {}", quote(name));
            let refused: Vec<Bytes> = found.refused.iter().map(|row| row.encoded_key.clone()).collect();
            self.put_in_place(&transaction, &target, &refused, async |t| t.batch(&rename, &doing).await).await?;
        }
        self.save(&transaction, &found, true, found.rows_kept()).await?;
        transaction.commit().await?;
        Ok(Some(found.loaded()))
    }

    /// Whether a raw table is there already.
    ///
    /// # Errors
    /// [`Kind::RawOccupied`] where something else bears its name.
    pub(super) async fn replaces(&self, session: &Session) -> Result<bool> {
        let (schema, name) = (self.warehouse.raw_schema(), &*self.table.raw_name());
        match session.name_bearer(schema, name).await? {
            None => Ok(false),
            Some("a table") => Ok(true),
            Some(other) => {
                let told = format!("{} can't be loaded: {schema}.{name} is {other}, and no table", self.table.name);
                Err(Error::new(Kind::RawOccupied, told))
            }
        }
    }

    /// The stamp column, in `merge` mode.
    pub(super) fn cursor(&self) -> Option<&Column> {
        self.stamp.map(|at| &self.table.columns[at])
    }

    /// Gives the new table the columns that only the present one has: those of people, and those that the
    /// source once had. Their values go along by key.
    async fn carry_columns(&self, transaction: &Transaction<'_>, new: &str) -> Result<()> {
        let Some(raw) = self.state.and_then(|s| s.raw.as_ref()) else { return Ok(()) };
        let extra: Vec<_> = raw.columns.iter().filter(|(name, _)| self.is_extra(name)).collect();
        if extra.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = extra.iter().map(|(name, _)| name.as_str()).collect();
        if !self.has_key_of(raw) {
            warn!(table = %self.table.name, columns = names.join(", "), "not carried over: the key has changed, or there is none");
            return Ok(());
        }
        transaction
            .batch(&self.raw().carry(new, &extra), &format!("carrying columns of {} over", self.table.name))
            .await
    }

    /// Whether the raw table has the key that the table has now, in every type.
    pub(super) fn has_key_of(&self, raw: &RawTable) -> bool {
        let key: Vec<String> = self.table.key_columns().map(|c| c.raw_name().into_owned()).collect();
        let alike = |c: &Column| raw.columns.get(&*c.raw_name()).is_some_and(|of| *of == c.warehouse().to_string());
        !raw.key.is_empty() && raw.key == key && self.table.key_columns().all(alike)
    }

    /// Takes the old raw table away and lets `give_name` give the new one its name; what hangs on the old
    /// one hangs on the new one then. `refused` are the encoded keys of rows that the load has set aside.
    pub(super) async fn put_in_place(
        &self,
        transaction: &Transaction<'_>,
        new: &str,
        refused: &[Bytes],
        give_name: impl AsyncFnOnce(&Transaction<'_>) -> Result<()>,
    ) -> Result<()> {
        let (schema, name) = (self.warehouse.raw_schema(), &*self.table.raw_name());
        self.carry_columns(transaction, new).await?;
        self.keep_rows(transaction, new, refused).await?;
        let dependents = Dependents::take(transaction, schema, name).await?;
        let trappings = match dependents::oid(transaction, schema, name).await? {
            Some(old) => Some(Trappings::of(transaction, old, "r").await?),
            None => None,
        };
        transaction.batch(&format!("drop table {}", relation(schema, name)), &format!("replacing {name}")).await?;
        give_name(transaction).await?;
        if let Some(trappings) = trappings {
            trappings.give(transaction, schema, name).await?;
        }
        dependents.restore(transaction, |_, _| None).await
    }

    /// Begins to fill a table of a quoted name.
    pub(super) async fn filling<'t>(
        &'t self,
        transaction: &'t Transaction<'t>,
        target: &str,
        made_here: bool,
    ) -> Result<Filling<'t>> {
        if self.sift {
            return Ok(Filling::sift(transaction, self.raw().copy_in(target, false), self.table));
        }
        Filling::stream(transaction, &self.raw().copy_in(target, made_here)).await
    }

    /// `None` where the reading was called off.
    async fn fill(&self, mut filling: Filling<'_>, order: Order) -> Result<Option<Found>> {
        let (reading, mut batches) = self.feed(order);
        let writing = async {
            let mut refused = Vec::new();
            while let Some(batch) = batches.recv().await {
                refused.extend(batch.refused);
                filling.send(batch.rows).await?;
            }
            Ok((filling, refused))
        };
        let (fed, (filling, mut refused)) = tokio::try_join!(reading, writing)?;
        if !fed.whole {
            return Ok(None);
        }
        refused.extend(filling.finish().await?);
        Ok(Some(Found::all(Action::Load, fed, refused)))
    }
}
