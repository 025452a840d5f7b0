//! What is selected of a column, so that it comes in the form that its way into the warehouse takes.

use super::identifier::quote;
use crate::domain::{Column, Mapping, SourceType};

/// The column itself, or what the server makes of it: where this program doesn't know its type, or where it
/// is to become another one than it is declared.
pub(super) fn selected(column: &Column) -> String {
    let name = quote(&column.name);
    let as_written = match column.source_type {
        // The server writes a single with six digits; as a double, it writes all.
        SourceType::Float => format!("cast(cast({name} as double) as char)"),
        _ => format!("cast({name} as char)"),
    };
    match (column.rule.mapping, column.source_type) {
        (None | Some(Mapping::Text), SourceType::Other) => as_written,
        (Some(Mapping::Text), SourceType::Text | SourceType::Binary) => name,
        (Some(Mapping::Text), _) => as_written,
        (Some(Mapping::Numeric), SourceType::Float | SourceType::Double) => as_written,
        // The bytes in the column's own character set.
        (Some(Mapping::Bytea), SourceType::Text) => format!("cast({name} as binary)"),
        _ => name,
    }
}
