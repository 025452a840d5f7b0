//! Connections of watchers: so many at once, and none for longer than it is answered.
//!
//! Each takes a descriptor, and the databases need some too. Whoever opens connections and says nothing, a scanner of
//! the practice's network, say, or says it a letter a minute, must not have them all. Guarantee: at most
//! [`CONNECTIONS_MAX`] are open; one that was not answered for [`SILENCE_SECONDS_MAX`] is cut off.

use axum::serve::Listener;
use std::{
    io::{self, ErrorKind, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};

/// Connections at once; who comes then waits in the system's queue.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection may go without being answered; longer than Prometheus usually waits between two scrapes.
const SILENCE_SECONDS_MAX: u64 = 90;

const SILENCE: Duration = Duration::from_secs(SILENCE_SECONDS_MAX);

/// Takes connections as far as there is room.
pub(super) struct Bounded {
    listener: TcpListener,
    room: Arc<Semaphore>,
}

impl Bounded {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, room: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }
}

impl Listener for Bounded {
    type Io = Watched;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Watched, SocketAddr) {
        let place = Arc::clone(&self.room).acquire_owned().await.expect("the semaphore is never closed");
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Watched { stream, silence: Box::pin(sleep(SILENCE)), _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection, with the time that it has left.
pub(super) struct Watched {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Watched {
    /// What came of waiting for the other side; an error once its time is up.
    fn in_time<T>(&mut self, polled: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            return polled;
        }
        ready!(self.silence.as_mut().poll(context));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }

    /// What came of writing: where something was taken, the time begins anew.
    fn answered(&mut self, polled: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if matches!(polled, Poll::Ready(Ok(_))) {
            self.silence.as_mut().reset(Instant::now() + SILENCE);
        }
        self.in_time(polled, context)
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, into);
        self.in_time(polled, context)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.answered(polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.answered(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn listening() -> (Bounded, SocketAddr) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port is found");
        let address = listener.local_addr().expect("it is bound");
        (Bounded::new(listener), address)
    }

    #[tokio::test]
    async fn so_many_connections_are_open_at_once_and_who_comes_then_waits_for_one_to_end() {
        let (mut listener, address) = listening().await;
        let (mut clients, mut open) = (Vec::new(), Vec::new());
        for _ in 0..=CONNECTIONS_MAX {
            clients.push(TcpStream::connect(address).await.expect("it listens"));
        }
        for _ in 0..CONNECTIONS_MAX {
            open.push(listener.accept().await);
        }
        assert!(listener.accept().now_or_never().is_none());
        open.pop();
        listener.accept().await;
    }

    #[tokio::test]
    async fn a_connection_that_drips_is_cut_off_and_one_that_is_answered_is_not() {
        let (mut listener, address) = listening().await;
        let mut client = TcpStream::connect(address).await.expect("it listens");
        let (mut watched, _) = listener.accept().await;
        let ends = watched.silence.deadline();
        client.write_all(b"G").await.expect("it is open");
        assert_eq!(watched.read(&mut [0; 16]).await.expect("a letter comes"), 1);
        assert_eq!(watched.silence.deadline(), ends, "a letter buys no time");
        // An answer does.
        watched.silence.as_mut().reset(Instant::now());
        watched.write_all(b"ok").await.expect("it is open");
        assert!(watched.silence.deadline() >= ends);
        watched.silence.as_mut().reset(Instant::now());
        assert_eq!(watched.read(&mut [0; 16]).await.expect_err("its time is up").kind(), ErrorKind::TimedOut);
    }
}
