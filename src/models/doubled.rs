//! Where a query names an output column for the second time: the server says which it is, and not where.

/// The line of the second one, counted from one; `said` is what the server says. `None` where it speaks of something
/// else, or the column comes of a `*`.
pub(super) fn line(sql: &str, said: &str) -> Option<usize> {
    let (_, rest) = said.split_once("column \"")?;
    let (name, rest) = rest.split_once('"')?;
    rest.starts_with(" specified more than once").then_some(())?;
    let from = outputs(sql);
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let second = sql[from..]
        .match_indices(|c: char| !is_part(c))
        .map(|(at, c)| at + c.len())
        .chain([0])
        .filter(|at| {
            let word = &sql[from + at..];
            word.get(..name.len()).is_some_and(|word| word.eq_ignore_ascii_case(name))
                && !word[name.len()..].starts_with(is_part)
        })
        .nth(1)?;
    Some(1 + sql[..from + second].matches('\n').count())
}

/// Where the outermost `select` that comes last begins; parentheses in texts and comments are counted like others.
fn outputs(sql: &str) -> usize {
    let (mut depth, mut last) = (0_i64, 0);
    for (at, c) in sql.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            's' | 'S' if depth == 0 && sql.get(at..at + 6).is_some_and(|word| word.eq_ignore_ascii_case("select")) => {
                last = at;
            }
            _ => {}
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_two_equal_columns_is_found() {
        let said = "running it: column \"id\" specified more than once (SQLSTATE 42701)";
        let sql =
            "with a as (\n  select id, id2 from t\n)\nselect\n  a.id,\n  a.id2,\n  b.ID\nfrom a\njoin b on a.id = b.id";
        assert_eq!(line(sql, said), Some(7));
        assert_eq!(line("select *\nfrom a", said), None);
        assert_eq!(line(sql, "column \"id\" does not exist"), None);
    }
}
