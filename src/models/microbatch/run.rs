//! Batches built one after the other, all in the transaction of their model.
//!
//! Guarantee: all of them are published, or none. The table for new rows is made once and emptied for each batch:
//! what a transaction has dropped stays locked until it ends, and the server has room for some thousands of locks.

use super::super::{
    compile::{self, Manner},
    context::{
        batch::Batch,
        connection::{Hanging, On, with_connection},
    },
    materialize::Work,
    options::Told,
    templates::{Templates, Turn},
};
use crate::{error::Result, warehouse::Transaction};

/// The batches of one build.
#[derive(Clone, Debug)]
pub(in crate::models) struct Batches {
    /// In order.
    pub all: Vec<Batch>,
    /// Whether there is something to add to.
    pub is_incremental: bool,
}

impl Work<'_> {
    /// Builds the batches in their order, and tests what they have become.
    pub(in crate::models) async fn in_batches(
        &self,
        transaction: &Transaction<'_>,
        word: String,
        batches: &Batches,
        told: &mut Told,
    ) -> Result<Option<i64>> {
        let hanging = Hanging::default();
        let on = On::Transaction(transaction, &hanging);
        for (at, batch) in batches.all.iter().enumerate() {
            let done = self.batch(on, word.clone(), *batch, turn(batches, at)).await;
            done.map_err(|error| error.during(format!("batch {}", batch.name())))?;
        }
        self.made(transaction, hanging, told).await
    }

    async fn batch(&self, on: On<'_, '_>, word: String, batch: Batch, turn: Turn) -> Result<()> {
        let Templates { manifest, id, started, full_refresh, .. } = self.templates.clone();
        let sql = with_connection(on, move |connection| {
            let usual = Manner::new(started, Some(connection)).aloud(&manifest);
            let manner = Manner { as_new: false, full_refresh, batch: Some(batch), ..usual };
            compile::compile(&manifest, manifest.node(&id)?, &manner)
        })
        .await??;
        self.manifest.write_batch(self.node, &batch, &sql);
        let templates = Templates { sql: Some(sql), turn: Some(turn), ..self.templates.clone() };
        templates.materialize(on, word).await.map(drop)
    }
}

/// What is particular to a batch by its place.
fn turn(batches: &Batches, at: usize) -> Turn {
    let is_incremental = batches.is_incremental || at > 0;
    Turn {
        batch: batches.all[at],
        is_first: at == 0,
        is_last: at + 1 == batches.all.len(),
        is_incremental,
        // The first that is added makes it.
        has_table: at > usize::from(!batches.is_incremental),
    }
}
