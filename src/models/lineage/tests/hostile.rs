//! SQL that nobody writes: it is answered, soon, and nothing falls over.

use super::{QueryLineage, lineage};
use crate::models::lineage::{COLUMNS_MAX, bounds};

/// The one reason for which nothing is known.
fn refused(sql: &str) -> String {
    let lineage = lineage(sql);
    assert_eq!(lineage.columns, [], "nothing is known");
    let mut reasons = lineage.unresolved.into_iter();
    let reason = reasons.next().expect("a reason is given");
    assert_eq!(reasons.next(), None);
    reason
}

fn followed(sql: &str) -> QueryLineage {
    let lineage = lineage(sql);
    assert!(lineage.unresolved.is_empty() && lineage.rows.unresolved.is_empty(), "{:?}", lineage.unresolved);
    assert!(lineage.columns.iter().all(|column| column.origins.unresolved.is_empty()), "{:?}", lineage.columns);
    lineage
}

fn nested(before: &str, inside: &str, behind: &str, times: usize) -> String {
    format!("{}{inside}{}", before.repeat(times), behind.repeat(times))
}

#[test]
fn sql_beyond_the_bound_is_not_even_read() {
    let sql = format!("select {} from a", "x, ".repeat(5 * bounds::SQL_BYTES_MAX / 3));
    assert_eq!(refused(&sql), "the query is too long to be followed");
}

#[test]
fn parentheses_by_the_thousand_are_refused() {
    for (before, behind) in [("(", ")"), ("f(", ")"), ("(select ", ")"), ("x in (", ")"), ("array[", "]")] {
        let sql = format!("select {} from a", nested(before, "x", behind, 10_000));
        assert!(refused(&sql).contains("nested too deep"));
    }
    assert!(refused(&"(".repeat(100_000)).contains("nested too deep"));
    assert_eq!(refused(&")".repeat(100_000)), "the query couldn't be parsed");
}

#[test]
fn parentheses_by_the_dozen_are_followed() {
    let x_of_a = |sql: String| {
        let lineage = followed(&sql);
        assert_eq!(lineage.columns[0].origins.from.len(), 1, "{:?}", lineage.columns);
    };
    x_of_a(format!("select {} as x from a", nested("(", "x", ")", 90)));
    x_of_a(format!("select {} as x from a", nested("coalesce(", "x", ")", 90)));
    x_of_a(format!("select {} as x from a", nested("(select ", "x", ")", 90)));
    x_of_a(format!("select x from {}", nested("(select x from ", "a", ") q", 90)));
    x_of_a(format!("select {} as x from a", nested("case when x = 1 then ", "x", " end", 90)));
    x_of_a(nested("with q as (", "select x from a", ") select x from q", 90));
    x_of_a(format!("select {} as x from a", nested("exists (select 1 where ", "x = 1", ")", 90)));
}

#[test]
fn rows_of_operators_are_followed_up_to_a_length() {
    let row = |times: usize| format!("select x {} as s from a", "+ y ".repeat(times));
    assert_eq!(followed(&row(4_000)).columns[0].origins.from.len(), 2);
    assert!(refused(&row(200_000)).contains("too long"));
    for link in ["::int", " is null", "[1]", " -> 'a'", " or y", " at time zone 'utc'", " and x = 1"] {
        assert!(refused(&format!("select x{} from a", link.repeat(50_000))).contains("too"), "{link}");
        lineage(&format!("select x{} from a", link.repeat(1_500)));
    }
}

#[test]
fn unions_and_joins_are_followed_up_to_a_number() {
    let union = |times: usize| format!("select x from a{}", " union all select z from b".repeat(times));
    assert_eq!(followed(&union(3_000)).columns[0].origins.from.len(), 2);
    assert!(refused(&union(20_000)).contains("too"));
    let joins = |times: usize, on: &str| format!("select 1 from a{}", format!(" join b{on}").repeat(times));
    assert_eq!(followed(&joins(200, " on true")).columns.len(), 1);
    // Without a condition they descend in the parser, one into the other.
    for on in ["", " as on", " as select"] {
        assert!(refused(&joins(10_000, on)).contains("too many"), "{on}");
        lineage(&joins(450, on));
    }
}

#[test]
fn a_long_list_of_values_is_followed() {
    let sql =
        format!("select v.n, x from a join (values {} (0, '')) v (n, t) on v.n = a.id", "(1, 'a'), ".repeat(20_000));
    assert_eq!(followed(&sql).columns.len(), 2);
}

#[test]
fn stars_that_double_end_at_what_postgresql_allows() {
    let mut sql = "with q0 as (select * from a)".to_owned();
    for at in 1..40 {
        sql += &format!(", q{at} as (select l.*, r.* from q{} l, q{} r)", at - 1, at - 1);
    }
    assert!(refused(&(sql + " select * from q39")).contains(&COLUMNS_MAX.to_string()));
}

#[test]
fn work_that_multiplies_comes_to_an_end() {
    // Each level is followed as a value and asked for its name.
    let stars = format!("select {} from a", nested("(select * from (select ", "1", ") q)", 45));
    // Each level is followed as often as it has columns.
    let recursive = nested(
        "with recursive r (a, b, c) as (select id, x, y from a union all select * from (",
        "select b, c, a from r",
        ") q) select b, c, a from r",
        30,
    );
    let wide = format!("select {} from a", vec!["x + y"; COLUMNS_MAX].join(", "));
    for sql in [stars, recursive, wide] {
        lineage(&sql);
    }
}

#[test]
fn broken_texts_are_refused() {
    for sql in
        ["", ";", "select 'x", "select \"x", "select $$x", "/* select", "select \0", "select 🦷 from", "\u{feff}"]
    {
        let lineage = lineage(sql);
        assert!(lineage.reads.is_empty(), "{sql}");
    }
}

#[test]
fn values_are_no_part_of_a_reason() {
    for sql in ["select 'secret' 'secret' from", "select secret('secret' from a", "select x from a where 'secret"] {
        assert!(!refused(sql).contains("secret"));
    }
}

#[test]
fn no_mutilated_query_brings_it_down() {
    let texts = [include_str!("values.txt"), include_str!("rows.txt"), include_str!("names.txt")];
    let queries: Vec<&str> = texts.iter().flat_map(|text| super::blocks(text)).map(|(_, sql, _)| sql).collect();
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..2_000 {
        let pieces =
            |sql: &str| -> Vec<String> { sql.split_inclusive([' ', '(', ')', ',', '.']).map(str::to_owned).collect() };
        let mut one = pieces(queries[random.usize(..queries.len())]);
        let other = pieces(queries[random.usize(..queries.len())]);
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..one.len());
            match random.u8(..3) {
                0 => drop(one.remove(at)),
                1 => one.insert(at, other[random.usize(..other.len())].clone()),
                _ => one.swap(at, 0),
            }
            if one.is_empty() {
                break;
            }
        }
        let sql = one.concat();
        let reasons = lineage(&sql).unresolved;
        assert!(!reasons.contains("the query couldn't be followed"), "{sql}");
    }
}
