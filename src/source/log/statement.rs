//! What a statement in the log may have done to a table. Pure.
//!
//! With `ROW`, statements are logged of what changes no row by itself: definitions, and what empties a table.
//! No SQL is understood here. A definition that names a table is taken to have changed it; whatever is no
//! definition comes from a session without `ROW`, and may have changed any table, by a view, a trigger or a
//! function that it does not name. Whoever is wrong compares the table once too often.

use super::{Untold, event::Statement};

/// Statements that change no row, whatever they name. `begin` and `analyze` are other things too.
const HARMLESS: [&str; 10] =
    ["commit", "rollback", "savepoint", "release", "optimize", "check", "flush", "grant", "revoke", ""];
/// Statements that change what they name, and nothing else.
const DEFINING: [&str; 6] = ["create", "alter", "drop", "rename", "truncate", "repair"];
/// What `set` is logged of: `set statement … for update …` is another thing.
const HARMLESS_TO_SET: [&str; 3] = ["password", "default", "role"];
/// `begin` alone: `begin not atomic …` does whatever follows.
const HARMLESS_TO_BEGIN: [&str; 2] = ["", "work"];
/// `analyze table …`, which gathers statistics: `analyze update …`, `analyze format=json delete …` do what they
/// analyze.
const HARMLESS_TO_ANALYZE: [&str; 4] = ["table", "tables", "no_write_to_binlog", "local"];
/// What a new table may be filled from: whatever is called there may write anywhere.
const FILLING: [&str; 4] = ["select", "values", "value", "with"];

/// Judges a statement.
///
/// # Errors
/// It may have changed rows of that table of that database.
pub(super) fn judge(statement: &Statement<'_>, database: &str, table: &str) -> Result<(), Untold> {
    let text = after_comments(statement.text);
    let (first, second) = first_words(text);
    if is(first, "xa") {
        return Err(Untold::TwoPhases);
    }
    let begins = |verb: &str, with: &[&str]| is(first, verb) && is_one_of(second, with);
    if is_one_of(first, &HARMLESS)
        || begins("set", &HARMLESS_TO_SET)
        || begins("begin", &HARMLESS_TO_BEGIN)
        || begins("analyze", &HARMLESS_TO_ANALYZE)
    {
        return Ok(());
    }
    if !is_one_of(first, &DEFINING) || fills(first, text) {
        return Err(Untold::Statement);
    }
    let drops_all = begins("drop", &["database", "schema"]);
    let changes = if drops_all { names(text, database) } else { names(text, table) && reaches(statement, database) };
    if changes { Err(Untold::Statement) } else { Ok(()) }
}

/// What a definition does to what it names, as far as MERGE tables go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Definition {
    /// It takes all rows away.
    Empties,
    /// From then on the name is nothing, or something else.
    Ends,
}

/// What a statement does to what it names, where it is such a definition.
pub(super) fn definition(text: &[u8]) -> Option<Definition> {
    let text = after_comments(text);
    let (first, _) = first_words(text);
    let ends = is_one_of(first, &["drop", "rename", "create"])
        || is(first, "alter") && words(text).any(|word| is_one_of(word, &["engine", "rename"]));
    match () {
        () if is(first, "truncate") => Some(Definition::Empties),
        () if ends => Some(Definition::Ends),
        () => None,
    }
}

/// What `truncate` may name.
pub(super) fn emptied(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    words(after_comments(text)).filter(|word| !is_one_of(word, &["truncate", "table"]))
}

/// Whether a statement may speak of tables of a database: from within another one, it must be named.
pub(super) fn reaches(statement: &Statement<'_>, database: &str) -> bool {
    is(statement.database, database) || names(statement.text, database)
}

/// Whether a name occurs. A statement's own character set is not looked at, nor is quoting: what takes either may
/// be there.
pub(super) fn names(text: &[u8], name: &str) -> bool {
    !name.bytes().all(is_of_word) || words(text).any(|word| is(word, name))
}

/// Whether it may make a table and fill it. Where a comment stands between is not looked at: a routine whose body
/// speaks of tables is taken for one.
fn fills(first: &[u8], text: &[u8]) -> bool {
    is(first, "create")
        && words(text).any(|word| is(word, "table"))
        && words(text).any(|word| is_one_of(word, &FILLING))
}

/// The first two words.
fn first_words(text: &[u8]) -> (&[u8], &[u8]) {
    // A comment that the server executes begins with a version.
    let mut words = words(text).skip_while(|word| word.iter().all(u8::is_ascii_digit));
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

fn is_one_of(word: &[u8], of: &[&str]) -> bool {
    of.iter().any(|&verb| is(word, verb))
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
            "analyze update a_view set v = 1",
            "ANALYZE FORMAT=JSON DELETE FROM a_view",
            "begin not atomic update a_view set v = 1; end",
            "create table x as select a_function() a",
            "create /* by night */ temporary table x (a int) select a_function() a",
            "/*!40000 create or replace table */ x values (a_function())",
            "create table x with y as (values (a_function())) select * from y",
            "do a_function()",
            "call a_procedure()",
            "set @v = (select a_function())",
            "set a_variable = a_function()",
            "prepare s from 'delete from a_view'",
            "execute s",
            "execute immediate 'delete from a_view'",
            "explain update a_view set v = 1",
            "handler a_view open",
            "load data infile 'f' into table a_view",
            "values (a_function())",
            "(select a_function())",
            "with y as (select 1) delete from a_view",
            "/*M!100100 delete */ from a_view",
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
            "analyze table t",
            "ANALYZE NO_WRITE_TO_BINLOG TABLE t",
            "analyze local table t persistent for all",
            "begin work",
            "create or replace view v as select a_function()",
            "create procedure p() select a_function()",
            "create table x (a int, check (a > 0))",
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
