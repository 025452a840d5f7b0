//! Which rows of one table the log tells of, event by event. Pure.
//!
//! Memory: [`KEYS_MAX`] keys.

use super::{
    Untold,
    event::{Body, Event, Width},
    statement,
};
use crate::domain::{LogPosition, SourceType, Table};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// So many rows are read by key; where more have changed, comparing costs less.
const KEYS_MAX: usize = 100_000;

/// Follows the log for one table.
pub(super) struct Following<'t> {
    database: &'t str,
    table: &'t Table,
    /// Positions of the key's columns, and whether each is without a sign.
    key: Vec<(usize, bool)>,
    /// Where it begins; that file must be the one it was.
    since: Option<&'t LogPosition>,
    file: String,
    /// The file that has begun and was not ended.
    open: Option<String>,
    begun: BTreeMap<String, u32>,
    /// Behind the events of the present file, and those that lead to the next.
    checksum_bytes: usize,
    /// The table's layouts by their numbers; `None`: not understood.
    layouts: HashMap<u64, Option<Vec<Width>>>,
    keys: BTreeSet<Vec<i128>>,
}

impl<'t> Following<'t> {
    /// Before the first event behind a place.
    pub(super) fn new(database: &'t str, table: &'t Table, since: Option<&'t LogPosition>) -> Self {
        Self {
            database,
            table,
            key: table.key.iter().map(|&at| (at, is_unsigned(table.columns[at].source_type))).collect(),
            since,
            file: String::new(),
            open: None,
            begun: BTreeMap::new(),
            checksum_bytes: 0,
            layouts: HashMap::new(),
            keys: BTreeSet::new(),
        }
    }

    /// The keys of rows that came, went or were changed, in order.
    pub(super) fn keys(&self) -> &BTreeSet<Vec<i128>> {
        &self.keys
    }

    /// When a file was begun that has been seen.
    pub(super) fn begun(&self, file: &str) -> Option<u32> {
        self.begun.get(file).copied()
    }

    /// Before the first event of another reading of the log.
    pub(super) fn begin(&mut self) {
        self.open = None;
        // What comes before the first file has none.
        self.checksum_bytes = 0;
    }

    /// Takes an event in.
    ///
    /// # Errors
    /// From here on it isn't told which rows have changed.
    pub(super) fn take(&mut self, packet: &[u8]) -> Result<(), Untold> {
        let Event { at, body } = Event::parse(packet, self.checksum_bytes).ok_or(Untold::NotUnderstood)?;
        match body {
            Body::Nothing => Ok(()),
            Body::Statement(statement) => statement::judge(&statement, self.database, self.table.name.as_str()),
            Body::File { name, is_end } => {
                self.file = String::from_utf8_lossy(name).into_owned();
                if is_end {
                    self.open = None;
                }
                Ok(())
            }
            Body::Stop => {
                self.open = None;
                Ok(())
            }
            Body::Format { checksum_bytes } => {
                self.checksum_bytes = checksum_bytes;
                self.begin_file(at)
            }
            Body::Incident => Err(Untold::Incident),
            Body::Prepared => Err(Untold::TwoPhases),
            Body::Layout { id, database, table, layout } => {
                // Under any case: a row too many is read, and none is lost.
                let is = |told: &[u8], name: &str| told.eq_ignore_ascii_case(name.as_bytes());
                if is(database, self.database) && is(table, self.table.name.as_str()) {
                    self.layouts.insert(id, layout.widths());
                } else {
                    self.layouts.remove(&id);
                }
                Ok(())
            }
            Body::Rows { id, rows } => {
                let Some(widths) = self.layouts.get(&id) else { return Ok(()) };
                let keys = widths.as_ref().and_then(|widths| rows.keys(widths, &self.key));
                self.keys.extend(keys.ok_or(Untold::NotUnderstood)?);
                if self.keys.len() > KEYS_MAX { Err(Untold::TooMany) } else { Ok(()) }
            }
            Body::RowsInAnotherForm { id } if self.layouts.contains_key(&id) => Err(Untold::NotUnderstood),
            Body::RowsInAnotherForm { .. } => Ok(()),
            Body::Unknown => Err(Untold::NotUnderstood),
        }
    }

    fn begin_file(&mut self, at: u32) -> Result<(), Untold> {
        // Its server may have begun to number tables anew.
        self.layouts.clear();
        self.begun.insert(self.file.clone(), at);
        // Whoever begins another file without having ended the last one has died in between.
        if self.open.replace(self.file.clone()).is_some_and(|open| open != self.file) {
            return Err(Untold::Died);
        }
        match self.since {
            Some(since) if since.file == self.file && since.begun != at => Err(Untold::BegunAnew),
            _ => Ok(()),
        }
    }
}

fn is_unsigned(of: SourceType) -> bool {
    match of {
        SourceType::TinyInt { unsigned }
        | SourceType::SmallInt { unsigned }
        | SourceType::MediumInt { unsigned }
        | SourceType::Int { unsigned }
        | SourceType::BigInt { unsigned } => unsigned,
        _ => false,
    }
}
