//! From PostgreSQL's errors to kinds of failure, without values.
//!
//! PostgreSQL puts values of rows into DETAIL, HINT, CONTEXT and, for data exceptions, into the
//! message itself. Only messages of classes that speak of names, rights and resources are passed on, and the column
//! that is near one that is not there.

use crate::error::{Error, Kind};
use tokio_postgres::error::{DbError, SqlState};

/// Makes a failure of what the driver says. `doing` is what was tried, in a few words.
pub(super) fn failure(error: &tokio_postgres::Error, doing: &str) -> Error {
    match error.as_db_error() {
        // Two that make one name at once meet in the catalog; anywhere else a unique key is a matter of data.
        Some(db) if db.code() == &SqlState::UNIQUE_VIOLATION && db.schema() == Some("pg_catalog") => {
            Error::new(Kind::WarehouseConflict, format!("{doing}: {}", describe(db)))
        }
        Some(db) => Error::new(Kind::of_sqlstate(db.code().code()), format!("{doing}: {}", describe(db))),
        None => connection(error, doing),
    }
}

/// A failure on the way to the server, or of the way itself.
fn connection(error: &tokio_postgres::Error, doing: &str) -> Error {
    let mut causes = vec![error.to_string()];
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    let text = causes.join(": ");
    let kind = if text.contains("error performing TLS handshake") || text.contains("does not support TLS") {
        Kind::WarehouseTls
    } else if text.contains("error connecting to server") || text.contains("timed out") {
        Kind::WarehouseUnreachable
    } else if text.contains("password") || text.contains("authentication") {
        Kind::WarehouseAuth
    } else if text.contains("serializing parameter") || text.contains("deserializing") {
        // The driver's text may quote a value here.
        return Error::new(
            Kind::Internal,
            format!("{doing}: a parameter or column does not have the type that was expected"),
        );
    } else {
        Kind::WarehouseLost
    };
    Error::new(kind, format!("{doing}: {text}"))
}

/// What may be told: the message where it can't hold a value, else the code and the names.
///
/// Errors of the classes 0A, 3F and 42 speak of names when the server finds them while it reads a
/// statement, and then it mostly says where in the statement; found while rows are worked on (a text cast
/// to `regclass`, a search query that does not parse), they quote the row, and have no place.
fn describe(db: &DbError) -> String {
    let code = db.code().code();
    let speaks_of_names = match code {
        "42501" | "42701" | "42710" | "42809" | "42P06" | "42P07" | "42P16" | "2BP01" => true,
        _ => match code.get(..2) {
            Some("0A" | "3F" | "42") => db.position().is_some(),
            Some("08" | "28" | "3D" | "40" | "53" | "54" | "55" | "57" | "25") => true,
            _ => false,
        },
    };
    let mut text = if speaks_of_names {
        db.message().to_owned()
    } else {
        "the server refused the data (its message may hold values and is not shown)".to_owned()
    };
    // The one hint that speaks of names alone.
    let near = db.hint().filter(|_| speaks_of_names && code == "42703").and_then(|hint| hint.split('"').nth(1));
    // The relation may be a provisional one.
    let near = near.and_then(|near| near.rsplit('.').next());
    text.extend(near.map(|near| format!("; did you mean '{near}'?")));
    for (what, name) in [("table", db.table()), ("column", db.column()), ("constraint", db.constraint())] {
        if let Some(name) = name {
            text.push_str(&format!(", {what} {name}"));
        }
    }
    format!("{text} (SQLSTATE {code})")
}
