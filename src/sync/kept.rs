//! Rows that the source has deleted: taken away, kept with a stamp, or kept as they are.
//!
//! `_deleted_at` says since when the source no longer has a row. Such a row is as good as absent wherever
//! both sides are compared; when the source has it again, the stamp goes.
//! Guarantee: under `soft` and `ignore` no row is lost, also where its table is loaded again. A row
//! without key can't be told from its own edit: its former version counts as deleted. The older version of a
//! row that was set aside is not kept: the source has not deleted it, and it is no longer true.

use super::{
    drift,
    job::Job,
    raw::{GONE, REFUSED, Raw, STAGED},
    sift,
};
use crate::{
    domain::{
        Column, Deletes, WarehouseType,
        name::{DELETED_AT, LOADED_AT},
    },
    error::Result,
    warehouse::{RawTable, Transaction, quote},
};
use bytes::Bytes;
use tracing::warn;

/// As `format_type` writes the type of `_deleted_at`.
const STAMP_TYPE: &str = "timestamp with time zone";

/// Whether a raw table has the column of the stamp.
pub(super) fn is_stamped(raw: &RawTable) -> bool {
    raw.columns.get(DELETED_AT).is_some_and(|of| of == STAMP_TYPE)
}

impl Raw<'_> {
    /// Adds the column of the stamp to a table of a quoted name.
    pub(super) fn add_stamp(&self, target: &str) -> String {
        format!("alter table {target} add column if not exists {DELETED_AT} timestamptz")
    }

    /// The condition that a row is not known to be deleted.
    pub(super) fn is_live(&self, alias: &str) -> String {
        if self.stamped { format!("{alias}.{DELETED_AT} is null") } else { "true".to_owned() }
    }

    /// The condition that two rows have one key.
    pub(super) fn same_key(&self, one: &str, other: &str) -> String {
        let equal: Vec<String> = self.key().iter().map(|k| format!("{one}.{k} = {other}.{k}")).collect();
        equal.join(" and ")
    }

    /// Counts, as `n`, the staged rows that had been deleted and are back.
    pub(super) fn count_back(&self) -> String {
        if !self.stamped {
            return "select 0::bigint as n".to_owned();
        }
        format!(
            "select count(*) as n from (select distinct {} from {STAGED}) s join {} t on {} where t.{DELETED_AT} is not null",
            self.key().join(", "),
            self.name(),
            self.same_key("t", "s")
        )
    }

    /// Deletes, or stamps, the rows whose keys are gone, or lets them be.
    pub(super) fn delete_gone(&self) -> String {
        let (name, same_key) = (self.name(), self.same_key("t", "g"));
        match self.deletes {
            Deletes::Soft => {
                format!("update {name} t set {} from {GONE} g where {same_key} and {}", stamp(), self.is_live("t"))
            }
            Deletes::Hard => format!("delete from {name} t using {GONE} g where {same_key}"),
            Deletes::Ignore => format!("delete from {name} where false"),
        }
    }

    /// Deletes the older versions of rows that were set aside. One row: how many, but for those that were
    /// stamped and thus absent.
    pub(super) fn delete_refused(&self) -> String {
        format!(
            "with taken as (delete from {} t using {REFUSED} r where {} returning {} as live) \
             select count(*) filter (where live) from taken",
            self.name(),
            self.same_key("t", "r"),
            self.is_live("t")
        )
    }

    /// The raw rows that are too many, duplicates counted.
    fn too_many(&self) -> String {
        "select r.ctid from raw_rows r left join staged_counts s using (image) where r.n > coalesce(s.copies, 0)"
            .to_owned()
    }

    /// The condition that a row of raw table `t` which is too many is not kept as it is.
    fn not_kept(&self) -> String {
        match self.deletes {
            Deletes::Hard | Deletes::Soft => "true".to_owned(),
            Deletes::Ignore if self.table.key.is_empty() => "false".to_owned(),
            Deletes::Ignore => {
                let of_key = |table: &str, alias: &str| {
                    format!("exists (select from {table} {alias} where {})", self.same_key("t", alias))
                };
                let is_refused = of_key(REFUSED, "r");
                // An edit, not a delete: another row of its key takes its place.
                let is_edited = self.table.declares_key().then(|| of_key(STAGED, "s"));
                is_edited.map_or(is_refused.clone(), |edited| format!("({edited} or {is_refused})"))
            }
        }
    }

    /// Counts, without changing anything: raw rows that are too many, staged rows that are missing, and raw
    /// rows that are kept though the source no longer has them. Duplicates are counted.
    pub(super) fn count_whole(&self) -> String {
        format!(
            "{images}, too_many as (select {not_kept} as counts from {name} t where t.ctid in ({too_many})), \
             missing as (select 1 from staged_rows s left join raw_counts r using (image) where s.n > coalesce(r.copies, 0)) \
             select (select count(*) from too_many where counts), (select count(*) from missing), \
             (select count(*) from too_many where not counts)",
            images = self.images(&self.name(), STAGED),
            not_kept = self.not_kept(),
            name = self.name(),
            too_many = self.too_many(),
        )
    }

    /// Deletes, or stamps, the raw rows that are too many, duplicates counted.
    pub(super) fn delete_whole(&self) -> String {
        let (images, name, too_many) = (self.images(&self.name(), STAGED), self.name(), self.too_many());
        match self.deletes {
            Deletes::Soft => format!("{images} update {name} t set {} where t.ctid in ({too_many})", stamp()),
            Deletes::Hard | Deletes::Ignore => {
                format!("{images} delete from {name} t where t.ctid in ({too_many}) and {}", self.not_kept())
            }
        }
    }

    /// Deletes the stamped rows in whose place a staged one comes: the same is back, or it was an edit.
    pub(super) fn make_room(&self) -> String {
        let name = self.name();
        if self.table.declares_key() {
            let same_key = self.same_key("t", "s");
            return format!("delete from {name} t using {STAGED} s where t.{DELETED_AT} is not null and {same_key}");
        }
        let stamped = self.side("gone", &format!("{name} t where t.{DELETED_AT} is not null"));
        format!(
            "{}, {stamped} delete from {name} where ctid in (select g.ctid from gone_rows g join staged_counts s using (image) \
             left join raw_counts r using (image) where g.n <= s.copies - coalesce(r.copies, 0))",
            self.images(&name, STAGED)
        )
    }
}

/// What soft deletion writes. `_loaded_at` too: whoever reads what was written since finds it.
fn stamp() -> String {
    format!("{DELETED_AT} = now(), {LOADED_AT} = now()")
}

impl Job<'_> {
    /// Whether the raw table has the column of the stamp.
    pub(super) fn is_stamped(&self) -> bool {
        self.state.and_then(|s| s.raw.as_ref()).is_some_and(is_stamped)
    }

    /// Makes the raw table follow a rule that is new to it. Rows taken away that had been kept.
    pub(super) async fn follow_rule(&self, transaction: &Transaction<'_>) -> Result<u64> {
        let (raw, doing) = (self.raw(), format!("following the rule for deletes of {}", self.table.name));
        match self.deletes {
            Deletes::Soft if !raw.stamped => transaction.batch(&raw.add_stamp(&raw.name()), &doing).await.map(|()| 0),
            Deletes::Hard if raw.stamped && self.state.is_some_and(|s| s.deletes != Deletes::Hard) => {
                let gone = format!("delete from {} where {DELETED_AT} is not null", raw.name());
                transaction.execute(&gone, &[], &doing).await
            }
            _ => Ok(0),
        }
    }

    /// Gives a new table of a quoted name the rows that only the present one has, where they are to be kept:
    /// not those whose encoded keys were refused.
    pub(super) async fn keep_rows(&self, transaction: &Transaction<'_>, new: &str, refused: &[Bytes]) -> Result<()> {
        let Some(state) = self.state.filter(|_| self.deletes != Deletes::Hard) else { return Ok(()) };
        let Some(old) = state.raw.as_ref() else { return Ok(()) };
        let was = |name: &str| state.shape.columns.iter().find(|c| c.name == name);
        let carried: Vec<(String, Option<String>)> = self
            .table
            .columns
            .iter()
            .map(|c| {
                let name = quote(&c.raw_name());
                let there = old.columns.contains_key(&*c.raw_name());
                let value = was(&c.name).filter(|_| there).and_then(|was| carried(&name, was, c));
                (name, value)
            })
            .collect();
        let raw = self.raw();
        let key_goes_along = raw.key().iter().all(|k| carried.iter().any(|(name, value)| name == k && value.is_some()));
        let is_same_key = old.key == self.table.key_columns().map(|c| c.raw_name().into_owned()).collect::<Vec<_>>();
        let same_key = |alias: &str| {
            let value = |k: &String| carried.iter().find(|(name, _)| name == k).and_then(|(_, v)| v.clone());
            let equal: Vec<String> =
                raw.key().iter().map(|k| format!("{alias}.{k} = {}", value(k).unwrap_or_default())).collect();
            equal.join(" and ")
        };
        let kept = if self.table.declares_key() && is_same_key && key_goes_along {
            Some(format!("not exists (select from {new} n where {})", same_key("n")))
        } else if self.table.declares_key() {
            None
        } else if carried.iter().all(|(name, value)| value.as_ref() == Some(&format!("o.{name}"))) {
            let too_many = format!("o.ctid in ({} {})", raw.images(&raw.name(), new), raw.too_many());
            Some(if raw.stamped { format!("(o.{DELETED_AT} is not null or {too_many})") } else { too_many })
        } else {
            raw.stamped.then(|| format!("o.{DELETED_AT} is not null"))
        };
        let Some(mut kept) = kept else {
            let table = &self.table.name;
            warn!(%table, "deleted rows are not carried over: key or columns have changed, so none can be told from a new one");
            return Ok(());
        };
        let doing = format!("keeping deleted rows of {}", self.table.name);
        if key_goes_along && !raw.key().is_empty() && !refused.is_empty() {
            transaction.batch(&raw.create_refused(), &doing).await?;
            let copy = transaction.copy_in(&raw.copy_in_keys(REFUSED)).await?;
            sift::whole(copy, refused.to_vec()).await?;
            kept += &format!(" and not exists (select from {REFUSED} r where {})", same_key("r"));
        }
        transaction.execute(&self.carry_rows(old, new, &carried, &kept), &[], &doing).await.map(|_| ())
    }

    /// Inserts into the new table what the present one has where `kept` is true.
    fn carry_rows(&self, old: &RawTable, new: &str, carried: &[(String, Option<String>)], kept: &str) -> String {
        let raw = self.raw();
        let mut columns: Vec<(String, String)> = carried
            .iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| (name.clone(), value.clone())))
            .collect();
        let loaded_at = if old.columns.contains_key(LOADED_AT) { format!("o.{LOADED_AT}") } else { "now()".to_owned() };
        match (self.deletes, raw.stamped) {
            (Deletes::Soft, true) => {
                columns.push((DELETED_AT.to_owned(), format!("coalesce(o.{DELETED_AT}, now())")));
                let written = format!("case when o.{DELETED_AT} is null then now() else {loaded_at} end");
                columns.push((LOADED_AT.to_owned(), written));
            }
            (Deletes::Soft, false) => {
                columns
                    .extend([(DELETED_AT.to_owned(), "now()".to_owned()), (LOADED_AT.to_owned(), "now()".to_owned())]);
            }
            (_, true) => {
                columns.push((DELETED_AT.to_owned(), format!("o.{DELETED_AT}")));
                columns.push((LOADED_AT.to_owned(), loaded_at));
            }
            (_, false) => columns.push((LOADED_AT.to_owned(), loaded_at)),
        }
        // Columns of people, and those that the source once had: the new table has been given them, if it could be.
        let given = old.columns.keys().filter(|name| self.is_extra(name)).map(|name| quote(name));
        if self.has_key_of(old) {
            columns.extend(given.map(|name| (name.clone(), format!("o.{name}"))));
        }
        let (names, values): (Vec<String>, Vec<String>) = columns.into_iter().unzip();
        format!(
            "insert into {new} ({}) select {} from {} o where {kept}",
            names.join(", "),
            values.join(", "),
            raw.name()
        )
    }

    /// Whether a column of the raw table is neither the source's nor ours.
    pub(super) fn is_extra(&self, name: &str) -> bool {
        name != LOADED_AT && name != DELETED_AT && !self.table.columns.iter().any(|c| c.raw_name() == name)
    }
}

/// The value of an old column in a new one; `None` where the new one may not hold it, or has it otherwise.
fn carried(name: &str, old: &Column, new: &Column) -> Option<String> {
    use WarehouseType::{Date, Int2, Int4, Int8, Numeric, Text};
    let (was, is) = (old.warehouse(), new.warehouse());
    let as_text = is == Text && matches!(was, Int2 | Int4 | Int8 | Numeric { .. } | Date);
    match () {
        () if was == is => Some(format!("o.{name}")),
        () if old.rule == new.rule && (drift::widens(was, is) || as_text) => Some(format!("o.{name}::{is}")),
        () => None,
    }
}
