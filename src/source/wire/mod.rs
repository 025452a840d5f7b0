//! A connection that rows are read over.
//!
//! The driver makes a value of its own of every cell, on the heap where it is a text, and a first load has
//! cells by the hundred million. Here a row is handed out as it lies in its packet (docs/adr/0009).
//! Owns MariaDB's protocol as far as that needs it: MariaDB KB, "Client/Server Protocol". What packets are
//! made of comes from `mysql_common`, which the driver uses too. Refuses: everything else; what is asked
//! besides of the source goes through the driver's pool.
//! A connection serves one reader and is closed after it: whatever its session holds ends with it.

mod log;
mod login;
mod rows;

pub(super) use login::{KEEPALIVE, Login, silence_max};
pub(super) use rows::{Form, Rows, cells};

use super::calling_off::CallOff;
use crate::telemetry::IntCounter;
use bytes::{Buf, BytesMut};
use mysql_async::{DriverError, Error, ServerError};
use mysql_common::{
    constants::{CapabilityFlags, Command, MAX_PAYLOAD_LEN},
    io::ParseBuf,
    packets::ErrPacket,
    proto::{MyDeserialize, codec::packet_to_chunks},
};
use std::{
    io,
    pin::Pin,
    task::{Context, Waker},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::OwnedSemaphorePermit,
    time::timeout,
};

/// A row may be longer than what the server itself would take in: the protocol's own bound.
pub(super) const PACKET_BYTES_MAX: usize = 1 << 30;
/// What is asked of the socket at once.
const READ_BYTES: usize = 128 << 10;
/// Three bytes of length, one that counts the packets of a command.
const HEADER_BYTES: usize = 4;

/// In the terms of the driver, so that one table tells what its failures mean.
type Outcome<T> = Result<T, Error>;

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// A session of its own.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    id: u32,
    capabilities: CapabilityFlags,
    received: BytesMut,
    /// Bytes at the front of what was received that have been handed out.
    taken: usize,
    /// The number of the next packet of this command.
    sequence: u8,
    /// Whoever says nothing for so long has gone: no statement may take longer.
    silence_max: Duration,
    /// The statement that was prepared last.
    statement: Option<u32>,
    /// Counts what comes from the server.
    read_bytes: IntCounter,
    /// A statement has not come to its end.
    is_busy: bool,
    call_off: Option<CallOff>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn over(
        stream: Box<dyn Stream>,
        silence_max: Duration,
        read_bytes: IntCounter,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            stream,
            id: 0,
            capabilities: CapabilityFlags::empty(),
            received: BytesMut::new(),
            taken: 0,
            sequence: 0,
            silence_max,
            statement: None,
            read_bytes,
            is_busy: false,
            call_off: None,
            _permit: permit,
        }
    }

    /// Its number at the server.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// From now on, a statement that is given up is called off. `None`: somebody else sees to it.
    pub(super) fn is_called_off_by(&mut self, call_off: Option<CallOff>) {
        self.call_off = call_off;
    }

    /// Has a statement done that brings no rows.
    pub(super) async fn run(&mut self, sql: &str) -> Outcome<()> {
        self.is_busy = true;
        self.command(Command::COM_QUERY, sql.as_bytes()).await?;
        let is_done = self.answer().await?.first() == Some(&0);
        self.is_busy = false;
        match is_done {
            true => Ok(()),
            false => Err(unexpected()),
        }
    }

    async fn command(&mut self, command: Command, body: &[u8]) -> Outcome<()> {
        self.sequence = 0;
        self.send(&[&[command as u8], body].concat()).await
    }

    async fn send(&mut self, packet: &[u8]) -> Outcome<()> {
        let mut chunks = BytesMut::with_capacity(HEADER_BYTES + packet.len());
        self.sequence = packet_to_chunks(self.sequence, &mut &*packet, &mut chunks);
        self.stream.write_all(&chunks).await?;
        Ok(self.stream.flush().await?)
    }

    /// The next packet, which is no error.
    async fn answer(&mut self) -> Outcome<&[u8]> {
        self.packet().await?;
        if self.received[..self.taken].first() == Some(&0xff) {
            self.is_busy = false;
            return Err(refusal(&self.received[..self.taken], self.capabilities));
        }
        Ok(&self.received[..self.taken])
    }

    /// The next packet, whole.
    async fn packet(&mut self) -> Outcome<&[u8]> {
        self.received.advance(std::mem::take(&mut self.taken));
        let mut length = 0;
        loop {
            self.fill(length + HEADER_BYTES).await?;
            let header = &self.received[length..length + HEADER_BYTES];
            let piece = usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
            if header[3] != self.sequence {
                return Err(DriverError::PacketOutOfOrder.into());
            }
            self.sequence = self.sequence.wrapping_add(1);
            if length + piece > PACKET_BYTES_MAX {
                return Err(DriverError::PacketTooLarge.into());
            }
            if length == 0 {
                self.received.advance(HEADER_BYTES);
                self.fill(piece).await?;
            } else {
                self.fill(length + HEADER_BYTES + piece).await?;
                // What is too long for one piece becomes one again.
                self.received.copy_within(length + HEADER_BYTES.., length);
                self.received.truncate(self.received.len() - HEADER_BYTES);
            }
            length += piece;
            if piece < MAX_PAYLOAD_LEN {
                self.taken = length;
                return Ok(&self.received[..length]);
            }
        }
    }

    /// Gives back what a long packet took, once it is done with.
    fn let_go(&mut self) {
        self.received.advance(std::mem::take(&mut self.taken));
        if self.received.is_empty() && self.received.capacity() > READ_BYTES * 8 {
            self.received = BytesMut::new();
        }
    }

    /// Receives until there are so many bytes.
    async fn fill(&mut self, bytes: usize) -> Outcome<()> {
        while self.received.len() < bytes {
            self.received.reserve(READ_BYTES.max(bytes - self.received.len()));
            let received = timeout(self.silence_max, self.stream.read_buf(&mut self.received)).await;
            let silent = || io::Error::new(io::ErrorKind::ConnectionAborted, "the server has gone silent");
            match received.map_err(|_| silent())?? {
                0 => return Err(DriverError::ConnectionClosed.into()),
                // A platform of 128 bits is yet to come.
                bytes => self.read_bytes.inc_by(bytes as u64),
            }
        }
        Ok(())
    }
}

impl Drop for Connection {
    /// Says goodbye, or the server's log would tell of an aborted connection. Nobody waits for it to arrive. In the
    /// middle of a statement the server would not hear it.
    fn drop(&mut self) {
        if self.is_busy
            && let Some(call_off) = &self.call_off
        {
            call_off.end(self.id);
        }
        let goodbye = [1, 0, 0, 0, Command::COM_QUIT as u8];
        let mut context = Context::from_waker(Waker::noop());
        if Pin::new(&mut self.stream).poll_write(&mut context, &goodbye).is_ready() {
            let _ = Pin::new(&mut self.stream).poll_flush(&mut context);
        }
    }
}

/// What the server says in a packet that begins with 255.
fn refusal(packet: &[u8], capabilities: CapabilityFlags) -> Error {
    match ParseBuf(packet).parse::<ErrPacket<'_>>(capabilities) {
        Ok(ErrPacket::Error(error)) => Error::Server(ServerError {
            code: error.error_code(),
            message: error.message_str().into_owned(),
            state: error.sql_state_ref().map(|state| state.as_str().into_owned()).unwrap_or_default(),
        }),
        _ => unexpected(),
    }
}

/// Takes a packet apart; one that can't be is not what was to come.
fn parsed<'p, T: MyDeserialize<'p>>(packet: &'p [u8], context: T::Ctx) -> Outcome<T> {
    ParseBuf(packet).parse(context).map_err(|_| unexpected())
}

/// The packet is not shown: it may hold values.
fn unexpected() -> Error {
    DriverError::UnexpectedPacket { payload: Vec::new() }.into()
}
