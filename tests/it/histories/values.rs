//! Random column types, and random values of each as MariaDB literals.

use fastrand::Rng;

/// A column's type, as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Type(String);

const TYPES: [&str; 52] = [
    "tinyint",
    "tinyint unsigned",
    "tinyint(1)",
    "smallint",
    "smallint unsigned",
    "mediumint",
    "mediumint unsigned",
    "int",
    "int unsigned",
    "bigint",
    "bigint unsigned",
    "decimal(10,2)",
    "decimal(65,30)",
    "decimal(20,0)",
    "float",
    "double",
    "bit(1)",
    "bit(13)",
    "bit(64)",
    "date",
    "datetime",
    "datetime(6)",
    "timestamp(3) null",
    "time",
    "time(6)",
    "year",
    "char(5)",
    "varchar(40)",
    "varchar(40) character set latin1",
    "mediumtext",
    "varbinary(20)",
    "mediumblob",
    "enum('a','it''s','')",
    "set('x','y','z')",
    "uuid",
    "inet4",
    "inet6",
    "point",
    "geometry",
    "json",
    "decimal(65,38)",
    "varchar(40) character set utf16",
    "varchar(40) character set sjis",
    "char(9) character set big5",
    "binary(6)",
    "tinytext",
    "longtext",
    "tinyblob",
    "longblob",
    "varbinary(3)",
    "varchar(9) as (if(stamp is null, null, 'made')) stored",
    "bigint as (unix_timestamp(stamp)) virtual",
];

impl Type {
    pub(super) fn any(rng: &mut Rng) -> Self {
        Self(TYPES[rng.usize(0..TYPES.len())].to_owned())
    }

    /// Another type, as often as not one whose values the raw column holds as well.
    pub(super) fn next(&self, rng: &mut Rng) -> Self {
        let texts =
            ["char(5)", "varchar(40)", "varchar(3)", "tinytext", "mediumtext", "longtext", "enum('a','it''s','')"];
        if self.is_apart() {
            return self.clone();
        }
        if rng.bool() && texts.contains(&self.declared()) {
            return Self(texts[rng.usize(0..texts.len())].to_owned());
        }
        std::iter::repeat_with(|| Self::any(rng)).find(|of| !of.is_apart()).expect("it has no end")
    }

    /// Whether the server turns no other type into it.
    fn is_apart(&self) -> bool {
        self.is_generated() || matches!(self.declared(), "uuid" | "inet4" | "inet6" | "point" | "geometry" | "json")
    }

    fn is_generated(&self) -> bool {
        self.0.contains(" as (")
    }

    /// The type's name alone.
    fn word(&self) -> &str {
        self.0.split(['(', ' ']).next().expect("a word")
    }

    /// How a column is asked for at the source and in the warehouse, where both write its values alike.
    pub(super) fn words(&self, column: &str) -> Option<(String, String)> {
        match self.word() {
            // It may be mapped.
            "tinyint" if self.0 == "tinyint(1)" => None,
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" => {
                Some((format!("cast(`{column}` as char)"), format!("\"{column}\"::text")))
            }
            "char" | "varchar" | "tinytext" | "mediumtext" | "longtext" | "enum" | "set" | "json" => Some((
                // What the policy puts in the place of a NUL.
                format!("hex(replace(cast(convert(`{column}` using utf8mb4) as binary), x'00', x'efbfbd'))"),
                format!("upper(encode(convert_to(\"{column}\", 'UTF8'), 'hex'))"),
            )),
            "binary" | "varbinary" | "tinyblob" | "mediumblob" | "longblob" => {
                Some((format!("hex(`{column}`)"), format!("upper(encode(\"{column}\", 'hex'))")))
            }
            _ => None,
        }
    }

    pub(super) fn declared(&self) -> &str {
        &self.0
    }

    /// A value, mostly of the usual kind, often at an edge, sometimes null.
    pub(super) fn value(&self, rng: &mut Rng) -> String {
        if self.is_generated() {
            return "default".to_owned();
        }
        if rng.u8(0..8) == 0 {
            return "null".to_owned();
        }
        let word = self.word();
        let unsigned = self.0.contains("unsigned");
        let pick = |rng: &mut Rng, values: &[&str]| values[rng.usize(0..values.len())].to_owned();
        match word {
            "tinyint" => integer(rng, unsigned, 8),
            "smallint" => integer(rng, unsigned, 16),
            "mediumint" => integer(rng, unsigned, 24),
            "int" => integer(rng, unsigned, 32),
            "bigint" => integer(rng, unsigned, 64),
            "decimal" if self.0.contains("38") => pick(
                rng,
                &[
                    "0",
                    "999999999999999999999999999.99999999999999999999999999999999999999",
                    "-0.00000000000000000000000000000000000001",
                    "-100000000.5",
                ],
            ),
            "decimal" if self.0.contains("65") => pick(
                rng,
                &[
                    "0",
                    "-0.000000000000000000000000000001",
                    "99999999999999999999999999999999999.999999999999999999999999999999",
                    "12345.6789",
                    "-10000",
                ],
            ),
            "decimal" => format!(
                "{}.{}",
                rng.i32(-99_999_999..=99_999_999),
                if self.0.contains(",2") { rng.u8(0..100) } else { 0 }
            ),
            "float" => pick(rng, &["0", "-0.0", "1.5", "3.402823e38", "1e-37", "-7.25", "0.1"]),
            "double" => {
                pick(rng, &["0", "-0e0", "1.7976931348623157e308", "2.2250738585072014e-308", "0.1", "-123456.789"])
            }
            "bit" => "b'1'".to_owned(),
            "date" => pick(
                rng,
                &[
                    "'0000-00-00'",
                    "'2024-00-10'",
                    "'2024-02-00'",
                    "'0001-01-01'",
                    "'9999-12-31'",
                    "'2024-02-29'",
                    "'1969-12-31'",
                ],
            ),
            "datetime" => pick(
                rng,
                &[
                    "'0000-00-00 00:00:00'",
                    "'2024-11-00 10:00:00'",
                    "'1000-01-01 00:00:00'",
                    "'9999-12-31 23:59:59.999999'",
                    "'2024-03-10 02:30:00.5'",
                ],
            ),
            "timestamp" => {
                pick(rng, &["'1970-01-01 00:00:01'", "'2038-01-19 03:14:07.999'", "'2024-11-03 06:30:00.123'", "0"])
            }
            "time" => pick(rng, &["'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:00.5'", "'24:00:01.123456'"]),
            "year" => pick(rng, &["0", "1901", "2155", "2024"]),
            "char" | "varchar" if self.0.contains("sjis") || self.0.contains("big5") => {
                pick(rng, &["''", "'中文'", "'日本'", "'plain'"])
            }
            "char" => pick(rng, &["''", "'a'", "'a  '", "'é中'", "'\\\\'"]),
            "varchar" | "tinytext" | "mediumtext" | "longtext" => text(rng, !self.0.contains("latin1")),
            "binary" | "varbinary" => pick(rng, &["''", "x'00'", "x'ff00fe'", "'abc'"]),
            "tinyblob" | "mediumblob" | "longblob" => {
                format!("repeat(x'{:02x}00ff', {})", rng.u8(..), rng.u16(0..2000))
            }
            "enum" => pick(rng, &["'a'", "'it''s'", "''"]),
            "set" => pick(rng, &["''", "'x'", "'x,z'", "'x,y,z'"]),
            "uuid" => format!("'{:08x}-e89b-12d3-a456-426655440000'", rng.u32(..)),
            "inet4" => pick(rng, &["'0.0.0.0'", "'255.255.255.255'", "'192.168.1.77'"]),
            "inet6" => pick(rng, &["'::'", "'::1'", "'2001:db8::ff00:42:8329'", "'::ffff:192.168.1.1'", "'1.2.3.4'"]),
            "point" => format!("st_geomfromtext('point({} {})', {})", rng.i16(..), rng.i16(..), rng.u16(0..3) * 4326),
            "geometry" => pick(
                rng,
                &[
                    "st_geomfromtext('linestring(0 0, 1.5 -1)')",
                    "st_geomfromtext('polygon((0 0, 1 0, 1 1, 0 0))', 4326)",
                    "st_geomfromtext('geometrycollection(point(1 1), linestring(0 0, 1 1))', 3857)",
                ],
            ),
            "json" => pick(rng, &["'{\"a\": [1, null, \"é\"]}'", "'[]'", "'\"text\"'", "'0.10'"]),
            other => unreachable!("{other} has no values"),
        }
    }
}

fn integer(rng: &mut Rng, unsigned: bool, bits: u32) -> String {
    let (low, high) =
        if unsigned { (0, (1i128 << bits) - 1) } else { (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1) };
    match rng.u8(0..6) {
        0 => low.to_string(),
        1 => high.to_string(),
        2 => "0".to_owned(),
        _ => rng.i128(low..=high).to_string(),
    }
}

fn text(rng: &mut Rng, wide: bool) -> String {
    match rng.u8(0..7) {
        0 => "''".to_owned(),
        1 => "'tab\\tnewline\\nquote\\'backslash\\\\'".to_owned(),
        2 => "concat('nul', char(0), 'inside')".to_owned(),
        3 if wide => "'é 中 🦷'".to_owned(),
        4 => "'\\\\N'".to_owned(),
        _ => format!("'{}'", (0..rng.usize(0..20)).map(|_| rng.alphanumeric()).collect::<String>()),
    }
}
