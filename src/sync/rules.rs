//! What the configuration decides about columns, laid upon what discovery found.

use crate::{
    config::{Config, TypeRule},
    domain::{Catalog, Column, Rule, Table},
    error::{Error, Kind, Result},
};
use serde::Serialize;

/// A column that becomes another type than its declaration says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuledColumn {
    /// Its table.
    pub table: String,
    /// Its name.
    pub column: String,
    /// Its declaration.
    pub declared: String,
    /// What it becomes.
    pub becomes: String,
    /// The columns that the deciding entry of `[[sync.types]]` speaks of, and their declaration where it
    /// names one.
    pub rule: String,
}

fn rule_of<'c>(config: &'c Config, table: &Table, column: &Column) -> Option<&'c TypeRule> {
    config.sync.types.iter().find(|rule| rule.fits(table.name.as_str(), &column.name, &column.declared))
}

/// The columns of a table that a rule decides about.
pub(super) fn ruled(table: &Table, config: &Config) -> Vec<RuledColumn> {
    let ruled = |column: &Column| {
        let rule = rule_of(config, table, column)?;
        let declared = rule.declared.as_ref().map_or(String::new(), |declared| format!(" ({declared})"));
        Some(RuledColumn {
            table: table.name.to_string(),
            column: column.name.clone(),
            declared: column.declared.clone(),
            becomes: rule.becomes.clone(),
            rule: format!("{}{declared}", rule.columns),
        })
    };
    table.columns.iter().filter_map(ruled).collect()
}

/// Gives every column its rule.
pub(super) fn lay_upon(catalog: &mut Catalog, config: &Config) {
    for table in &mut catalog.tables {
        for at in 0..table.columns.len() {
            let mapping = rule_of(config, table, &table.columns[at]).and_then(TypeRule::mapping);
            table.columns[at].rule = Rule { mapping, bad_text: config.source.bad_text };
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
