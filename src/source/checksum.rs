//! What the rows of a range of keys come to, computed by the source: none of them travels.
//!
//! A row's digest is the MD5 of all that would be read of it; a range has the count, the sums and the
//! exclusive ors of both halves of its rows' digests. A range that takes too long is computed in pieces:
//! sums don't mind.
//! Guarantee: two rows that would be read differently have different digests, as far as MD5 goes. Where the
//! server computes no digest (the row is longer than `max_allowed_packet`), there is no checksum.

use super::{
    Cell, Source,
    expression::selected,
    failure::failure,
    identifier::quote,
    pace::{Bounds, Pace},
    snapshot::{self, Snapshot},
    throttle::Gait,
    wire::Connection,
};
use crate::{
    domain::{Column, KeyRange, Mapping, SourceType, Table},
    error::{Error, Kind, Result},
};
use std::time::Instant;

/// What a statement looks at, about.
const PIECE_BYTES: u64 = 16 << 20;
/// A piece has so many rows at least.
const PIECE_ROWS_MIN: u64 = 500;
/// Texts of up to so many characters, by declaration, are digested as they are; longer ones by their MD5.
const SHORT_CHARACTERS: u32 = 64;
/// Hexadecimal digits of half an MD5.
const HALF_DIGITS: usize = 16;

/// Both halves of a row's MD5.
pub type Digest = [u64; 2];

/// Reads a digest as [`super::Order::Ranges`] brings it, behind a row's cells. `None`: the server computed
/// none.
pub fn digest(cell: Cell<'_>) -> Option<Digest> {
    let Cell::Bytes(text) = cell else { return None };
    let (high, low) = std::str::from_utf8(text).ok()?.split_at_checked(HALF_DIGITS)?;
    Some([u64::from_str_radix(high, 16).ok()?, u64::from_str_radix(low, 16).ok()?])
}

/// What some rows come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    rows: u64,
    /// Rows that the server computed a digest of.
    digested: u64,
    sums: [u128; 2],
    /// Two equal rows would cancel each other out here, and two changes might in the sums.
    xors: [u64; 2],
}

impl Checksum {
    /// Takes a row in.
    pub fn add(&mut self, digest: Option<Digest>) {
        let [high, low] = digest.unwrap_or_default();
        self.merge(Self {
            rows: 1,
            digested: u64::from(digest.is_some()),
            sums: [high.into(), low.into()],
            xors: [high, low],
        });
    }

    /// Takes in what other rows come to.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.digested += other.digested;
        for half in 0..2 {
            self.sums[half] += other.sums[half];
            self.xors[half] ^= other.xors[half];
        }
    }

    /// How many rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// As text: equal where the rows are. `None` where a row has no digest.
    pub fn image(&self) -> Option<String> {
        let Self { rows, digested, sums: [high, low], xors: [high_xor, low_xor] } = self;
        (rows == digested).then(|| format!("{rows}:{high}:{low}:{high_xor}:{low_xor}"))
    }
}

/// Computes what ranges of one table come to, whose primary key is one integer that fits 64 bits with a
/// sign.
pub struct ChecksumReader<'t> {
    pub(super) connection: Connection,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) table: &'t Table,
    digested: String,
    pace: Pace,
    gait: Gait,
}

/// What a range comes to, and how far its keys go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summed {
    /// What its rows come to.
    pub checksum: Checksum,
    /// The highest key; `None` where there are no rows.
    pub key_max: Option<i64>,
}

impl Source {
    /// Prepares to compute checksums of a table.
    pub async fn checksum_reader<'t>(&self, table: &'t Table) -> Result<ChecksumReader<'t>> {
        let mut connection = self.reading().await?;
        let snapshot = Snapshot::begin(&mut connection, table, self.snapshot_time).await?;
        let bounds = Bounds {
            rows_min: PIECE_ROWS_MIN,
            rows_max: self.range_rows,
            bytes_max: PIECE_BYTES,
            time: self.range_time,
        };
        Ok(ChecksumReader {
            connection,
            snapshot,
            table,
            digested: digested(table),
            pace: Pace::new(bounds, row_bytes(table)),
            gait: self.gait(),
        })
    }
}

impl ChecksumReader<'_> {
    /// What the digests are made of: checksums of another form can't be compared. The character sets belong
    /// to it, because texts are digested as the bytes that the source keeps.
    pub async fn form(&mut self) -> Result<String> {
        let sets: Vec<String> = self.table.columns.iter().map(|c| format!("charset({})", quote(&c.name))).collect();
        let sql = format!("select concat_ws(',', {}) from {} limit 1", sets.join(", "), self.name());
        let read = |cells: &[Cell<'_>]| match cells {
            [Cell::Bytes(sets)] => Some(String::from_utf8_lossy(sets).into_owned()),
            _ => None,
        };
        let sets = self.connection.first(&sql, read).await.map_err(|e| failure(&e, &self.doing()))?;
        Ok(format!("{} {}", self.digested, sets.unwrap_or_default()))
    }

    /// Computes what the rows of a range come to.
    pub async fn checksum(&mut self, range: KeyRange) -> Result<Summed> {
        let mut summed = Summed::default();
        let mut rest = Some(range);
        while let Some(range) = rest {
            let wanted = self.pace.rows();
            let piece = self.piece(range, wanted).await?;
            summed.checksum.merge(piece.checksum);
            summed.key_max = summed.key_max.max(piece.key_max);
            let above = piece.key_max.filter(|_| piece.checksum.rows >= wanted).and_then(|k| k.checked_add(1));
            rest = above.filter(|&from| from <= range.to).map(|from| KeyRange { from, ..range });
        }
        Ok(summed)
    }

    /// The first rows of a range.
    async fn piece(&mut self, range: KeyRange, wanted: u64) -> Result<Summed> {
        snapshot::pause(&mut self.gait, self.snapshot.as_mut(), &mut self.connection).await?;
        let half = |half: &str| format!("cast(conv({half}(d, {HALF_DIGITS}), 16, 10) as unsigned)");
        let (high, low) = (half("left"), half("right"));
        let key = quote(&self.table.columns[self.table.key[0]].name);
        let sql = format!(
            "select count(*), count(d), cast(coalesce(sum({high}), 0) as char), cast(coalesce(sum({low}), 0) as char), \
             coalesce(bit_xor({high}), 0), coalesce(bit_xor({low}), 0), max(k) from \
             (select {key} as k, {} as d from {} where {} order by {key} limit {wanted}) piece",
            self.digested,
            self.name(),
            range.condition(&key),
        );
        let begun = Instant::now();
        let summed = self.connection.first(&sql, summed).await.map_err(|e| failure(&e, &self.doing()))?;
        let waited = begun.elapsed();
        let summed = summed.ok_or_else(|| Error::new(Kind::Internal, "sums without a row"))?;
        let rows = summed.checksum.rows();
        let bytes = rows * row_bytes(self.table);
        self.pace.learn(rows, bytes, waited);
        self.gait.learn(rows, bytes, self.pace.beyond(waited));
        Ok(summed)
    }

    fn name(&self) -> String {
        quote(self.table.name.as_str())
    }

    fn doing(&self) -> String {
        format!("computing checksums of {}", self.table.name)
    }
}

/// Rows and digests, the sums of both halves, their exclusive ors, the highest key.
fn summed(cells: &[Cell<'_>]) -> Option<Summed> {
    let &[rows, digested, high, low, high_xor, low_xor, key_max] = cells else { return None };
    let sums = [high.number()?, low.number()?];
    let xors = [high_xor.number()?, low_xor.number()?];
    let key_max = if key_max == Cell::Null { None } else { Some(key_max.number()?) };
    Some(Summed { checksum: Checksum { rows: rows.number()?, digested: digested.number()?, sums, xors }, key_max })
}

fn row_bytes(table: &Table) -> u64 {
    (table.data_bytes / table.rows.max(1)).max(1)
}

/// The digest of a row, in SQL. Every value is written in digits, hexadecimal ones or a date's own marks, so
/// that neither a comma nor the `n` of null can be part of one.
pub(super) fn digested(table: &Table) -> String {
    let values: Vec<String> = table.columns.iter().map(|c| format!("ifnull({}, 'n')", written(c))).collect();
    format!("md5(concat_ws(',', {}))", values.join(", "))
}

fn written(column: &Column) -> String {
    let (name, read) = (quote(&column.name), selected(column));
    match (column.rule.mapping, column.source_type) {
        (Some(Mapping::Text | Mapping::Bytea), _) => format!("md5({read})"),
        // The server writes a single with six digits; as a double, it writes all.
        (_, SourceType::Float | SourceType::Double) => format!("{name} * 1e0"),
        (_, SourceType::Bit { .. }) => format!("{name} + 0"),
        (_, SourceType::Uuid | SourceType::Inet4 | SourceType::Inet6) => format!("hex(cast({name} as char))"),
        (_, SourceType::Text | SourceType::Binary) if is_short(&column.declared) => format!("hex({name})"),
        // As the source keeps it: what two texts are read as tells less.
        (_, SourceType::Text) => format!("md5({name})"),
        (_, SourceType::Binary | SourceType::Geometry | SourceType::Other) => format!("md5({read})"),
        _ => name,
    }
}

fn is_short(declared: &str) -> bool {
    let length = |kind: &str| declared.strip_prefix(kind)?.split_once(')')?.0.parse::<u32>().ok();
    ["char(", "varchar(", "binary(", "varbinary("].iter().filter_map(|kind| length(kind)).any(|n| n <= SHORT_CHARACTERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_equal_rows_do_not_cancel_and_a_row_without_digest_spoils_all() {
        let sum = |digests: &[Option<Digest>]| {
            let mut sum = Checksum::default();
            digests.iter().for_each(|d| sum.add(*d));
            sum.image()
        };
        assert_ne!(sum(&[Some([7, 9]), Some([7, 9])]), sum(&[Some([8, 9]), Some([8, 9])]));
        assert_ne!(sum(&[Some([1, 4])]), sum(&[Some([2, 3])]));
        assert_eq!(sum(&[Some([u64::MAX; 2]); 2]).as_deref(), Some("2:36893488147419103230:36893488147419103230:0:0"));
        assert_eq!(sum(&[Some([1, 2]), None]), None);
    }

    #[test]
    fn a_digest_is_read_from_its_digits_alone() {
        fn text(t: &str) -> Cell<'_> {
            Cell::Bytes(t.as_bytes())
        }
        assert_eq!(digest(text("00000000000000010000000000000fff")), Some([1, 4095]));
        assert_eq!(digest(text("short")), None);
        assert_eq!(digest(Cell::Null), None);
    }
}
