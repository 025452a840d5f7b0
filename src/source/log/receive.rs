//! Receives the log as gently as tables are read.
//!
//! The server sends without a pause. What has come is paid for piece by piece, and until it is paid nothing more is
//! taken from the wire: the server waits then, and holds no table meanwhile.
//! Guarantee: within quiet hours no piece is begun.

use super::{Place, Untold, following::Following};
use crate::{
    error::{Error, Kind, Result},
    source::{Source, failure::failure, throttle::Gait},
};
use std::time::Duration;

/// So many bytes are paid for at a time.
const PIECE_BYTES: u64 = 64 << 10;
/// The server can't send the log from there: MariaDB KB, error 1236.
const NO_SUCH_PLACE: u16 = 1236;

impl Source {
    /// Takes in all events from a place to the end.
    ///
    /// # Errors
    /// [`Kind::SourceQuiet`] when quiet hours begin, and what a connection can meet.
    pub(super) async fn follow_log(
        &self,
        (file, offset): &Place,
        following: &mut Following<'_>,
    ) -> Result<Result<(), Untold>> {
        let Ok(offset) = u32::try_from(*offset) else { return Ok(Err(Untold::Gone)) };
        let mut gait = self.gait();
        pay(&mut gait, 0).await?;
        let mut connection = self.reading().await?;
        following.begin();
        if let Err(error) = connection.dump(file, offset).await {
            return refused(&error).map(Err);
        }
        let mut owed = 0;
        let followed = loop {
            let taken = match connection.event().await {
                Ok(Some(event)) => {
                    owed += event.len() as u64;
                    following.take(event)
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(refused(&error)?),
            };
            if taken.is_err() {
                break taken;
            }
            if owed >= PIECE_BYTES {
                pay(&mut gait, std::mem::take(&mut owed)).await?;
            }
        };
        // Whoever reads next waits for the rest.
        gait.learn(0, owed, Duration::ZERO);
        Ok(followed)
    }
}

/// Pays for so many bytes, and for what others have read.
async fn pay(gait: &mut Gait, bytes: u64) -> Result<()> {
    gait.learn(0, bytes, Duration::ZERO);
    let wait = gait.wait();
    gait.pause(wait).await
}

fn refused(error: &mysql_async::Error) -> Result<Untold> {
    match error {
        mysql_async::Error::Server(server) if server.code == NO_SUCH_PLACE => Ok(Untold::Gone),
        error => match failure(error, "following the source's log") {
            Error { kind: Kind::SourceDenied, .. } => Ok(Untold::Denied),
            error => Err(error),
        },
    }
}
