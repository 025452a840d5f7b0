//! What a connection to either server has in common.

use super::{Problem, problem::unreadable};
use crate::domain::name::WAREHOUSE_NAME_BYTES_MAX;
use serde::{Deserialize, Serialize};
use std::{fs::File, path::Path};

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

/// The file of the authority must be readable, and be of use.
pub(super) fn check_authority(section: &str, tls: TlsMode, file: Option<&Path>) -> Option<Problem> {
    let key = format!("{section}.tls_ca_file");
    let file = file?;
    if tls == TlsMode::Disable {
        return Some(Problem::new(
            key,
            format!("is given, but {section}.tls is disable"),
            format!("set {section}.tls to verify-full, or take the file away"),
        ));
    }
    let error = File::open(file).err()?;
    let cause = format!("can't read {}: {}", file.display(), unreadable(&error));
    Some(Problem::new(key, cause, "name a PEM file that this user may read"))
}

/// A schema that Amalgam may write.
pub(super) fn check_schema(key: &str, schema: &str) -> Option<Problem> {
    let cause = if schema.is_empty() {
        "is not given"
    } else if schema.len() > WAREHOUSE_NAME_BYTES_MAX {
        "is longer than PostgreSQL's 63 bytes"
    } else if schema.starts_with("pg_") || schema == "information_schema" {
        "is a name of PostgreSQL's own"
    } else if schema == "amalgam" {
        "is the schema in which Amalgam keeps its own state"
    } else {
        return None;
    };
    Some(Problem::new(key, cause, "give another name, such as raw or analytics"))
}
