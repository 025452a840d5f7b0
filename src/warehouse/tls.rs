//! TLS towards the warehouse, by rustls.

use crate::{
    config::{self, TlsMode},
    error::{Error, Kind, Result},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The connector that the configuration asks for; `None` for plain text.
pub(super) fn connector(config: &config::Warehouse) -> Result<Option<MakeRustlsConnect>> {
    match config.tls {
        TlsMode::Disable => Ok(None),
        TlsMode::Require | TlsMode::VerifyFull => Err(Error::new(Kind::WarehouseTls, "not yet")),
    }
}
