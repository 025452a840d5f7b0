//! The plain words of the house: names, catalog, modes, watermarks, run states, the clock.
//!
//! Owns types and pure functions on them. No I/O, no tokio, no SQL client. Every other room may
//! import from here; this room imports from none.

pub mod alert;
pub mod catalog;
pub mod clock;
mod fence;
mod hexadecimal;
mod key_range;
pub mod local_time;
pub mod mapping;
pub mod name;
pub mod pattern;
pub mod quiet_hours;
pub mod run;
mod schema_change;
pub mod source_type;
pub mod unusual;
pub mod watermark;

pub use alert::{Alert, AlertKey, Condition, Severity, Told};
pub use catalog::{Catalog, Column, Consistency, Deletes, Engine, Fingerprint, SyncMode, Table};
pub use clock::Clock;
pub use fence::Fence;
pub use hexadecimal::hexadecimal;
pub use key_range::KeyRange;
pub use mapping::{BadText, Mapping, Rule};
pub use name::{ModelId, ScheduleName, TableName, short_name};
pub use quiet_hours::QuietHours;
pub use run::{AttemptState, RunId, RunState, TaskId, TaskKind, TaskState, Trigger};
pub use schema_change::{ChangeKind, SchemaChange};
pub use source_type::{SourceType, WarehouseType};
pub use watermark::{LogPosition, Watermark};
