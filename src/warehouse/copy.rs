//! COPY in both directions, in PostgreSQL's binary format.

use super::{Session, Transaction, failure::failure, session::UnderWay};
use crate::{
    error::{Error, Kind, Result},
    telemetry::IntCounter,
};
use bytes::{Buf, Bytes};
use futures_util::{SinkExt, StreamExt};
use std::pin::Pin;
use tokio_postgres::{CopyInSink, CopyOutStream};

/// Bytes before the first row: signature, flags, length of the extension.
const HEADER_BYTES: usize = 19;

/// The client copies each message once more: of a row of many megabytes, not the whole at once.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Rows on their way into the warehouse. Dropped before [`CopyIn::finish`], it leaves nothing.
pub struct CopyIn {
    sink: Pin<Box<CopyInSink<Bytes>>>,
    under_way: UnderWay,
    written_bytes: IntCounter,
}

impl CopyIn {
    /// Begins every stream: signature, flags, no extension.
    pub const HEADER: &[u8; HEADER_BYTES] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
    /// Ends every stream.
    pub const TRAILER: &[u8; 2] = b"\xff\xff";

    /// Sends a piece of the stream; waits while the server is behind.
    pub async fn send(&mut self, mut bytes: Bytes) -> Result<()> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(MESSAGE_BYTES_MAX));
            let length = piece.len();
            self.sink.feed(piece).await.map_err(|e| {
                self.under_way.set(false);
                refused(&e)
            })?;
            self.written_bytes.inc_by(length as u64);
        }
        Ok(())
    }

    /// Ends the stream; rows taken in.
    pub async fn finish(mut self) -> Result<u64> {
        let finished = self.sink.as_mut().finish().await;
        self.under_way.set(false);
        finished.map_err(|e| refused(&e))
    }
}

/// A failure of a COPY; one of class 22 (data), 23 (constraints) or 54 (limits) speaks of a row.
fn refused(error: &tokio_postgres::Error) -> Error {
    let mut told = failure(error, "copying into the warehouse");
    if error.code().is_some_and(|code| matches!(code.code().get(..2), Some("22" | "23" | "54"))) {
        told.kind = Kind::WarehouseRefused;
    }
    told
}

/// Rows on their way out of the warehouse.
pub struct CopyOut {
    stream: Pin<Box<CopyOutStream>>,
    under_way: UnderWay,
    begun: bool,
}

impl CopyOut {
    /// The next row in binary form, its count of cells first; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let next = self.row().await;
        if !matches!(next, Ok(Some(_))) {
            self.under_way.set(false);
        }
        next
    }

    async fn row(&mut self) -> Result<Option<Bytes>> {
        loop {
            let Some(message) = self.stream.next().await else { return Ok(None) };
            let mut row = message.map_err(|e| failure(&e, "copying out of the warehouse"))?;
            if !self.begun {
                if row.len() < HEADER_BYTES {
                    return Err(Error::new(Kind::Internal, "the warehouse's COPY stream begins without a header"));
                }
                row.advance(HEADER_BYTES);
                self.begun = true;
            }
            match row.as_ref() {
                [] => {}
                [0xff, 0xff, ..] => return Ok(None),
                _ => return Ok(Some(row)),
            }
        }
    }
}

macro_rules! copies {
    ($($type:ty),+) => { $(
        impl $type {
            /// Begins `copy … from stdin (format binary)`.
            pub async fn copy_in(&self, sql: &str) -> Result<CopyIn> {
                let (on, under_way) = self.on();
                let sink = under_way.until(on.copy_in(sql)).await.map_err(|e| failure(&e, "copying into the warehouse"))?;
                under_way.set(true);
                let (under_way, written_bytes) = (under_way.clone(), self.written_bytes.clone());
                Ok(CopyIn { sink: Box::pin(sink), under_way, written_bytes })
            }

            /// Begins `copy … to stdout (format binary)`.
            pub async fn copy_out(&self, sql: &str) -> Result<CopyOut> {
                let (on, under_way) = self.on();
                let stream = under_way.until(on.copy_out(sql)).await.map_err(|e| failure(&e, "copying out of the warehouse"))?;
                under_way.set(true);
                Ok(CopyOut { stream: Box::pin(stream), under_way: under_way.clone(), begun: false })
            }
        }
    )+ };
}

copies!(Session, Transaction<'_>);
