//! Which expressions mean the same wherever they are written over the rows of one relation.

use super::parts::{Part, What, is_balanced};

/// Functions that give the same for the same, ask nobody, and are no aggregates. Other names that parentheses follow
/// are types and keywords.
const FUNCTIONS: &[&str] = &[
    "abs",
    "btrim",
    "ceil",
    "ceiling",
    "char_length",
    "character_length",
    "coalesce",
    "concat",
    "concat_ws",
    "date_part",
    "date_trunc",
    "extract",
    "floor",
    "greatest",
    "initcap",
    "least",
    "left",
    "length",
    "lower",
    "lpad",
    "ltrim",
    "md5",
    "mod",
    "nullif",
    "octet_length",
    "position",
    "power",
    "regexp_replace",
    "replace",
    "reverse",
    "right",
    "round",
    "rpad",
    "rtrim",
    "sign",
    "split_part",
    "sqrt",
    "starts_with",
    "strpos",
    "substr",
    "substring",
    "to_char",
    "trim",
    "trunc",
    "upper",
];
const BEFORE_PARENTHESES: &[&str] = &[
    "and",
    "between",
    "bpchar",
    "case",
    "cast",
    "char",
    "decimal",
    "else",
    "ilike",
    "in",
    "like",
    "not",
    "numeric",
    "or",
    "then",
    "time",
    "timestamp",
    "timestamptz",
    "varchar",
    "when",
];
/// Words that make more of an expression than a value of one row.
const REFUSED: &[&str] = &[
    "all",
    "any",
    "array",
    "collate",
    "current_date",
    "current_time",
    "current_timestamp",
    "except",
    "exists",
    "fetch",
    "filter",
    "for",
    "group",
    "grouping",
    "having",
    "intersect",
    "into",
    "limit",
    "localtime",
    "localtimestamp",
    "offset",
    "only",
    "order",
    "over",
    "returning",
    "row",
    "select",
    "set",
    "some",
    "union",
    "values",
    "window",
    "with",
    "within",
];
/// Columns that every table has and no subquery shows.
const HIDDEN: &[&str] = &["cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"];

/// Whether parts are an expression over one row that can be written elsewhere. `may_qualify`: whether columns may say of
/// which relation they are.
pub(super) fn is_plain(parts: &[Part], may_qualify: bool) -> bool {
    if parts.is_empty() || !is_balanced(parts) {
        return false;
    }
    let mut in_cast = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| parts.get(at));
        if part.is("(") {
            let is_known = |word: &Part| match word.what {
                What::Word => {
                    FUNCTIONS.binary_search(&word.text.as_str()).is_ok()
                        || BEFORE_PARENTHESES.binary_search(&word.text.as_str()).is_ok()
                }
                What::Quoted => false,
                _ => true,
            };
            if !before.is_none_or(is_known) {
                return false;
            }
            in_cast.push(before.is_some_and(|word| word.is("cast")));
        } else if part.is(")") {
            in_cast.pop();
        } else if part.is("as") {
            // `cast(a as text)` and nothing else.
            if in_cast.last() != Some(&true) {
                return false;
            }
        } else if part.is(".") {
            if !may_qualify {
                return false;
            }
        } else if part.is("from") {
            let is_compared = before.is_some_and(|word| word.is("distinct"));
            if !is_compared && in_cast.is_empty() {
                return false;
            }
        } else if part.is("distinct") {
            if !before.is_some_and(|word| word.is("is") || word.is("not")) {
                return false;
            }
        } else if part.is("*") {
            // A factor, not all columns.
            if before.is_none_or(|word| word.is("(") || word.is(",") || word.is(".")) {
                return false;
            }
        } else if part.is_name() && HIDDEN.contains(&part.text.trim_matches('"'))
            || part.what == What::Word && REFUSED.binary_search(&part.text.as_str()).is_ok()
        {
            return false;
        }
    }
    true
}

/// Whether parts hold together beside `is null`, `in` and the like: one name, or names and texts with `||` between.
pub(super) fn is_tight(parts: &[Part]) -> bool {
    let is_value = |part: &Part| part.is_name() || part.what == What::Text;
    parts.iter().any(Part::is_name)
        && parts.len() % 2 == 1
        && parts.iter().enumerate().all(|(at, part)| if at % 2 == 0 { is_value(part) } else { part.is("||") })
        && is_plain(parts, false)
}

/// Whether a plain expression can be computed whatever the row holds: nothing but comparisons of columns and literals.
pub(super) fn is_safe(parts: &[Part]) -> bool {
    const BEFORE: &[&str] = &["(", ",", "and", "between", "in", "not", "or"];
    const SIGNS: &[&str] = &["(", ")", ",", ".", "<", "<=", "<>", "=", ">", ">=", "!="];
    const REFUSED: &[&str] = &["case", "cast", "extract", "ilike", "like", "similar"];
    parts.iter().enumerate().all(|(at, part)| match part.what {
        // No parenthesis of a call.
        What::Sign if part.text == "(" => at
            .checked_sub(1)
            .is_none_or(|at| parts[at].what == What::Sign || BEFORE.iter().any(|word| parts[at].is(word))),
        What::Sign => SIGNS.contains(&part.text.as_str()),
        What::Word => !REFUSED.contains(&part.text.as_str()),
        What::Quoted | What::Number | What::Text => true,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::parts::parts, *};

    fn plain(sql: &str) -> bool {
        parts(sql).is_some_and(|parts| is_plain(&parts, false))
    }

    #[test]
    fn words_are_in_order() {
        for list in [FUNCTIONS, BEFORE_PARENTHESES, REFUSED] {
            assert!(list.is_sorted(), "{list:?}");
        }
    }

    #[test]
    fn what_compares_values_of_one_row_is_plain() {
        for sql in [
            "a is null",
            "not (a >= -3 and \"B\" in ('x', 'it''s'))",
            "coalesce(a, 0) * 2 % 3 <> b::numeric(10, 2)",
            "a is distinct from b or cast(c as text) ilike 'x%'",
            "case when a then 1 else 2 end = extract(year from d)",
        ] {
            assert!(plain(sql), "{sql}");
        }
    }

    #[test]
    fn what_reads_more_than_one_row_or_gives_another_value_each_time_is_not() {
        for sql in [
            "a = (select max(a) from t)",
            "exists (select 1)",
            "random() < 0.5",
            "nextval('s') > 1",
            "now() > d",
            "d > current_date",
            "sum(a) > 1",
            "row_number() over (order by a) > 1",
            "count(*) > 1",
            "a > all (array[1])",
            "ctid is null",
            "\"xmin\" is null",
            "a = $1",
            "a @> b",
            "t.a is null",
            "\"lower\"(a) = 'x'",
            "a is null) or (true",
            "a is null limit 1",
            "a is null group by a",
            "a is null; drop table t",
            "a !=-1",
            "",
        ] {
            assert!(!plain(sql), "{sql}");
        }
    }

    #[test]
    fn what_computes_may_fail_for_a_row() {
        let safe = |sql: &str| parts(sql).is_some_and(|parts| is_plain(&parts, false) && is_safe(&parts));
        assert!(safe("id > 7") && safe("not (a in ('x', 'y') or b is null)") && safe("d between '2024-01-01' and e"));
        for sql in
            ["1 / a > 1", "a + 1 > 2", "a::int = 1", "cast(a as int) = 1", "sqrt(a) > 1", "a like b", "a ~ b", "a > -1"]
        {
            assert!(!safe(sql), "{sql}");
        }
    }

    #[test]
    fn only_names_and_texts_side_by_side_hold_together() {
        let tight = |sql: &str| parts(sql).is_some_and(|parts| is_tight(&parts));
        assert!(tight("a") && tight("\"A\"") && tight("a || '-' || b"));
        assert!(!tight("a = b") && !tight("1") && !tight("a and b") && !tight("'x'") && !tight("a ||"));
    }
}
