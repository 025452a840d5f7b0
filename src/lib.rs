//! Amalgam keeps a PostgreSQL warehouse exactly in step with a dental practice's OpenDental database,
//! rebuilds the SQL models that depend on what changed, and tells how it is doing.
//!
//! The rooms have ranks; a module imports only from lower ranks (`tests/it/ranks.rs` holds this):
//!
//! | rank | module |
//! |---|---|
//! | 7 | [`cli`] |
//! | 6 | [`lifecycle`] |
//! | 5 | [`http`], [`demo`] |
//! | 4 | [`orchestrator`] |
//! | 3 | [`sync`], [`models`] |
//! | 2 | [`source`], [`warehouse`], [`state`], [`notify`], [`traces`] |
//! | 1 | [`config`], [`telemetry`], [`error`], [`retry`], [`dag`] |
//! | 0 | [`domain`] |

pub mod cli;
pub mod config;
pub mod dag;
pub mod demo;
pub mod domain;
pub mod error;
pub mod http;
pub mod lifecycle;
pub mod models;
pub mod notify;
pub mod orchestrator;
pub mod retry;
pub mod source;
pub mod state;
pub mod sync;
pub mod telemetry;
pub mod traces;
pub mod warehouse;
