//! `[http]`: where to listen, and who may ask for runs.

use super::Secret;
use serde::{Deserialize, Serialize};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

/// Where health and metrics are served.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address and port.
    pub listen: SocketAddr,
    /// Who shows it as a bearer token may ask for runs; empty: nobody may.
    pub token: Secret,
    /// A file that holds the token.
    pub token_file: Option<PathBuf>,
}

impl Default for Http {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 9464));
        Self { listen, token: Secret::default(), token_file: None }
    }
}
