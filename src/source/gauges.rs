//! What the metrics tell of the source and its replica: bytes, connections, certificates.

use super::Source;
use crate::{error::Result, telemetry::IntCounter};
use chrono::{DateTime, Utc};

impl Source {
    /// Counts the bytes that come over connections that rows are read by.
    #[must_use]
    pub fn counting(self, read_bytes: &IntCounter) -> Self {
        self.with(|server| server.read_bytes = read_bytes.clone())
    }

    /// By server: connections in use, and how many there may be.
    pub fn pool_sizes(&self) -> impl Iterator<Item = (&'static str, usize, usize)> {
        self.servers().map(|s| {
            let used = s.connections_max.saturating_sub(s.permits.available_permits());
            (s.role(), used, s.connections_max)
        })
    }

    /// By server: when the first of the certificates expires that it last showed.
    pub fn certificates(&self) -> impl Iterator<Item = (&'static str, DateTime<Utc>)> {
        self.servers().filter_map(|server| Some((server.role(), server.certificate.expires_at()?)))
    }

    /// Has each server show its certificate, where it is asked for one: a connection that lasts shows none that
    /// came after it.
    ///
    /// # Errors
    /// A server can't be connected to.
    pub async fn look_at_certificates(&self) -> Result<()> {
        for server in self.servers().filter(|server| server.is_encrypted) {
            drop(server.reading().await?);
        }
        Ok(())
    }
}
