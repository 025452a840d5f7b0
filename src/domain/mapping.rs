//! What configuration decides about how a column's values travel.
//!
//! Pure. A rule is part of a table's shape: a table whose rules have changed is read again.

use crate::domain::{SourceType, WarehouseType};
use chrono_tz::{TZ_VARIANTS, Tz};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is decided for one column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// The type it becomes, other than by its declaration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Mapping>,
    /// What becomes of texts that PostgreSQL can't hold.
    pub bad_text: BadText,
}

/// What becomes of a text with NUL or invalid UTF-8, neither of which PostgreSQL can hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadText {
    /// U+FFFD takes the place of what can't be held; counted.
    #[default]
    Replace,
    /// The row is put in quarantine.
    Quarantine,
    /// The table fails.
    Fail,
}

/// A type that a column becomes by configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Mapping {
    /// `boolean`: 0 and 1, and nothing else.
    Boolean,
    /// `text`: as the source writes it; zero and partial dates stay what they are.
    Text,
    /// `numeric`: of the shortest decimal that is the same double.
    Numeric,
    /// `bytea`: the bytes as the source keeps them.
    Bytea,
    /// `timestamp with time zone`: a local time of this zone becomes an instant.
    TimestampTz(Tz),
}

/// How a zone is told in the configuration.
const IN_ZONE: &str = "timestamptz in ";

impl Mapping {
    /// One of each kind, for whoever tells of them all.
    pub const ALL: [Self; 5] =
        [Self::Boolean, Self::Text, Self::Numeric, Self::Bytea, Self::TimestampTz(Tz::America__Chicago)];

    /// Whether a column of that type can become it.
    pub fn suits(self, source: SourceType) -> bool {
        use SourceType as S;
        match self {
            Self::Boolean => source.is_integer() || source == S::Bit { width: 1 },
            Self::Text => !matches!(source, S::Bit { .. } | S::Geometry),
            Self::Numeric => {
                source.is_integer() || matches!(source, S::Float | S::Double | S::Decimal { .. } | S::Year | S::Text)
            }
            Self::Bytea => matches!(source, S::Text | S::Binary | S::Geometry),
            Self::TimestampTz(_) => source == S::DateTime,
        }
    }

    /// The type in the warehouse.
    pub fn warehouse(self) -> WarehouseType {
        match self {
            Self::Boolean => WarehouseType::Boolean,
            Self::Text => WarehouseType::Text,
            Self::Numeric => WarehouseType::Number,
            Self::Bytea => WarehouseType::Bytea,
            Self::TimestampTz(_) => WarehouseType::TimestampTz,
        }
    }

    /// How values arrive, in words.
    pub fn manner(self) -> &'static str {
        match self {
            Self::Boolean => "0 is false, 1 is true; a row with any other value is put in quarantine",
            Self::Text => "as the source writes it; zero, partial and impossible dates stay what they are",
            Self::Numeric => {
                "exact; of a float or double, the shortest decimal that is the same double (-0 becomes 0); a row whose text is no number is put in quarantine"
            }
            Self::Bytea => {
                "the bytes in the column's own character set; a geometry with its SRID in front, as MariaDB keeps it"
            }
            Self::TimestampTz(_) => {
                "a local time that comes twice in autumn is the later one, one that is left out in spring is read with the offset before it, both as PostgreSQL's `at time zone` does, and both are counted; zero and partial dates become null and are counted"
            }
        }
    }
}

impl fmt::Display for Mapping {
    /// Writes it as the configuration has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Text => f.write_str("text"),
            Self::Numeric => f.write_str("numeric"),
            Self::Bytea => f.write_str("bytea"),
            Self::TimestampTz(zone) => write!(f, "{IN_ZONE}{zone}"),
        }
    }
}

impl From<Mapping> for String {
    fn from(mapping: Mapping) -> Self {
        mapping.to_string()
    }
}

/// A text that names no type a column can become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoMapping {
    /// Not one of the words.
    #[error("is none of boolean, text, numeric, bytea, and timestamptz in <zone>")]
    Word,
    /// `timestamptz in` something that is no zone; perhaps that one was meant.
    #[error("names no IANA time zone")]
    Zone(Option<Tz>),
}

impl TryFrom<String> for Mapping {
    type Error = NoMapping;

    fn try_from(text: String) -> Result<Self, NoMapping> {
        Ok(match text.as_str() {
            "boolean" => Self::Boolean,
            "text" => Self::Text,
            "numeric" => Self::Numeric,
            "bytea" => Self::Bytea,
            other => {
                let zone = other.strip_prefix(IN_ZONE).ok_or(NoMapping::Word)?.trim();
                let near = || TZ_VARIANTS.iter().copied().find(|z| z.name().ends_with(&format!("/{zone}")));
                Self::TimestampTz(zone.parse().map_err(|_| NoMapping::Zone(near()))?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_read_back_as_it_is_written() {
        for mapping in Mapping::ALL {
            assert_eq!(Mapping::try_from(mapping.to_string()), Ok(mapping));
        }
        let wrong = |text: &str| Mapping::try_from(text.to_owned()).expect_err("it is none");
        assert_eq!(wrong("bool"), NoMapping::Word);
        assert_eq!(wrong("timestamptz"), NoMapping::Word);
        assert_eq!(wrong("timestamptz in Chicago"), NoMapping::Zone(Some(Tz::America__Chicago)));
        assert_eq!(wrong("timestamptz in Nowhere"), NoMapping::Zone(None));
    }

    #[test]
    fn a_rule_that_was_kept_before_there_were_rules_is_the_usual_one() {
        assert_eq!(serde_json::from_str::<Rule>("{}").expect("it is read"), Rule::default());
    }
}
