//! What a statement in the log may have done to a table. Pure.
//!
//! With `ROW`, statements are logged of what changes no row by itself: definitions, and what empties a table.
//! No SQL is understood here. A statement that names a table is taken to have changed it; whoever is wrong
//! compares the table once too often.

use super::Untold;

/// Statements that change no row, whatever they name.
const HARMLESS: [&str; 7] = ["begin", "commit", "rollback", "savepoint", "release", "analyze", "optimize"];

/// Judges a statement.
///
/// # Errors
/// It may have changed rows of the table of that name.
pub(super) fn judge(statement: &[u8], table: &str) -> Result<(), Untold> {
    let mut words = words(statement);
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    if is(first, "xa") {
        return Err(Untold::TwoPhases);
    }
    if HARMLESS.iter().any(|verb| is(first, verb)) {
        return Ok(());
    }
    let takes_all = is(first, "drop") && (is(second, "database") || is(second, "schema"));
    // A statement's own character set is not looked at, nor is quoting.
    let is_plain = table.bytes().all(is_of_word);
    if takes_all || !is_plain || self::words(statement).any(|word| is(word, table)) {
        return Err(Untold::Statement);
    }
    Ok(())
}

/// Names, keywords and numbers, one after another.
fn words(statement: &[u8]) -> impl Iterator<Item = &[u8]> {
    statement.split(|&byte| !is_of_word(byte)).filter(|word| !word.is_empty())
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_that_names_the_table_may_have_changed_it() {
        for statement in [
            "TRUNCATE `t`",
            "alter table d.T add x int",
            "rename table a to t, b to c",
            "/* by night */ drop table if exists `a`,`t`",
            "update t set v = 1",
            "drop database d",
            "create table `u` like `t`",
        ] {
            assert_eq!(judge(statement.as_bytes(), "t"), Err(Untold::Statement), "{statement}");
        }
        assert_eq!(judge(b"alter table x add y int", "r\u{f6}ntgen"), Err(Untold::Statement));
        assert_eq!(judge(b"XA COMMIT X'01',X'',1", "t"), Err(Untold::TwoPhases));
    }

    #[test]
    fn a_statement_about_others_has_not() {
        for statement in
            ["BEGIN", "COMMIT", "truncate tt", "create table t_2 (t2 int)", "optimize table t", "flush logs", ""]
        {
            assert_eq!(judge(statement.as_bytes(), "t"), Ok(()), "{statement}");
        }
    }
}
