//! What is selected of a column, so that it comes in the form that its way into the warehouse takes.

use super::identifier::quote;
use crate::domain::{Column, Mapping, SourceType};

/// Character sets of which the server converts every character to Unicode: tried with every one that they have.
const CONVERTED_WHOLLY: [&str; 20] = [
    "utf8mb4", "utf8mb3", "utf8", "ucs2", "utf16", "utf16le", "utf32", "latin1", "latin2", "latin5", "latin7", "cp850",
    "cp852", "cp866", "koi8r", "koi8u", "keybcs2", "macce", "macroman", "armscii8",
];

/// Whether the server may put `?` or U+FFFD in the place of a character of that set, and say nothing.
pub(super) fn converts_in_part(character_set: &str) -> bool {
    !CONVERTED_WHOLLY.contains(&character_set)
}

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
        // The bytes in the column's own character set.
        (Some(Mapping::Bytea), SourceType::Text) => format!("cast({name} as binary)"),
        (_, SourceType::Text) if column.converts_in_part => told(&name),
        (None | Some(Mapping::Text), SourceType::Other) => as_written,
        (Some(Mapping::Text), SourceType::Text | SourceType::Binary) => name,
        (Some(Mapping::Text), _) => as_written,
        (Some(Mapping::Numeric), SourceType::Float | SourceType::Double) => as_written,
        _ => name,
    }
}

/// A text as Unicode, with a byte behind it that no UTF-8 has where a character got lost in the conversion.
///
/// One that has no place in Unicode becomes `?`, or U+FFFD in `big5` and `tis620`; none is left out. So a text came
/// through where it has as many characters as before, as many of them are `?`, and none is U+FFFD. The way back would
/// not tell: in `cp932`, `sjis`, `ujis`, `eucjpms` and `armscii8` several characters are one in Unicode.
fn told(name: &str) -> String {
    let text = format!("convert({name} using utf8mb4)");
    let marks = |of: &str| format!("char_length({of}) - char_length(replace({of}, '?', ''))");
    format!(
        "if(char_length({text}) = char_length({name}) and {} = {} and locate(_utf8mb4 x'efbfbd', {text} collate utf8mb4_bin) = 0, \
         cast({text} as binary), if({name} is null, null, ifnull(concat(cast({text} as binary), x'ff'), x'ff')))",
        marks(&text),
        marks(name)
    )
}
