//! The types of the source, as declared, and the types they become in the warehouse.
//!
//! Guarantee: a type comes from the declaration (information_schema.columns.column_type), never from
//! data. The whole mapping is [`SourceType::warehouse`]; the encoder follows it, and `docs/types.md` is
//! written from it.

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
    /// `char`, `varchar`, `text` of any size, `enum`, `set`, `json` (which MariaDB keeps as text).
    Text,
    /// `binary`, `varbinary`, `blob` of any size, `vector`.
    Binary,
    /// `geometry` and its kinds: on the wire 4 bytes of SRID, then WKB.
    Geometry,
    /// `uuid`.
    Uuid,
    /// `inet4`.
    Inet4,
    /// `inet6`.
    Inet6,
    /// A type that this version does not know: read as the server itself writes it.
    Other,
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
    /// `numeric` of any size; only by configuration.
    Number,
    /// `boolean`; only by configuration.
    Boolean,
    /// `uuid`
    Uuid,
    /// `inet`
    Inet,
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
            Self::Number => f.write_str("numeric"),
            Self::Boolean => f.write_str("boolean"),
            Self::Uuid => f.write_str("uuid"),
            Self::Inet => f.write_str("inet"),
        }
    }
}

/// What a declaration says besides the type's name.
#[derive(Clone, Copy)]
struct Details {
    unsigned: bool,
    /// The numbers in parentheses.
    numbers: [Option<u8>; 2],
}

/// Makes a type of what its declaration says.
type Reading = fn(Details) -> SourceType;

/// Every name of a type that information_schema gives: MariaDB KB, "Data Types"; MySQL Reference Manual,
/// "Data Types".
#[rustfmt::skip]
const NAMES: &[(&str, Reading)] = &[
    ("tinyint", |d| SourceType::TinyInt { unsigned: d.unsigned }),
    ("smallint", |d| SourceType::SmallInt { unsigned: d.unsigned }),
    ("mediumint", |d| SourceType::MediumInt { unsigned: d.unsigned }),
    ("int", |d| SourceType::Int { unsigned: d.unsigned }),
    ("integer", |d| SourceType::Int { unsigned: d.unsigned }),
    ("bigint", |d| SourceType::BigInt { unsigned: d.unsigned }),
    ("decimal", |d| SourceType::Decimal { precision: d.numbers[0].unwrap_or(10), scale: d.numbers[1].unwrap_or(0) }),
    ("float", |_| SourceType::Float),
    ("double", |_| SourceType::Double),
    ("bit", |d| SourceType::Bit { width: d.numbers[0].unwrap_or(1) }),
    ("date", |_| SourceType::Date),
    ("datetime", |_| SourceType::DateTime),
    ("timestamp", |_| SourceType::Timestamp),
    ("time", |_| SourceType::Time),
    ("year", |_| SourceType::Year),
    ("char", |_| SourceType::Text),
    ("varchar", |_| SourceType::Text),
    ("tinytext", |_| SourceType::Text),
    ("text", |_| SourceType::Text),
    ("mediumtext", |_| SourceType::Text),
    ("longtext", |_| SourceType::Text),
    ("enum", |_| SourceType::Text),
    ("set", |_| SourceType::Text),
    ("json", |_| SourceType::Text),
    ("binary", |_| SourceType::Binary),
    ("varbinary", |_| SourceType::Binary),
    ("tinyblob", |_| SourceType::Binary),
    ("blob", |_| SourceType::Binary),
    ("mediumblob", |_| SourceType::Binary),
    ("longblob", |_| SourceType::Binary),
    ("vector", |_| SourceType::Binary),
    ("geometry", |_| SourceType::Geometry),
    ("point", |_| SourceType::Geometry),
    ("linestring", |_| SourceType::Geometry),
    ("polygon", |_| SourceType::Geometry),
    ("multipoint", |_| SourceType::Geometry),
    ("multilinestring", |_| SourceType::Geometry),
    ("multipolygon", |_| SourceType::Geometry),
    ("geometrycollection", |_| SourceType::Geometry),
    ("geomcollection", |_| SourceType::Geometry),
    ("uuid", |_| SourceType::Uuid),
    ("inet4", |_| SourceType::Inet4),
    ("inet6", |_| SourceType::Inet6),
];

impl SourceType {
    /// Reads a declaration such as `bigint(20) unsigned` or `decimal(10,2)`.
    pub fn parse(declared: &str) -> Self {
        let lower = declared.trim().to_ascii_lowercase();
        let word = lower.split(['(', ' ']).next().unwrap_or_default();
        let mut numbers = lower
            .split_once('(')
            .and_then(|(_, rest)| rest.split_once(')'))
            .map(|(inside, _)| inside.split(',').map(|n| n.trim().parse::<u8>().ok()))
            .into_iter()
            .flatten();
        let numbers = [numbers.next().flatten(), numbers.next().flatten()];
        let details = Details { unsigned: lower.contains(" unsigned"), numbers };
        NAMES.iter().find(|(name, _)| *name == word).map_or(Self::Other, |(_, read)| read(details))
    }

    /// The names of all types that are known, each once.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
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
            Self::Text | Self::Other => WarehouseType::Text,
            Self::Binary | Self::Geometry => WarehouseType::Bytea,
            Self::Uuid => WarehouseType::Uuid,
            Self::Inet4 | Self::Inet6 => WarehouseType::Inet,
        }
    }

    /// How its values arrive, in words.
    pub fn manner(self) -> &'static str {
        match self {
            Self::TinyInt { .. } => "exact; `tinyint(1)` is a number too, because MariaDB lets it hold a 2",
            Self::SmallInt { .. } | Self::MediumInt { .. } | Self::Int { .. } | Self::BigInt { .. } | Self::Year => {
                "exact"
            }
            Self::Float | Self::Double => "exact, bit for bit; -0 stays -0",
            Self::Decimal { .. } => "exact, with its scale",
            Self::Bit { .. } => "exact, leading zeros included",
            Self::Date => "exact; a zero, partial or impossible date becomes null and is counted",
            Self::DateTime => {
                "exact to the microsecond, the clinic's local time as it is; a zero, partial or impossible date becomes null and is counted"
            }
            Self::Timestamp => "exact to the microsecond, as an instant; a zero becomes null and is counted",
            Self::Time => "exact to the microsecond, negative or above 24 hours too",
            Self::Text => {
                "exact, from any character set; what PostgreSQL can't hold (NUL, invalid UTF-8) goes by `source.bad_text` and is counted"
            }
            Self::Binary => "exact",
            Self::Geometry => {
                "WKB; where the SRID is not 0, EWKB, which is WKB with the SRID in it: `ST_GeomFromEWKB` of PostGIS reads both"
            }
            Self::Uuid | Self::Inet4 | Self::Inet6 => "exact",
            Self::Other => "as the server writes it as text (`cast … as char`)",
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
            ("multipolygon", "bytea"),
            ("uuid", "uuid"),
            ("inet6", "inet"),
            ("hologram(3)", "text"),
        ] {
            assert_eq!(SourceType::parse(declared).warehouse().to_string(), expected, "{declared}");
        }
        assert_eq!(SourceType::parse("hologram(3)"), SourceType::Other);
    }
}
