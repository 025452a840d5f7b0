//! The data plane of PostgreSQL: connections, statements, COPY, what hangs on a relation.
//!
//! Owns every `tokio_postgres` type; other rooms see [`Session`], [`Transaction`] and [`Row`].
//! Guarantee: an error that leaves this room carries no cell's value.

mod answer;
mod calling_off;
mod chunk;
mod copy;
pub mod dependents;
mod failure;
mod identifier;
mod load_progress;
mod pool;
mod preflight;
mod quarantine;
mod schema_change;
mod session;
mod statements;
mod table_state;
mod upkeep;

pub use answer::Answer;
pub use chunk::{Chunk, RawImage};
pub use copy::{CopyIn, CopyOut};
pub use dependents::{Dependents, OWN_INDEX_PREFIX, Trappings};
pub use identifier::{literal, quote, relation};
pub use load_progress::LoadProgress;
pub use pool::Warehouse;
pub use preflight::{Preflight, Schema};
pub use quarantine::Quarantined;
pub use session::{Located, Session, Transaction};
pub use table_state::{NewTableState, RawTable, Shape, TableState};
pub use tokio_postgres::{Row, types::ToSql};
