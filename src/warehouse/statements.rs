//! Several statements in one text, told apart without understanding them.
//!
//! PostgreSQL docs § 4.1 Lexical Structure: strings, quoted names, dollar quotes, nested comments.

/// The text before the last statement, and the last statement with all that follows it.
pub(super) fn split_last(sql: &str) -> (&str, &str) {
    let mut starts = vec![0];
    let mut rest = sql;
    while let Some(at) = rest.find(['\'', '"', '$', '-', '/', ';']) {
        let here = &rest[at..];
        let taken = match here.as_bytes()[0] {
            b'\'' => {
                let is_escaped = rest[..at].ends_with(['e', 'E'])
                    && !rest[..at.saturating_sub(1)].ends_with(|c: char| c.is_alphanumeric() || c == '_');
                quoted(here, '\'', is_escaped)
            }
            b'"' => quoted(here, '"', false),
            b'$' => dollar_quoted(here, rest[..at].chars().next_back()),
            b'-' if here.starts_with("--") => here.find('\n').unwrap_or(here.len()),
            b'/' if here.starts_with("/*") => comment(here),
            b';' => {
                starts.push(sql.len() - here.len() + 1);
                1
            }
            _ => 1,
        };
        rest = &here[taken..];
    }
    let last = starts.iter().rev().copied().find(|start| !is_blank(&sql[*start..])).unwrap_or_default();
    sql.split_at(last)
}

/// The first word of a statement, upper case.
pub(super) fn command(statement: &str) -> String {
    let body = skip_blank(statement).trim_start_matches(['(', ';']);
    let body = skip_blank(body);
    let end = body.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(body.len());
    match body[..end].to_ascii_uppercase().as_str() {
        "WITH" | "VALUES" | "TABLE" => "SELECT".to_owned(),
        word => word.to_owned(),
    }
}

/// Whether a statement may give rows, so that it is worth asking which.
pub(super) fn gives_rows(statement: &str) -> bool {
    let first = command(statement);
    matches!(first.as_str(), "SELECT" | "SHOW" | "EXPLAIN")
        || (matches!(first.as_str(), "INSERT" | "UPDATE" | "DELETE" | "MERGE")
            && statement.to_ascii_lowercase().contains("returning"))
}

/// The length of a quoted text, quotes included; to the end where it is not closed.
fn quoted(text: &str, quote: char, is_escaped: bool) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == '\\' && is_escaped {
            characters.next();
        } else if c == quote {
            if characters.peek().is_some_and(|(_, next)| *next == quote) {
                characters.next();
            } else {
                return at + 1;
            }
        }
    }
    text.len()
}

/// The length of `$tag$…$tag$`; of the dollar alone where it opens nothing.
fn dollar_quoted(text: &str, before: Option<char>) -> usize {
    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return 1;
    }
    let Some(end) = text[1..].find('$').map(|at| at + 2) else { return 1 };
    let tag = &text[..end];
    let inside = &tag[1..tag.len() - 1];
    if inside.starts_with(|c: char| c.is_ascii_digit()) || inside.contains(|c: char| !c.is_alphanumeric() && c != '_') {
        return 1;
    }
    text[end..].find(tag).map_or(text.len(), |at| end + at + tag.len())
}

/// The length of a comment, those in it included.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let here = &text[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn is_blank(text: &str) -> bool {
    let rest = skip_blank(text);
    rest.strip_prefix(';').map_or(rest.is_empty(), is_blank)
}

/// A text without the blanks and comments at its start.
fn skip_blank(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let taken = match rest {
            _ if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => comment(rest),
            _ => return rest,
        };
        rest = rest[taken..].trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_statement_is_told_from_those_before_it() {
        for (sql, before, last) in [
            ("select 1", "", "select 1"),
            ("select 1;\n", "", "select 1;\n"),
            ("create table t (a int); select ';' from t", "create table t (a int);", " select ';' from t"),
            ("select $$a;b$$; select $x$;$x$;", "select $$a;b$$;", " select $x$;$x$;"),
            (
                "select 'it''s;'; -- ;\n select 2 /* ; /* ; */ ; */",
                "select 'it''s;';",
                " -- ;\n select 2 /* ; /* ; */ ; */",
            ),
            ("select e'\\';'; select 1", "select e'\\';';", " select 1"),
            ("select \"a;\"\"b\" ; ; -- nothing", "", "select \"a;\"\"b\" ; ; -- nothing"),
            ("select $1; select a$b; select 3", "select $1; select a$b;", " select 3"),
            ("", "", ""),
        ] {
            assert_eq!(split_last(sql), (before, last), "{sql}");
        }
    }

    #[test]
    fn a_statement_is_known_by_its_first_word() {
        for (sql, word) in [
            ("  -- a\n /* b */ insert into t values (1)", "INSERT"),
            ("with a as (select 1) select * from a", "SELECT"),
            ("(select 1) union (select 2)", "SELECT"),
            ("", ""),
        ] {
            assert_eq!(command(sql), word, "{sql}");
        }
        assert!(gives_rows("delete from t returning a"));
        assert!(!gives_rows("create view v as select 1"));
    }
}
