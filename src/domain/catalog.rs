//! What discovery found at the source.

use crate::domain::{Rule, SourceType, TableName, WarehouseType, name};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt};

/// What a key may be long in PostgreSQL: a third of a page, less the index's own part (PostgreSQL's
/// `BTMaxItemSize`, 2704).
const WAREHOUSE_KEY_BYTES_MAX: u32 = 2_600;
/// Bytes of a character in UTF-8 at most.
const CHARACTER_BYTES_MAX: u32 = 4;
/// What any value that is no text or binary string takes at most: a decimal of 65 digits.
const NUMBER_BYTES_MAX: u32 = 64;

/// All tables of a source at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Catalog {
    /// The source's own clock, in UTC, before anything was read.
    pub taken_at: DateTime<Utc>,
    /// Every change of an InnoDB table that was stamped before this moment has been committed, or rolled
    /// back: when the oldest transaction began that has written and not ended; else `taken_at`.
    pub settled_at: DateTime<Utc>,
    /// Every base table, by name.
    pub tables: Vec<Table>,
}

impl Catalog {
    /// The table of that name.
    pub fn table(&self, name: &TableName) -> Option<&Table> {
        self.tables.iter().find(|t| t.name == *name)
    }
}

/// One table of the source.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Its name, in the source's case.
    pub name: TableName,
    /// Its storage engine.
    pub engine: Engine,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// Positions in `columns` of the primary key, in key order; empty where there is none.
    pub key: Vec<usize>,
    /// Rows: exact for MyISAM, an estimate for InnoDB.
    pub rows: u64,
    /// Bytes of data, without indexes.
    pub data_bytes: u64,
    /// What changes whenever the table does; `None` where the engine tells nothing that can be trusted.
    pub fingerprint: Option<Fingerprint>,
    /// When it was made, altered or rebuilt, in seconds by its server's clock, where the engine tells.
    pub made_at: Option<i64>,
}

impl Table {
    /// Its name in the warehouse.
    pub fn raw_name(&self) -> Cow<'_, str> {
        name::in_warehouse(self.name.as_str())
    }

    /// Whether its twin in the warehouse has a primary key. One that a zero date can be part of is not
    /// declared: it would be null. Nor is one whose values, by declaration, may be longer than an index takes.
    pub fn declares_key(&self) -> bool {
        let bytes_max = self.key_columns().try_fold(0, |sum, c| Some(sum + c.key_bytes_max()?));
        !self.key.is_empty()
            && !self.key_columns().any(|c| c.source_type.is_calendar())
            && bytes_max.is_some_and(|bytes| bytes <= WAREHOUSE_KEY_BYTES_MAX)
    }

    /// The primary key's columns, in key order.
    pub fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().map(|&i| &self.columns[i])
    }

    /// Whether its primary key is made of integers: both sides order such keys alike.
    pub fn has_integer_key(&self) -> bool {
        !self.key.is_empty() && self.key_columns().all(|c| c.source_type.is_integer())
    }

    /// The table's only integer key column, where its key is just that.
    pub fn integer_key(&self) -> Option<&Column> {
        match self.key[..] {
            [only] if self.columns[only].source_type.is_integer() => Some(&self.columns[only]),
            _ => None,
        }
    }

    /// The column of that name and its position.
    pub fn column(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, c)| c.name.eq_ignore_ascii_case(name))
    }
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name, in the source's case.
    pub name: String,
    /// Its declaration, as `information_schema.columns.column_type` has it.
    pub declared: String,
    /// What the declaration means.
    pub source_type: SourceType,
    /// Whether it may be null.
    pub nullable: bool,
    /// `DEFAULT` and `ON UPDATE current_timestamp()`: the server stamps every new row and every edit.
    pub stamps_edits: bool,
    /// `AUTO_INCREMENT`.
    pub auto_increment: bool,
    /// Whether it has texts in a character set of which the server can't convert every character to Unicode.
    #[serde(default)]
    pub converts_in_part: bool,
    /// What configuration decides about it.
    #[serde(default)]
    pub rule: Rule,
}

impl Column {
    /// A column of which nothing more is known than its declaration.
    pub fn new(name: impl Into<String>, declared: impl Into<String>) -> Self {
        let declared = declared.into();
        Self {
            name: name.into(),
            source_type: SourceType::parse(&declared),
            declared,
            nullable: true,
            stamps_edits: false,
            auto_increment: false,
            converts_in_part: false,
            rule: Rule::default(),
        }
    }

    /// Its name in the warehouse.
    pub fn raw_name(&self) -> Cow<'_, str> {
        name::in_warehouse(&self.name)
    }

    /// Bytes that a value of it may take in an index; `None` where the declaration sets no bound.
    fn key_bytes_max(&self) -> Option<u32> {
        let length = || self.declared.split_once('(')?.1.split_once(')')?.0.parse::<u32>().ok();
        match self.source_type {
            SourceType::Text if self.declared.starts_with("enum") => Some(255 * CHARACTER_BYTES_MAX),
            SourceType::Text => length().map(|characters| characters.saturating_mul(CHARACTER_BYTES_MAX)),
            SourceType::Binary => length(),
            SourceType::Geometry | SourceType::Other => None,
            _ => Some(NUMBER_BYTES_MAX),
        }
    }

    /// Its type in the warehouse.
    pub fn warehouse(&self) -> WarehouseType {
        self.rule.mapping.map_or_else(|| self.source_type.warehouse(), |mapping| mapping.warehouse())
    }
}

/// A storage engine, as far as it decides what can be relied on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// No transactions, no snapshot, table locks; exact row counts.
    MyIsam,
    /// Transactions and snapshots; row counts are estimates.
    InnoDb,
    /// Any other; nothing is relied on.
    Other(String),
}

/// Whether a table can be read as it was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// What is read within `source.snapshot_seconds_max` is read from one snapshot; a longer reading goes on
    /// from a new one, as if it began there: the next sync finds what came between the two.
    Snapshot,
    /// Each range is read as it stands then: rows that change while a table is read are there as they were
    /// before or after, and the next sync finds those that were missed.
    Range,
}

impl Consistency {
    /// The word used in the database and on screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Range => "range",
        }
    }
}

impl Engine {
    /// Whether it knows at any moment how many rows whoever begins to read would see; others estimate.
    pub fn counts_exactly(&self) -> bool {
        match self {
            Self::MyIsam => true,
            Self::InnoDb => false,
            Self::Other(name) => matches!(&**name, "Aria" | "MEMORY"),
        }
    }

    /// What the engine offers.
    pub fn consistency(&self) -> Consistency {
        match self {
            Self::InnoDb => Consistency::Snapshot,
            Self::MyIsam | Self::Other(_) => Consistency::Range,
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MyIsam => "MyISAM",
            Self::InnoDb => "InnoDB",
            Self::Other(name) => name,
        })
    }
}

/// What changes whenever a table does: rows, bytes, auto-increment and time of the last write.
///
/// Two equal fingerprints mean an unchanged table, because a fingerprint taken within the same
/// second as the last write is never made: such a table counts as changed once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub String);

/// How a table is kept in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncMode {
    /// Rows stamped since the watermark, upserted where distinct.
    Merge,
    /// Rows above the last key.
    Append,
    /// Both sides compared in full, the difference applied.
    Replace,
    /// Rows that the binary log tells of.
    Stream,
}

impl SyncMode {
    /// The word used in the configuration, the database and on screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Append => "append",
            Self::Replace => "replace",
            Self::Stream => "stream",
        }
    }
}

impl fmt::Display for SyncMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What becomes of a row of the warehouse that the source has deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deletes {
    /// It is deleted too.
    #[default]
    Hard,
    /// It stays, and `_deleted_at` says since when the source no longer has it.
    Soft,
    /// It stays as it is.
    Ignore,
}

impl Deletes {
    /// The word used in the configuration, the database and on screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Ignore => "ignore",
        }
    }

    /// The rule of that word; `None` where this version knows none.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Hard, Self::Soft, Self::Ignore].into_iter().find(|rule| rule.as_str() == word)
    }
}

impl fmt::Display for Deletes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Fingerprint {
    /// That of any MyISAM table without rows, whenever it was last written.
    pub fn empty_table() -> Self {
        Self("empty".to_owned())
    }

    /// Whether it is that of a table without rows.
    pub fn is_empty_table(&self) -> bool {
        self.0 == "empty"
    }
}
