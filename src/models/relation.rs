//! A relation of the warehouse.

use crate::{
    domain::name::WAREHOUSE_NAME_BYTES_MAX as NAME_BYTES_MAX,
    error::{Error, Kind, Result},
    warehouse,
};
use std::fmt;

/// Database, schema and name. Rendered as dbt does: each part quoted, joined by dots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Relation {
    /// The database.
    pub database: String,
    /// The schema.
    pub schema: String,
    /// The name.
    pub name: String,
}

impl Relation {
    /// Quoted, with the schema, without the database.
    pub(super) fn quoted(&self) -> String {
        warehouse::relation(&self.schema, &self.name)
    }

    /// The name under which a new version is made before it takes its place; never longer than
    /// PostgreSQL allows, and never equal for two models.
    pub(super) fn provisional(&self) -> Self {
        const SUFFIX: &str = "__amalgam_new";
        let name = if self.name.len() + SUFFIX.len() <= NAME_BYTES_MAX {
            format!("{}{SUFFIX}", self.name)
        } else {
            let digest = super::checksum::of([self.name.as_str()]);
            let end = self.name.floor_char_boundary(NAME_BYTES_MAX - SUFFIX.len() - 9);
            format!("{}_{}{SUFFIX}", &self.name[..end], &digest[..8])
        };
        Self { name, ..self.clone() }
    }

    /// Refuses a name that PostgreSQL would cut, and a schema that belongs to somebody else: to PostgreSQL,
    /// to the control plane, or to the source's tables.
    pub(super) fn checked(self, shown: &str, raw_schema: &str) -> Result<Self> {
        let schema = self.schema.as_str();
        if [raw_schema, "amalgam", "information_schema"].contains(&schema) || schema.starts_with("pg_") {
            let text =
                format!("{shown}: the schema '{schema}' is not for models; give it another one by config(schema=…)");
            return Err(Error::new(Kind::ModelProject, text));
        }
        for (what, name) in [("schema", &self.schema), ("name", &self.name)] {
            if name.len() > NAME_BYTES_MAX {
                return Err(Error::new(
                    Kind::ModelProject,
                    format!(
                        "{shown}: the {what} '{name}' has {} bytes and PostgreSQL keeps {NAME_BYTES_MAX}",
                        name.len()
                    ),
                ));
            }
            if name.is_empty() || name.contains('\0') {
                return Err(Error::new(Kind::ModelProject, format!("{shown}: the {what} '{name}' can't be a name")));
            }
        }
        Ok(self)
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", warehouse::quote(&self.database), self.quoted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(name: &str) -> Relation {
        Relation { database: "d".to_owned(), schema: "s".to_owned(), name: name.to_owned() }
    }

    #[test]
    fn no_model_takes_the_place_of_what_is_not_a_models() {
        for schema in ["raw", "amalgam", "information_schema", "pg_catalog", "pg_temp"] {
            let taken = Relation { schema: schema.to_owned(), ..relation("table_state") };
            let error = taken.checked("models/x.sql", "raw").expect_err("the schema is another's");
            assert!(error.to_string().contains(schema), "{error}");
        }
        assert!(relation("x").checked("models/x.sql", "raw").is_ok());
    }

    #[test]
    fn a_relation_is_quoted_as_dbt_does() {
        assert_eq!(relation("a\"b").to_string(), "\"d\".\"s\".\"a\"\"b\"");
    }

    #[test]
    fn provisional_names_fit_and_differ() {
        let long = |last: char| relation(&format!("{}{last}", "é".repeat(31)));
        let (one, two) = (long('1').provisional(), long('2').provisional());
        assert!(one.name.len() <= NAME_BYTES_MAX && one.name.ends_with("__amalgam_new"));
        assert_ne!(one.name, two.name);
        assert_eq!(relation("short").provisional().name, "short__amalgam_new");
    }

    #[test]
    fn a_name_that_postgres_would_cut_is_refused() {
        let error = relation(&"x".repeat(64)).checked("models/x.sql", "raw").expect_err("64 bytes");
        assert!(error.context.contains("64 bytes"), "{error}");
    }
}
