//! MariaDB, read and never written.
//!
//! Owns `mysql_async`: connections, discovery, reads in ranges, and whether the replica is read instead. Rows
//! come over [`wire`], as [`Cell`]s. Refuses: writing (every session is read-only), and reading without a bound on
//! the statement's time.
//! Guarantee: an error that leaves this room carries no cell's value.

mod bytes;
mod calling_off;
mod cell;
mod checksum;
mod describe;
mod expression;
mod failure;
mod follow;
#[doc(hidden)]
pub mod fuzz;
mod gauges;
mod identifier;
mod key_spread;
mod keys;
mod lock_watch;
mod log;
mod missing;
mod order;
mod own_key;
mod pace;
mod pool;
mod position;
mod preflight;
mod primary;
mod quiet;
mod read;
mod refusal;
mod replica;
mod snapshot;
mod throttle;
mod transactions;
mod wire;
mod within;

pub use cell::Cell;
pub use checksum::{Checksum, ChecksumReader, Digest, digest};
pub use key_spread::KeySpread;
pub use keys::{KeyPiece, KeyReader, is_plain};
pub use log::{Changed, Changes, LogFacts, Untold};
pub use missing::Missing;
pub use mysql_async::Value;
pub use order::Order;
pub use pool::Source;
pub use preflight::{Grant, Preflight};
pub use read::{Range, Reader};
pub use refusal::Refusal;
pub use replica::{Chosen, Standing, Wanted};
