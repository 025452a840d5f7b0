//! What is made of a number of rows: `fail_calc`, `warn_if` and `error_if`, written over a number that is known.

use super::parts::{Part, What, is_balanced, parts, written};

/// Words beside `count(*)` that these may have.
const WORDS: &[&str] = &[
    "abs", "and", "between", "case", "coalesce", "else", "end", "greatest", "is", "least", "not", "null", "nullif",
    "or", "round", "then", "when",
];
/// What stands for the number; nobody writes it.
const NUMBER: &str = "__amalgam_number";

/// What a test makes of the number of rows that it finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asks {
    failures: String,
    warns: String,
    errs: String,
    limit: Option<u64>,
}

impl Asks {
    /// `None` where more than the number is asked for.
    pub(super) fn of(fail_calc: &str, warn_if: &str, error_if: &str, limit: Option<u64>) -> Option<Self> {
        let failures = over_number(fail_calc)?;
        // As dbt writes it: one behind the other.
        let bound = |text: &str| {
            let is_comparison = parts(text)?.first().is_some_and(is_comparison);
            let bound = over_number(text).filter(|_| is_comparison)?;
            Some(format!("{failures} {bound}"))
        };
        Some(Self { warns: bound(warn_if)?, errs: bound(error_if)?, limit, failures: failures.clone() })
    }

    /// The failures as a text, whether to warn and whether to fail, where `number` is the count of rows.
    pub(super) fn columns(&self, number: &str) -> [String; 3] {
        let number = match self.limit {
            Some(limit) => format!("least({number}, {limit})"),
            None => number.to_owned(),
        };
        let put = |text: &str| text.replace(NUMBER, &number);
        [
            format!("({})::text", put(&self.failures)),
            format!("coalesce({}, false)", put(&self.warns)),
            format!("coalesce({}, false)", put(&self.errs)),
        ]
    }
}

fn is_comparison(part: &Part) -> bool {
    ["=", "<>", "!=", "<", ">", "<=", ">="].iter().any(|sign| part.is(sign))
}

/// An expression with a name where it counts rows.
fn over_number(text: &str) -> Option<String> {
    let parts = parts(text)?;
    if parts.is_empty() || !is_balanced(&parts) {
        return None;
    }
    let mut made: Vec<Part> = Vec::new();
    let mut rest = parts.as_slice();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first.what, after) {
            (What::Word, [open, star, close, after @ ..])
                if first.is("count") && open.is("(") && star.is("*") && close.is(")") =>
            {
                rest = after;
                made.push(Part { what: What::Word, text: NUMBER.to_owned() });
            }
            (What::Word, _) if WORDS.binary_search(&first.text.as_str()).is_ok() => made.push(first.clone()),
            (What::Number, _) => made.push(first.clone()),
            (What::Sign, _) if !first.is(".") && !first.is("::") => made.push(first.clone()),
            _ => return None,
        }
    }
    Some(written(&made))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_a_count_is_asked_of_the_number() {
        let asks = Asks::of("count(*) + 0", "> 3", "between 5 and 9", None);
        assert_eq!(asks, None, "dbt's own thresholds begin with a comparison");
        let asks = Asks::of("count(*) + 0", "> 3", "!=0", Some(5)).expect("numbers alone");
        let number = "least(n, 5)";
        assert_eq!(
            asks.columns("n"),
            [
                format!("({number} + 0)::text"),
                format!("coalesce({number} + 0 > 3, false)"),
                format!("coalesce({number} + 0 <> 0, false)")
            ]
        );
    }

    #[test]
    fn what_looks_at_the_rows_themselves_is_refused() {
        for text in ["sum(n)", "max(a)", "count(a)", "count(*) filter (where a)", "(select 1)", "count(*))", "a", ""] {
            assert_eq!(Asks::of(text, "!= 0", "!= 0", None), None, "{text}");
        }
        assert_eq!(Asks::of("count(*)", "+ 1", "!= 0", None), None);
        assert_eq!(Asks::of("count(*)", "!= 0", "> (select max(a) from t)", None), None);
        assert!(WORDS.is_sorted());
    }
}
