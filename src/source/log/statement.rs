//! What a statement in the log may have done to a table. Pure.
//!
//! With `ROW`, statements are logged of what changes no row by itself: definitions, and what empties a table.
//! No SQL is understood here. A definition that names a table is taken to have changed it; whatever is no
//! definition comes from a session without `ROW`, and may have changed any table, by a view, a trigger or a
//! function that it does not name. Whoever is wrong compares the table once too often.

use super::{Untold, event::Statement};

/// Statements that change no row, whatever they name.
const HARMLESS: [&str; 12] = [
    "begin",
    "commit",
    "rollback",
    "savepoint",
    "release",
    "analyze",
    "optimize",
    "check",
    "flush",
    "grant",
    "revoke",
    "",
];
/// Statements that change what they name, and nothing else.
const DEFINING: [&str; 6] = ["create", "alter", "drop", "rename", "truncate", "repair"];
/// What `set` is logged of: `set statement … for update …` is another thing.
const HARMLESS_TO_SET: [&str; 3] = ["password", "default", "role"];

/// Judges a statement.
///
/// # Errors
/// It may have changed rows of that table of that database.
pub(super) fn judge(statement: &Statement<'_>, database: &str, table: &str) -> Result<(), Untold> {
    let text = after_comments(statement.text);
    // A comment that the server executes begins with a version.
    let mut words = words(text).skip_while(|word| word.iter().all(u8::is_ascii_digit));
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_one_of = |word: &[u8], of: &[&str]| of.iter().any(|&verb| is(word, verb));
    if is(first, "xa") {
        return Err(Untold::TwoPhases);
    }
    if is_one_of(first, &HARMLESS) || is(first, "set") && is_one_of(second, &HARMLESS_TO_SET) {
        return Ok(());
    }
    if !is_one_of(first, &DEFINING) {
        return Err(Untold::Statement);
    }
    let drops_all = is(first, "drop") && is_one_of(second, &["database", "schema"]);
    // From within another database, ours must be named.
    let is_ours = || is(statement.database, database) || names(text, database);
    let changes = if drops_all { names(text, database) } else { names(text, table) && is_ours() };
    if changes { Err(Untold::Statement) } else { Ok(()) }
}

/// Whether a name occurs. A statement's own character set is not looked at, nor is quoting: what takes either may
/// be there.
fn names(text: &[u8], name: &str) -> bool {
    !name.bytes().all(is_of_word) || words(text).any(|word| is(word, name))
}

fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}

/// Names, keywords and numbers, one after another.
fn words(statement: &[u8]) -> impl Iterator<Item = &[u8]> {
    statement.split(|&byte| !is_of_word(byte)).filter(|word| !word.is_empty())
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

/// The statement without what programs write in front of it (MariaDB KB, "Comment Syntax"). A comment that the
/// server executes is none.
fn after_comments(statement: &[u8]) -> &[u8] {
    let mut rest = statement.trim_ascii_start();
    loop {
        let end: &[u8] = match rest {
            [b'/', b'*', b'!', ..] | [b'/', b'*', b'M', b'!', ..] => return rest,
            [b'/', b'*', ..] => b"*/",
            [b'-', b'-', ..] | [b'#', ..] => b"\n",
            _ => return rest,
        };
        let Some(at) = rest.windows(end.len()).skip(2).position(|w| w == end) else { return b"" };
        rest = rest[at + 2 + end.len()..].trim_ascii_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str, database: &str) -> Result<(), Untold> {
        judge(&Statement { database: database.as_bytes(), text: text.as_bytes() }, "d", "t")
    }

    #[test]
    fn a_definition_that_names_the_table_may_have_changed_it() {
        for statement in [
            "TRUNCATE `t`",
            "alter table d.T add x int",
            "rename table a to t, b to c",
            "/* by night */ -- and by day\n drop table if exists `a`,`t`",
            "drop database d",
            "create table `u` like `t`",
        ] {
            assert_eq!(judged(statement, "d"), Err(Untold::Statement), "{statement}");
        }
        assert_eq!(judged("truncate d.t", "elsewhere"), Err(Untold::Statement));
        assert_eq!(judged("drop schema `D`", "elsewhere"), Err(Untold::Statement));
        let statement = Statement { database: b"d", text: b"alter table x add y int" };
        assert_eq!(judge(&statement, "d", "r\u{f6}ntgen"), Err(Untold::Statement));
        assert_eq!(judge(&statement, "pr\u{e4}xis", "x"), Err(Untold::Statement));
        assert_eq!(judged("XA COMMIT X'01',X'',1", "d"), Err(Untold::TwoPhases));
    }

    #[test]
    fn rows_changed_by_a_statement_may_be_those_of_any_table() {
        for statement in [
            "update t set v = 1",
            "update a_view set v = 1",
            "insert into with_a_trigger values (1)",
            "select a_function()",
            "set statement max_statement_time = 1 for delete from a_view",
            "/*!50000 delete */ from a_view",
        ] {
            assert_eq!(judged(statement, "elsewhere"), Err(Untold::Statement), "{statement}");
        }
    }

    #[test]
    fn a_statement_about_others_changes_nothing() {
        for statement in [
            "BEGIN",
            "COMMIT",
            "truncate tt",
            "create table t_2 (t2 int)",
            "optimize table t",
            "GRANT SELECT ON d.t TO u",
            "SET PASSWORD FOR u = '*0'",
            "flush logs",
            "drop database other",
            "/*!40000 alter table x disable keys */",
            "/* never ended",
            "-- alone",
            "",
        ] {
            assert_eq!(judged(statement, "d"), Ok(()), "{statement}");
        }
        assert_eq!(judged("truncate t", "elsewhere"), Ok(()));
        assert_eq!(judged("alter table `elsewhere`.t add x int", "elsewhere"), Ok(()));
    }
}
