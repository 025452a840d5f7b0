//! Many things done at once, on all processors.

use crate::error::{Error, Kind, Result};
use std::{
    panic::resume_unwind,
    thread::{Builder, available_parallelism, scope},
};

/// The stack of a thread that renders templates. They are compiled by descent: thousands of branches or operators in
/// one of them, as a generated model may have, would use the usual two megabytes up, and with them the whole process.
pub const STACK_BYTES: usize = 16 << 20;

/// What `work` gives for each item, in their order. A thread is begun for no fewer than `share_min` of them.
pub(super) fn spread<T: Sync, R: Send>(items: &[T], share_min: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = available_parallelism().map_or(1, usize::from);
    let share = items.len().div_ceil(threads).max(share_min).max(1);
    let (own, others) = items.split_at(share.min(items.len()));
    if others.is_empty() {
        return own.iter().map(work).collect();
    }
    scope(|scope| {
        let all = |share: &[T]| share.iter().map(&work).collect::<Vec<R>>();
        let begun: Vec<_> = others
            .chunks(share)
            .map(|share| (share, Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, move || all(share))))
            .collect();
        let mut done = all(own);
        for (share, thread) in begun {
            done.extend(match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // The system has no thread to give.
                Err(_) => all(share),
            });
        }
        done
    })
}

/// Does two things at once that don't need each other.
///
/// # Errors
/// The system has no thread to give.
pub(super) fn both<A: Send, B>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> Result<(A, B)> {
    scope(|scope| {
        let thread = Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, one);
        let thread = thread.map_err(|error| Error::new(Kind::Io, format!("starting a thread: {error}")))?;
        let other = other();
        Ok((thread.join().unwrap_or_else(|panic| resume_unwind(panic)), other))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_at_once_stands_in_its_order() {
        for count in [0, 1, 7, 1000] {
            let items: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = items.iter().map(|n| n * 2).collect();
            assert_eq!(spread(&items, 2, |n| n * 2), doubled);
        }
    }
}
