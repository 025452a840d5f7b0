//! Names of the source that would be one name in the warehouse.
//!
//! A name that PostgreSQL can't bear gets its hash behind it ([`crate::domain::name::in_warehouse`]); another table
//! or column may be called just so. Both would share one place, so neither is touched.

use crate::{
    domain::{Table, TableName, name::in_warehouse},
    error::{Error, Kind},
};
use std::collections::BTreeMap;

/// Hex digits behind a name that was shortened or is taken.
const HASH_DIGITS: usize = 8;

/// Whether a name's twin may be that of another name too: no other ends like a hash.
pub(super) fn may_be_shared(name: &str) -> bool {
    let twin = in_warehouse(name);
    let hash = twin.rsplit_once('_').map_or("", |(_, hash)| hash);
    hash.len() == HASH_DIGITS && hash.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The tables among these that would share one with another of them, and that other.
pub(super) fn shared<'n>(names: impl IntoIterator<Item = &'n str>) -> BTreeMap<TableName, TableName> {
    let mut by_twin: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for name in names {
        by_twin.entry(in_warehouse(name)).or_default().push(name);
    }
    let others = by_twin.values().filter(|names| names.len() > 1).flat_map(|names| {
        let other = |at: usize| names[if at == 0 { 1 } else { 0 }];
        names.iter().enumerate().map(move |(at, name)| (TableName::from(*name), TableName::from(other(at))))
    });
    others.collect()
}

/// The failure of a table that would share one with another.
pub(super) fn refusal(table: &TableName, other: &TableName) -> Error {
    let twin = in_warehouse(table.as_str());
    Error::new(Kind::SharedName, format!("the tables {table} and {other} would both be {twin} in the warehouse"))
}

/// Refuses a table of which two columns would be one.
///
/// # Errors
/// [`Kind::SharedName`] with both.
pub(super) fn check_columns(table: &Table) -> Result<(), Error> {
    let shared = shared(table.columns.iter().map(|c| c.name.as_str()));
    let Some((one, other)) = shared.first_key_value() else { return Ok(()) };
    let (twin, table) = (in_warehouse(one.as_str()), &table.name);
    let told = format!("the columns {one} and {other} of {table} would both be {twin} in the warehouse");
    Err(Error::new(Kind::SharedName, told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_end_like_a_hash_may_be_shared() {
        let long = "x".repeat(64);
        assert!(may_be_shared("ctid") && may_be_shared("ctid_0059f0df") && may_be_shared(&long));
        assert!(!may_be_shared("patient") && !may_be_shared("a_b") && !may_be_shared("log_20240101x"));
    }

    #[test]
    fn each_of_two_that_share_a_name_is_told_the_other() {
        let shared = shared(["ctid", "patient", "ctid_0059f0df", "Patient"]);
        let told: Vec<String> = shared.iter().map(|(one, other)| format!("{one} {other}")).collect();
        assert_eq!(told, ["ctid ctid_0059f0df", "ctid_0059f0df ctid"]);
    }
}
