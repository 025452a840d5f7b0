//! The socket that watchers connect to.

use crate::error::{Error, Kind, Result};
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// A socket that is listened on for as long as this lives: while one server ends and the next begins, who
/// connects waits, and is not refused.
pub(super) struct Listener {
    socket: std::net::TcpListener,
    asked: SocketAddr,
}

impl Listener {
    /// Begins to listen.
    ///
    /// # Errors
    /// The address can't be had.
    pub(super) async fn bind(address: SocketAddr) -> Result<Self> {
        let bound = TcpListener::bind(address).await.and_then(TcpListener::into_std);
        let socket = bound.map_err(|e| failed(address, &e))?;
        Ok(Self { socket, asked: address })
    }

    /// Port 0 stands for any that is free; which one it became.
    pub(super) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap_or(self.asked)
    }

    /// The same socket, for one server.
    ///
    /// # Errors
    /// The system is out of descriptors.
    pub(super) fn for_server(&self) -> Result<TcpListener> {
        self.socket.try_clone().and_then(TcpListener::from_std).map_err(|e| failed(self.asked, &e))
    }
}

fn failed(address: SocketAddr, error: &std::io::Error) -> Error {
    Error::new(Kind::Listen, format!("listening on [http] listen = \"{address}\": {error}"))
}
