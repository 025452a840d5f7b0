//! What happens in one history: tables, writes, changes of shape, faults; all from one seed.

use super::values::Type;
use crate::proxy::Fault;
use amalgam::domain::SyncMode;
use fastrand::Rng;
use std::{fmt::Write, time::Duration};

/// Keys are drawn from so few that they meet again.
const KEYS: i32 = 60;
/// Keys from here on have no sign, and room for all rows of a history.
const HIGH_KEY: u64 = u64::MAX - 100_000;
/// The first rows' stamp: no overlap reads them again.
const LONG_AGO: &str = "'2020-01-01 00:00:00'";

/// How a table's rows are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Increasing,
    Pair,
    /// A pair whose second column comes first in the key.
    Turned,
    Text,
    None,
}

/// A table of the history.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) mode: SyncMode,
    key: Key,
    /// The type of an increasing key, and where it begins.
    id: (&'static str, u64),
    engine: &'static str,
    columns: Vec<(String, Type)>,
    /// Names once used are not used again, lest a new column be taken for an old one.
    columns_made: usize,
    rows_made: usize,
}

/// One history.
pub(super) struct Script {
    rng: Rng,
    tables: Vec<Table>,
    told: bool,
}

impl Script {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let told = rng.bool();
        let tables = (0..rng.usize(1..=3)).map(|n| Table::any(n, &mut rng)).collect();
        Self { rng, tables, told }
    }

    pub(super) fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Whether each mode is only given what it promises to find.
    pub(super) fn is_told(&self) -> bool {
        self.told
    }

    pub(super) fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.rng.usize(0..values.len())]
    }

    pub(super) fn one_in(&mut self, n: u32) -> bool {
        self.rng.u32(0..n) == 0
    }

    /// What goes wrong on one way during one step: mostly nothing.
    pub(super) fn fault(&mut self) -> Fault {
        match self.rng.u8(0..12) {
            0 => Fault::Reset(self.rng.u64(0..20_000)),
            1 => Fault::Silence(self.rng.u64(0..20_000)),
            2 => Fault::Slice(self.rng.usize(1..40)),
            3 => Fault::Delay(Duration::from_millis(self.rng.u64(1..10))),
            4 => Fault::Refuse,
            5 => Fault::Close(self.rng.u64(0..20_000)),
            _ => Fault::None,
        }
    }

    /// The tables and their first rows.
    pub(super) fn create(&mut self) -> String {
        let mut sql = PREAMBLE.to_owned();
        for table in &mut self.tables {
            sql += &table.create();
            let rows = self.rng.usize(0..80);
            (0..rows).for_each(|_| sql += &table.insert(&mut self.rng, LONG_AGO));
        }
        sql
    }

    /// Further rows, edits and deletes of one table that finds all of them.
    pub(super) fn write(&mut self, at: usize) -> String {
        let (rng, table) = (&mut self.rng, &mut self.tables[at]);
        [PREAMBLE.to_owned(), table.insert(rng, "now()"), table.update(rng, false), table.delete(rng)].concat()
    }

    /// What is written and altered before the next sync.
    pub(super) fn step(&mut self) -> String {
        let mut sql = PREAMBLE.to_owned();
        for at in 0..self.tables.len() {
            // Changes of shape end it before.
            let end = ["commit;\n", "commit;\n", "rollback;\n", "", "", ""][self.rng.usize(0..6)];
            sql += if end.is_empty() { "" } else { "begin;\n" };
            for _ in 0..self.rng.usize(0..6) {
                let (told, rng) = (self.told, &mut self.rng);
                let table = &mut self.tables[at];
                let finds_all = matches!(table.mode, SyncMode::Replace | SyncMode::Stream);
                sql += &match rng.u8(0..22) {
                    0..=7 => table.insert(rng, "now()"),
                    8..=12 if !told || table.mode != SyncMode::Append => table.update(rng, told && !finds_all),
                    13..=15 if !told || finds_all => table.delete(rng),
                    // A log that was emptied is noticed, and its keys begin anew.
                    16 if !told || table.mode != SyncMode::Merge => format!("truncate table {};\n", table.name),
                    17 => table.add_column(rng),
                    18 => table.drop_column(rng),
                    19 => table.retype_column(rng),
                    20 => table.rename_column(rng),
                    21 => table.change_key(),
                    _ => String::new(),
                };
            }
            sql += end;
        }
        // Of the whole server: other histories meet it too.
        sql += match self.rng.u8(0..24) {
            0..=2 => "flush binary logs;\n",
            3 => "flush binary logs; purge binary logs before now() + interval 1 day;\n",
            _ => "",
        };
        sql
    }
}

/// MariaDB as OpenDental runs it: what does not fit is bent, zero dates are let in.
const PREAMBLE: &str = "set sql_mode = 'ALLOW_INVALID_DATES'; set time_zone = '+00:00';\n";

impl Table {
    fn any(number: usize, rng: &mut Rng) -> Self {
        let key = [Key::Increasing, Key::Increasing, Key::Pair, Key::Text, Key::None][rng.usize(0..5)];
        let modes: &[SyncMode] = match key {
            Key::Increasing => &[SyncMode::Merge, SyncMode::Append, SyncMode::Replace, SyncMode::Stream],
            Key::Pair | Key::Turned => &[SyncMode::Merge, SyncMode::Replace, SyncMode::Stream],
            Key::Text | Key::None => &[SyncMode::Replace],
        };
        let mode = modes[rng.usize(0..modes.len())];
        let engine = if rng.bool() { "MyISAM" } else { "InnoDB" };
        let id = match rng.u8(0..6) {
            0 => ("bigint unsigned", 1),
            // No log: where that is emptied, keys above those with a sign are not looked after.
            1 if mode != SyncMode::Append => ("bigint unsigned", HIGH_KEY),
            2 => ("int unsigned", 1),
            _ => ("bigint", 1),
        };
        let name = format!("t{number}");
        let mut table = Self { name, mode, key, id, engine, columns: Vec::new(), columns_made: 0, rows_made: 0 };
        (0..rng.usize(1..8)).for_each(|_| drop(table.new_column(rng)));
        table
    }

    fn new_name(&mut self, rng: &mut Rng) -> String {
        self.columns_made += 1;
        format!("{}{}", ["c", "Select", "ä "][rng.usize(0..3)], self.columns_made)
    }

    fn new_column(&mut self, rng: &mut Rng) -> (String, Type) {
        let column = (self.new_name(rng), Type::any(rng));
        self.columns.push(column.clone());
        column
    }

    fn create(&self) -> String {
        let key = match self.key {
            Key::Increasing => format!("id {} auto_increment primary key", self.id.0),
            Key::Pair => "a int, b smallint unsigned, primary key (a, b)".to_owned(),
            Key::Turned => "a int, b smallint unsigned, primary key (b, a)".to_owned(),
            Key::Text => "k varchar(20) collate utf8mb4_bin primary key".to_owned(),
            Key::None => "a int".to_owned(),
        };
        let mut sql = format!(
            "create table {} ({key}, stamp timestamp not null default current_timestamp on update current_timestamp",
            self.name
        );
        for (name, of) in &self.columns {
            write!(sql, ", `{name}` {}", of.declared()).expect("a string takes everything");
        }
        sql + &format!(") engine={} default charset=utf8mb4 auto_increment={};\n", self.engine, self.id.1)
    }

    fn insert(&mut self, rng: &mut Rng, stamp: &str) -> String {
        self.rows_made += 1;
        // No row of a log is equal to another in every value, also where keys begin anew.
        let stamp = match self.mode {
            SyncMode::Append => format!("{LONG_AGO} + interval {} second", self.rows_made),
            SyncMode::Merge | SyncMode::Replace | SyncMode::Stream => stamp.to_owned(),
        };
        let (a, b) = (rng.i32(0..KEYS), rng.i32(0..3));
        let (names, key) = match self.key {
            Key::Increasing => ("", String::new()),
            Key::Pair | Key::Turned => ("a, b, ", format!("{a}, {b}, ")),
            Key::Text => ("k, ", format!("'k{a}', ")),
            Key::None => ("a, ", format!("{a}, ")),
        };
        let columns: Vec<String> = self.columns.iter().map(|(name, _)| format!("`{name}`")).collect();
        let values: Vec<String> = self.columns.iter().map(|(_, of)| of.value(rng)).collect();
        format!(
            "insert ignore into {} ({names}stamp{}) values ({key}{stamp}{});\n",
            self.name,
            columns.iter().fold(String::new(), |all, one| all + ", " + one),
            values.iter().fold(String::new(), |all, one| all + ", " + one),
        )
    }

    /// A condition on the raw table's row `t` and one of the quarantine, `q`: both have one key. `None` where
    /// the quarantine has no key of integers.
    pub(super) fn same_key(&self) -> Option<&'static str> {
        match self.key {
            Key::Increasing => Some("q.row_key = t.id::text"),
            Key::Pair => Some("q.row_key = concat_ws(',', t.a, t.b)"),
            Key::Turned => Some("q.row_key = concat_ws(',', t.b, t.a)"),
            Key::Text | Key::None => None,
        }
    }

    /// What the source and the warehouse are asked, each in its own words, for all rows: their keys, and those
    /// columns whose words are the same.
    pub(super) fn words(&self) -> (String, String) {
        let integer = |name: &str| (format!("cast({name} as char)"), format!("{name}::text"));
        let mut words = match self.key {
            Key::Increasing => vec![integer("id")],
            Key::Pair | Key::Turned => vec![integer("a"), integer("b")],
            Key::Text => vec![("k".to_owned(), "k".to_owned())],
            Key::None => vec![integer("a")],
        };
        words.extend(self.columns.iter().filter_map(|(name, of)| of.words(name)));
        let (there, here): (Vec<String>, Vec<String>) = words.into_iter().unzip();
        // Rows that are kept with a stamp are none of the source's.
        let standing = "to_jsonb(t) ->> '_deleted_at' is null";
        (
            format!("select {} from {}", there.join(", "), self.name),
            format!("select {} from raw.{} t where {standing}", here.join(", "), self.name),
        )
    }

    fn some(&self, rng: &mut Rng) -> String {
        let n = rng.i32(0..KEYS);
        match self.key {
            Key::Increasing => format!("id % 17 = {}", n % 17),
            Key::Pair | Key::Turned | Key::None => format!("a = {n}"),
            Key::Text => format!("k = 'k{n}'"),
        }
    }

    /// A silent edit keeps the stamp as it was, or puts it into the future.
    fn update(&self, rng: &mut Rng, told: bool) -> String {
        if self.columns.is_empty() {
            return String::new();
        }
        let (name, of) = &self.columns[rng.usize(0..self.columns.len())];
        let stamp = match rng.u8(0..6) {
            0 if !told => ", stamp = stamp",
            1 if !told => ", stamp = now() + interval 1 day",
            _ => "",
        };
        format!("update ignore {} set `{name}` = {}{stamp} where {};\n", self.name, of.value(rng), self.some(rng))
    }

    fn delete(&self, rng: &mut Rng) -> String {
        format!("delete from {} where {};\n", self.name, self.some(rng))
    }

    fn add_column(&mut self, rng: &mut Rng) -> String {
        let (name, of) = self.new_column(rng);
        format!("alter ignore table {} add column `{name}` {};\n", self.name, of.declared())
    }

    fn drop_column(&mut self, rng: &mut Rng) -> String {
        if self.columns.len() < 2 {
            return String::new();
        }
        let (name, _) = self.columns.swap_remove(rng.usize(0..self.columns.len()));
        format!("alter table {} drop column `{name}`;\n", self.name)
    }

    fn rename_column(&mut self, rng: &mut Rng) -> String {
        if self.columns.is_empty() {
            return String::new();
        }
        let (at, new) = (rng.usize(0..self.columns.len()), self.new_name(rng));
        let old = std::mem::replace(&mut self.columns[at].0, new.clone());
        format!("alter table {} rename column `{old}` to `{new}`;\n", self.name)
    }

    /// Another order of the key's columns, or another type of its only one, that takes all its values.
    fn change_key(&mut self) -> String {
        let change = match self.key {
            Key::Pair => {
                self.key = Key::Turned;
                "drop primary key, add primary key (b, a)".to_owned()
            }
            Key::Turned => {
                self.key = Key::Pair;
                "drop primary key, add primary key (a, b)".to_owned()
            }
            Key::Increasing if self.id.1 == 1 => {
                self.id.0 = if self.id.0 == "bigint" { "bigint unsigned" } else { "bigint" };
                format!("modify id {} auto_increment", self.id.0)
            }
            Key::Increasing | Key::Text | Key::None => return String::new(),
        };
        format!("alter table {} {change};\n", self.name)
    }

    fn retype_column(&mut self, rng: &mut Rng) -> String {
        if self.columns.is_empty() {
            return String::new();
        }
        let at = rng.usize(0..self.columns.len());
        self.columns[at].1 = self.columns[at].1.next(rng);
        let (name, of) = &self.columns[at];
        format!("alter ignore table {} modify column `{name}` {};\n", self.name, of.declared())
    }
}
