//! A primary key of any kind, in the order that the source itself keeps it in.
//!
//! A reading goes on above the last key that it was given. That key must come back to the server as the very value
//! that is stored there, and be compared as its index compares. So behind a row's cells its key is selected once
//! more: a text as the bytes of its own character set, which go back as a literal of that set. Nothing is converted
//! then, the column's own collation decides, and the index is used (MariaDB KB, "Character Set and Collation
//! Overview"; "Character Set Introducers").
//! [`OwnKey::of`] decides of which kinds that is true. A reading that stands at a key that is no text in its
//! character set, or that is given its last key again, ends without being whole: it never goes on by a guess, and
//! never for ever.

use super::{Cell, failure::failure, identifier::quote, wire::Connection};
use crate::{
    domain::{Column, SourceType, Table, hexadecimal},
    error::{Error, Kind, Result},
};
use mysql_async::Value;

const PRIMARY_KEY: &str = include_str!("queries/primary_key.sql");

/// The primary key of a table that can be read in the order of that key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnKey(Vec<Form>);

/// How a part of a key goes back to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// As a parameter, in the form it came in.
    Parameter,
    /// As the number it is: a text would be compared as a double.
    Decimal,
    /// As bytes.
    Binary,
    /// As bytes of a character set.
    Text { character_set: String },
}

/// What the source says of a part of a key.
#[derive(Clone, Debug, Default)]
struct Part {
    column: String,
    /// Whether the index keeps the whole value, ascending: neither the first so many characters of it, nor a hash.
    is_whole: bool,
    collation: String,
    character_set: Option<String>,
    character_bytes_max: u64,
}

/// One side of a comparison: what stands in the statement, and what it is to hold.
pub(super) struct Operand {
    pub(super) sql: String,
    pub(super) parameter: Option<Value>,
}

impl From<Value> for Operand {
    fn from(value: Value) -> Self {
        Self { sql: "?".to_owned(), parameter: Some(value) }
    }
}

impl From<String> for Operand {
    fn from(sql: String) -> Self {
        Self { sql, parameter: None }
    }
}

impl OwnKey {
    /// That of a table as it is now; `None` where it has none that can be followed.
    pub(super) async fn ask(connection: &mut Connection, database: &str, table: &Table) -> Result<Option<Self>> {
        if table.key.is_empty() {
            return Ok(None);
        }
        let doing = format!("looking at the key of {}", table.name);
        let of = [database, table.name.as_str()].map(Value::from);
        let mut rows =
            connection.rows(PRIMARY_KEY, &[of.clone(), of].concat()).await.map_err(|e| failure(&e, &doing))?;
        let mut parts = Vec::new();
        while let Some(cells) = rows.next().await.map_err(|e| failure(&e, &doing))? {
            parts.push(part(&cells).ok_or_else(|| Error::new(Kind::Internal, "a part of a key of another form"))?);
        }
        Ok(Self::of(table, parts))
    }

    /// Whether a key read back is compared exactly as the source's own index compares it: of integers, decimals,
    /// moments, UUIDs and addresses; of bytes; of texts whose character set is a Unicode or has one byte a
    /// character, because there it can be told what is no text.
    ///
    /// A `char` is followed in a Unicode, latin1 or ascii alone, and where spaces at the end don't count. It lies in
    /// its index with those spaces, and is compared without them: of other sets, MariaDB was seen to leave out rows
    /// that end in certain characters, or to give them twice.
    ///
    /// All other keys are read in one statement. A double or single is not what is written of it; an `enum` or
    /// `set` is kept by its number and compared by its name; a `bit`, `geometry` or unknown type has no literal that
    /// is known to be exact. An index of the beginnings of values, one that descends, or one by hash, gives no rows
    /// in their order.
    fn of(table: &Table, parts: Vec<Part>) -> Option<Self> {
        if parts.is_empty() || parts.len() != table.key.len() {
            return None;
        }
        table.key_columns().zip(parts).map(|(column, part)| form(column, part)).collect::<Option<_>>().map(Self)
    }

    /// What is selected behind a row's cells.
    pub(super) fn selected(&self, table: &Table) -> Vec<String> {
        let selected = |(column, form): (&Column, &Form)| {
            let name = quote(&column.name);
            if matches!(form, Form::Text { .. }) { format!("cast({name} as binary)") } else { name }
        };
        table.key_columns().zip(&self.0).map(selected).collect()
    }

    /// A key as it goes back to the server; `None` where it can't.
    pub(super) fn operands(&self, key: &[Value]) -> Option<Vec<Operand>> {
        self.0.iter().zip(key).map(|(form, value)| form.operand(value)).collect()
    }
}

impl Form {
    fn operand(&self, value: &Value) -> Option<Operand> {
        match (self, value) {
            (Self::Parameter, _) => Some(value.clone().into()),
            (Self::Decimal, Value::Bytes(digits)) => {
                let is_number = digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-'));
                let number = String::from_utf8(digits.clone()).ok().filter(|n| is_number && !n.is_empty())?;
                Some(number.into())
            }
            (Self::Binary, Value::Bytes(bytes)) => Some(literal("binary", bytes)),
            (Self::Text { character_set }, Value::Bytes(bytes)) => {
                is_text(bytes, character_set).then(|| literal(character_set, bytes))
            }
            _ => None,
        }
    }
}

fn literal(character_set: &str, bytes: &[u8]) -> Operand {
    format!("_{character_set} x'{}'", hexadecimal(bytes)).into()
}

fn part(cells: &[Cell<'_>]) -> Option<Part> {
    let &[Cell::Bytes(column), is_whole, collation, character_set, character_bytes_max] = cells else { return None };
    let name = |cell: Cell<'_>| match cell {
        Cell::Bytes(name) => String::from_utf8(name.to_vec()).ok(),
        _ => None,
    };
    Some(Part {
        column: name(Cell::Bytes(column))?,
        // Null where the index has no order at all.
        is_whole: is_whole.integer() == Some(1),
        collation: name(collation).unwrap_or_default(),
        character_set: name(character_set),
        character_bytes_max: character_bytes_max.number().unwrap_or(0),
    })
}

fn form(column: &Column, part: Part) -> Option<Form> {
    use SourceType as S;
    if !part.is_whole || part.column != column.name {
        return None;
    }
    match column.source_type {
        S::TinyInt { .. } | S::SmallInt { .. } | S::MediumInt { .. } | S::Int { .. } | S::BigInt { .. } => {
            Some(Form::Parameter)
        }
        S::Date | S::DateTime | S::Timestamp | S::Time | S::Year => Some(Form::Parameter),
        S::Uuid | S::Inet4 | S::Inet6 => Some(Form::Parameter),
        S::Decimal { .. } => Some(Form::Decimal),
        S::Binary => column.declared.contains("binary(").then_some(Form::Binary),
        S::Text if ["enum", "set"].iter().any(|kind| column.declared.starts_with(kind)) => None,
        S::Text => {
            let character_set = part.character_set?;
            let is_followed = match () {
                () if column.declared.starts_with("char(") => {
                    let is_known = is_unicode(&character_set) || matches!(&*character_set, "latin1" | "ascii");
                    is_known && !counts_spaces(&part.collation)
                }
                () => is_unicode(&character_set) || part.character_bytes_max == 1,
            };
            is_followed.then_some(Form::Text { character_set })
        }
        S::Float | S::Double | S::Bit { .. } | S::Geometry | S::Other => None,
    }
}

/// Whether spaces at a text's end make it another one: MariaDB KB, "NO PAD Collations"; MySQL's of Unicode 9 are such.
fn counts_spaces(collation: &str) -> bool {
    collation.contains("nopad") || collation.contains("_0900_")
}

fn is_unicode(character_set: &str) -> bool {
    matches!(character_set, "utf8mb4" | "utf8mb3" | "utf8" | "ucs2" | "utf16" | "utf16le" | "utf32")
}

/// Whether bytes are a text in a character set. In doubt they are none: a server may take more for a text, and
/// refuses a literal that is none.
fn is_text(bytes: &[u8], character_set: &str) -> bool {
    let is_utf16 = |unit: fn([u8; 2]) -> u16| {
        let (units, rest) = bytes.as_chunks();
        rest.is_empty() && char::decode_utf16(units.iter().copied().map(unit)).all(|c| c.is_ok())
    };
    match character_set {
        "ascii" => bytes.is_ascii(),
        "utf8mb4" | "utf8mb3" | "utf8" => std::str::from_utf8(bytes).is_ok(),
        "ucs2" | "utf16" => is_utf16(u16::from_be_bytes),
        "utf16le" => is_utf16(u16::from_le_bytes),
        "utf32" => {
            let (characters, rest) = bytes.as_chunks();
            rest.is_empty() && characters.iter().all(|c| char::from_u32(u32::from_be_bytes(*c)).is_some())
        }
        // Of one byte a character.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Engine, TableName};

    fn key_of(declared: &str, part: Part) -> Option<OwnKey> {
        let table = Table {
            name: TableName::from("t"),
            engine: Engine::MyIsam,
            columns: vec![Column::new("k", declared)],
            key: vec![0],
            rows: 0,
            data_bytes: 0,
            fingerprint: None,
            made_at: None,
        };
        OwnKey::of(&table, vec![part])
    }

    fn part() -> Part {
        let (character_set, collation) = (Some("latin1".to_owned()), "latin1_swedish_ci".to_owned());
        Part { column: "k".to_owned(), is_whole: true, collation, character_set, character_bytes_max: 1 }
    }

    #[test]
    fn a_key_is_followed_where_it_comes_back_as_what_is_stored() {
        for declared in
            ["int(11)", "varchar(9)", "char(9)", "decimal(9,2)", "varbinary(9)", "binary(9)", "date", "uuid"]
        {
            assert!(key_of(declared, part()).is_some(), "{declared}");
        }
        for declared in ["float", "double", "bit(9)", "enum('a')", "set('a')", "point", "hologram", "tinyblob"] {
            assert_eq!(key_of(declared, part()), None, "{declared}");
        }
    }

    #[test]
    fn a_key_that_its_index_does_not_give_in_order_is_not_followed() {
        assert_eq!(key_of("varchar(9)", Part { is_whole: false, ..part() }), None);
        assert_eq!(key_of("varchar(9)", Part { column: "other".to_owned(), ..part() }), None);
        let sjis = Part { character_set: Some("sjis".to_owned()), character_bytes_max: 2, ..part() };
        assert_eq!(key_of("varchar(9)", sjis), None);
        let no_pad: fn() -> Part = || Part { collation: "latin1_swedish_nopad_ci".to_owned(), ..part() };
        let latin2: fn() -> Part = || Part { character_set: Some("latin2".to_owned()), ..part() };
        for padded in [no_pad, latin2] {
            assert!(key_of("char(9)", padded()).is_none() && key_of("varchar(9)", padded()).is_some());
        }
    }

    #[test]
    fn a_key_goes_back_as_a_literal_of_its_own_character_set() {
        let sql = |form: Form, bytes: &[u8]| form.operand(&Value::Bytes(bytes.to_vec())).map(|o| o.sql);
        let text = |set: &str| Form::Text { character_set: set.to_owned() };
        assert_eq!(sql(text("latin1"), b"a'\xe9").as_deref(), Some("_latin1 x'6127e9'"));
        assert_eq!(sql(text("ucs2"), &[0xd8, 0, 0, 0x61]), None);
        assert_eq!(sql(text("utf16"), &[0xd8, 0x3e, 0xdd, 0xb7]).as_deref(), Some("_utf16 x'd83eddb7'"));
        assert_eq!(sql(text("utf8mb4"), b"a\xed\xa0\x80"), None);
        assert_eq!(sql(text("utf32"), &[0, 0x11, 0, 0]), None);
        assert_eq!(sql(text("ascii"), &[0xe9]), None);
        assert_eq!(sql(Form::Binary, &[0, 0xff]).as_deref(), Some("_binary x'00ff'"));
        assert_eq!(sql(Form::Decimal, b"-12.50").as_deref(), Some("-12.50"));
        assert_eq!(sql(Form::Decimal, b"1 or 1"), None);
    }
}
