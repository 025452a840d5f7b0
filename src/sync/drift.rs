//! What has changed in a table's shape since it was last read.
//!
//! Pure. An added column is added; a dropped one is kept and null from then on; a change that the raw
//! column holds as well (a longer varchar) is none; anything else loads the table again, beside the
//! present one.

use crate::{
    domain::{Column, Table},
    warehouse::Shape,
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
    /// The raw table no longer fits; why, in words.
    Reload(String),
}

/// The shape of a table as it is now.
pub(super) fn shape(table: &Table) -> Shape {
    Shape { columns: table.columns.clone(), key: table.key.clone() }
}

/// Compares what was with what is.
pub(super) fn compare(before: &Shape, now: &Table) -> Drift {
    let key = |columns: &[Column], key: &[usize]| key.iter().map(|&i| columns[i].name.clone()).collect::<Vec<_>>();
    let (was, is) = (key(&before.columns, &before.key), key(&now.columns, &now.key));
    if was != is {
        return Drift::Reload(format!("the primary key was ({}) and is ({})", was.join(", "), is.join(", ")));
    }
    for column in &now.columns {
        if let Some(old) = before.columns.iter().find(|c| c.name == column.name)
            && old.source_type.warehouse() != column.source_type.warehouse()
        {
            return Drift::Reload(format!("column {} was {} and is {}", column.name, old.declared, column.declared));
        }
    }
    let missing = |from: &[Column], other: &[Column]| -> Vec<String> {
        from.iter().filter(|c| !other.iter().any(|o| o.name == c.name)).map(|c| c.name.clone()).collect()
    };
    let added = missing(&now.columns, &before.columns);
    let dropped = missing(&before.columns, &now.columns);
    match (added.is_empty(), dropped.is_empty()) {
        (true, true) => Drift::None,
        (false, true) => Drift::Added(added),
        (true, false) => Drift::Dropped(dropped),
        (false, false) => Drift::Reload(format!(
            "columns were added ({}) and dropped ({}), or renamed",
            added.join(", "),
            dropped.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Engine, SourceType};

    fn column(name: &str, declared: &str) -> Column {
        Column {
            name: name.to_owned(),
            declared: declared.to_owned(),
            source_type: SourceType::parse(declared).expect("a known type"),
            nullable: true,
            stamps_edits: false,
            auto_increment: false,
        }
    }

    fn drift(before: &[(&str, &str)], now: &[(&str, &str)]) -> Drift {
        let columns = |list: &[(&str, &str)]| list.iter().map(|(n, d)| column(n, d)).collect::<Vec<_>>();
        let table = Table {
            name: "t".into(),
            engine: Engine::MyIsam,
            columns: columns(now),
            key: vec![0],
            indexed: vec![],
            rows: 0,
            data_bytes: 0,
            fingerprint: None,
        };
        compare(&Shape { columns: columns(before), key: vec![0] }, &table)
    }

    #[test]
    fn each_change_falls_into_its_tier() {
        let before = [("k", "bigint(20)"), ("a", "varchar(10)")];
        assert_eq!(drift(&before, &[("k", "bigint(20)"), ("a", "varchar(200)")]), Drift::None);
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
