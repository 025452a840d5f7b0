//! From `sqlx`'s errors to kinds of failure, without values.

use crate::error::{Error, Kind};

/// Makes a failure of what `sqlx` says. `doing` is what was tried, in a few words.
pub(super) fn failure(error: &sqlx::Error, doing: &str) -> Error {
    let (kind, text) = match error {
        sqlx::Error::Database(db) => {
            let code = db.code().unwrap_or_default().into_owned();
            // Messages of data and constraint errors (classes 22 and 23) may quote values.
            let text = match code.get(..2) {
                Some("22" | "23") => "the server refused the data".to_owned(),
                _ => db.message().to_owned(),
            };
            let constraint = db.constraint().map(|c| format!(", constraint {c}")).unwrap_or_default();
            (kind(&code), format!("{text}{constraint} (SQLSTATE {code})"))
        }
        sqlx::Error::Io(e) => (io(e), e.to_string()),
        // The pool tries again while the server refuses connections, and then says only this.
        sqlx::Error::PoolTimedOut => (Kind::WarehouseUnreachable, "no connection in time".to_owned()),
        sqlx::Error::Tls(e) => (Kind::WarehouseTls, e.to_string()),
        sqlx::Error::WorkerCrashed | sqlx::Error::PoolClosed => (Kind::WarehouseLost, error.to_string()),
        sqlx::Error::Protocol(_) => (Kind::WarehouseLost, "the connection broke off".to_owned()),
        _ => (Kind::Internal, "an answer of the control plane does not have the form that was expected".to_owned()),
    };
    Error::new(kind, format!("control plane: {doing}: {text}"))
}

/// The server was never reached, or was lost in the middle.
fn io(error: &std::io::Error) -> Kind {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::ConnectionRefused
        | ErrorKind::NotFound
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::TimedOut => Kind::WarehouseUnreachable,
        // rustls' refusals of a certificate come as these.
        ErrorKind::InvalidData | ErrorKind::InvalidInput => Kind::WarehouseTls,
        // The standard library has no kind for a name that does not resolve.
        _ if error.to_string().contains("lookup") => Kind::WarehouseUnreachable,
        _ => Kind::WarehouseLost,
    }
}

/// A statement that the schema's rules refuse is this program's fault; any other error is what it always is.
fn kind(code: &str) -> Kind {
    match code {
        "23514" | "23503" | "23502" => Kind::Internal,
        _ => Kind::of_sqlstate(code),
    }
}
