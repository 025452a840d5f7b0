//! Reads one table in ranges, so that no statement holds a lock for long.
//!
//! A [`Reader`] remembers where the last range ended; a [`Range`] is one statement's rows. A range that
//! breaks can be read again: the reader goes on from the last row that was handed out.

use super::{
    Cell, Source,
    calling_off::CallOff,
    checksum::{ChecksumReader, digested},
    expression::selected,
    failure::failure,
    identifier::quote,
    lock_watch::{LockWatch, Spare},
    log::Changed,
    order::{Cursor, Order},
    own_key::OwnKey,
    pace::{Bounds, Pace},
    snapshot::{self, Snapshot},
    throttle::Gait,
    wire::{Connection, Rows},
    within::{KEYS_AT_ONCE, Within},
};
use crate::{
    domain::Table,
    error::{Error, Kind, Result},
};
use mysql_async::Value;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// How long to wait for a second connection before a table is read in ranges.
const WATCH_WITHIN: Duration = Duration::from_millis(500);

/// A range asks for so many rows at least, as long as their bytes allow.
const ROWS_MIN: u64 = 100;

/// Reads one table, range by range.
pub struct Reader<'t> {
    connection: Connection,
    table: &'t Table,
    select: String,
    cursor: Cursor,
    /// The keys that are being read, and those to come.
    within: Option<Within>,
    ranges: VecDeque<Within>,
    pace: Pace,
    /// Over a statement that may be long.
    watch: Option<LockWatch>,
    called_off: CancellationToken,
    call_off: CallOff,
    whole: bool,
    gait: Gait,
    snapshot: Option<Snapshot>,
    done: bool,
}

/// The rows of one statement.
pub struct Range<'r> {
    result: Rows<'r>,
    table: &'r Table,
    cursor: &'r mut Cursor,
    done: &'r mut bool,
    /// Where the statement may be called off: cancelled when it was. It is not worth an error then.
    may_end_early: Option<&'r CancellationToken>,
    whole: &'r mut bool,
    pace: &'r mut Pace,
    gait: &'r mut Gait,
    begun: Instant,
    /// When the first row came.
    first_at: Option<Instant>,
    rows: u64,
    rows_max: u64,
    bytes: u64,
}

impl Source {
    /// Prepares to read a table, in ranges of about so many bytes at most.
    pub async fn reader<'t>(&self, table: &'t Table, order: &Order, range_bytes: u64) -> Result<Reader<'t>> {
        let mut connection = self.reading().await?;
        let snapshot = Snapshot::begin(&mut connection, table, self.snapshot_time).await?;
        self.reader_on(connection, snapshot, table, order, range_bytes).await
    }

    /// The same where checksums were computed: both see one snapshot, if the engine has any.
    pub async fn reader_after<'t>(
        &self,
        checksums: ChecksumReader<'t>,
        order: &Order,
        range_bytes: u64,
    ) -> Result<Reader<'t>> {
        let ChecksumReader { connection, snapshot, table, .. } = checksums;
        if snapshot.as_ref().is_some_and(Snapshot::is_old) {
            drop(connection);
            return self.reader(table, order, range_bytes).await;
        }
        self.reader_on(connection, snapshot, table, order, range_bytes).await
    }

    /// The same of rows that have changed, by their keys.
    pub async fn reader_of<'t>(&self, changed: Changed<'t>, range_bytes: u64) -> Result<Reader<'t>> {
        let Changed { keys, table, seen_by } = changed;
        let order = Order::Key { after: Vec::new() };
        let reader = match seen_by {
            Some((connection, snapshot)) if !snapshot.as_ref().is_some_and(Snapshot::is_old) => {
                self.reader_on(connection, snapshot, table, &order, range_bytes).await?
            }
            old => {
                drop(old);
                self.reader(table, &order, range_bytes).await?
            }
        };
        let keys: Vec<Vec<i128>> = keys.into_iter().collect();
        Ok(reader.within(keys.chunks(KEYS_AT_ONCE).map(|keys| Within::Keys(keys.to_vec())).collect()))
    }

    async fn reader_on<'t>(
        &self,
        mut connection: Connection,
        snapshot: Option<Snapshot>,
        table: &'t Table,
        order: &Order,
        range_bytes: u64,
    ) -> Result<Reader<'t>> {
        let mut columns: Vec<String> = table.columns.iter().map(selected).collect();
        let mut ranges = VecDeque::new();
        if let Order::Ranges(wanted) = order {
            columns.push(digested(table));
            ranges.extend(wanted.iter().copied().map(Within::Range));
        }
        let own_key = match order {
            Order::OwnKey => OwnKey::ask(&mut connection, &self.database, table).await?,
            _ => None,
        };
        let cursor = Cursor::new(order, table, own_key);
        let (behind, index) = cursor.own_key(table);
        columns.extend(behind);
        // Without an order there are no ranges: the server sets the rows aside and lets go of the table,
        // however long they take on their way (MariaDB KB, SELECT § SQL_BUFFER_RESULT).
        let is_set_aside = *order != Order::File && !cursor.is_ordered();
        let set_aside = if is_set_aside { "sql_buffer_result " } else { "" };
        let watch = match order {
            // One statement would keep to no bound by the second.
            Order::File if !self.throttle.is_bound() => self.lock_watch(&connection, table).await,
            _ => None,
        };
        let unwatched = *order == Order::File && watch.is_none();
        Ok(Reader {
            connection,
            table,
            select: format!("select {set_aside}{} from {}{index}", columns.join(", "), quote(table.name.as_str())),
            cursor,
            within: None,
            pace: Pace::new(
                Bounds { rows_min: ROWS_MIN, rows_max: self.range_rows, bytes_max: range_bytes, time: self.range_time },
                table.data_bytes / table.rows.max(1),
            ),
            called_off: watch.as_ref().map(LockWatch::called_off).unwrap_or_default(),
            watch,
            call_off: self.call_off.clone(),
            gait: self.gait(),
            snapshot,
            whole: !unwatched,
            done: unwatched || matches!(order, Order::Ranges(_)),
            ranges,
        })
    }

    /// `None` where no connection is spare for it.
    async fn lock_watch(&self, reads: &Connection, table: &Table) -> Option<LockWatch> {
        let leave = Arc::clone(&self.spare).try_acquire_owned().ok()?;
        match timeout(WATCH_WITHIN, self.connection()).await {
            Ok(Ok(connection)) => Some(LockWatch::begin(self, Spare { connection, _leave: leave }, reads.id(), table)),
            _ => None,
        }
    }
}

impl Reader<'_> {
    /// Reads these parts of the keys alone, one after another.
    pub(super) fn within(mut self, parts: VecDeque<Within>) -> Self {
        (self.ranges, self.done) = (parts, true);
        self
    }

    /// Whether all rows were handed out, once there is no further range.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Cancelled when the reading is called off: what was not taken until then is not worth waiting for.
    pub fn called_off(&self) -> CancellationToken {
        self.called_off.clone()
    }

    /// The next range; `None` after the last.
    pub async fn range(&mut self) -> Result<Option<Range<'_>>> {
        if self.done
            && let Some(next) = self.ranges.pop_front()
        {
            (self.within, self.done) = (Some(next), false);
            self.cursor.begin_again();
        }
        if self.done {
            if let Some(watch) = self.watch.take() {
                watch.end().await;
            }
            return Ok(None);
        }
        // A watch that is dropped calls its statement off.
        self.connection.is_called_off_by(self.watch.is_none().then(|| self.call_off.clone()));
        snapshot::pause(&mut self.gait, self.snapshot.as_mut(), &mut self.connection).await?;
        let begun = Instant::now();
        let rows_max = if self.cursor.is_ordered() { self.pace.rows() } else { u64::MAX };
        let Some((sql, parameters)) = self.statement(rows_max) else {
            warn!(table = %self.table.name, "the key of a row is no text in its character set; all is read in one statement");
            (self.done, self.whole) = (true, false);
            return Ok(None);
        };
        let doing = format!("reading {}", self.table.name);
        let result = match self.connection.rows(&sql, &parameters).await.map_err(|e| failure(&e, &doing)) {
            Ok(result) => result,
            // Before its first row came: somebody held the table already.
            Err(error) if self.watch.is_some() && is_called_off(&self.called_off, &error) => {
                (self.done, self.whole) = (true, false);
                if let Some(watch) = self.watch.take() {
                    watch.end().await;
                }
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        Ok(Some(Range {
            result,
            table: self.table,
            cursor: &mut self.cursor,
            done: &mut self.done,
            may_end_early: self.watch.as_ref().map(|_| &self.called_off),
            whole: &mut self.whole,
            pace: &mut self.pace,
            gait: &mut self.gait,
            begun,
            first_at: None,
            rows: 0,
            rows_max,
            bytes: 0,
        }))
    }

    /// `None` where nobody can tell what is still to come.
    fn statement(&self, rows_max: u64) -> Option<(String, Vec<Value>)> {
        if !self.cursor.is_ordered() {
            return Some((self.select.clone(), Vec::new()));
        }
        let names = self.cursor.names(self.table);
        let (mut condition, parameters) = self.cursor.condition(&names)?;
        if let Some(within) = &self.within {
            let and = if condition.is_empty() { "where" } else { "and" };
            condition += &format!(" {and} {}", within.condition(&names));
        }
        let sql = format!("{}{condition} order by {} limit {}", self.select, names.join(", "), rows_max);
        Some((sql, parameters))
    }
}

impl Range<'_> {
    /// Gives back the memory of a long row, whose cells are done with.
    pub fn let_go(&mut self) {
        self.result.let_go();
    }

    /// The next row's cells, in the order of the table's columns, and what [`Order`] has put behind them; `None`
    /// after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<Cell<'_>>>> {
        let row = match self.result.next().await.map_err(|e| failure(&e, &format!("reading {}", self.table.name))) {
            Ok(row) => row,
            Err(error) if self.may_end_early.is_some_and(|called_off| is_called_off(called_off, &error)) => {
                debug!(table = %self.table.name, rows = self.rows, kind = %error.kind, "called off; the rest is read in ranges");
                (*self.done, *self.whole) = (true, false);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        match row {
            Some(mut cells) => {
                self.rows += 1;
                self.first_at.get_or_insert_with(Instant::now);
                self.bytes += cells.iter().map(Cell::bytes).sum::<u64>();
                if !self.cursor.pass(&cells) {
                    warn!(table = %self.table.name, "the source gave a key twice; all is read in one statement");
                    (*self.done, *self.whole) = (true, false);
                    return Ok(None);
                }
                self.cursor.cut(&mut cells);
                Ok(Some(cells))
            }
            None => {
                *self.done = self.rows < self.rows_max;
                let flowed = self.first_at.map_or(Duration::ZERO, |at| at.elapsed());
                self.pace.learn(self.rows, self.bytes, flowed);
                let waited = self.first_at.map_or_else(|| self.begun.elapsed(), |at| at - self.begun);
                self.gait.learn(self.rows, self.bytes, waited);
                Ok(None)
            }
        }
    }
}

/// Whether a long statement ended because it is no longer wanted.
fn is_called_off(called_off: &CancellationToken, error: &Error) -> bool {
    called_off.is_cancelled() || error.kind == Kind::SourceTimeout
}
