//! The types of the source, as declared, and the types they become in the warehouse.
//!
//! Guarantee: a type comes from the declaration (information_schema.columns.column_type), never from
//! data. The whole mapping is [`SourceType::warehouse`]; the encoder follows it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A MariaDB column type, as far as it decides how a value travels.
#[expect(missing_docs, reason = "the fields are the declaration's own words")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceType {
    /// `tinyint`, 1 byte.
    TinyInt { unsigned: bool },
    /// `smallint`, 2 bytes.
    SmallInt { unsigned: bool },
    /// `mediumint`, 3 bytes.
    MediumInt { unsigned: bool },
    /// `int`, 4 bytes.
    Int { unsigned: bool },
    /// `bigint`, 8 bytes.
    BigInt { unsigned: bool },
    /// `float`, IEEE 754 single.
    Float,
    /// `double`, IEEE 754 double.
    Double,
    /// `decimal(precision, scale)`.
    Decimal { precision: u8, scale: u8 },
    /// `bit(width)`.
    Bit { width: u8 },
    /// `date`.
    Date,
    /// `datetime`, naive local time of the clinic.
    DateTime,
    /// `timestamp`, an instant.
    Timestamp,
    /// `time`, signed, up to 838:59:59.
    Time,
    /// `year`.
    Year,
    /// `char`, `varchar`, `text` of any size, `enum`, `set`, `json`, `uuid`, `inet4`, `inet6`.
    Text,
    /// `binary`, `varbinary`, `blob` of any size, and geometry in its stored form.
    Binary,
}

/// A PostgreSQL column type of the raw schema.
#[expect(missing_docs, reason = "the fields are the declaration's own words")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarehouseType {
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `numeric(precision, scale)`
    Numeric { precision: u8, scale: u8 },
    /// `bit(width)`
    Bit { width: u8 },
    /// `date`
    Date,
    /// `timestamp`
    Timestamp,
    /// `timestamp with time zone`
    TimestampTz,
    /// `interval`
    Interval,
    /// `text`
    Text,
    /// `bytea`
    Bytea,
}

impl fmt::Display for WarehouseType {
    /// Writes the type as PostgreSQL's `format_type` does, so that it can be compared with a catalog.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int2 => f.write_str("smallint"),
            Self::Int4 => f.write_str("integer"),
            Self::Int8 => f.write_str("bigint"),
            Self::Float4 => f.write_str("real"),
            Self::Float8 => f.write_str("double precision"),
            Self::Numeric { precision, scale } => write!(f, "numeric({precision},{scale})"),
            Self::Bit { width } => write!(f, "bit({width})"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp without time zone"),
            Self::TimestampTz => f.write_str("timestamp with time zone"),
            Self::Interval => f.write_str("interval"),
            Self::Text => f.write_str("text"),
            Self::Bytea => f.write_str("bytea"),
        }
    }
}

impl SourceType {
    /// Reads a declaration such as `bigint(20) unsigned` or `decimal(10,2)`; `None` where the type
    /// is not known.
    pub fn parse(declared: &str) -> Option<Self> {
        let lower = declared.trim().to_ascii_lowercase();
        let word = lower.split(['(', ' ']).next()?;
        let unsigned = lower.contains(" unsigned");
        let mut numbers = lower
            .split_once('(')
            .and_then(|(_, rest)| rest.split_once(')'))
            .map(|(inside, _)| inside.split(',').map(|n| n.trim().parse::<u8>().ok()))
            .into_iter()
            .flatten();
        Some(match word {
            "tinyint" => Self::TinyInt { unsigned },
            "smallint" => Self::SmallInt { unsigned },
            "mediumint" => Self::MediumInt { unsigned },
            "int" | "integer" => Self::Int { unsigned },
            "bigint" => Self::BigInt { unsigned },
            "float" => Self::Float,
            "double" => Self::Double,
            "decimal" => Self::Decimal {
                precision: numbers.next().flatten().unwrap_or(10),
                scale: numbers.next().flatten().unwrap_or(0),
            },
            "bit" => Self::Bit { width: numbers.next().flatten().unwrap_or(1) },
            "date" => Self::Date,
            "datetime" => Self::DateTime,
            "timestamp" => Self::Timestamp,
            "time" => Self::Time,
            "year" => Self::Year,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" | "json" | "uuid"
            | "inet4" | "inet6" => Self::Text,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "geometry" | "point"
            | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon" | "geometrycollection" => {
                Self::Binary
            }
            _ => return None,
        })
    }

    /// The type that holds every value of this one exactly. `tinyint(1)` is a number here too:
    /// MariaDB lets it hold a 2.
    pub fn warehouse(self) -> WarehouseType {
        match self {
            Self::TinyInt { .. } | Self::SmallInt { unsigned: false } | Self::Year => WarehouseType::Int2,
            Self::SmallInt { unsigned: true } | Self::MediumInt { .. } | Self::Int { unsigned: false } => {
                WarehouseType::Int4
            }
            Self::Int { unsigned: true } | Self::BigInt { unsigned: false } => WarehouseType::Int8,
            Self::BigInt { unsigned: true } => WarehouseType::Numeric { precision: 20, scale: 0 },
            Self::Float => WarehouseType::Float4,
            Self::Double => WarehouseType::Float8,
            Self::Decimal { precision, scale } => WarehouseType::Numeric { precision, scale },
            Self::Bit { width } => WarehouseType::Bit { width },
            Self::Date => WarehouseType::Date,
            Self::DateTime => WarehouseType::Timestamp,
            Self::Timestamp => WarehouseType::TimestampTz,
            Self::Time => WarehouseType::Interval,
            Self::Text => WarehouseType::Text,
            Self::Binary => WarehouseType::Bytea,
        }
    }

    /// Whether it holds days, which may be zero or partial at the source and are null in the warehouse then.
    pub fn is_calendar(self) -> bool {
        matches!(self, Self::Date | Self::DateTime | Self::Timestamp)
    }

    /// Whether it is an integer of any width.
    pub fn is_integer(self) -> bool {
        matches!(
            self,
            Self::TinyInt { .. }
                | Self::SmallInt { .. }
                | Self::MediumInt { .. }
                | Self::Int { .. }
                | Self::BigInt { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_of_the_practice_are_read() {
        for (declared, expected) in [
            ("bigint(20)", "bigint"),
            ("bigint(20) unsigned", "numeric(20,0)"),
            ("tinyint(1)", "smallint"),
            ("tinyint(3) unsigned", "smallint"),
            ("smallint(5) unsigned", "integer"),
            ("int(10) unsigned zerofill", "bigint"),
            ("mediumint(8) unsigned", "integer"),
            ("decimal(10,2)", "numeric(10,2)"),
            ("double", "double precision"),
            ("float unsigned", "real"),
            ("bit(7)", "bit(7)"),
            ("timestamp(6)", "timestamp with time zone"),
            ("datetime", "timestamp without time zone"),
            ("time(3)", "interval"),
            ("year(4)", "smallint"),
            ("enum('a(1','b')", "text"),
            ("mediumblob", "bytea"),
        ] {
            let parsed = SourceType::parse(declared).unwrap_or_else(|| panic!("{declared} is not read"));
            assert_eq!(parsed.warehouse().to_string(), expected, "{declared}");
        }
        assert_eq!(SourceType::parse("hologram"), None);
    }
}
