//! `[[sync.types]]`: columns that become another type than their declaration says.

use super::Problem;
use crate::domain::{Mapping, mapping::NoMapping, pattern::fits};
use serde::{Deserialize, Serialize};

/// Which columns, and what they become. The first rule that fits a column decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TypeRule {
    /// `table.column`, `*` standing for anything.
    pub columns: String,
    /// Only columns declared so (`tinyint*`), `*` standing for anything.
    pub declared: Option<String>,
    /// `boolean`, `text`, `numeric`, `bytea`, or `timestamptz in <zone>`.
    #[serde(rename = "as")]
    pub becomes: String,
}

impl TypeRule {
    /// Whether it speaks of a column.
    pub fn fits(&self, table: &str, column: &str, declared: &str) -> bool {
        fits(&self.columns, &format!("{table}.{column}")) && self.declared.as_deref().is_none_or(|d| fits(d, declared))
    }

    /// What the columns become; `None` where the text is none, which [`super::Config::check`] tells.
    pub fn mapping(&self) -> Option<Mapping> {
        Mapping::try_from(self.becomes.clone()).ok()
    }
}

/// What is wrong with the rules.
pub(super) fn check(rules: &[TypeRule]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let key = |field: &str| format!("sync.types.{index}.{field}");
        let is_pair =
            rule.columns.split_once('.').is_some_and(|(table, column)| !table.is_empty() && !column.is_empty());
        if !is_pair {
            let remedy = "write table.column, with * for anything: procedurelog.Is*, or *.*";
            problems.push(Problem::new(key("columns"), format!("is \"{}\"", rule.columns), remedy));
        }
        if let Err(wrong) = Mapping::try_from(rule.becomes.clone()) {
            let remedy = match wrong {
                NoMapping::Zone(Some(near)) => format!("did you mean timestamptz in {near}?"),
                NoMapping::Zone(None) => "give an IANA name: timestamptz in America/Chicago".to_owned(),
                NoMapping::Word => "write one of them; docs/types.md tells which columns each suits".to_owned(),
            };
            problems.push(Problem::new(key("as"), format!("is \"{}\", which {wrong}", rule.becomes), remedy));
        }
        if let Some(above) =
            rules[..index].iter().position(|other| (&other.columns, &other.declared) == (&rule.columns, &rule.declared))
        {
            let cause = format!("is the same as that of sync.types.{above}, which decides");
            problems.push(Problem::new(key("columns"), cause, "take one of the two away"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(columns: &str, declared: Option<&str>, becomes: &str) -> TypeRule {
        TypeRule { columns: columns.to_owned(), declared: declared.map(str::to_owned), becomes: becomes.to_owned() }
    }

    #[test]
    fn a_rule_fits_by_name_and_by_declaration() {
        let booleans = rule("procedurelog.Is*", Some("tinyint*"), "boolean");
        assert!(booleans.fits("procedurelog", "IsLocked", "tinyint(4)"));
        assert!(!booleans.fits("procedurelog", "IsLocked", "varchar(10)"));
        assert!(!booleans.fits("payment", "IsSplit", "tinyint(4)"));
        assert!(rule("*.*", None, "text").fits("payment", "IsSplit", "tinyint(4)"));
    }

    #[test]
    fn everything_wrong_with_a_rule_is_told() {
        let rules = [
            rule("procedurelog", None, "bool"),
            rule("a.b", None, "timestamptz in Chicago"),
            rule("a.b", None, "text"),
        ];
        let told: Vec<String> = check(&rules).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "sync.types.0.columns: is \"procedurelog\"\n  remedy: write table.column, with * for anything: procedurelog.Is*, or *.*",
                "sync.types.0.as: is \"bool\", which is none of boolean, text, numeric, bytea, and timestamptz in <zone>\n  remedy: write one of them; docs/types.md tells which columns each suits",
                "sync.types.1.as: is \"timestamptz in Chicago\", which names no IANA time zone\n  remedy: did you mean timestamptz in America/Chicago?",
                "sync.types.2.columns: is the same as that of sync.types.1, which decides\n  remedy: take one of the two away",
            ]
        );
        assert_eq!(check(&[rule("*.*", Some("datetime*"), "timestamptz in Europe/Berlin")]), []);
    }
}
