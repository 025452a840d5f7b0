//! Names that must not be mixed up, each a type of its own.

use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt};

/// What a name may be long in PostgreSQL: NAMEDATALEN less the final zero (PostgreSQL docs § 4.1.1).
pub const WAREHOUSE_NAME_BYTES_MAX: usize = 63;
/// When a row of a raw table was last written.
pub const LOADED_AT: &str = "_loaded_at";
/// Since when the source no longer has a row that is kept; null while it has it.
pub const DELETED_AT: &str = "_deleted_at";
/// Columns that every table has without being asked (PostgreSQL docs § 5.5, System Columns), and ours.
const TAKEN_COLUMNS: [&str; 8] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", LOADED_AT, DELETED_AT];

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            /// Takes the name as it is spelled at its origin.
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name as it is spelled at its origin.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $type {
            fn from(name: &str) -> Self {
                Self(name.to_owned())
            }
        }
    };
}

name!(
    /// A table of the source, and its twin in the raw schema, in the source's own case.
    TableName
);
name!(
    /// A model's unique id, as dbt writes it: `model.<project>.<name>`.
    ModelId
);
name!(
    /// A schedule's name, as in the configuration.
    ScheduleName
);

/// What a unique id says without kind and project: `pay` of `model.practice.pay`, `pay.v2` of `model.practice.pay.v2`.
pub fn short_name(id: &str) -> &str {
    id.splitn(3, '.').nth(2).unwrap_or(id)
}

/// What a table or column of the source is called in the warehouse: the same, case and all, but where
/// PostgreSQL has no room for the name or has it itself. Then as much of it as fits, and eight hex digits
/// of its hash, so that two long names that begin alike stay two.
pub fn in_warehouse(name: &str) -> Cow<'_, str> {
    if name.len() <= WAREHOUSE_NAME_BYTES_MAX && !TAKEN_COLUMNS.contains(&name) {
        return Cow::Borrowed(name);
    }
    let kept = name.floor_char_boundary(WAREHOUSE_NAME_BYTES_MAX - 9);
    Cow::Owned(format!("{}_{:08x}", &name[..kept], fnv(name)))
}

/// FNV-1a, 32 bits: RFC 9923.
fn fnv(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_as_it_is_where_the_warehouse_can_bear_it() {
        for name in ["ProcNum", "order", "CTID", "x y\"z", &"é".repeat(31)] {
            assert_eq!(in_warehouse(name), name);
        }
    }

    #[test]
    fn names_that_are_taken_or_too_long_get_a_hash_and_stay_apart() {
        for taken in ["ctid", "_loaded_at", "_deleted_at"] {
            assert_eq!(in_warehouse(taken), format!("{taken}_{:08x}", fnv(taken)));
        }
        let (a, b) = ("é".repeat(63) + "a", "é".repeat(63) + "b");
        assert!(in_warehouse(&a).len() <= WAREHOUSE_NAME_BYTES_MAX && in_warehouse(&a) != in_warehouse(&b));
        // The hash's published test vector.
        assert_eq!(fnv("a"), 0xe40c_292c);
    }
}
