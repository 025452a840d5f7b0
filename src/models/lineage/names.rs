//! Names as PostgreSQL reads them: folded where they stand without quotes, and cut where they are too long.

use serde::{Deserialize, Serialize};
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};
use std::fmt;

/// Bytes of a name that PostgreSQL keeps (`NAMEDATALEN - 1`).
const NAME_BYTES_MAX: usize = 63;

/// A relation as SQL names it, folded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(in crate::models) struct RelationName {
    /// The database, where the SQL says it.
    pub(in crate::models) database: Option<String>,
    /// The schema, where the SQL says it.
    pub(in crate::models) schema: Option<String>,
    /// The relation.
    pub(in crate::models) name: String,
}

impl RelationName {
    /// The name of one to three parts; `None` for anything else.
    pub(super) fn of(parts: &[String]) -> Option<Self> {
        let (name, before) = parts.split_last()?;
        let (database, schema) = match before {
            [] => (None, None),
            [schema] => (None, Some(schema.clone())),
            [database, schema] => (Some(database.clone()), Some(schema.clone())),
            _ => return None,
        };
        Some(Self { database, schema, name: name.clone() })
    }
}

impl fmt::Display for RelationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.database, &self.schema].into_iter().flatten() {
            write!(f, "{part}.")?;
        }
        f.write_str(&self.name)
    }
}

/// A name as it is stored. PostgreSQL folds the letters of ASCII alone where the encoding has several bytes.
pub(super) fn folded(ident: &Ident) -> String {
    cut(if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_ascii_lowercase() })
}

/// The parts of a qualified name, folded; `None` where one of them is no name.
pub(super) fn parts(name: &ObjectName) -> Option<Vec<String>> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Some(folded(ident)),
            ObjectNamePart::Function(_) => None,
        })
        .collect()
}

fn cut(mut name: String) -> String {
    if name.len() > NAME_BYTES_MAX {
        let end = (0..=NAME_BYTES_MAX).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
        name.truncate(end);
    }
    name
}
