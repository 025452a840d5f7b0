//! Who is connected to a source, and what they wait for.

use super::{Bench, source_texts_at, until};

/// Of a session: it waits for a table that somebody has locked.
pub(crate) const WAITS_FOR_TABLE: &str = "state like 'Waiting for table%'";
/// The server has filled all there is between it and a reader, and holds the table meanwhile.
pub(crate) const WAITS_FOR_READER: &str = "state = 'Writing to net' and time_ms > 1000";

/// The numbers of the sessions in a database for which a condition holds, which speaks of the columns of
/// `information_schema.processlist`; but for the one that asks.
pub(crate) async fn sessions_at(port: u16, database: &str, condition: &str) -> Vec<String> {
    let sql = format!(
        "select id from information_schema.processlist where db = database() and id <> connection_id() and {condition}"
    );
    source_texts_at(port, database, &sql).await.into_iter().flatten().flatten().collect()
}

impl Bench {
    /// The same of the bench's own.
    pub(crate) async fn sessions(&self, condition: &str) -> Vec<String> {
        sessions_at(self.source_port, &self.database, condition).await
    }

    /// Waits until there is one such session.
    pub(crate) async fn until_session(&self, what: &str, condition: &str) {
        until(what, async || self.sessions(condition).await.len() == 1).await;
    }
}
