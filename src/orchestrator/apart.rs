//! Reading in a thread of its own what may never answer, such as a folder on a share whose server is away.
//!
//! Guarantee: nobody waits for it longer than asked, and however often it is tried, one thread at most is lost to it.

use std::{sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    task::{JoinError, spawn_blocking},
    time::timeout,
};

/// Reads one at a time. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Apart(Arc<Semaphore>);

impl Default for Apart {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Apart {
    /// What was read; `None` where that takes longer, or one before it still does not answer.
    ///
    /// # Errors
    /// Reading panicked.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        patience: Duration,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Option<Result<T, JoinError>> {
        let place = Arc::clone(&self.0).acquire_owned();
        let answer = async {
            let place = place.await.expect("the semaphore is never closed");
            spawn_blocking(move || {
                let answer = read();
                drop(place);
                answer
            })
            .await
        };
        timeout(patience, answer).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn what_does_not_answer_is_waited_for_so_long_and_takes_one_thread() {
        let (apart, soon) = (Apart::default(), Duration::from_millis(50));
        let (release, released) = mpsc::channel::<()>();
        // Until the other end is gone.
        let hangs = move || released.recv().is_ok();
        assert!(apart.read(soon, hangs).await.is_none());
        let second = apart.read(soon, || unreachable!("a second thread would hang as well")).await;
        assert!(second.is_none_or(|_: Result<(), _>| false));
        drop(release);
        let answer = apart.read(Duration::from_secs(30), || 7).await.expect("it answers again");
        assert_eq!(answer.expect("it does not panic"), 7);
        // One that panics is over.
        let fell: Option<Result<(), _>> =
            apart.read(Duration::from_secs(30), || panic!("a fault of this program")).await;
        assert!(fell.is_some_and(|read| read.is_err()));
        assert!(apart.read(Duration::from_secs(30), || ()).await.is_some());
    }
}
