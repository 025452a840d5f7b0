//! The rows of a statement, in the protocol's binary form: MariaDB KB, "Resultset row" § "Binary resultset
//! row".

use super::{Connection, Outcome, parsed, refusal, unexpected};
use crate::source::{
    bytes::{length, split, take},
    cell::Cell,
};
use mysql_async::{DriverError, Value};
use mysql_common::{
    constants::{CapabilityFlags, ColumnFlags, ColumnType, Command, MAX_PAYLOAD_LEN},
    io::ParseBuf,
    packets::{Column, ComStmtExecuteRequestBuilder, StmtPacket},
    proto::MySerialize,
};

/// The rows of one statement. Those that are not taken before the next statement make that one fail: it is
/// for one reader, who takes all or closes the connection.
pub(in crate::source) struct Rows<'c> {
    connection: &'c mut Connection,
    forms: Vec<Form>,
    ended: bool,
}

/// How a column's cells are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum Form {
    Int8,
    UInt8,
    Int16,
    UInt16,
    Int32,
    UInt32,
    Int64,
    UInt64,
    Float,
    Double,
    Moment,
    Span,
    Bytes,
}

impl Form {
    /// All of them.
    pub(in crate::source) const ALL: [Self; 13] = [
        Self::Int8,
        Self::UInt8,
        Self::Int16,
        Self::UInt16,
        Self::Int32,
        Self::UInt32,
        Self::Int64,
        Self::UInt64,
        Self::Float,
        Self::Double,
        Self::Moment,
        Self::Span,
        Self::Bytes,
    ];
}

impl Connection {
    /// Begins a statement that brings rows.
    pub(in crate::source) async fn rows(&mut self, sql: &str, parameters: &[Value]) -> Outcome<Rows<'_>> {
        if let Some(statement) = self.statement.take() {
            // It is not answered.
            self.command(Command::COM_STMT_CLOSE, &statement.to_le_bytes()).await?;
        }
        self.is_busy = true;
        self.command(Command::COM_STMT_PREPARE, sql.as_bytes()).await?;
        let prepared: StmtPacket = parsed(self.answer().await?, ())?;
        self.statement = Some(prepared.statement_id());
        self.columns(prepared.num_params().into()).await?;
        self.columns(prepared.num_columns().into()).await?;
        let (request, is_long) = ComStmtExecuteRequestBuilder::new(prepared.statement_id()).build(parameters);
        if is_long {
            return Err(DriverError::PacketTooLarge.into());
        }
        let mut packet = Vec::new();
        request.serialize(&mut packet);
        self.sequence = 0;
        self.send(&packet).await?;
        let mut answer = ParseBuf(self.answer().await?);
        let count = match answer.0.first() {
            None | Some(0) => return Err(unexpected()),
            Some(_) => usize::try_from(answer.eat_lenenc_int()).map_err(|_| unexpected())?,
        };
        let forms = self.columns(count).await?;
        Ok(Rows { connection: self, forms, ended: false })
    }

    /// The first row of a statement, read as the caller has it. The others are passed over.
    pub(in crate::source) async fn first<T>(
        &mut self,
        sql: &str,
        read: impl FnOnce(&[Cell<'_>]) -> Option<T>,
    ) -> Outcome<Option<T>> {
        let mut rows = self.rows(sql, &[]).await?;
        let first = match rows.next().await? {
            Some(cells) => Some(read(&cells).ok_or_else(unexpected)?),
            None => None,
        };
        while rows.next().await?.is_some() {}
        Ok(first)
    }

    /// Reads so many descriptions of columns.
    async fn columns(&mut self, count: usize) -> Outcome<Vec<Form>> {
        let mut forms = Vec::with_capacity(count);
        for _ in 0..count {
            let column: Column = parsed(self.answer().await?, ())?;
            forms.push(form(column.column_type(), column.flags().contains(ColumnFlags::UNSIGNED_FLAG)));
        }
        if count > 0 && !self.capabilities.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF) {
            self.answer().await?;
        }
        Ok(forms)
    }
}

impl Rows<'_> {
    /// Gives back the memory of a long row, whose cells are done with.
    pub(in crate::source) fn let_go(&mut self) {
        self.connection.let_go();
    }

    /// The cells of the next row; `None` after the last.
    pub(in crate::source) async fn next(&mut self) -> Outcome<Option<Vec<Cell<'_>>>> {
        if self.ended {
            return Ok(None);
        }
        let Connection { capabilities, received, taken, is_busy, .. } = {
            self.connection.packet().await?;
            &mut *self.connection
        };
        let packet = &received[..*taken];
        match packet.first() {
            Some(0) => cells(packet, &self.forms).map(Some).ok_or_else(unexpected),
            Some(0xfe) if packet.len() < MAX_PAYLOAD_LEN => {
                (self.ended, *is_busy) = (true, false);
                Ok(None)
            }
            Some(0xff) => {
                (self.ended, *is_busy) = (true, false);
                Err(refusal(packet, *capabilities))
            }
            _ => Err(unexpected()),
        }
    }
}

fn form(kind: ColumnType, unsigned: bool) -> Form {
    match (kind, unsigned) {
        (ColumnType::MYSQL_TYPE_TINY, false) => Form::Int8,
        (ColumnType::MYSQL_TYPE_TINY, true) => Form::UInt8,
        (ColumnType::MYSQL_TYPE_SHORT | ColumnType::MYSQL_TYPE_YEAR, false) => Form::Int16,
        (ColumnType::MYSQL_TYPE_SHORT | ColumnType::MYSQL_TYPE_YEAR, true) => Form::UInt16,
        (ColumnType::MYSQL_TYPE_LONG | ColumnType::MYSQL_TYPE_INT24, false) => Form::Int32,
        (ColumnType::MYSQL_TYPE_LONG | ColumnType::MYSQL_TYPE_INT24, true) => Form::UInt32,
        (ColumnType::MYSQL_TYPE_LONGLONG, false) => Form::Int64,
        (ColumnType::MYSQL_TYPE_LONGLONG, true) => Form::UInt64,
        (ColumnType::MYSQL_TYPE_FLOAT, _) => Form::Float,
        (ColumnType::MYSQL_TYPE_DOUBLE, _) => Form::Double,
        (
            ColumnType::MYSQL_TYPE_DATE
            | ColumnType::MYSQL_TYPE_NEWDATE
            | ColumnType::MYSQL_TYPE_DATETIME
            | ColumnType::MYSQL_TYPE_TIMESTAMP,
            _,
        ) => Form::Moment,
        (ColumnType::MYSQL_TYPE_TIME, _) => Form::Span,
        // Of a column of nothing but nulls, no cell is ever written.
        _ => Form::Bytes,
    }
}

/// The cells of a row's packet; `None` where it does not hold just these columns.
pub(in crate::source) fn cells<'p>(packet: &'p [u8], forms: &[Form]) -> Option<Vec<Cell<'p>>> {
    /// The first bits mark no column.
    const OFFSET: usize = 2;
    let (nulls, mut rest) = packet.get(1..)?.split_at_checked((forms.len() + OFFSET).div_ceil(8))?;
    let mut cells = Vec::with_capacity(forms.len());
    for (at, form) in (OFFSET..).zip(forms) {
        let is_null = nulls[at / 8] & 1 << (at % 8) != 0;
        cells.push(if is_null { Cell::Null } else { cell(*form, &mut rest)? });
    }
    rest.is_empty().then_some(cells)
}

fn cell<'p>(form: Form, rest: &mut &'p [u8]) -> Option<Cell<'p>> {
    Some(match form {
        Form::Int8 => Cell::Int(i8::from_le_bytes(take(rest)?).into()),
        Form::UInt8 => Cell::Int(u8::from_le_bytes(take(rest)?).into()),
        Form::Int16 => Cell::Int(i16::from_le_bytes(take(rest)?).into()),
        Form::UInt16 => Cell::Int(u16::from_le_bytes(take(rest)?).into()),
        Form::Int32 => Cell::Int(i32::from_le_bytes(take(rest)?).into()),
        Form::UInt32 => Cell::Int(u32::from_le_bytes(take(rest)?).into()),
        Form::Int64 => Cell::Int(i64::from_le_bytes(take(rest)?)),
        Form::UInt64 => Cell::UInt(u64::from_le_bytes(take(rest)?)),
        Form::Float => Cell::Float(f32::from_le_bytes(take(rest)?)),
        Form::Double => Cell::Double(f64::from_le_bytes(take(rest)?)),
        Form::Moment => moment(rest)?,
        Form::Span => span(rest)?,
        Form::Bytes => {
            let length = length(rest)?;
            Cell::Bytes(split(rest, length)?)
        }
    })
}

/// What is zero at the end is left out.
fn moment<'p>(rest: &mut &'p [u8]) -> Option<Cell<'p>> {
    let [length] = take(rest)?;
    let (mut day, mut time, mut micros) = ([0; 4], [0; 3], [0; 4]);
    if !matches!(length, 0 | 4 | 7 | 11) {
        return None;
    }
    if length >= 4 {
        day = take(rest)?;
    }
    if length >= 7 {
        time = take(rest)?;
    }
    if length >= 11 {
        micros = take(rest)?;
    }
    let ([y0, y1, month, d], [h, m, s]) = (day, time);
    Some(Cell::Date(u16::from_le_bytes([y0, y1]), month, d, h, m, s, u32::from_le_bytes(micros)))
}

fn span<'p>(rest: &mut &'p [u8]) -> Option<Cell<'p>> {
    let [length] = take(rest)?;
    let (mut negative, mut days, mut time, mut micros) = ([0], [0; 4], [0; 3], [0; 4]);
    if !matches!(length, 0 | 8 | 12) {
        return None;
    }
    if length >= 8 {
        (negative, days, time) = (take(rest)?, take(rest)?, take(rest)?);
    }
    if length >= 12 {
        micros = take(rest)?;
    }
    let [h, m, s] = time;
    Some(Cell::Time(negative != [0], u32::from_le_bytes(days), h, m, s, u32::from_le_bytes(micros)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*, sample::select};

    #[test]
    fn each_form_is_read_as_the_protocol_has_it() {
        let one = |form, bytes: &[u8]| {
            let packet = [&[0, 0], bytes].concat();
            cells(&packet, &[form]).map(|cells| format!("{:?}", cells[0]))
        };
        let said = |cell: Cell<'_>| Some(format!("{cell:?}"));
        assert_eq!(one(Form::Int8, &[0xff]), said(Cell::Int(-1)));
        assert_eq!(one(Form::UInt8, &[0xff]), said(Cell::Int(255)));
        assert_eq!(one(Form::UInt64, &[0xff; 8]), said(Cell::UInt(u64::MAX)));
        assert_eq!(one(Form::Bytes, &[2, b'a', b'b']), said(Cell::Bytes(b"ab")));
        assert_eq!(one(Form::Bytes, &[0xfc, 1, 0, b'a']), said(Cell::Bytes(b"a")));
        assert_eq!(one(Form::Bytes, &[0xfd, 1, 0, 0, b'a']), said(Cell::Bytes(b"a")));
        assert_eq!(one(Form::Moment, &[0]), said(Cell::Date(0, 0, 0, 0, 0, 0, 0)));
        assert_eq!(one(Form::Moment, &[4, 0xe8, 7, 2, 29]), said(Cell::Date(2024, 2, 29, 0, 0, 0, 0)));
        let micros = [11, 0xe8, 7, 2, 29, 1, 2, 3, 4, 0, 0, 0];
        assert_eq!(one(Form::Moment, &micros), said(Cell::Date(2024, 2, 29, 1, 2, 3, 4)));
        assert_eq!(one(Form::Span, &[8, 1, 34, 0, 0, 0, 22, 59, 58]), said(Cell::Time(true, 34, 22, 59, 58, 0)));
    }

    #[test]
    fn a_row_that_is_cut_short_or_too_long_is_none() {
        assert_eq!(cells(&[0, 0, 3, b'a'], &[Form::Bytes]), None);
        assert_eq!(cells(&[0, 0, 1, b'a', 0], &[Form::Bytes]), None);
        assert_eq!(cells(&[0], &[Form::Int8]), None);
        assert_eq!(cells(&[0, 0, 0xfb], &[Form::Bytes]), None);
        assert_eq!(cells(&[0, 0, 5, 0, 0, 0, 0, 0], &[Form::Moment]), None);
        assert_eq!(cells(&[0, 0b0000_0100, 7], &[Form::Int8, Form::Int8]), Some(vec![Cell::Null, Cell::Int(7)]));
    }

    proptest! {
        #[test]
        fn whatever_a_packet_holds_is_read_or_refused(forms in vec(select(&Form::ALL), 0..20), packet in vec(any::<u8>(), 0..200)) {
            if let Some(cells) = cells(&packet, &forms) {
                prop_assert_eq!(cells.len(), forms.len());
            }
        }
    }
}
