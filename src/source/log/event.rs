//! What events of the log hold, as far as it tells which rows have changed: MariaDB KB, "Replication Protocol",
//! and MariaDB's `log_event.h`. Pure.
//!
//! Of a row, only the integers of its key are read. Every other cell is passed over by its length.
//! Guarantee: whatever bytes come, they are understood or they are `None`. A row must fill its event to the
//! last byte, so that a length that is wrong is noticed.

use crate::source::bytes::{length, split, take};

/// An event's header, before its body.
const HEADER_BYTES: usize = 19;
/// The event that a file begins with.
const FORMAT: u8 = 15;
/// Whoever does not know such an event may pass it over.
const IGNORABLE: u16 = 0x80;
/// Made for whoever is connected, and not of the log.
const ARTIFICIAL: u16 = 0x20;
/// A checksum behind an event.
const CHECKSUM_BYTES: usize = 4;

/// One event.
pub(super) struct Event<'p> {
    /// When it began, in seconds of the Unix epoch.
    pub at: u32,
    pub body: Body<'p>,
}

/// A statement, and the database of the session that did it.
pub(super) struct Statement<'p> {
    pub database: &'p [u8],
    pub text: &'p [u8],
}

/// What an event says.
pub(super) enum Body<'p> {
    /// A statement.
    Statement(Statement<'p>),
    /// Another file follows: because this one was ended, or because the reading goes on there.
    File { name: &'p [u8], is_end: bool },
    /// The server ended, and its file with it.
    Stop,
    /// A file begins, whose events have so many bytes of a checksum behind them.
    Format { checksum_bytes: usize },
    /// The server has lost events.
    Incident,
    /// A transaction is prepared, and may be committed later.
    Prepared,
    /// What rows of a table will look like.
    Layout { id: u64, database: &'p [u8], table: &'p [u8], layout: Layout<'p> },
    /// Rows of a table.
    Rows { id: u64, rows: Rows<'p> },
    /// Rows of a table that are not understood.
    RowsInAnotherForm { id: u64 },
    /// Nothing that changes a row.
    Nothing,
    /// It isn't known what.
    Unknown,
}

impl<'p> Event<'p> {
    /// Reads an event of a file whose events have so many bytes of a checksum behind them.
    pub(super) fn parse(packet: &'p [u8], checksum_bytes: usize) -> Option<Self> {
        let (header, body) = packet.split_at_checked(HEADER_BYTES)?;
        let (mut header, kind) = (header, header[4]);
        let at = u32::from_le_bytes(take(&mut header)?);
        let flags = u16::from_le_bytes([packet[17], packet[18]]);
        // Its own checksum is told with the others'.
        let checksum_bytes = if kind == FORMAT { 0 } else { checksum_bytes };
        let body = &body[..body.len().checked_sub(checksum_bytes)?];
        let body = match kind {
            2 => Body::Statement(statement(body)?),
            3 => Body::Stop,
            // Eight bytes of an offset, then the name.
            4 => Body::File { name: body.get(8..)?, is_end: flags & ARTIFICIAL == 0 },
            FORMAT => Body::Format { checksum_bytes: checksum_bytes_of(body)? },
            // Marks, numbers of transactions, and what accompanies statements: no event of the log's own.
            5 | 13 | 14 | 16 | 27 | 29 | 160 | 161 | 162 | 163 | 164 => Body::Nothing,
            19 => layout(body)?,
            23..=25 | 30..=32 => {
                let id = number(body.get(..6)?);
                Rows::parse(body, kind).map_or(Body::RowsInAnotherForm { id }, |rows| Body::Rows { id, rows })
            }
            // Compressed rows.
            166..=171 => Body::RowsInAnotherForm { id: number(body.get(..6)?) },
            26 => Body::Incident,
            38 => Body::Prepared,
            _ if flags & IGNORABLE != 0 => Body::Nothing,
            _ => Body::Unknown,
        };
        Some(Self { at, body })
    }
}

/// The last but a checksum, which it always has, is the checksum's kind.
fn checksum_bytes_of(body: &[u8]) -> Option<usize> {
    match body.get(body.len().checked_sub(CHECKSUM_BYTES + 1)?)? {
        0 => Some(0),
        1 => Some(CHECKSUM_BYTES),
        _ => None,
    }
}

/// Lengths, what the session had set, the database and a zero, the text.
fn statement(mut body: &[u8]) -> Option<Statement<'_>> {
    let [_, _, _, _, _, _, _, _, database, _, _, low, high] = take::<13>(&mut body)?;
    split(&mut body, u16::from_le_bytes([low, high]).into())?;
    let database = split(&mut body, database.into())?;
    take::<1>(&mut body)?;
    Some(Statement { database, text: body })
}

fn layout(mut body: &[u8]) -> Option<Body<'_>> {
    let id = number(&take::<6>(&mut body)?);
    let _flags = take::<2>(&mut body)?;
    let (database, table) = (name(&mut body)?, name(&mut body)?);
    let columns = length(&mut body)?;
    let kinds = split(&mut body, columns)?;
    let metadata = length(&mut body)?;
    let metadata = split(&mut body, metadata)?;
    // Which may be null, and what more there may be, is not asked for.
    Some(Body::Layout { id, database, table, layout: Layout { kinds, metadata } })
}

/// One byte of length, the name, a zero.
fn name<'p>(rest: &mut &'p [u8]) -> Option<&'p [u8]> {
    let [length] = take(rest)?;
    let name = split(rest, length.into())?;
    take::<1>(rest)?;
    Some(name)
}

/// What rows of a table look like, column by column.
pub(super) struct Layout<'p> {
    kinds: &'p [u8],
    metadata: &'p [u8],
}

/// How the length of a cell is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// Always the same.
    Bytes(usize),
    /// An integer of so many bytes.
    Integer(usize),
    /// So many bytes in front of the cell tell it.
    Told(usize),
}

impl Layout<'_> {
    /// How many columns there are.
    pub(super) fn columns(&self) -> usize {
        self.kinds.len()
    }

    /// The width of every column; `None` where one is of an unknown kind.
    pub(super) fn widths(&self) -> Option<Vec<Width>> {
        let mut metadata = self.metadata;
        let widths = self.kinds.iter().map(|&kind| width(kind, &mut metadata)).collect::<Option<Vec<_>>>()?;
        metadata.is_empty().then_some(widths)
    }
}

/// MariaDB's `calc_field_size` (log_event.cc), by the kinds of `enum_field_types`.
fn width(kind: u8, metadata: &mut &[u8]) -> Option<Width> {
    let told = |bytes_max: usize| Width::Told(if bytes_max > 255 { 2 } else { 1 });
    let fraction = |digits: u8| usize::from(digits).div_ceil(2);
    Some(match kind {
        1 => Width::Integer(1),
        2 => Width::Integer(2),
        3 => Width::Integer(4),
        8 => Width::Integer(8),
        9 => Width::Integer(3),
        // Single, double.
        4 | 5 => Width::Bytes(take::<1>(metadata)?[0].into()),
        // Nothing.
        6 => Width::Bytes(0),
        // Timestamp, date, time, datetime, year, date.
        7 => Width::Bytes(4),
        10 | 11 | 14 => Width::Bytes(3),
        12 => Width::Bytes(8),
        13 => Width::Bytes(1),
        // Timestamp, datetime and time with fractions.
        17 => Width::Bytes(4 + fraction(take::<1>(metadata)?[0])),
        18 => Width::Bytes(5 + fraction(take::<1>(metadata)?[0])),
        19 => Width::Bytes(3 + fraction(take::<1>(metadata)?[0])),
        // Texts and bytes of varying length, compressed or not.
        15 | 141 | 253 => told(u16::from_le_bytes(take(metadata)?).into()),
        16 => {
            let [bits, bytes] = take(metadata)?;
            Width::Bytes(usize::from(bytes) + usize::from(bits > 0))
        }
        246 => {
            let [precision, scale] = take(metadata)?;
            Width::Bytes(decimal(precision.checked_sub(scale)?) + decimal(scale))
        }
        // Blobs, documents, shapes: how many bytes tell the length.
        140 | 245 | 249..=252 | 255 => match take::<1>(metadata)?[0] {
            bytes @ 1..=4 => Width::Told(bytes.into()),
            _ => return None,
        },
        // Texts of fixed length, and what is declared as a list, under one number: the first byte tells.
        247 | 248 | 254 => {
            let [first, second] = take(metadata)?;
            match first {
                247 | 248 => Width::Bytes(second.into()),
                // Lengths of more than eight bits have two bits in the kind.
                _ => told(usize::from(second) | usize::from((first & 0x30) ^ 0x30) << 4),
            }
        }
        _ => return None,
    })
}

/// Bytes of so many digits: nine take four.
fn decimal(digits: u8) -> usize {
    const REST: [usize; 9] = [0, 1, 1, 2, 2, 3, 3, 4, 4];
    usize::from(digits / 9) * 4 + REST[usize::from(digits % 9)]
}

/// The rows of one event.
pub(super) struct Rows<'p> {
    columns: usize,
    /// Which columns the rows have, before a change and after it; one alone where there is but one row.
    images: Vec<&'p [u8]>,
    rows: &'p [u8],
}

impl<'p> Rows<'p> {
    fn parse(mut body: &'p [u8], kind: u8) -> Option<Self> {
        // The table's number, and flags.
        take::<8>(&mut body)?;
        if kind >= 30 {
            // What has been put here, its length included.
            let more = usize::from(u16::from_le_bytes(take(&mut body)?)).checked_sub(2)?;
            split(&mut body, more)?;
        }
        let columns = length(&mut body)?;
        let is_update = matches!(kind, 24 | 31);
        let mut images = vec![split(&mut body, columns.div_ceil(8))?];
        if is_update {
            images.push(split(&mut body, columns.div_ceil(8))?);
        }
        Some(Self { columns, images, rows: body })
    }

    /// The keys of all rows, those before a change and those after it. `key` are positions of columns, and
    /// whether each is without a sign.
    pub(super) fn keys(&self, widths: &[Width], key: &[(usize, bool)]) -> Option<Vec<Vec<i128>>> {
        if widths.len() != self.columns {
            return None;
        }
        let (mut rest, mut keys) = (self.rows, Vec::new());
        while !rest.is_empty() {
            let mut before = vec![None; key.len()];
            for image in &self.images {
                // What an edit has not changed may be left out behind it.
                row(&mut rest, image, widths, key, &mut before)?;
                keys.push(before.iter().copied().collect::<Option<Vec<i128>>>()?);
            }
        }
        Some(keys)
    }
}

/// Reads one row; the parts of its key that it has go into `parts`.
fn row(
    rest: &mut &[u8],
    image: &[u8],
    widths: &[Width],
    key: &[(usize, bool)],
    parts: &mut [Option<i128>],
) -> Option<()> {
    let bit = |bits: &[u8], at: usize| bits.get(at / 8).is_some_and(|byte| byte & 1 << (at % 8) != 0);
    let has: Vec<usize> = (0..widths.len()).filter(|&column| bit(image, column)).collect();
    let nulls = split(rest, has.len().div_ceil(8))?;
    for (at, &column) in has.iter().enumerate() {
        if bit(nulls, at) {
            continue;
        }
        let width = widths[column];
        let bytes = match width {
            Width::Bytes(bytes) | Width::Integer(bytes) => bytes,
            Width::Told(bytes) => usize::try_from(number(split(rest, bytes)?)).ok()?,
        };
        let cell = split(rest, bytes)?;
        if let Some(part) = key.iter().position(|&(position, _)| position == column) {
            parts[part] = Some(integer(cell, width, key[part].1)?);
        }
    }
    Some(())
}

/// An integer; `None` where the cell is another thing.
fn integer(cell: &[u8], width: Width, unsigned: bool) -> Option<i128> {
    let Width::Integer(bytes) = width else { return None };
    let value = i128::from(number(cell));
    let is_negative = !unsigned && cell.last()? & 0x80 != 0;
    Some(if is_negative { value - (1 << (8 * bytes)) } else { value })
}

/// Bytes of a number without a sign, the lowest first; eight at most.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    #[test]
    fn every_kind_of_column_is_passed_over_by_its_length() {
        let one = |kind, metadata: &[u8]| {
            let layout = Layout { kinds: &[kind], metadata };
            layout.widths().map(|widths| widths[0])
        };
        assert_eq!(one(3, &[]), Some(Width::Integer(4)));
        assert_eq!(one(15, &[255, 0]), Some(Width::Told(1)));
        assert_eq!(one(15, &[0, 1]), Some(Width::Told(2)));
        // decimal(14,4): ten digits take five bytes, four take two.
        assert_eq!(one(246, &[14, 4]), Some(Width::Bytes(7)));
        assert_eq!(one(16, &[1, 1]), Some(Width::Bytes(2)));
        assert_eq!(one(18, &[6]), Some(Width::Bytes(8)));
        assert_eq!(one(252, &[4]), Some(Width::Told(4)));
        assert_eq!(one(254, &[247, 2]), Some(Width::Bytes(2)));
        // char(255) of utf8mb4 takes 1020 bytes: 0x3fc.
        assert_eq!(one(254, &[0xfe ^ 0x30, 0xfc]), Some(Width::Told(2)));
        assert_eq!(one(254, &[0xfe, 40]), Some(Width::Told(1)));
        assert_eq!(one(200, &[]), None);
        assert_eq!(one(3, &[1]), None);
    }

    #[test]
    fn keys_are_read_of_what_a_row_has() {
        let widths = [Width::Told(1), Width::Integer(2), Width::Integer(8)];
        let key = [(1, false), (2, true)];
        let edit = Rows {
            columns: 3,
            images: vec![&[0b111], &[0b011]],
            rows: &[
                0, 1, b'x', 0xff, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, // before: -1, 2^64 - 1
                0b01, 7, 0, // after: the text is null, and the second part is as it was
            ],
        };
        let most = i128::from(u64::MAX);
        assert_eq!(edit.keys(&widths, &key), Some(vec![vec![-1, most], vec![7, most]]));
        let cut = Rows { columns: 3, images: vec![&[0b111]], rows: &[0, 1, b'x', 0xff] };
        assert_eq!(cut.keys(&widths, &key), None);
        let null = Rows { columns: 3, images: vec![&[0b111]], rows: &[0b110, 0] };
        assert_eq!(null.keys(&widths, &key), None);
        let altered = Rows { columns: 4, images: vec![&[0b1111]], rows: &[] };
        assert_eq!(altered.keys(&widths, &key), None);
    }

    proptest! {
        #[test]
        fn whatever_an_event_holds_is_read_or_refused(kind: u8, mut packet in vec(any::<u8>(), 0..300), width in 0..9usize) {
            if let Some(place) = packet.get_mut(4) {
                *place = kind;
            }
            match Event::parse(&packet, width % 5).map(|event| event.body) {
                Some(Body::Layout { layout, .. }) => drop(layout.widths()),
                Some(Body::Rows { rows, .. }) => {
                    let widths = vec![Width::Told(1); rows.columns.min(300)];
                    drop(rows.keys(&widths, &[(0, false)]));
                    let widths = vec![Width::Integer(width.clamp(1, 8)); rows.columns.min(300)];
                    drop(rows.keys(&widths, &[(0, false)]));
                }
                _ => {}
            }
        }
    }
}
