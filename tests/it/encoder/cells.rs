//! Columns and cells out of any bytes, and what holds for all of them.
//!
//! The same for the property tests and for the targets of `fuzz/`, which take this file in by its path.

use amalgam::{
    domain::{BadText, Column, Engine, Mapping, Rule, SourceType, Table, WarehouseType},
    source::Value,
    sync::fuzz::{self, Encoded},
};
use bytes::BytesMut;

/// One of every kind of declaration.
const DECLARED: [&str; 35] = [
    "tinyint(4)",
    "tinyint(3) unsigned",
    "smallint(6)",
    "smallint(5) unsigned",
    "mediumint(9)",
    "int(11)",
    "int(10) unsigned",
    "bigint(20)",
    "bigint(20) unsigned",
    "decimal(10,2)",
    "decimal(65,38)",
    "decimal(20,0)",
    "decimal(5,5)",
    "float",
    "double",
    "bit(1)",
    "bit(13)",
    "bit(64)",
    "date",
    "datetime",
    "datetime(6)",
    "timestamp(6)",
    "time(6)",
    "year(4)",
    "varchar(40)",
    "longtext",
    "enum('a','b')",
    "json",
    "varbinary(20)",
    "longblob",
    "geometry",
    "uuid",
    "inet4",
    "inet6",
    "hologram",
];

/// Bytes that decisions are taken from; zeros without end once they are used up.
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn is_used_up(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        (0..8).fold(0, |n, _| n << 8 | u64::from(self.byte()))
    }

    /// A number of any size, small ones as likely as large ones.
    fn sized(&mut self) -> u64 {
        let shift = self.byte() % 64;
        self.number() >> shift
    }

    fn below(&mut self, bound: u8) -> u8 {
        self.byte() % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.byte()) % from.len()]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = usize::from(self.byte()) % (most + 1);
        (0..length).map(|_| self.byte()).collect()
    }

    fn digits(&mut self, most: usize) -> String {
        let length = usize::from(self.byte()) % (most + 1);
        (0..length).map(|_| char::from(b'0' + self.below(10))).collect()
    }
}

/// Every way that a column can take into the warehouse, each a table of that column and of a text.
pub(crate) fn ways() -> Vec<Table> {
    let mut ways = Vec::new();
    for declared in DECLARED {
        let source = SourceType::parse(declared);
        let mappings = Mapping::ALL.into_iter().filter(|mapping| mapping.suits(source)).map(Some);
        for mapping in [None].into_iter().chain(mappings) {
            let policies: &[BadText] = match mapping {
                None if source == SourceType::Text => &[BadText::Replace, BadText::Quarantine, BadText::Fail],
                _ => &[BadText::Replace],
            };
            ways.extend(policies.iter().map(|&bad_text| way(declared, Rule { mapping, bad_text })));
        }
    }
    ways
}

fn way(declared: &str, rule: Rule) -> Table {
    let column = |name: &str, declared: &str, rule| Column { rule, ..Column::new(name, declared) };
    Table {
        name: "t".into(),
        engine: Engine::MyIsam,
        columns: vec![column("c", declared, rule), column("said", "longtext", Rule::default())],
        key: Vec::new(),
        rows: 0,
        data_bytes: 0,
        fingerprint: None,
        made_at: None,
    }
}

/// A cell for that column: mostly one of its type, now and then anything at all.
pub(crate) fn cell(column: &Column, choices: &mut Choices<'_>) -> Value {
    match choices.below(16) {
        0 => Value::NULL,
        1 | 2 => anything(choices),
        _ => fitting(column, choices),
    }
}

fn anything(choices: &mut Choices<'_>) -> Value {
    match choices.below(8) {
        0 => Value::Int(choices.number().cast_signed()),
        1 => Value::UInt(choices.number()),
        2 => Value::Float(f32::from_bits((choices.number() >> 32) as u32)),
        3 => Value::Double(f64::from_bits(choices.number())),
        4 => moment(choices),
        5 => span(choices),
        // Longer than any number, any key, any page.
        6 => Value::Bytes(vec![choices.byte(); usize::from(choices.byte()) * 800]),
        _ => Value::Bytes(choices.bytes(80)),
    }
}

fn fitting(column: &Column, choices: &mut Choices<'_>) -> Value {
    use SourceType as S;
    match (column.rule.mapping, column.source_type) {
        (Some(Mapping::Text), S::Date | S::DateTime | S::Timestamp) => text(&["2022-11-00", "0000-00-00"], choices),
        (Some(Mapping::Text | Mapping::Bytea), _) => words(choices),
        (Some(Mapping::Boolean), S::Bit { .. }) => Value::Bytes(vec![choices.below(3)]),
        (Some(Mapping::Boolean), _) => Value::Int(i64::from(choices.below(4)) - 1),
        (Some(Mapping::Numeric), S::Float | S::Double | S::Decimal { .. } | S::Text) => written_number(choices),
        (
            _,
            S::TinyInt { unsigned }
            | S::SmallInt { unsigned }
            | S::MediumInt { unsigned }
            | S::Int { unsigned }
            | S::BigInt { unsigned },
        ) => match unsigned {
            true => Value::UInt(choices.sized()),
            false => {
                let size = choices.sized().cast_signed();
                Value::Int(if choices.below(2) == 0 { size } else { size.wrapping_neg() })
            }
        },
        (_, S::Year) => Value::UInt(choices.sized() % 2156),
        (_, S::Decimal { precision, scale }) => {
            let sign = choices.pick(&["", "-"]);
            let whole = choices.digits(usize::from(precision - scale));
            let fraction = choices.digits(usize::from(scale));
            let whole = if whole.is_empty() { "0" } else { whole.as_str() };
            let point = if fraction.is_empty() { "" } else { "." };
            Value::Bytes(format!("{sign}{whole}{point}{fraction}").into_bytes())
        }
        (_, S::Float) => Value::Float(f32::from_bits((choices.number() >> 32) as u32)),
        (_, S::Double) => Value::Double(f64::from_bits(choices.number())),
        (_, S::Bit { width }) => {
            let number = choices.number() >> (64 - width);
            Value::Bytes(number.to_be_bytes()[8 - usize::from(width).div_ceil(8)..].to_vec())
        }
        (_, S::Date) => match moment(choices) {
            Value::Date(y, m, d, ..) => Value::Date(y, m, d, 0, 0, 0, 0),
            other => other,
        },
        (_, S::DateTime | S::Timestamp) => moment(choices),
        (_, S::Time) => span(choices),
        (_, S::Uuid) => {
            let (a, b) = (choices.number(), choices.number());
            let parts = (a >> 32, a >> 16 & 0xffff, a & 0xffff, b >> 48, b & 0xffff_ffff_ffff);
            let text = format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", parts.0, parts.1, parts.2, parts.3, parts.4);
            Value::Bytes(text.into_bytes())
        }
        (_, S::Inet4) => {
            Value::Bytes(std::net::Ipv4Addr::from((choices.number() >> 32) as u32).to_string().into_bytes())
        }
        (_, S::Inet6) => {
            let zeros = choices.pick(&[u128::MAX, 0xffff_ffff, u128::MAX << 64, 0]);
            let address = (u128::from(choices.number()) << 64 | u128::from(choices.number())) & zeros;
            Value::Bytes(std::net::Ipv6Addr::from(address).to_string().into_bytes())
        }
        (_, S::Text | S::Other) => words(choices),
        (_, S::Binary | S::Geometry) => Value::Bytes(choices.bytes(200)),
    }
}

fn text(from: &[&str], choices: &mut Choices<'_>) -> Value {
    Value::Bytes(choices.pick(from).as_bytes().to_vec())
}

/// Mostly text, whatever its script; else any bytes.
fn words(choices: &mut Choices<'_>) -> Value {
    match choices.below(4) {
        0 => Value::Bytes(choices.bytes(60)),
        1 => text(&["", "é 中 🦷", "\\N", "tab\tline\nquote'\"", "a\0b", "\u{fffd}"], choices),
        _ => Value::Bytes(String::from_utf8_lossy(&choices.bytes(60)).replace('\0', "").into_bytes()),
    }
}

fn written_number(choices: &mut Choices<'_>) -> Value {
    let (sign, space) = (choices.pick(&["", "-", "+"]), choices.pick(&["", " "]));
    let (whole, fraction) = (choices.digits(30), choices.digits(30));
    let point = choices.pick(&["", "."]);
    let exponent = match choices.below(4) {
        0 => format!("e{}", i32::from(choices.byte()) * 5 - 600),
        1 => format!("E{}", choices.below(20)),
        _ => String::new(),
    };
    Value::Bytes(format!("{space}{sign}{whole}{point}{fraction}{exponent}{space}").into_bytes())
}

/// Mostly a moment there has been; at times none of any calendar.
fn moment(choices: &mut Choices<'_>) -> Value {
    let wild = choices.below(16) == 0;
    let number = choices.number();
    let part = |shift: u32, bound: u64| if wild { number >> shift & 0xff } else { (number >> shift & 0xff) % bound };
    let small = |n: u64| u8::try_from(n).expect("a byte was cut out");
    let year = u16::try_from(choices.number() >> 48).expect("16 bits are left");
    let year = match choices.below(4) {
        _ if wild => year,
        0 => year % 10_000,
        _ => 1880 + year % 200,
    };
    let micros = match choices.below(3) {
        _ if wild => (choices.number() >> 32) as u32,
        0 => (choices.number() >> 32) as u32 % 1_000_000,
        _ => 0,
    };
    let (month, day) = (small(part(0, 13)), small(part(8, 32)));
    Value::Date(year, month, day, small(part(16, 24)), small(part(24, 60)), small(part(32, 60)), micros)
}

fn span(choices: &mut Choices<'_>) -> Value {
    let number = choices.number();
    let byte = |shift: u32| u8::try_from(number >> shift & 0xff).expect("a byte was cut out");
    let days = if choices.below(8) == 0 { (choices.number() >> 32) as u32 } else { u32::from(byte(0)) % 35 };
    let micros = (choices.number() >> 32) as u32 % 1_000_000;
    Value::Time(byte(8) & 1 == 1, days, byte(16) % 24, byte(24) % 60, byte(32) % 60, micros)
}

/// What holds whatever the encoder is given: it does not panic, what it does not take leaves nothing behind,
/// and the reader finds again what it took.
pub(crate) fn encoder_holds(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let ways = ways();
    let table = &ways[usize::from(choices.byte()) % ways.len()];
    let (mut rows, mut taken) = (BytesMut::new(), Vec::new());
    while taken.len() < 64 {
        let row = match choices.below(32) {
            0 => Vec::new(),
            1 => vec![Value::NULL],
            _ => vec![cell(&table.columns[0], &mut choices), Value::NULL],
        };
        let before = rows.len();
        match fuzz::encode(table, &row, &mut rows) {
            Encoded::Appended => taken.push(row),
            Encoded::SetAside | Encoded::Refused(_) => assert_eq!(rows.len(), before, "something is left behind"),
        }
        if choices.is_used_up() {
            break;
        }
    }
    let read = fuzz::read(&rows).expect("whole rows were written");
    assert_eq!(read.len(), taken.len());
    let warehouse = table.columns[0].warehouse();
    let is_key = table.columns[0].source_type.is_integer() && table.columns[0].rule.mapping.is_none();
    for (cells, row) in read.iter().zip(&taken) {
        assert_eq!(cells.len(), 2);
        let written = match row[0] {
            Value::Int(n) => i128::from(n),
            Value::UInt(n) => i128::from(n),
            _ => continue,
        };
        if is_key {
            assert_eq!(
                fuzz::read_integer(cells[0], warehouse),
                Some(written),
                "another number is read than was written"
            );
        }
    }
}

/// What holds whatever PostgreSQL's stream holds: its readers do not panic, and a number that they read is
/// written again as that number.
pub(crate) fn decoder_holds(bytes: &[u8]) {
    let rows = fuzz::read(bytes).unwrap_or_default();
    let integers = ["smallint(6)", "int(11)", "bigint(20)", "bigint(20) unsigned"];
    for declared in integers {
        let table = way(declared, Rule::default());
        let warehouse: WarehouseType = table.columns[0].warehouse();
        for cell in rows.iter().flatten().copied().chain([bytes]) {
            let Some(number) = fuzz::read_integer(cell, warehouse) else { continue };
            let value = match (u64::try_from(number), i64::try_from(number)) {
                (_, Ok(n)) => Value::Int(n),
                (Ok(n), _) => Value::UInt(n),
                // Twenty digits hold more than any key.
                _ => continue,
            };
            let mut again = BytesMut::new();
            assert_eq!(fuzz::encode(&table, &[value, Value::NULL], &mut again), Encoded::Appended);
            let read = fuzz::read(&again).expect("a whole row was written");
            assert_eq!(fuzz::read_integer(read[0][0], warehouse), Some(number));
        }
    }
}
