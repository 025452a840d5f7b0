//! What has changed in a table's shape since it was last read.
//!
//! Pure. An added column is added; a wider one is widened in place, and so is every view on it; a dropped
//! one is kept and null from then on, and rows that it kept in quarantine are looked at again; after a change
//! that the raw column holds as well, but that may have changed values without a stamp (a shorter varchar),
//! all rows are compared; anything else loads the table again, beside the present one. So does a raw table that
//! somebody else has altered. What columns don't show (a character set, an expression, another table of the same
//! name) the table's own time of making does: [`super::plan`].
//! Carried out by [`super::reshape`], [`super::reconcile`] and [`super::load`].

use crate::{
    domain::{ChangeKind, Column, SchemaChange, SourceType, Table, WarehouseType, name::LOADED_AT},
    warehouse::{RawTable, Shape},
};

/// What has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Drift {
    /// Columns that the source has gained.
    pub added: Vec<String>,
    /// Columns whose raw type must hold more.
    pub widened: Vec<String>,
    /// Why all rows must be compared, in words.
    pub compare: Option<String>,
    /// That columns are gone, in words: rows that they have kept in quarantine fit now.
    pub dropped: Option<String>,
    /// Why the raw table no longer fits, in words.
    pub reload: Option<String>,
    /// All of it, for log and history.
    pub changes: Vec<SchemaChange>,
}

impl Drift {
    /// Whether there is nothing that the raw table would notice.
    pub(super) fn is_none(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether the raw table must change before both sides can be compared.
    pub(super) fn alters(&self) -> bool {
        !self.added.is_empty() || !self.widened.is_empty()
    }

    fn reload(why: String) -> Self {
        let changes = vec![SchemaChange { kind: ChangeKind::Reloaded, told: why.clone() }];
        Self { reload: Some(why), changes, ..Self::default() }
    }

    fn note(&mut self, kind: ChangeKind, told: String) {
        self.changes.push(SchemaChange { kind, told });
    }
}

/// The shape of a table as it is now.
pub(super) fn shape(table: &Table) -> Shape {
    Shape { columns: table.columns.clone(), key: table.key.clone(), made_at: table.made_at }
}

/// Compares what was with what is, at the source and in the warehouse.
pub(super) fn compare(before: &Shape, now: &Table, raw: &RawTable) -> Drift {
    let key = |columns: &[Column], key: &[usize]| key.iter().map(|&i| columns[i].name.clone()).collect::<Vec<_>>();
    let (was, is) = (key(&before.columns, &before.key), key(&now.columns, &now.key));
    if was != is {
        return Drift::reload(format!("the primary key was ({}) and is ({})", was.join(", "), is.join(", ")));
    }
    let missing = |from: &[Column], other: &[Column]| -> Vec<String> {
        from.iter().filter(|c| !other.iter().any(|o| o.name == c.name)).map(|c| c.name.clone()).collect()
    };
    let mut drift = Drift { added: missing(&now.columns, &before.columns), ..Drift::default() };
    let dropped = missing(&before.columns, &now.columns);
    if !drift.added.is_empty() && !dropped.is_empty() {
        let (added, dropped) = (drift.added.join(", "), dropped.join(", "));
        return Drift::reload(format!("columns were added ({added}) and dropped ({dropped}), or renamed"));
    }
    for column in &now.columns {
        let Some(old) = before.columns.iter().find(|c| c.name == column.name) else { continue };
        let told = match (old.declared == column.declared, old.rule == column.rule) {
            (true, false) => format!("the configuration of column {} has changed", column.name),
            _ => format!("column {} was {} and is {}", column.name, old.declared, column.declared),
        };
        let (was, is) = (old.warehouse(), column.warehouse());
        // By another rule, the same value may be written otherwise.
        if was != is && (old.rule != column.rule || !widens(was, is)) {
            return Drift::reload(told);
        }
        if was != is {
            drift.widened.push(column.name.clone());
        }
        match redeclared(old, column) {
            None => {}
            Some(ChangeKind::Widened) => drift.note(ChangeKind::Widened, told),
            Some(_) => {
                drift.compare = Some(told.clone());
                drift.note(if was == is { ChangeKind::Redeclared } else { ChangeKind::Widened }, told);
            }
        }
    }
    if let Some(why) = altered(before, now, &drift, raw) {
        return Drift::reload(why);
    }
    if !drift.added.is_empty() {
        let told = format!("the source has gained {}", drift.added.join(", "));
        drift.note(ChangeKind::Added, told.clone());
        drift.compare = Some(told);
    }
    if !dropped.is_empty() {
        let told = format!("the source no longer has {}", dropped.join(", "));
        drift.note(ChangeKind::Dropped, told.clone());
        drift.dropped = Some(told);
    }
    drift
}

/// What another declaration of a column means for its values: `None`: nothing at all; widened: none can
/// have changed; else some may have, without a stamp.
fn redeclared(old: &Column, new: &Column) -> Option<ChangeKind> {
    let (was, is) = (old.declared.to_ascii_lowercase(), new.declared.to_ascii_lowercase());
    // The same declaration may be read otherwise by another version of this program.
    if old.rule != new.rule || was == is && old.source_type != new.source_type {
        return Some(ChangeKind::Redeclared);
    }
    // The width that an integer is shown with is no bound.
    if was == is || old.source_type == new.source_type && old.source_type.is_integer() {
        return None;
    }
    // A number below zero becomes zero where the server is lenient.
    let keeps_sign = was.contains(" unsigned") || !is.contains(" unsigned");
    let wider = widens(old.warehouse(), new.warehouse())
        || old.source_type.is_integer() && new.source_type.is_integer() && holds_integers(old, new);
    Some(if keeps_sign && wider || grows(&was, &is) { ChangeKind::Widened } else { ChangeKind::Redeclared })
}

/// Whether an integer column of the same raw type holds as many numbers: `tinyint` in `smallint`.
fn holds_integers(old: &Column, new: &Column) -> bool {
    let bytes = |of: SourceType| match of {
        SourceType::TinyInt { .. } => 1,
        SourceType::SmallInt { .. } => 2,
        SourceType::MediumInt { .. } => 3,
        SourceType::Int { .. } => 4,
        _ => 8,
    };
    bytes(new.source_type) > bytes(old.source_type)
}

/// Whether a text or bytes column, or a list of words, was only given more room: no value is changed by
/// that. Not `binary`, which is filled up with zero bytes.
fn grows(was: &str, is: &str) -> bool {
    const SIZES: [[&str; 4]; 2] =
        [["tinytext", "text", "mediumtext", "longtext"], ["tinyblob", "blob", "mediumblob", "longblob"]];
    let place = |of: &str| SIZES.iter().enumerate().find_map(|(n, row)| Some((n, row.iter().position(|w| *w == of)?)));
    if let (Some((family, small)), Some((same, large))) = (place(was), place(is)) {
        return family == same && small < large;
    }
    let length = |of: &str| -> Option<(String, u64)> {
        let (word, rest) = of.split_once('(')?;
        Some((word.to_owned(), rest.strip_suffix(')')?.parse().ok()?))
    };
    if let (Some((word, short)), Some((same, long))) = (length(was), length(is)) {
        return word == same && short < long && matches!(word.as_str(), "varchar" | "char" | "varbinary");
    }
    let is_list = was.starts_with("enum(") || was.starts_with("set(");
    is_list && was.strip_suffix(')').is_some_and(|list| is.starts_with(&format!("{list},")))
}

/// Whether a type holds every value of another one exactly, and PostgreSQL's cast keeps it.
pub(super) fn widens(from: WarehouseType, to: WarehouseType) -> bool {
    use WarehouseType::{Date, Float4, Float8, Int2, Int4, Int8, Numeric, Timestamp};
    let digits = |to: WarehouseType, whole: u8| matches!(to, Numeric { precision, scale } if precision.saturating_sub(scale) >= whole);
    match (from, to) {
        (Int2, Int4 | Int8) | (Int4, Int8) | (Float4, Float8) | (Date, Timestamp) => true,
        (Int2, to) => digits(to, 5),
        (Int4, to) => digits(to, 10),
        (Int8, to) => digits(to, 19),
        (Numeric { precision, scale }, Numeric { scale: wider, .. }) if wider >= scale => {
            digits(to, precision.saturating_sub(scale))
        }
        _ => false,
    }
}

/// What somebody else has done to the raw table that a write would meet: why it must be loaded again.
fn altered(before: &Shape, now: &Table, drift: &Drift, raw: &RawTable) -> Option<String> {
    for column in &now.columns {
        // One that is yet to be widened is what it was.
        let stands = before.columns.iter().find(|c| c.name == column.name).unwrap_or(column);
        let (name, wanted) = (column.raw_name(), stands.warehouse().to_string());
        match (raw.columns.get(&*name), drift.added.contains(&column.name)) {
            (Some(_), true) => {
                return Some(format!("column {name} was dropped once and is back; what stands in it is old"));
            }
            (None, true) => {}
            (None, false) => return Some(format!("the raw table has lost its column {name}")),
            (Some(is), false) if *is == wanted => {}
            (Some(is), false) => return Some(format!("the raw table's column {name} should be {wanted} and is {is}")),
        }
    }
    if !raw.columns.contains_key(LOADED_AT) {
        return Some(format!("the raw table has lost its column {LOADED_AT}"));
    }
    let key: Vec<String> = now.key_columns().map(|c| c.raw_name().into_owned()).collect();
    (now.declares_key() && raw.key != key).then(|| "the raw table has lost its primary key".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Engine;

    fn column(name: &str, declared: &str) -> Column {
        Column::new(name, declared)
    }

    fn table(columns: Vec<Column>) -> Table {
        Table {
            name: "t".into(),
            engine: Engine::MyIsam,
            columns,
            key: vec![0],
            rows: 0,
            data_bytes: 0,
            fingerprint: None,
            made_at: None,
        }
    }

    fn drift(before: &[(&str, &str)], now: &[(&str, &str)]) -> Drift {
        let columns = |list: &[(&str, &str)]| list.iter().map(|(n, d)| column(n, d)).collect::<Vec<_>>();
        let table = table(columns(now));
        compare(&Shape { columns: columns(before), key: vec![0], made_at: None }, &table, &raw(before))
    }

    /// The twin of a table with these columns, the first of which is its key.
    fn raw(columns: &[(&str, &str)]) -> RawTable {
        let twins = columns.iter().map(|(n, d)| {
            let twin = column(n, d);
            (twin.name.clone(), twin.source_type.warehouse().to_string())
        });
        let loaded_at = (LOADED_AT.to_owned(), "timestamp with time zone".to_owned());
        let (columns, key) = (twins.chain([loaded_at]).collect(), vec![columns[0].0.to_owned()]);
        RawTable { columns, key, meddlers: Vec::new() }
    }

    #[test]
    fn a_raw_table_that_was_altered_by_hand_is_loaded_again() {
        let shape = [("k", "bigint(20)"), ("a", "int(11)")];
        let now = |raw: RawTable| {
            let columns: Vec<Column> = shape.iter().map(|(n, d)| column(n, d)).collect();
            let before = Shape { columns: columns.clone(), key: vec![0], made_at: None };
            compare(&before, &table(columns), &raw)
        };
        let altered = |change: &dyn Fn(&mut RawTable)| {
            let mut twin = raw(&shape);
            change(&mut twin);
            now(twin)
        };
        assert!(altered(&|_| ()).is_none());
        let of_their_own = |t: &mut RawTable| drop(t.columns.insert("note".to_owned(), "text".to_owned()));
        assert!(altered(&of_their_own).is_none());
        for (change, told) in [
            (&(|t: &mut RawTable| drop(t.columns.remove("a"))) as &dyn Fn(&mut RawTable), "lost its column a"),
            (
                &|t: &mut RawTable| drop(t.columns.insert("a".to_owned(), "text".to_owned())),
                "should be integer and is text",
            ),
            (&|t: &mut RawTable| drop(t.columns.remove(LOADED_AT)), "lost its column _loaded_at"),
            (&|t: &mut RawTable| t.key.clear(), "lost its primary key"),
        ] {
            let why = altered(change).reload.unwrap_or_else(|| panic!("{told} is not noticed"));
            assert!(why.contains(told), "{why}");
        }
    }

    #[test]
    fn each_change_falls_into_its_tier() {
        let before = [("k", "bigint(20)"), ("a", "varchar(10)")];
        let with = |now: &[(&str, &str)]| drift(&before, now);
        assert!(with(&before).is_none());
        let gained = with(&[("k", "bigint(20)"), ("b", "int(11)"), ("a", "varchar(10)")]);
        assert!(gained.added == ["b"] && gained.compare.is_some());
        assert_eq!(kinds(&gained), [ChangeKind::Added]);
        let lost = with(&[("k", "bigint(20)")]);
        assert!(!lost.alters() && lost.compare.is_none() && lost.dropped.is_some());
        assert_eq!(kinds(&lost), [ChangeKind::Dropped]);
        for other in [
            &[("k", "bigint(20)"), ("a", "int(11)")][..],
            &[("k", "bigint(20)"), ("renamed", "varchar(10)")],
            &[("other", "bigint(20)"), ("a", "varchar(10)")],
            &[("k", "int(11)"), ("a", "varchar(10)")],
        ] {
            let other = with(other);
            assert!(other.reload.is_some());
            assert_eq!(kinds(&other), [ChangeKind::Reloaded]);
        }
    }

    #[test]
    fn what_only_has_more_room_is_neither_loaded_nor_compared() {
        let to = |was: &str, is: &str| drift(&[("k", "int(11)"), ("a", was)], &[("k", "int(11)"), ("a", is)]);
        for (was, is, in_place) in [
            ("int(11)", "bigint(20)", true),
            ("tinyint(4)", "int(11)", true),
            ("tinyint(4)", "smallint(6)", false),
            ("int(11) unsigned", "bigint(20) unsigned", true),
            ("bigint(20)", "decimal(19,0)", true),
            ("decimal(10,2)", "decimal(14,4)", true),
            ("float", "double", true),
            ("date", "datetime", true),
            ("varchar(10)", "varchar(200)", false),
            ("text", "mediumtext", false),
            ("enum('a','b')", "enum('a','b','c')", false),
        ] {
            let drift = to(was, is);
            assert_eq!((drift.reload.as_ref(), drift.compare.as_ref()), (None, None), "{was} {is}");
            assert_eq!(!drift.widened.is_empty(), in_place, "{was} {is}");
            assert_eq!(kinds(&drift), [ChangeKind::Widened], "{was} {is}");
        }
        assert!(to("int(11)", "int(10)").is_none());
        for (was, is) in [
            ("int(11)", "int(10) unsigned"),
            ("varchar(20)", "varchar(5)"),
            ("binary(2)", "binary(4)"),
            ("mediumtext", "text"),
            ("smallint(6)", "tinyint(4)"),
            ("enum('a','b')", "enum('b','a')"),
        ] {
            let drift = to(was, is);
            assert!(drift.reload.is_none() && drift.compare.is_some(), "{was} {is}");
        }
        for (was, is) in [("decimal(10,2)", "decimal(10,4)"), ("bigint(20)", "int(11)"), ("double", "float")] {
            assert!(to(was, is).reload.is_some(), "{was} {is}");
        }
    }

    fn kinds(drift: &Drift) -> Vec<ChangeKind> {
        drift.changes.iter().map(|c| c.kind).collect()
    }
}
