//! Which rows of one table the log tells of, event by event. Pure.
//!
//! Bounds: [`KEYS_MAX`] keys in memory; as many bytes of the log as the table has, or [`WORTH_MIN`].

use super::{
    Place, Untold,
    event::{Body, Event, Width},
    merges::Merges,
    statement,
};
use crate::domain::{LogPosition, SourceType, Table};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// So many rows are read by key; where more have changed, comparing costs less.
const KEYS_MAX: usize = 100_000;
/// So many bytes of the log are worth being received, however small the table.
const WORTH_MIN: u64 = 64 << 20;

/// Follows the log for one table.
pub(in crate::source) struct Following<'t> {
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
    merges: Merges<'t>,
    /// Bytes of events so far.
    bytes: u64,
}

impl<'t> Following<'t> {
    /// Before the first event behind a place.
    pub(in crate::source) fn new(database: &'t str, table: &'t Table, since: Option<&'t LogPosition>) -> Self {
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
            merges: Merges::none(database, table.columns.len()),
            bytes: 0,
        }
    }

    /// The same, where the database has these MERGE tables, of any union.
    pub(super) fn with_merges(mut self, names: &[String]) -> Self {
        self.merges.are(names);
        self
    }

    /// Whether what lies between two places may be worth being received. A file in between may be of any length.
    pub(super) fn is_worth_it(&self, (from, start): &Place, (to, end): &Place) -> bool {
        let bytes_min = if from == to { end.saturating_sub(*start) } else { *end };
        bytes_min <= self.bytes_max()
    }

    /// Comparing reads the table, at the server or over the wire: no more of the log is received.
    fn bytes_max(&self) -> u64 {
        self.table.data_bytes.max(WORTH_MIN)
    }

    /// The keys of rows that came, went or were changed, in order.
    pub(in crate::source) fn keys(&self) -> &BTreeSet<Vec<i128>> {
        &self.keys
    }

    /// The same, where nothing is followed any further.
    pub(super) fn into_keys(self) -> BTreeSet<Vec<i128>> {
        self.keys
    }

    /// When a file was begun that has been seen.
    pub(super) fn begun(&self, file: &str) -> Option<u32> {
        self.begun.get(file).copied()
    }

    /// Before the first event of another reading of the log.
    pub(in crate::source) fn begin(&mut self) {
        self.open = None;
        // What comes before the first file has none.
        self.checksum_bytes = 0;
    }

    /// Takes an event in.
    ///
    /// # Errors
    /// From here on it isn't told which rows have changed.
    pub(in crate::source) fn take(&mut self, packet: &[u8]) -> Result<(), Untold> {
        self.bytes += packet.len() as u64;
        if self.bytes > self.bytes_max() {
            return Err(Untold::TooLong);
        }
        let Event { at, body } = Event::parse(packet, self.checksum_bytes).ok_or(Untold::NotUnderstood)?;
        match body {
            Body::Nothing => Ok(()),
            Body::Statement(statement) => {
                statement::judge(&statement, self.database, self.table.name.as_str())?;
                self.merges.statement(&statement)
            }
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
                    self.merges.forget(id);
                } else {
                    self.layouts.remove(&id);
                    self.merges.layout(id, database, table, layout.columns());
                }
                Ok(())
            }
            Body::Rows { id, rows } => {
                let Some(widths) = self.layouts.get(&id) else { return self.merges.rows(id) };
                let keys = widths.as_ref().and_then(|widths| rows.keys(widths, &self.key));
                self.keys.extend(keys.ok_or(Untold::NotUnderstood)?);
                if self.keys.len() > KEYS_MAX { Err(Untold::TooMany) } else { Ok(()) }
            }
            Body::RowsInAnotherForm { id } if self.layouts.contains_key(&id) => Err(Untold::NotUnderstood),
            Body::RowsInAnotherForm { id } => self.merges.rows(id),
            Body::Unknown => Err(Untold::NotUnderstood),
        }
    }

    fn begin_file(&mut self, at: u32) -> Result<(), Untold> {
        // Its server may have begun to number tables anew.
        self.layouts.clear();
        self.merges.begin_file();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Column, Engine};
    use proptest::{collection::vec, prelude::*};

    fn table(data_bytes: u64) -> Table {
        Table {
            name: "t".into(),
            engine: Engine::InnoDb,
            columns: vec![Column::new("v", "varchar(9)"), Column::new("k", "int(11)")],
            key: vec![1],
            rows: 1,
            data_bytes,
            fingerprint: None,
            made_at: None,
        }
    }

    /// An event without a checksum.
    fn event(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut event = vec![0; 19];
        event[4] = kind;
        event.extend(body);
        event
    }

    /// The layout of columns of these kinds of table `d.t`, under the number 7.
    fn layout(kinds: &[u8], metadata: &[u8]) -> Vec<u8> {
        let count = |of: &[u8]| u8::try_from(of.len()).expect("few");
        let names = b"\x07\0\0\0\0\0\x01\0\x01d\0\x01t\0";
        event(19, &[&names[..], &[count(kinds)], kinds, &[count(metadata)], metadata].concat())
    }

    #[test]
    fn no_more_of_the_log_is_worth_it_than_the_table_has_bytes() {
        let (small, large) = (table(1), table(WORTH_MIN * 2));
        let worth = |table: &Table, from: (&str, u64), to: (&str, u64)| {
            let place = |(file, offset): (&str, u64)| (file.to_owned(), offset);
            Following::new("d", table, None).is_worth_it(&place(from), &place(to))
        };
        assert!(worth(&small, ("a", 100), ("a", 100 + WORTH_MIN)));
        assert!(!worth(&small, ("a", 100), ("a", 101 + WORTH_MIN)));
        assert!(worth(&large, ("a", 100), ("a", 101 + WORTH_MIN)));
        // Of another file, only what is before the end is known.
        assert!(worth(&small, ("a", 4), ("b", WORTH_MIN)));
        assert!(!worth(&small, ("a", WORTH_MIN), ("b", WORTH_MIN + 1)));

        let mut following = Following::new("d", &small, None);
        let much = event(27, &vec![0; 1 << 20]);
        let taken = (0..100).take_while(|_| following.take(&much).is_ok()).count();
        assert_eq!(taken, 63);
        assert_eq!(following.take(&event(27, &[])), Err(Untold::TooLong));
    }

    proptest! {
        #[test]
        fn whatever_rows_follow_a_layout_their_keys_are_told_or_it_is_said_that_they_are_not(
            kinds in vec(prop_oneof![Just(3u8), Just(15), Just(252), Just(254), any::<u8>()], 0..6),
            metadata in vec(any::<u8>(), 0..8),
            rows in vec((prop_oneof![23..=25u8, 30..=32u8, any::<u8>()], vec(any::<u8>(), 0..120)), 1..5),
        ) {
            let of = table(1);
            let mut following = Following::new("d", &of, None);
            following.begin();
            following.take(&layout(&kinds, &metadata)).expect("it is a layout");
            let mut bytes = 0;
            for (kind, rest) in rows {
                // The table's number, and flags.
                let packet = event(kind, &[&b"\x07\0\0\0\0\0\x01\0"[..], &rest].concat());
                bytes += rest.len();
                // From a refusal on, nobody asks any more.
                if following.take(&packet).is_err() {
                    break;
                }
            }
            prop_assert!(following.keys().len() <= bytes, "a key takes a byte at least");
        }
    }
}
