//! Somebody who takes messages by HTTP, and does as the test says.

use serde_json::Value;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};

/// What is done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It is answered with a status.
    Answers(u16),
    /// It is read, and nothing follows.
    IsSilent,
    /// The connection is cut.
    CutsOff,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) path: String,
    pub(super) authorization: Option<String>,
    /// Null where it was none.
    pub(super) body: Value,
    pub(super) at: Instant,
}

#[derive(Debug)]
struct Inside {
    manner: Manner,
    heard: Vec<Heard>,
}

/// Listens until it is dropped.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    inside: Arc<Mutex<Inside>>,
    _ears: JoinSet<()>,
}

impl Receiver {
    pub(super) async fn listen(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it has an address");
        let inside = Arc::new(Mutex::new(Inside { manner, heard: Vec::new() }));
        let mut ears = JoinSet::new();
        let shared = Arc::clone(&inside);
        ears.spawn(async move {
            let mut talks = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                talks.spawn(take(stream, Arc::clone(&shared)));
            }
        });
        Self { address, inside, _ears: ears }
    }

    /// Its address with a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub(super) fn behaves(&self, manner: Manner) {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).manner = manner;
    }

    /// What came to a path, in order, whatever was done with it.
    pub(super) fn heard(&self, path: &str) -> Vec<Heard> {
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.heard.iter().filter(|heard| heard.path == format!("/{path}")).cloned().collect()
    }
}

/// One request; the connection ends with it.
async fn take(stream: TcpStream, inside: Arc<Mutex<Inside>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length, mut authorization) = (String::new(), 0, None);
    reader.read_line(&mut first).await.ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => authorization = Some(value.to_owned()),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await.ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let manner = {
        let mut inside = inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.heard.push(Heard { path, authorization, body, at: Instant::now() });
        inside.manner
    };
    match manner {
        Manner::CutsOff => {}
        Manner::IsSilent => std::future::pending().await,
        Manner::Answers(status) => {
            let said = "as the test says";
            let answer =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{said}", said.len());
            reader.get_mut().write_all(answer.as_bytes()).await.ok()?;
        }
    }
    Some(())
}
