//! Notices that somebody waits for a table that one long statement reads, and calls the statement off.
//!
//! Who writes to a MyISAM table, alters or flushes it waits until nobody reads it any more, and whoever
//! comes later waits behind (MariaDB KB, "MyISAM Overview"; "Metadata Locking"). So a second connection
//! asks the table for one row, over and over, with little time for the answer: none, twice in a row, means
//! that somebody waits. It needs no privilege, and costs the server next to nothing.
//! Quiet hours call it off too: no other range begins after it.
//! Bounds: who waits, waits for [`ASK_EVERY`] and twice [`ANSWER_WITHIN`] at most, and for what is on the wire.
//! Guarantee: nothing but that statement is called off. What calls it off may come when it has ended; but no
//! connection is used for a second reading ([`super::wire`]).

use super::{Source, identifier::quote, pool::Lent, quiet::Quiet};
use crate::domain::Table;
use mysql_async::prelude::Queryable;
use std::time::Duration;
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// How often the table is asked.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// What an answer may take. A busy machine's may take longer now and then; that is why the table is asked
/// once more, or every load of a busy server would be called off for nothing.
const ANSWER_WITHIN: Duration = Duration::from_millis(60);

/// A server that says nothing for so long has gone.
const SILENT_AFTER: Duration = Duration::from_secs(10);

/// Watches over one statement. Dropped before [`LockWatch::end`], it calls the statement off.
pub(super) struct LockWatch {
    called_off: CancellationToken,
    ended: oneshot::Sender<()>,
    watching: JoinHandle<()>,
}

impl LockWatch {
    /// Begins to watch, by a spare connection, over what the connection of that number reads.
    pub(super) fn begin(source: &Source, by: Spare, reads: u32, table: &Table) -> Self {
        let called_off = CancellationToken::new();
        let (ended, end) = oneshot::channel();
        let quiet = source.quiet.clone();
        let watching = source.watches.spawn(watch(by, reads, question(table), quiet, called_off.clone(), end));
        Self { called_off, ended, watching }
    }

    /// Cancelled as soon as somebody waits.
    pub(super) fn called_off(&self) -> CancellationToken {
        self.called_off.clone()
    }

    /// Ends without harm to what the connection does next.
    pub(super) async fn end(self) {
        // Whoever watched may have ended first; a panic there is told by the runtime.
        let _ = self.ended.send(());
        let _ = self.watching.await;
    }
}

/// A connection that nobody needs for reading, and the leave to hold it.
pub(super) struct Spare {
    pub(super) connection: Lent,
    pub(super) _leave: OwnedSemaphorePermit,
}

/// MariaDB and MySQL bound a statement's time in two ways; each passes over the other's as a comment.
fn question(table: &Table) -> String {
    format!(
        "/*M!100101 set statement max_statement_time = {} for */ select /*+ max_execution_time({}) */ 1 from {} limit 1",
        ANSWER_WITHIN.as_secs_f64(),
        ANSWER_WITHIN.as_millis(),
        quote(table.name.as_str())
    )
}

async fn watch(
    mut by: Spare,
    reads: u32,
    question: String,
    quiet: Quiet,
    called_off: CancellationToken,
    mut end: oneshot::Receiver<()>,
) {
    loop {
        tokio::select! {
            biased;
            ended = &mut end => match ended {
                Ok(()) => return,
                Err(_dropped) => break,
            },
            () = sleep(ASK_EVERY) => {}
        }
        // Whatever the reason: unwatched, no statement may be long.
        let is_free = is_answered(&mut by, &question).await || is_answered(&mut by, &question).await;
        if quiet.until().is_some() || !is_free {
            called_off.cancel();
            break;
        }
    }
    if !is_answered(&mut by, &format!("kill query {reads}")).await {
        debug!("a statement could not be called off; it ends when its rows are read");
    }
}

/// Whether the server did it, and in time: one that has gone silent keeps to no bound of its own.
async fn is_answered(by: &mut Spare, sql: &str) -> bool {
    timeout(SILENT_AFTER, by.connection.query_drop(sql)).await.is_ok_and(|done| done.is_ok())
}
