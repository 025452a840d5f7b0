//! Tables named on the command line.

use crate::{
    domain::TableName,
    error::{Error, Kind, Result},
};

/// The tables named; `None` where none is, which means all.
pub(super) fn named(tables: &[String]) -> Option<Vec<TableName>> {
    (!tables.is_empty()).then(|| tables.iter().map(|t| TableName::new(t.as_str())).collect())
}

/// Refuses a name that discovery did not find.
pub(super) fn refuse_unknown<'a>(asked: &[String], found: impl Iterator<Item = &'a str> + Clone) -> Result<()> {
    match asked.iter().find(|a| !found.clone().any(|f| f == a.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            Err(Error::new(Kind::UnknownTable, format!("the source has no table {unknown}, or it is excluded")))
        }
    }
}
