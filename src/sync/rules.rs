//! What the configuration decides about columns, laid upon what discovery found.

use crate::{
    config::{Config, TypeRule},
    domain::{BadText, Catalog, Column, Rule, SourceType, Table, WarehouseType},
    error::{Error, Kind, Result},
};
use serde::Serialize;

/// PostgreSQL docs, appendix K. One of them is ours at least.
const WAREHOUSE_COLUMNS_MAX: usize = 1600;

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
            let column = &mut table.columns[at];
            column.rule = Rule { mapping, bad_text: BadText::default() };
            if holds_texts(column) {
                column.rule.bad_text = config.source.bad_text;
            }
        }
    }
}

/// Whether a value may be a text that PostgreSQL can't hold. A rule about them says nothing of any other column;
/// laid upon it, it would compare its table whenever it is changed. What a number or a date is written with
/// is plain.
fn holds_texts(column: &Column) -> bool {
    let may_hold_any = matches!(column.source_type, SourceType::Text | SourceType::Binary | SourceType::Other);
    may_hold_any && column.warehouse() == WarehouseType::Text
}

/// Whether every column can become what its rule says, and all of them a table.
///
/// # Errors
/// [`Kind::SourceType`], [`Kind::TooManyColumns`].
pub(super) fn check(table: &Table) -> Result<()> {
    let columns = table.columns.len();
    if columns >= WAREHOUSE_COLUMNS_MAX {
        let told = format!(
            "{} has {columns} columns, and a table of PostgreSQL {WAREHOUSE_COLUMNS_MAX} at most, ours included",
            table.name
        );
        return Err(Error::new(Kind::TooManyColumns, told));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Engine, Mapping};
    use chrono::DateTime;

    #[test]
    fn a_rule_about_bad_texts_is_laid_upon_columns_that_hold_texts_and_no_others() {
        let mut config = Config::default();
        config.source.bad_text = BadText::Quarantine;
        let rule = |columns: &str, becomes: &str| TypeRule {
            columns: columns.to_owned(),
            becomes: becomes.to_owned(),
            ..TypeRule::default()
        };
        config.sync.types = vec![rule("t.raw", "bytea"), rule("t.day", "text"), rule("t.file", "text")];
        let columns = [
            ("id", "bigint"),
            ("name", "varchar(9)"),
            ("raw", "text"),
            ("day", "date"),
            ("file", "blob"),
            ("odd", "xml"),
        ];
        let table = Table {
            name: "t".into(),
            engine: Engine::MyIsam,
            columns: columns.map(|(name, declared)| Column::new(name, declared)).into(),
            key: vec![0],
            rows: 0,
            data_bytes: 0,
            fingerprint: None,
            made_at: None,
        };
        let (taken_at, settled_at) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH);
        let mut catalog = Catalog { taken_at, settled_at, tables: vec![table] };
        lay_upon(&mut catalog, &config);
        let ruled: Vec<&str> = catalog.tables[0]
            .columns
            .iter()
            .filter(|c| c.rule.bad_text == BadText::Quarantine)
            .map(|c| c.name.as_str())
            .collect();
        assert_eq!(ruled, ["name", "file", "odd"]);
        assert_eq!(catalog.tables[0].columns[2].rule.mapping, Some(Mapping::Bytea));
    }
}
