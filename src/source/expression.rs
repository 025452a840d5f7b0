//! What is selected of a column, so that it comes in the form that its way into the warehouse takes.

use super::read::quote;
use crate::domain::{Column, SourceType};

/// The column itself, or what the server makes of it where this program doesn't know its type.
pub(super) fn selected(column: &Column) -> String {
    let name = quote(&column.name);
    match column.source_type {
        SourceType::Other => format!("cast({name} as char)"),
        _ => name,
    }
}
