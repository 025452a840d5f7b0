//! The number of the reign in which this process writes.
//!
//! Whoever writes for a reign shows its number to the database, which refuses all but the newest
//! (docs/adr/0015). One that was stopped and goes on hours later shows an old one. Who never led has none to
//! show, and only looks.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// Held by all that writes for one process. Cheap to clone; every clone follows.
#[derive(Clone, Debug, Default)]
pub struct Fence(Arc<AtomicI64>);

impl Fence {
    /// A new reign has begun.
    pub fn raise(&self, epoch: i64) {
        self.0.store(epoch, Ordering::SeqCst);
    }

    /// The reign that this process leads, or led; `None` before its first.
    pub fn epoch(&self) -> Option<i64> {
        // The first is 1.
        Some(self.0.load(Ordering::SeqCst)).filter(|epoch| *epoch > 0)
    }
}
