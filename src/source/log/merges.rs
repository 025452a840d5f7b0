//! Which writes may have reached a table through a MERGE table. Pure.
//!
//! A MERGE table (MariaDB KB, "MERGE") has no rows of its own: what is written through it changes MyISAM tables,
//! and is logged under its own name. Which tables are such is known of the present; one that was defined anew
//! behind a write may have been another when it was written, and is taken for one if it looks like the table.
//! Does not know those of other databases. A definition that puts the table into a union names it, which
//! [`super::statement`] notices.

use super::{
    Untold,
    event::Statement,
    statement::{self, Definition},
};
use std::collections::{BTreeSet, HashMap};

/// The MERGE tables that may be made of the table that is followed.
pub(super) struct Merges<'t> {
    database: &'t str,
    /// How many columns the table has, and so whatever it is merged into.
    columns: usize,
    /// In lowercase; `None`: it can't be in any union.
    present: Option<BTreeSet<Vec<u8>>>,
    /// The names of others that may be such, by their numbers.
    layouts: HashMap<u64, Vec<u8>>,
    /// Others that were written, or emptied.
    written: BTreeSet<Vec<u8>>,
}

impl<'t> Merges<'t> {
    /// There are none.
    pub(super) fn none(database: &'t str, columns: usize) -> Self {
        Self { database, columns, present: None, layouts: HashMap::new(), written: BTreeSet::new() }
    }

    /// There are those now.
    pub(super) fn are(&mut self, present: &[String]) {
        self.present = Some(present.iter().map(|name| name.to_lowercase().into_bytes()).collect());
    }

    /// Takes in what rows of another table will look like.
    pub(super) fn layout(&mut self, id: u64, database: &[u8], table: &[u8], columns: usize) {
        let Some(present) = &self.present else { return };
        let name = lowercase(table);
        let may_be_one = columns == self.columns || present.contains(&name);
        if may_be_one && database.eq_ignore_ascii_case(self.database.as_bytes()) {
            self.layouts.insert(id, name);
        } else {
            self.layouts.remove(&id);
        }
    }

    /// Forgets a number that another table bears now.
    pub(super) fn forget(&mut self, id: u64) {
        self.layouts.remove(&id);
    }

    /// Forgets all numbers.
    pub(super) fn begin_file(&mut self) {
        self.layouts.clear();
    }

    /// Takes in that rows of another table have changed.
    ///
    /// # Errors
    /// They may be the table's.
    pub(super) fn rows(&mut self, id: u64) -> Result<(), Untold> {
        let (Some(present), Some(name)) = (&self.present, self.layouts.get(&id)) else { return Ok(()) };
        if present.contains(name) {
            return Err(Untold::Merged);
        }
        self.written.insert(name.clone());
        Ok(())
    }

    /// Takes in a statement that changes no row of the table under its own name.
    ///
    /// # Errors
    /// It empties what may be made of the table, or ends what was written and may have been.
    pub(super) fn statement(&mut self, statement: &Statement<'_>) -> Result<(), Untold> {
        let Some(present) = &self.present else { return Ok(()) };
        let is_ours = || statement::reaches(statement, self.database);
        let names_one_of = |of: &BTreeSet<Vec<u8>>| {
            of.iter().any(|name| statement::names(statement.text, &String::from_utf8_lossy(name))) && is_ours()
        };
        match statement::definition(statement.text) {
            Some(Definition::Empties) if names_one_of(present) => Err(Untold::Merged),
            Some(Definition::Empties) if is_ours() => {
                let named = statement::emptied(statement.text).map(lowercase);
                let database = lowercase(self.database.as_bytes());
                self.written.extend(named.filter(|name| *name != database));
                Ok(())
            }
            Some(Definition::Ends) if names_one_of(&self.written) => Err(Untold::Merged),
            _ => Ok(()),
        }
    }
}

/// As the server compares names where it does not tell cases apart; else a table too many is taken for one.
fn lowercase(name: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(name).to_lowercase().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merges(present: &[&str]) -> Merges<'static> {
        let mut merges = Merges::none("d", 2);
        merges.are(&present.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        merges
    }

    fn statement(merges: &mut Merges<'_>, text: &str) -> Result<(), Untold> {
        merges.statement(&Statement { database: b"d", text: text.as_bytes() })
    }

    #[test]
    fn rows_of_a_merge_table_may_be_those_of_any_table() {
        let mut merges = merges(&["M"]);
        for (database, table, columns, told) in [
            ("d", "m", 2, Err(Untold::Merged)),
            ("D", "M", 3, Err(Untold::Merged)),
            ("d", "u", 2, Ok(())),
            ("elsewhere", "m", 2, Ok(())),
        ] {
            merges.layout(7, database.as_bytes(), table.as_bytes(), columns);
            assert_eq!(merges.rows(7), told, "{database}.{table}");
        }
        merges.layout(7, b"d", b"m", 2);
        merges.begin_file();
        assert_eq!(merges.rows(7), Ok(()));
        assert_eq!(statement(&mut merges, "truncate table m"), Err(Untold::Merged));
        assert_eq!(statement(&mut merges, "alter table m union=(u)"), Ok(()));
    }

    #[test]
    fn what_was_written_and_is_another_table_now_may_have_been_a_merge_table() {
        for ending in [
            "drop table m",
            "drop table if exists a, `M`",
            "rename table m to n, a to m",
            "create or replace table m (k int)",
            "alter table m engine = MyISAM",
            "alter table m rename to n",
        ] {
            let mut merges = merges(&[]);
            assert_eq!(statement(&mut merges, ending), Ok(()), "nothing was written before {ending}");
            merges.layout(7, b"d", b"m", 3);
            merges.rows(7).expect("it has other columns");
            assert_eq!(statement(&mut merges, ending), Ok(()), "{ending}");
            merges.layout(7, b"d", b"m", 2);
            merges.rows(7).expect("it is none now");
            assert_eq!(statement(&mut merges, "alter table m disable keys"), Ok(()));
            assert_eq!(statement(&mut merges, ending), Err(Untold::Merged), "{ending}");
        }
        let mut merges = merges(&[]);
        statement(&mut merges, "truncate table m").expect("it is none now");
        statement(&mut merges, "truncate table d.u").expect("nor is that one");
        assert_eq!(statement(&mut merges, "drop table d.other"), Ok(()));
        assert_eq!(statement(&mut merges, "drop table m"), Err(Untold::Merged));
    }
}
