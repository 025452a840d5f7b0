//! Encoded rows on their way from who reads them to who takes them.
//!
//! Memory: [`BATCHES_WAITING`] batches wait, one is filled, one is delivered, each of less than twice
//! `batch_bytes_max`, and of every row its end, its integer key and its digest. Of rows that are longer, one is on its way at a
//! time: nothing is read on until whoever takes it asks for the next.

use super::{encode::Coerced, quarantine::Refused};
use crate::{
    error::{Error, Kind, Result},
    source::Digest,
};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// How many batches may wait to be taken: what one range brings.
pub(super) const BATCHES_WAITING: usize = 4;
/// What is on its way at most, in batches of ordinary length: those that wait, and one that is delivered.
const ROOM: usize = BATCHES_WAITING + 1;

/// Encoded rows on their way.
pub(super) struct Batch {
    /// The rows, one after another, as COPY has them.
    pub rows: Bytes,
    /// Where each row ends.
    pub ends: Vec<usize>,
    /// The integer keys of all rows, one after another; empty where the key is none.
    pub keys: Vec<i128>,
    /// Each row's digest; empty where none is read. `None`: the source computed none.
    pub digests: Vec<Option<Digest>>,
    /// What was replaced in these rows.
    pub coerced: Coerced,
    /// Rows that were read among these and set aside.
    pub refused: Vec<Refused>,
    /// The highest integer key of all that was read so far, these included; empty where the key is none.
    pub highest: Vec<i128>,
}

impl Batch {
    /// How many rows.
    pub(super) fn len(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Each row's integer key and bytes.
    pub(super) fn each(&self) -> impl Iterator<Item = (&[i128], &[u8])> {
        let width = self.keys.len() / self.ends.len().max(1);
        let mut begin = 0;
        self.ends.iter().enumerate().map(move |(at, &end)| {
            let row = &self.rows[begin..end];
            begin = end;
            (&self.keys[at * width..(at + 1) * width], row)
        })
    }
}

/// Where batches go in.
pub(super) struct Outlet {
    sender: mpsc::Sender<(Batch, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    batch_bytes_max: usize,
}

/// Where they come out.
pub(super) struct Batches {
    receiver: mpsc::Receiver<(Batch, OwnedSemaphorePermit)>,
    /// The room of the batch that is being delivered.
    held: Option<OwnedSemaphorePermit>,
}

/// A way for batches of so many bytes.
pub(super) fn channel(batch_bytes_max: usize) -> (Outlet, Batches) {
    let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
    (Outlet { sender, room: Arc::new(Semaphore::new(ROOM)), batch_bytes_max }, Batches { receiver, held: None })
}

impl Outlet {
    /// Hands a batch over, as soon as there is room for it.
    pub(super) async fn send(&self, batch: Batch) -> Result<()> {
        let wanted = (batch.rows.len() / self.batch_bytes_max).clamp(1, ROOM);
        let room = self.room(wanted).await;
        // Whoever takes the batches has failed, and says why itself.
        let nobody = |_| Error::new(Kind::Internal, "nobody takes the rows any more");
        self.sender.send((batch, room)).await.map_err(nobody)?;
        if wanted == ROOM {
            drop(self.room(wanted).await);
        }
        Ok(())
    }

    async fn room(&self, batches: usize) -> OwnedSemaphorePermit {
        let wanted = u32::try_from(batches).expect("a batch takes all the room at most");
        Arc::clone(&self.room).acquire_many_owned(wanted).await.expect("the semaphore is never closed")
    }
}

impl Batches {
    /// The next batch, once whoever asks is done with the one before; `None` after the last.
    pub(super) async fn recv(&mut self) -> Option<Batch> {
        self.held = None;
        let (batch, room) = self.receiver.recv().await?;
        self.held = Some(room);
        Some(batch)
    }
}
