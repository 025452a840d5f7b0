//! What a test's query counts, where others can count over the same rows at once.
//!
//! Knows a query by what it is written of, never by the macro that wrote it: what a project overrides is known by what
//! its own macro gives, or not at all.
//! Guarantee: where there is a shape, its count is what the test's query would give, or, where that is said, is
//! zero only when that would be.

use super::{
    parts::{Part, Reader, What, parts, written},
    plain::{is_plain, is_safe, is_tight},
};

/// The name under which the other side of a relationship is joined; no project has it.
const OTHER: &str = "__amalgam_other";

/// What is counted, and over which rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// What stands behind `from`.
    pub(super) from: String,
    /// An aggregate of these rows, a whole number.
    pub(super) count: String,
    /// Whether it is the number of rows that the test finds; else only zero says so.
    pub(super) is_exact: bool,
    /// Whether the server sorts to find it.
    pub(super) sorts: bool,
}

/// The rows that a test looks at: a relation, or what `where` leaves of it.
struct Rows {
    from: String,
    /// Its last name, as a column that stands for a whole row would be written.
    name: String,
    filter: Option<String>,
    /// Whether the filter can be computed for every row.
    is_safe: bool,
    is_derived: bool,
}

/// The shape of a query; `None` where it has none that is known.
pub(super) fn shape(sql: &str) -> Option<Shape> {
    let parts = parts(sql)?;
    let known: [fn(&mut Reader<'_>) -> Option<Shape>; 4] = [unique, accepted, related, matching];
    known.iter().find_map(|known| {
        let mut reader = Reader::new(&parts);
        known(&mut reader).filter(|_| reader.is_at_end())
    })
}

/// `a.b.c`, `a.b.c as t`, or `(select * from a.b.c where …) t`.
fn rows(reader: &mut Reader<'_>) -> Option<Rows> {
    const AFTER: &[&str] = &["where", "group"];
    const JOINS: &[&str] = &["cross", "full", "inner", "join", "left", "natural", "right", "tablesample"];
    if !reader.passes("( select * from") {
        let name = reader.dotted()?;
        let mut rows = Rows { from: written(name), name: last(name), filter: None, is_safe: true, is_derived: false };
        let is_said = reader.passes("as");
        if reader.has_name(&[AFTER, JOINS].concat()) {
            let alias = reader.next()?;
            rows.from = format!("{} as {}", rows.from, alias.text);
            rows.name.clone_from(&alias.text);
        } else if is_said {
            return None;
        }
        return Some(rows);
    }
    let name = reader.dotted()?;
    let filter = reader.passes("where").then(|| reader.until(&[]));
    if filter.is_some_and(|filter| !is_plain(filter, true)) {
        return None;
    }
    let (is_safe, filter) = (filter.is_none_or(is_safe), filter.map(written));
    reader.pass(")")?;
    reader.passes("as");
    reader.has_name(AFTER).then(|| reader.next())?;
    Some(Rows { from: written(name), name: last(name), filter, is_safe, is_derived: true })
}

fn last(name: &[Part]) -> String {
    name.last().map(|part| part.text.clone()).unwrap_or_default()
}

impl Rows {
    /// How many of them a condition holds for.
    fn count(&self, condition: Option<String>) -> String {
        let both: Vec<String> = self.filter.iter().chain(&condition).map(|one| format!("({one})")).collect();
        match both.as_slice() {
            [] => "count(*)".to_owned(),
            both => format!("count(*) filter (where {})", both.join(" and ")),
        }
    }

    /// Whether an expression means the same over the relation itself.
    fn allows(&self, parts: &[Part]) -> bool {
        // A name of the relation stands for a whole row, and outside of a subquery for another one than inside.
        let names_row = |part: &Part| part.is_name() && part.text.trim_matches('"') == self.name.trim_matches('"');
        is_plain(parts, !self.is_derived) && !(self.is_derived && parts.iter().any(names_row))
    }
}

/// `select … from R where c`: any test that shows the rows which fail it.
fn matching(reader: &mut Reader<'_>) -> Option<Shape> {
    reader.pass("select")?;
    let shown = reader.until(&["from"]);
    reader.pass("from")?;
    let rows = rows(reader)?;
    let mut condition: &[Part] = &[];
    if reader.passes("where") {
        condition = reader.remainder();
        if !rows.allows(condition) {
            return None;
        }
    }
    // What is shown is not computed, but it must be there.
    let is_seen = |item: &[Part]| match item {
        [part] if part.is_name() => condition.contains(part) || part.is("null") || part.is("true"),
        [part] => part.is("*") || part.what == What::Number || part.what == What::Text,
        _ => false,
    };
    if !shown.split(|part| part.is(",")).all(is_seen) {
        return None;
    }
    let count = rows.count((!condition.is_empty()).then(|| written(condition)));
    Some(Shape { from: rows.from, count, is_exact: true, sorts: false })
}

/// dbt's `unique`, which finds values, and not rows.
fn unique(reader: &mut Reader<'_>) -> Option<Shape> {
    reader.pass("select")?;
    let column = reader.until(&["as"]);
    reader.pass("as unique_field , count ( * ) as n_records from")?;
    let rows = rows(reader)?;
    reader.pass("where")?;
    again(reader, column)?;
    reader.pass("is not null group by")?;
    again(reader, column)?;
    reader.pass("having count ( * )")?;
    (reader.next()?.is(">") && reader.next()?.text == "1").then_some(())?;
    if !is_tight(column) || !rows.allows(column) {
        return None;
    }
    let column = written(column);
    let only = rows.filter.as_ref().map_or_else(String::new, |filter| format!(" filter (where ({filter}))"));
    let count = format!("count({column}){only} - count(distinct {column}){only}");
    Some(Shape { from: rows.from, count, is_exact: false, sorts: true })
}

/// dbt's `accepted_values`, which finds values, and not rows.
fn accepted(reader: &mut Reader<'_>) -> Option<Shape> {
    reader.pass("with all_values as ( select")?;
    let column = reader.until(&["as"]);
    reader.pass("as value_field , count ( * ) as n_records from")?;
    let rows = rows(reader)?;
    reader.pass("group by")?;
    again(reader, column)?;
    reader.pass(") select * from all_values where value_field not in (")?;
    let values = reader.until(&[]);
    reader.pass(")")?;
    let is_literal = |part: &Part| {
        matches!(part.what, What::Number | What::Text)
            || [",", "-", "null", "true", "false"].iter().any(|literal| part.is(literal))
    };
    if !is_tight(column) || !rows.allows(column) || values.is_empty() || !values.iter().all(is_literal) {
        return None;
    }
    let count = rows.count(Some(format!("({}) not in ({})", written(column), written(values))));
    Some(Shape { from: rows.from, count, is_exact: false, sorts: false })
}

/// dbt's `relationships`.
fn related(reader: &mut Reader<'_>) -> Option<Shape> {
    reader.pass("with child as ( select")?;
    let column = reader.until(&["as"]);
    reader.pass("as from_field from")?;
    let rows = rows(reader)?;
    reader.pass("where")?;
    again(reader, column)?;
    reader.pass("is not null ) , parent as ( select")?;
    let field = reader.until(&["as"]);
    reader.pass("as to_field from")?;
    let other = reader.dotted()?;
    reader.pass(
        ") select from_field from child left join parent on child . from_field = parent . to_field where parent . to_field \
         is null",
    )?;
    if !is_tight(column) || !rows.allows(column) || !is_tight(field) {
        return None;
    }
    let (column, field, other) = (written(column), written(field), written(other));
    // A filter that fails for a row must fail though the row has a partner.
    let (only, count) = match &rows.filter {
        Some(filter) if !rows.is_safe => {
            (format!("(select * from {} where ({filter})) as {OTHER}_rows", rows.from), "count(*)".to_owned())
        }
        _ => (rows.from.clone(), rows.count(None)),
    };
    let from = format!(
        "{only} left join (select {field} as {OTHER} from {other}) as {OTHER}s on ({column}) = {OTHER} \
         where ({column}) is not null and {OTHER} is null"
    );
    Some(Shape { count, from, is_exact: true, sorts: false })
}

/// Passes over the same parts as before.
fn again(reader: &mut Reader<'_>, parts: &[Part]) -> Option<()> {
    parts.iter().all(|part| reader.next() == Some(part)).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(sql: &str) -> Option<(String, String)> {
        shape(sql).map(|shape| (shape.from, shape.count))
    }

    fn both(from: &str, count: &str) -> Option<(String, String)> {
        Some((from.to_owned(), count.to_owned()))
    }

    #[test]
    fn rows_that_fail_are_counted_by_a_filter() {
        let from = "\"d\" . \"s\" . \"t\"";
        assert_eq!(
            counted("select a\nfrom \"d\".\"s\".\"t\" -- here\nwhere a is null"),
            both(from, "count(*) filter (where (a is null))")
        );
        let with_where =
            "select * from (select * from \"d\".\"s\".\"t\" where b > 1 or c) dbt_subquery where a is null";
        assert_eq!(counted(with_where), both(from, "count(*) filter (where (b > 1 or c) and (a is null))"));
        assert_eq!(counted("select * from t"), both("t", "count(*)"));
        assert_eq!(
            counted("select * from t as x where x.a = 1"),
            both("t as x", "count(*) filter (where (x . a = 1))")
        );
    }

    #[test]
    fn what_is_more_than_rows_of_one_relation_is_left_alone() {
        for sql in [
            "select * from a, b where a.x = b.x",
            "select * from a join b using (x) where y",
            "select distinct a from t where a > 1",
            "select count(*) from t where a",
            "select b from t where a is null",
            "select * from f(1) where a",
            "select * from t where a is null limit 1",
            "select * from t where a is null union all select * from t",
            "select * from t where a in (select a from u)",
            "select * from (select a from t) s where a is null",
            "select * from (select * from t where a) s where s.b is null",
            "select * from (select * from t where a) s where t is null",
            "select * from t tablesample system (1) where a",
            "with a as (select 1) select * from a where b",
            "select * from t where a is null;",
            "delete from t where a",
        ] {
            assert_eq!(counted(sql), None, "{sql}");
        }
    }

    #[test]
    fn where_nothing_is_left_out_as_a_duplicate_all_is_unique() {
        let sql = "select id as unique_field, count(*) as n_records from (select * from t where x) dbt_subquery \
                   where id is not null group by id having count(*) > 1";
        let shape = shape(sql).expect("dbt's own");
        assert_eq!(
            (shape.from.as_str(), shape.count.as_str()),
            ("t", "count(id) filter (where (x)) - count(distinct id) filter (where (x))")
        );
        assert!(!shape.is_exact && shape.sorts);
        assert_eq!(counted(&sql.replace("group by id", "group by x")), None);
        assert_eq!(counted(&sql.replace("> 1", "> 2")), None);
    }

    #[test]
    fn values_that_are_not_accepted_are_looked_for_row_by_row() {
        let sql = "with all_values as (select k as value_field, count(*) as n_records from t group by k) \
                   select * from all_values where value_field not in ('a', 'b')";
        assert_eq!(counted(sql), both("t", "count(*) filter (where ((k) not in ('a' , 'b')))"));
        assert_eq!(counted(&sql.replace("'b'", "n_records")), None);
    }

    #[test]
    fn rows_without_a_partner_are_found_in_one_join() {
        let sql = "with child as (select p as from_field from (select * from t where x / 2) dbt_subquery where p is not null), \
                   parent as (select id as to_field from u) select from_field from child left join parent \
                   on child.from_field = parent.to_field where parent.to_field is null";
        let from = "(select * from t where (x / 2)) as __amalgam_other_rows left join \
                    (select id as __amalgam_other from u) as __amalgam_others on (p) = __amalgam_other \
                    where (p) is not null and __amalgam_other is null";
        assert_eq!(counted(sql), both(from, "count(*)"));
        let from = "t left join (select id as __amalgam_other from u) as __amalgam_others on (p) = __amalgam_other \
                    where (p) is not null and __amalgam_other is null";
        assert_eq!(counted(&sql.replace("x / 2", "x > 2")), both(from, "count(*) filter (where (x > 2))"));
    }
}
