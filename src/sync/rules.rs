//! What the configuration decides about columns, laid upon what discovery found.

use crate::{
    config::Config,
    domain::{Catalog, Rule, Table},
    error::{Error, Kind, Result},
};

/// Gives every column its rule.
pub(super) fn lay_upon(catalog: &mut Catalog, config: &Config) {
    for table in &mut catalog.tables {
        for column in &mut table.columns {
            let fits = |rule: &&crate::config::TypeRule| rule.fits(table.name.as_str(), &column.name, &column.declared);
            let mapping = config.sync.types.iter().find(fits).and_then(crate::config::TypeRule::mapping);
            column.rule = Rule { mapping, bad_text: config.source.bad_text };
        }
    }
}

/// Whether every column can become what its rule says.
///
/// # Errors
/// [`Kind::SourceType`] where one can't.
pub(super) fn check(table: &Table) -> Result<()> {
    for (at, column) in table.columns.iter().enumerate() {
        let Some(mapping) = column.rule.mapping else { continue };
        let told = |why: &str| {
            let (table, column, declared) = (&table.name, &column.name, &column.declared);
            Error::new(
                Kind::SourceType,
                format!("column {table}.{column} is to become {mapping}, but {why} ({declared})"),
            )
        };
        if table.key.contains(&at) {
            return Err(told("it is part of the primary key"));
        }
        if !mapping.suits(column.source_type) {
            return Err(told("its type does not suit that"));
        }
    }
    Ok(())
}
