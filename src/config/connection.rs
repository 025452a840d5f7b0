//! What a connection to either server has in common.

use serde::{Deserialize, Serialize};

/// How far TLS is demanded. Named after libpq's `sslmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Plain text: for sockets and the same machine.
    #[default]
    Disable,
    /// Encrypted, whoever answers: guards against listening only.
    Require,
    /// Encrypted, and the certificate names the host and comes from a known authority.
    VerifyFull,
}
