//! What a schema may be called.

use super::Problem;
use crate::domain::name::WAREHOUSE_NAME_BYTES_MAX;

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
