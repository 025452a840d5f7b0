//! The binary log, as a server sends it to its replicas: MariaDB KB, "COM_BINLOG_DUMP".
//!
//! Nothing is registered and nobody is followed for good: the server sends what it has logged, and ends.

use super::{Connection, Outcome, unexpected};
use mysql_common::constants::Command;

/// The server ends where its log does, and does not wait for more.
const NON_BLOCK: u16 = 1;
/// Of no replica: with a number, the server would end whoever else goes by the same.
const NO_SERVER: u32 = 0;
/// Whoever connects knows checksums; those of the log come with it as they stand there. Events come as a MariaDB
/// logs them. And the server waits for whoever pauses to keep to a rate, which may take longer than its usual minute.
const SETTINGS: &str =
    "set @master_binlog_checksum = 'NONE', @mariadb_slave_capability = 4, session net_write_timeout = 3600";

impl Connection {
    /// Begins to receive a file of the log from an offset on, and all files after it.
    pub(in crate::source) async fn dump(&mut self, file: &str, offset: u32) -> Outcome<()> {
        self.run(SETTINGS).await?;
        let mut body = offset.to_le_bytes().to_vec();
        body.extend(NON_BLOCK.to_le_bytes());
        body.extend(NO_SERVER.to_le_bytes());
        body.extend(file.as_bytes());
        self.command(Command::COM_BINLOG_DUMP, &body).await
    }

    /// The next event; `None` after the last.
    pub(in crate::source) async fn event(&mut self) -> Outcome<Option<&[u8]>> {
        match self.answer().await? {
            [0, event @ ..] => Ok(Some(event)),
            [0xfe, ..] => Ok(None),
            _ => Err(unexpected()),
        }
    }
}
