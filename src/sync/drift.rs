//! What has changed in a table's shape since it was last read.
//!
//! Pure. An added column is added; a dropped one is kept and null from then on; after a change that the
//! raw column holds as well (a longer or shorter varchar) all rows are compared; anything else loads the
//! table again, beside the present one. So does a raw table that somebody else has altered.

use crate::{
    domain::{Column, Table, name::LOADED_AT},
    warehouse::{RawTable, Shape},
};

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Drift {
    /// Nothing that the raw table would notice.
    None,
    /// The source has these columns more.
    Added(Vec<String>),
    /// The source has these columns no more.
    Dropped(Vec<String>),
    /// A column is declared anew with a type that the raw column holds as well; which, in words. Its
    /// values may have been changed by that, without a stamp.
    Redeclared(String),
    /// The raw table no longer fits; why, in words.
    Reload(String),
}

/// The shape of a table as it is now.
pub(super) fn shape(table: &Table) -> Shape {
    Shape { columns: table.columns.clone(), key: table.key.clone() }
}

/// Compares what was with what is, at the source and in the warehouse.
pub(super) fn compare(before: &Shape, now: &Table, raw: &RawTable) -> Drift {
    let key = |columns: &[Column], key: &[usize]| key.iter().map(|&i| columns[i].name.clone()).collect::<Vec<_>>();
    let (was, is) = (key(&before.columns, &before.key), key(&now.columns, &now.key));
    if was != is {
        return Drift::Reload(format!("the primary key was ({}) and is ({})", was.join(", "), is.join(", ")));
    }
    let mut redeclared = None;
    for column in &now.columns {
        let Some(old) = before.columns.iter().find(|c| c.name == column.name) else { continue };
        let told = match (old.declared == column.declared, old.rule == column.rule) {
            (true, false) => format!("the configuration of column {} has changed", column.name),
            _ => format!("column {} was {} and is {}", column.name, old.declared, column.declared),
        };
        if old.warehouse() != column.warehouse() {
            return Drift::Reload(told);
        }
        // The same declaration is read otherwise by another version of this program.
        if (&old.declared, old.source_type, old.rule) != (&column.declared, column.source_type, column.rule) {
            redeclared = Some(told);
        }
    }
    let missing = |from: &[Column], other: &[Column]| -> Vec<String> {
        from.iter().filter(|c| !other.iter().any(|o| o.name == c.name)).map(|c| c.name.clone()).collect()
    };
    let added = missing(&now.columns, &before.columns);
    let dropped = missing(&before.columns, &now.columns);
    if let Some(why) = altered(now, &added, raw) {
        return Drift::Reload(why);
    }
    match (added.is_empty(), dropped.is_empty()) {
        (true, true) => redeclared.map_or(Drift::None, Drift::Redeclared),
        (false, true) => Drift::Added(added),
        (true, false) => redeclared.map_or(Drift::Dropped(dropped), Drift::Redeclared),
        (false, false) => Drift::Reload(format!(
            "columns were added ({}) and dropped ({}), or renamed",
            added.join(", "),
            dropped.join(", ")
        )),
    }
}

/// What somebody else has done to the raw table that a write would meet: why it must be loaded again.
fn altered(now: &Table, added: &[String], raw: &RawTable) -> Option<String> {
    for column in &now.columns {
        let (name, wanted) = (column.raw_name(), column.warehouse().to_string());
        match (raw.columns.get(&*name), added.contains(&column.name)) {
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
    use crate::domain::{Engine, Rule, SourceType};

    fn column(name: &str, declared: &str) -> Column {
        Column {
            name: name.to_owned(),
            declared: declared.to_owned(),
            source_type: SourceType::parse(declared),
            nullable: true,
            stamps_edits: false,
            auto_increment: false,
            rule: Rule::default(),
        }
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
        }
    }

    fn drift(before: &[(&str, &str)], now: &[(&str, &str)]) -> Drift {
        let columns = |list: &[(&str, &str)]| list.iter().map(|(n, d)| column(n, d)).collect::<Vec<_>>();
        let table = table(columns(now));
        compare(&Shape { columns: columns(before), key: vec![0] }, &table, &raw(before))
    }

    /// The twin of a table with these columns, the first of which is its key.
    fn raw(columns: &[(&str, &str)]) -> RawTable {
        let twins = columns.iter().map(|(n, d)| {
            let twin = column(n, d);
            (twin.name.clone(), twin.source_type.warehouse().to_string())
        });
        let loaded_at = (LOADED_AT.to_owned(), "timestamp with time zone".to_owned());
        RawTable { columns: twins.chain([loaded_at]).collect(), key: vec![columns[0].0.to_owned()] }
    }

    #[test]
    fn a_raw_table_that_was_altered_by_hand_is_loaded_again() {
        let shape = [("k", "bigint(20)"), ("a", "int(11)")];
        let now = |raw: RawTable| {
            let columns: Vec<Column> = shape.iter().map(|(n, d)| column(n, d)).collect();
            let before = Shape { columns: columns.clone(), key: vec![0] };
            compare(&before, &table(columns), &raw)
        };
        let altered = |change: &dyn Fn(&mut RawTable)| {
            let mut twin = raw(&shape);
            change(&mut twin);
            now(twin)
        };
        assert_eq!(altered(&|_| ()), Drift::None);
        let of_their_own = |t: &mut RawTable| drop(t.columns.insert("note".to_owned(), "text".to_owned()));
        assert_eq!(altered(&of_their_own), Drift::None);
        for (change, told) in [
            (&(|t: &mut RawTable| drop(t.columns.remove("a"))) as &dyn Fn(&mut RawTable), "lost its column a"),
            (
                &|t: &mut RawTable| drop(t.columns.insert("a".to_owned(), "text".to_owned())),
                "should be integer and is text",
            ),
            (&|t: &mut RawTable| drop(t.columns.remove(LOADED_AT)), "lost its column _loaded_at"),
            (&|t: &mut RawTable| t.key.clear(), "lost its primary key"),
        ] {
            let Drift::Reload(why) = altered(change) else { panic!("{told} is not noticed") };
            assert!(why.contains(told), "{why}");
        }
    }

    #[test]
    fn each_change_falls_into_its_tier() {
        let before = [("k", "bigint(20)"), ("a", "varchar(10)")];
        assert_eq!(drift(&before, &before), Drift::None);
        assert!(matches!(drift(&before, &[("k", "bigint(20)"), ("a", "varchar(200)")]), Drift::Redeclared(_)));
        assert_eq!(
            drift(&before, &[("k", "bigint(20)"), ("b", "int(11)"), ("a", "varchar(10)")]),
            Drift::Added(vec!["b".to_owned()])
        );
        assert_eq!(drift(&before, &[("k", "bigint(20)")]), Drift::Dropped(vec!["a".to_owned()]));
        assert!(matches!(drift(&before, &[("k", "bigint(20)"), ("a", "int(11)")]), Drift::Reload(_)));
        assert!(matches!(drift(&before, &[("k", "bigint(20)"), ("renamed", "varchar(10)")]), Drift::Reload(_)));
        assert!(matches!(drift(&before, &[("other", "bigint(20)"), ("a", "varchar(10)")]), Drift::Reload(_)));
    }
}
