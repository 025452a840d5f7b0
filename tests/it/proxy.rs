//! A way to a server that goes wrong on purpose: slow, in slices, cut off, or silent.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// What happens to connections from now on, those that stand included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Every piece comes so much later.
    Delay(Duration),
    /// Pieces of so many bytes at most.
    Slice(usize),
    /// After so many bytes the connection is closed: what has been passed on arrives.
    Close(u64),
    /// After so many bytes the connection is reset, and what is on its way is lost.
    Reset(u64),
    /// After so many bytes nothing comes through any more, and nobody says so before it is over.
    Silence(u64),
    /// Nobody listens.
    Refuse,
}

/// Stands in front of a server. Ends with its value, and its connections with it.
pub(crate) struct Proxy {
    port: u16,
    fault: watch::Sender<Fault>,
    towards: Arc<Mutex<BTreeSet<u16>>>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Begins to pass on what comes, unharmed.
    pub(crate) async fn before(server_port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port is found");
        let port = listener.local_addr().expect("it is bound").port();
        let (fault, shared) = watch::channel(Fault::None);
        let towards = Arc::default();
        let ports = Arc::clone(&towards);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                let server = SocketAddr::from(([127, 0, 0, 1], server_port));
                connections.spawn(pass(client, server, shared.clone(), Arc::clone(&ports)));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { port, fault, towards, _tasks: tasks }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From which ports it has come to the server so far: by them the server tells who comes this way.
    pub(crate) fn towards(&self) -> BTreeSet<u16> {
        self.towards.lock().expect("nobody panics who holds it").clone()
    }

    /// Changes what happens.
    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

async fn pass(
    client: TcpStream,
    server: SocketAddr,
    fault: watch::Receiver<Fault>,
    towards: Arc<Mutex<BTreeSet<u16>>>,
) {
    if *fault.borrow() == Fault::Refuse {
        // Closed with unread data or none: the client sees the end of the stream at once.
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    if let Ok(address) = server.local_addr() {
        towards.lock().expect("nobody panics who holds it").insert(address.port());
    }
    let passed = AtomicU64::new(0);
    let (mut client_read, mut client_write) = client.into_split();
    let (mut server_read, mut server_write) = server.into_split();
    // Whichever side ends first ends both.
    let ended = tokio::select! {
        ended = copy(&mut client_read, &mut server_write, &passed, fault.clone()) => ended,
        ended = copy(&mut server_read, &mut client_write, &passed, fault.clone()) => ended,
    };
    if ended == Ended::Reset {
        // Closed with no time to linger, a socket sends a reset, and what was under way is lost.
        for socket in [client_read.as_ref(), server_read.as_ref()] {
            let _ = socket.set_zero_linger();
        }
    }
}

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// With the end of the stream.
    Closed,
    /// With a reset on both sides.
    Reset,
}

async fn copy(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    passed: &AtomicU64,
    mut fault: watch::Receiver<Fault>,
) -> Ended {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let now = *fault.borrow();
        let room = if let Fault::Slice(bytes) = now { bytes.clamp(1, buffer.len()) } else { buffer.len() };
        let Ok(bytes @ 1..) = from.read(&mut buffer[..room]).await else { return Ended::Closed };
        let so_far = passed.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        let now = *fault.borrow();
        match now {
            Fault::Delay(time) => tokio::time::sleep(time).await,
            Fault::Close(after) if so_far > after => return Ended::Closed,
            Fault::Reset(after) if so_far > after => return Ended::Reset,
            Fault::Refuse => return Ended::Closed,
            Fault::Silence(after) if so_far > after => {
                // As a firewall that forgot the connection: it is reset when the way is there again.
                let _ = fault.wait_for(|f| !matches!(f, Fault::Silence(_))).await;
                return Ended::Reset;
            }
            _ => {}
        }
        if to.write_all(&buffer[..bytes]).await.is_err() {
            return Ended::Closed;
        }
    }
}
