//! What the sync did about a table whose shape changed at the source.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What was done to the raw table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It gained a column.
    Added,
    /// A column holds more than before, in place or without any change of its own.
    Widened,
    /// A column is declared anew with a type that the raw column holds as well; all rows were compared.
    Redeclared,
    /// A column is gone at the source; it was kept, and is null in new rows.
    Dropped,
    /// The table was loaded again, beside the old one.
    Reloaded,
}

impl ChangeKind {
    /// Every change, in the order of declaration.
    pub const ALL: &'static [Self] = &[Self::Added, Self::Widened, Self::Redeclared, Self::Dropped, Self::Reloaded];

    /// The word used in logs, metrics and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Widened => "widened",
            Self::Redeclared => "redeclared",
            Self::Dropped => "dropped",
            Self::Reloaded => "reloaded",
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One change of a table's shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SchemaChange {
    /// What was done.
    pub kind: ChangeKind,
    /// What had changed, in words: names and declarations, never a value.
    pub told: String,
}
