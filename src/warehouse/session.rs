//! One connection, and a transaction on it.
//!
//! A statement that is given up (its time is up, its run is called off) must end at the server too: a session that
//! is dropped in the middle of one calls it off, and closes its connection instead of going back to the pool.

use super::{calling_off::CallOff, failure::failure, identifier::quote};
use crate::{
    domain::Fence,
    error::{Error, Kind, Result},
    telemetry::IntCounter,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio_postgres::{Row, error::ErrorPosition, types::ToSql};

/// One connection out of the pool. Goes back when dropped; open work is rolled back.
pub struct Session {
    /// There until it is dropped.
    client: Option<deadpool_postgres::Object>,
    fence: Fence,
    call_off: CallOff,
    under_way: UnderWay,
    /// Counts what COPY writes.
    pub(super) written_bytes: IntCounter,
}

/// One transaction. Rolled back when dropped.
pub struct Transaction<'a> {
    inner: deadpool_postgres::Transaction<'a>,
    under_way: &'a UnderWay,
    pub(super) written_bytes: IntCounter,
}

/// Whether a statement is under way.
#[derive(Clone, Default)]
pub(super) struct UnderWay(Arc<AtomicBool>);

impl UnderWay {
    /// Waits for an answer. Where that is given up, a statement stays under way.
    pub(super) async fn until<T>(&self, answer: impl Future<Output = T>) -> T {
        self.set(true);
        let answered = answer.await;
        self.set(false);
        answered
    }

    /// For what is more than a question and its answer.
    pub(super) fn set(&self, is_under_way: bool) {
        self.0.store(is_under_way, Ordering::Relaxed);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.under_way.0.load(Ordering::Relaxed) {
            if let Some(client) = &self.client {
                self.call_off.end(client.cancel_token());
            }
            self.take_out();
        }
    }
}

impl Session {
    pub(super) fn new(
        client: deadpool_postgres::Object,
        fence: Fence,
        call_off: CallOff,
        written_bytes: IntCounter,
    ) -> Self {
        Self { client: Some(client), fence, call_off, under_way: UnderWay::default(), written_bytes }
    }

    /// Makes a schema where there is none. Two who do so at once both succeed.
    pub async fn ensure_schema(&self, name: &str) -> Result<()> {
        let doing = "making a schema";
        let there = self.query_opt("select from pg_catalog.pg_namespace where nspname = $1", &[&name], doing).await?;
        if there.is_some() {
            return Ok(());
        }
        match self.batch(&format!("create schema if not exists {}", quote(name)), doing).await {
            Err(error) if error.kind == Kind::WarehouseConflict => Ok(()),
            other => other,
        }
    }

    /// Closes the connection instead of giving it back.
    pub(super) fn close(mut self) {
        self.take_out();
    }

    /// Out of the pool, and with it goes the task that holds the socket.
    fn take_out(&mut self) {
        self.client.take().map(deadpool_postgres::Object::take);
    }

    pub(super) fn on(&self) -> (&deadpool_postgres::Object, &UnderWay) {
        (self.client.as_ref().expect("it is there until it is dropped"), &self.under_way)
    }

    /// Begins a transaction; refused where it would write for a reign that is over.
    pub async fn begin(&mut self) -> Result<Transaction<'_>> {
        let doing = "beginning a transaction";
        let client = self.client.as_mut().expect("it is there until it is dropped");
        let inner = self.under_way.until(client.transaction()).await.map_err(|e| failure(&e, doing))?;
        let written_bytes = self.written_bytes.clone();
        let transaction = Transaction { inner, under_way: &self.under_way, written_bytes };
        if let Some(epoch) = self.fence.epoch() {
            transaction.execute("select amalgam.fence($1)", &[&epoch], doing).await?;
        }
        Ok(transaction)
    }
}

macro_rules! statements {
    ($($type:ty),+) => { $(
        impl $type {
            /// Runs statements without parameters. `doing` says, in a few words, what for.
            pub async fn batch(&self, sql: &str, doing: &str) -> Result<()> {
                let (on, under_way) = self.on();
                under_way.until(on.batch_execute(sql)).await.map_err(|e| failure(&e, doing))
            }

            /// Runs one statement; rows affected.
            pub async fn execute(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)], doing: &str) -> Result<u64> {
                let (on, under_way) = self.on();
                under_way.until(on.execute(sql, parameters)).await.map_err(|e| failure(&e, doing))
            }

            /// Runs one query; all rows.
            pub async fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)], doing: &str) -> Result<Vec<Row>> {
                let (on, under_way) = self.on();
                under_way.until(on.query(sql, parameters)).await.map_err(|e| failure(&e, doing))
            }

            /// Runs one query that has exactly one row.
            pub async fn query_one(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)], doing: &str) -> Result<Row> {
                let (on, under_way) = self.on();
                under_way.until(on.query_one(sql, parameters)).await.map_err(|e| failure(&e, doing))
            }

            /// Runs one query that has one row or none.
            pub async fn query_opt(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)], doing: &str) -> Result<Option<Row>> {
                let (on, under_way) = self.on();
                under_way.until(on.query_opt(sql, parameters)).await.map_err(|e| failure(&e, doing))
            }
        }
    )+ };
}

statements!(Session, Transaction<'_>);

/// A failure, and where in the statement the server saw it.
#[derive(Debug)]
pub struct Located {
    /// The failure.
    pub error: Error,
    /// Characters from the statement's start, the first being 1; `None` where the server names no place.
    pub position: Option<u32>,
}

impl<'a> Transaction<'a> {
    pub(super) fn on(&self) -> (&deadpool_postgres::Transaction<'a>, &UnderWay) {
        (&self.inner, self.under_way)
    }

    /// Runs one statement that a person wrote; rows affected, or the failure with its place.
    pub async fn execute_located(&self, sql: &str, doing: &str) -> Result<u64, Located> {
        self.under_way.until(self.inner.execute(sql, &[])).await.map_err(|e| {
            let position = e.as_db_error().and_then(|db| match db.position() {
                Some(ErrorPosition::Original(position)) => Some(*position),
                _ => None,
            });
            Located { error: failure(&e, doing), position }
        })
    }

    /// Runs a query whose one row is a count and two verdicts.
    pub async fn execute_count(&self, sql: &str, doing: &str) -> Result<(i64, bool, bool)> {
        let row = self.query_one(sql, &[], doing).await?;
        Ok((row.get(0), row.get(1), row.get(2)))
    }

    /// Makes it all last.
    pub async fn commit(self) -> Result<()> {
        self.under_way.until(self.inner.commit()).await.map_err(|e| failure(&e, "committing"))
    }
}
