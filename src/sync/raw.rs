//! The SQL of one raw table and its staging tables.
//!
//! Pure: builds text. Names go through the one quoting builder.

use super::drift::Drift;
use crate::{
    domain::{
        Column, Deletes, KeyRange, Table,
        name::{DELETED_AT, LOADED_AT},
    },
    source::{KeyPiece, KeySpread, is_plain},
    warehouse::{OWN_INDEX_PREFIX, literal, quote, relation},
};

/// The session's own table of rows to be written.
pub(super) const STAGED: &str = "pg_temp.amalgam_staged";
/// The session's own table of keys to be deleted.
pub(super) const GONE: &str = "pg_temp.amalgam_gone";

/// The session's own table of the keys of rows that were set aside.
pub(super) const REFUSED: &str = "pg_temp.amalgam_refused";

/// What the server may take to build a key or an index.
const INDEX_BYTES: u64 = 256 << 20;

/// Statistics of larger new tables are rough at first: of a wide one, full ones take twice as long as its key
/// and its index.
const ROUGH_ABOVE: u64 = 10_000;
/// The `default_statistics_target` of rough ones: a tenth of PostgreSQL's own.
const ROUGH_TARGET: u32 = 10;

/// The image of keys that are called `k`, as the source writes it.
const KEY_IMAGE: &str = "concat_ws(':', count(*), sum(k), coalesce(bit_xor(k), 0))";

/// Which statistics a new table is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statistics {
    Full,
    Rough,
    /// None: autovacuum has been there.
    There,
}

impl Statistics {
    /// For a new table of so many rows.
    pub(super) fn of(rows: u64) -> Self {
        if rows > ROUGH_ABOVE { Self::Rough } else { Self::Full }
    }
}

/// One raw table, as far as SQL needs it.
pub(super) struct Raw<'t> {
    pub(super) table: &'t Table,
    pub(super) schema: &'t str,
    /// What becomes of rows that the source has deleted.
    pub(super) deletes: Deletes,
    /// Whether it has `_deleted_at`. Rows with a time in it are as good as absent.
    pub(super) stamped: bool,
}

impl<'t> Raw<'t> {
    /// The twin of a source's table.
    pub(super) fn new(schema: &'t str, table: &'t Table, deletes: Deletes, stamped: bool) -> Self {
        Self { table, schema, deletes, stamped }
    }

    /// The source's table.
    pub(super) fn table(&self) -> &'t Table {
        self.table
    }

    /// Its quoted name.
    pub(super) fn name(&self) -> String {
        relation(self.schema, &self.table.raw_name())
    }

    pub(super) fn columns(&self) -> Vec<String> {
        self.table.columns.iter().map(|c| quote(&c.raw_name())).collect()
    }

    pub(super) fn key(&self) -> Vec<String> {
        self.table.key_columns().map(|c| quote(&c.raw_name())).collect()
    }

    /// Creates a table of this shape, without key or index, under a quoted name. `_loaded_at` comes with
    /// [`Raw::finish`]. What the key needs is said at once: later, it would be looked for in every row.
    pub(super) fn create(&self, target: &str) -> String {
        let in_key = |at: usize| self.table.declares_key() && self.table.key.contains(&at);
        let columns: Vec<String> = self
            .table
            .columns
            .iter()
            .enumerate()
            .map(|(at, c)| {
                let not_null = if in_key(at) { " not null" } else { "" };
                format!("{} {}{not_null}", quote(&c.raw_name()), c.warehouse())
            })
            .collect();
        format!("create table {target} ({})", columns.join(", "))
    }

    /// Begins a copy into a table of a quoted name. Where that was made in the same transaction, its rows
    /// need no second look: `freeze`.
    pub(super) fn copy_in(&self, target: &str, made_here: bool) -> String {
        let freeze = if made_here { ", freeze" } else { "" };
        format!("copy {target} ({}) from stdin (format binary{freeze})", self.columns().join(", "))
    }

    /// Gives a filled table what it lacks: `_loaded_at`, which PostgreSQL keeps once for all rows already
    /// there (PostgreSQL docs, ALTER TABLE § Notes), the primary key, the index on the cursor, statistics.
    ///
    /// Rough statistics are asked for column by column: the table then still counts as changed since it was
    /// last analyzed, and PostgreSQL's autovacuum gathers full ones within minutes.
    ///
    /// Key and index bear names that no other table has, the present one included: both stand beside each
    /// other for a while.
    pub(super) fn finish(&self, target: &str, cursor: Option<&Column>, statistics: Statistics) -> String {
        let own = format!("{OWN_INDEX_PREFIX}{:016x}", fastrand::u64(..));
        // Keys of some million rows are sorted in memory then; a larger setting of the server's stays.
        let memory = format!(
            "select set_config('maintenance_work_mem', greatest(pg_size_bytes(current_setting('maintenance_work_mem')), \
             {INDEX_BYTES}) / 1024 || 'kB', true)"
        );
        let mut steps =
            vec![memory, format!("alter table {target} add column {LOADED_AT} timestamptz not null default now()")];
        if self.stamped || self.deletes == Deletes::Soft {
            steps.push(self.add_stamp(target));
        }
        if self.table.declares_key() {
            steps.push(format!(
                "alter table {target} add constraint {} primary key ({})",
                quote(&format!("{own}_key")),
                self.key().join(", ")
            ));
        }
        if let Some(cursor) = cursor {
            steps.push(format!(
                "create index {} on {target} ({})",
                quote(&format!("{own}_cursor")),
                quote(&cursor.raw_name())
            ));
        }
        match statistics {
            Statistics::Full => steps.push(format!("analyze {target}")),
            Statistics::Rough => {
                steps.push(format!("set local default_statistics_target = {ROUGH_TARGET}"));
                steps.push(format!("analyze {target} ({})", self.columns().join(", ")));
                steps.push("set local default_statistics_target to default".to_owned());
            }
            Statistics::There => {}
        }
        steps.join(";\n")
    }

    /// Adds columns of the raw table, each with its type, to a new one of a quoted name, values included.
    pub(super) fn carry(&self, new: &str, columns: &[(&String, &String)]) -> String {
        let joined = |each: &dyn Fn(&str, &str) -> String| {
            columns.iter().map(|(name, of)| each(&quote(name), of)).collect::<Vec<_>>().join(", ")
        };
        let equal: Vec<String> = self.key().iter().map(|k| format!("n.{k} = o.{k}")).collect();
        format!(
            "alter table {new} {};\nupdate {new} n set {} from {} o where {}",
            joined(&|name, of| format!("add column {name} {of}")),
            joined(&|name, _| format!("{name} = o.{name}")),
            self.name(),
            equal.join(" and ")
        )
    }

    /// Adds columns that the source has gained.
    pub(super) fn add_columns(&self, names: &[String]) -> String {
        let added: Vec<String> = self
            .table
            .columns
            .iter()
            .filter(|c| names.contains(&c.name))
            .map(|c| format!("add column {} {}", quote(&c.raw_name()), c.warehouse()))
            .collect();
        format!("alter table {} {}", self.name(), added.join(", "))
    }

    /// Gives columns the wider types that the source has given them.
    pub(super) fn widen_columns(&self, names: &[String]) -> String {
        let widened = self.table.columns.iter().filter(|c| names.contains(&c.name));
        let types: Vec<String> =
            widened.map(|c| format!("alter column {} type {}", quote(&c.raw_name()), c.warehouse())).collect();
        format!("alter table {} {}", self.name(), types.join(", "))
    }

    /// Makes the session's staging tables, empty. A staged row has our own column too: what fits a page there
    /// fits one in the raw table.
    pub(super) fn create_staging(&self) -> String {
        let key = declared(self.table.key_columns());
        format!(
            "drop table if exists {STAGED}, {GONE};\n\
             create temp table amalgam_staged ({}, {LOADED_AT} timestamptz default now());\n\
             create temp table amalgam_gone ({key});\n{}",
            declared(self.table.columns.iter()),
            self.create_refused(),
        )
    }

    /// Makes the session's table of keys that were set aside, empty.
    pub(super) fn create_refused(&self) -> String {
        let key = declared(self.table.key_columns());
        format!("drop table if exists {REFUSED};\ncreate temp table amalgam_refused ({key})")
    }

    /// Begins a copy into the staged rows.
    pub(super) fn copy_in_staged(&self) -> String {
        self.copy_in(STAGED, false)
    }

    /// Begins a copy into one of the tables of keys.
    pub(super) fn copy_in_keys(&self, target: &str) -> String {
        format!("copy {target} ({}) from stdin (format binary)", self.key().join(", "))
    }

    /// Begins a copy of all rows out, in key order, in the shape that they are to have: columns that the
    /// raw table still lacks come as null, those that it is to widen with their new type.
    ///
    /// Where only a range of keys is wanted, each row's identity comes behind its columns.
    pub(super) fn copy_out(&self, drift: &Drift, range: Option<KeyRange>) -> String {
        let mut columns: Vec<String> = self
            .table
            .columns
            .iter()
            .map(|c| {
                let (name, of) = (quote(&c.raw_name()), c.warehouse());
                match () {
                    () if drift.added.contains(&c.name) => format!("null::{of}"),
                    () if drift.widened.contains(&c.name) => format!("{name}::{of}"),
                    () => name,
                }
            })
            .collect();
        let key = self.key();
        let within = range.map_or_else(String::new, |range| {
            columns.push(self.identity("t"));
            format!(" and {}", range.condition(&format!("t.{}", key[0])))
        });
        format!(
            "copy (select {} from {} t where {}{within} order by {}) to stdout (format binary)",
            columns.join(", "),
            self.name(),
            self.is_live("t"),
            key.join(", ")
        )
    }

    /// Begins a copy of the keys of a table of this shape, of a quoted name, in order.
    pub(super) fn copy_out_keys(&self, target: &str) -> String {
        let key = self.key().join(", ");
        format!("copy (select {key} from {target} order by {key}) to stdout (format binary)")
    }

    /// Counts the staged rows whose keys are new.
    pub(super) fn count_new(&self) -> String {
        format!(
            "select count(*) from (select distinct {} from {STAGED}) s where not exists (select from {} t where {} and {})",
            self.key().join(", "),
            self.name(),
            self.same_key("t", "s"),
            self.is_live("t")
        )
    }

    /// Counts the staged rows whose keys are known, and all rows.
    pub(super) fn count_known(&self) -> String {
        format!(
            "select (select count(*) from {name} t where exists (select from {STAGED} s where {})), \
             (select count(*) from {name})",
            self.same_key("t", "s"),
            name = self.name(),
        )
    }

    /// Counts the rows with any of these keys of integers, of which there is one at least.
    pub(super) fn count_keys(&self, keys: &[&[i128]]) -> String {
        let one = |key: &&[i128]| key.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let all: Vec<String> = keys.iter().map(|key| format!("({})", one(key))).collect();
        format!(
            "select count(*) from {} t where ({}) in ({}) and {}",
            self.name(),
            self.key().iter().map(|k| format!("t.{k}")).collect::<Vec<_>>().join(", "),
            all.join(", "),
            self.is_live("t")
        )
    }

    /// How many keys a piece has here, and their image.
    pub(super) fn key_image(&self, piece: &KeyPiece) -> String {
        let key = self.key();
        format!(
            "select count(*), {KEY_IMAGE} from (select {} as k from {} t where {} and {}) piece",
            self.key_number(&key),
            self.name(),
            piece.condition(&key),
            self.is_live("t")
        )
    }

    /// What is summed of a key.
    fn key_number(&self, key: &[String]) -> String {
        if is_plain(self.table) {
            return format!("{}::bigint", key[0]);
        }
        format!("('x' || substr(md5(concat_ws(':', {})), 1, 15))::bit(60)::bigint", key.join(", "))
    }

    /// The lowest and the highest value of the key's first column in a piece, as text.
    pub(super) fn key_ends(&self, piece: &KeyPiece) -> String {
        let key = self.key();
        format!(
            "select min({first})::text, max({first})::text from {} t where {} and {}",
            self.name(),
            piece.condition(&key),
            self.is_live("t"),
            first = key[0]
        )
    }

    /// The images of a piece's keys, bucket by bucket; those without keys are not among them.
    pub(super) fn key_buckets(&self, piece: &KeyPiece, spread: &KeySpread) -> String {
        let key = self.key();
        let piece = KeyPiece { within: Some(spread.all()), ..piece.clone() };
        format!(
            "select bucket, count(*), {KEY_IMAGE} from (select {} as bucket, {} as k from {} t where {} and {}) piece group by bucket",
            spread.number(&format!("{}::bigint", key[0]), "/"),
            self.key_number(&key),
            self.name(),
            piece.condition(&key),
            self.is_live("t")
        )
    }

    /// The keys of a piece, each as the texts of its columns.
    pub(super) fn keys(&self, piece: &KeyPiece) -> String {
        let key = self.key();
        let texts: Vec<String> = key.iter().map(|k| format!("{k}::text")).collect();
        format!(
            "select array[{}] from {} t where {} and {}",
            texts.join(", "),
            self.name(),
            piece.condition(&key),
            self.is_live("t")
        )
    }

    /// Releases from quarantine the rows that are staged, because they have been mended, and those that are gone.
    pub(super) fn release_staged(&self) -> String {
        let key = self.key().join(", ");
        format!(
            "delete from amalgam.quarantine q using \
             (select concat_ws(',', {key}) as row_key from {STAGED} union all select concat_ws(',', {key}) from {GONE}) s \
             where q.source_table = {} and q.row_key = s.row_key",
            literal(self.table.name.as_str())
        )
    }

    /// Writes the staged rows where they differ; of a key staged twice, the later row. One row: how many
    /// were new, how many had changed. Rows are compared byte for byte (`*<>`), which tells -0 from 0. A
    /// row that had been deleted and is back counts as new.
    pub(super) fn upsert_staged(&self) -> String {
        let (columns, key) = (self.columns(), self.key().join(", "));
        let list = columns.join(", ");
        let set: Vec<String> = columns.iter().map(|c| format!("{c} = excluded.{c}")).collect();
        let (old, new): (Vec<String>, Vec<String>) =
            columns.iter().map(|c| (format!("t.{c}"), format!("excluded.{c}"))).unzip();
        let (clear, or_gone) = if self.stamped {
            (format!(", {DELETED_AT} = null"), format!(" or t.{DELETED_AT} is not null"))
        } else {
            (String::new(), String::new())
        };
        format!(
            "with back as ({back}), written as (\
             insert into {target} as t ({list}) select distinct on ({key}) {list} from {STAGED} order by {key}, ctid desc \
             on conflict ({key}) do update set {set}, {LOADED_AT} = now(){clear} \
             where row({old})::record *<> row({new})::record{or_gone} returning (xmax = 0) as inserted) \
             select count(*) filter (where inserted) + (select n from back), \
             count(*) filter (where not inserted) - (select n from back) from written",
            back = self.count_back(),
            target = self.name(),
            set = set.join(", "),
            old = old.join(", "),
            new = new.join(", "),
        )
    }

    /// Inserts the staged rows that are missing, duplicates counted.
    pub(super) fn insert_whole(&self) -> String {
        let list = self.columns().join(", ");
        format!(
            "{} insert into {} ({list}) select {list} from {STAGED} where ctid in \
             (select s.ctid from staged_rows s left join raw_counts r using (image) where s.n > coalesce(r.copies, 0))",
            self.images(&self.name(), STAGED),
            self.name()
        )
    }

    /// Rows of both sides by their text image, numbered among their equals. The image tells apart whatever
    /// PostgreSQL can tell apart.
    pub(super) fn images(&self, raw: &str, staged: &str) -> String {
        let staged = format!("{staged} t");
        let live = format!("{raw} t where {}", self.is_live("t"));
        format!("with {}, {}", self.side("raw", &live), self.side("staged", &staged))
    }

    /// The rows of one side by their image.
    pub(super) fn side(&self, name: &str, from: &str) -> String {
        let list = self.columns().iter().map(|c| format!("t.{c}")).collect::<Vec<_>>().join(", ");
        format!(
            "{name}_rows as (select ctid, image, row_number() over (partition by image) as n \
             from (select t.ctid, row({list})::text as image from {from}) {name}), \
             {name}_counts as (select image, count(*) as copies from {name}_rows group by image)"
        )
    }
}

/// Columns with their types.
fn declared<'c>(columns: impl Iterator<Item = &'c Column>) -> String {
    let each: Vec<String> = columns.map(|c| format!("{} {}", quote(&c.raw_name()), c.warehouse())).collect();
    each.join(", ")
}
