//! The four generic tests, read from YAML and written as SQL that counts failures.
//!
//! Meaning exactly dbt's (dbt-adapters, `include/global_project/macros/generic_test_sql/`): `unique`
//! counts values that come more than once, `accepted_values` distinct values that are not accepted,
//! `relationships` child rows without a parent; nulls pass in all three.
//! Guarantee: a test gives a count and two verdicts, never a value.

use super::config::Settings;
use crate::{
    error::{Error, Kind, Result},
    warehouse::{literal, quote},
};
use serde::Serialize;
use serde_json::{Map, Value};

/// One test of one relation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GenericTest {
    /// Its name, made as dbt makes it.
    pub name: String,
    /// What is looked for.
    pub check: Check,
    /// Whether a failure only warns.
    pub severity: Severity,
    settings: Settings,
}

/// What a test looks for. Columns are as they are written into the SQL.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Check {
    /// No null in the column.
    NotNull(String),
    /// No value twice in the column.
    Unique(String),
    /// No value but these, as SQL literals.
    AcceptedValues(String, Vec<String>),
    /// Every value has a row in another relation.
    Relationships {
        /// The column of the tested relation.
        column: String,
        /// The other relation: an expression such as `ref('patient')`.
        to: String,
        /// The column there.
        field: String,
    },
}

/// What a failure of a test means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The model is not published.
    Error,
    /// The model is published, the failure reported.
    Warn,
}

/// What came out of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestVerdict {
    /// The test's name.
    pub name: String,
    /// The outcome.
    pub status: TestStatus,
    /// Rows that failed.
    pub failures: i64,
}

/// The outcome of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TestStatus {
    /// Nothing was found.
    Pass,
    /// Something was found, and it only warns.
    Warn,
    /// Something was found, and the model is held back.
    Fail,
    /// What it compares with is not there yet.
    Skip,
}

impl TestStatus {
    /// Every verdict, in the order of declaration.
    pub const ALL: &'static [Self] = &[Self::Pass, Self::Warn, Self::Fail, Self::Skip];

    /// The word in metrics and on screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
}

/// Keys beside the arguments that configure a test.
const SETTINGS: &[&str] =
    &["severity", "where", "limit", "fail_calc", "warn_if", "error_if", "enabled", "tags", "meta", "store_failures"];

impl GenericTest {
    /// Reads one entry of `tests:`; `None` where it is disabled.
    ///
    /// `column` is the column's name and whether it is quoted; `shown` says where in messages.
    pub(super) fn parse(model: &str, column: Option<(&str, bool)>, entry: &Value, shown: &str) -> Result<Option<Self>> {
        let wrong = |what: String| Error::new(Kind::ModelProject, format!("{shown}: {what}"));
        let (word, body) = match entry {
            Value::String(word) => (word.clone(), Map::new()),
            Value::Object(map) => split_entry(map).ok_or_else(|| wrong("a test has one name".to_owned()))?,
            _ => return Err(wrong("a test is a name, or a name with arguments".to_owned())),
        };
        let mut settings = Settings::default();
        let mut arguments = Map::new();
        let mut given_name = None;
        for (key, value) in body {
            match (key.as_str(), value) {
                ("arguments", Value::Object(inner)) => arguments.extend(inner),
                ("config", Value::Object(inner)) => settings.merge(&inner),
                ("name", Value::String(name)) => given_name = Some(name),
                ("description", _) => {}
                (key, value) if SETTINGS.contains(&key) => settings.set(key, value),
                (key, value) => {
                    arguments.insert(key.to_owned(), value);
                }
            }
        }
        if settings.flag("enabled") == Some(false) {
            return Ok(None);
        }
        let column = match (arguments.remove("column_name"), column) {
            (Some(Value::String(given)), _) => given,
            (_, Some((name, true))) => quote(name),
            (_, Some((name, false))) => name.to_owned(),
            _ => return Err(wrong(format!("test {word} needs a column"))),
        };
        let severity = match settings.text("severity").map(|s| s.to_ascii_lowercase()).as_deref() {
            None | Some("error") => Severity::Error,
            Some("warn") => Severity::Warn,
            Some(other) => return Err(wrong(format!("test {word}: severity '{other}' is neither error nor warn"))),
        };
        let name = given_name.unwrap_or_else(|| name(&word, model, &column, &arguments));
        let check = check(&word, column, &arguments).map_err(wrong)?;
        Ok(Some(Self { name, check, severity, settings }))
    }

    /// Expressions in Jinja that the SQL needs: the other relation.
    pub(super) fn expression(&self) -> Option<&str> {
        match &self.check {
            Check::Relationships { to, .. } => Some(to),
            _ => None,
        }
    }

    /// The condition that rows must meet to be looked at. May hold Jinja.
    pub(super) fn condition(&self) -> Option<String> {
        self.settings.text("where")
    }

    /// One row: failures, whether to warn, whether to fail.
    ///
    /// `relation` is what is tested, `to` what [`GenericTest::expression`] names, `condition` the
    /// rendered [`GenericTest::condition`].
    pub(super) fn sql(&self, relation: &str, to: Option<&str>, condition: Option<&str>) -> String {
        let from = match condition {
            Some(condition) => format!("(select * from {relation} where {condition}) dbt_subquery"),
            None => relation.to_owned(),
        };
        let found = match &self.check {
            Check::NotNull(column) => format!("select {column} from {from} where {column} is null"),
            Check::Unique(column) => format!(
                "select {column} as unique_field, count(*) as n_records from {from} \
                 where {column} is not null group by {column} having count(*) > 1"
            ),
            Check::AcceptedValues(column, values) => format!(
                "select value_field, n_records from (select {column} as value_field, count(*) as n_records \
                 from {from} group by {column}) all_values where value_field not in ({})",
                values.join(", ")
            ),
            Check::Relationships { column, field, .. } => format!(
                "select from_field from (select {column} as from_field from {from} where {column} is not null) child \
                 left join (select {field} as to_field from {}) parent on child.from_field = parent.to_field \
                 where parent.to_field is null",
                to.unwrap_or("(select null where false) nothing")
            ),
        };
        let limit = self.settings.text("limit").map_or_else(String::new, |n| format!(" limit {n}"));
        let failures = self.settings.text("fail_calc").unwrap_or_else(|| "count(*)".to_owned());
        let warn_if = self.settings.text("warn_if").unwrap_or_else(|| "!= 0".to_owned());
        let error_if = self.settings.text("error_if").unwrap_or_else(|| "!= 0".to_owned());
        format!(
            "select failures, failures {warn_if} as should_warn, failures {error_if} as should_fail \
             from (select coalesce(({failures})::bigint, 0) as failures from ({found}{limit}) dbt_internal_test) counted"
        )
    }

    /// The outcome that follows from what the SQL gave.
    pub(super) fn verdict(&self, failures: i64, should_warn: bool, should_fail: bool) -> TestVerdict {
        let status = match self.severity {
            Severity::Error if should_fail => TestStatus::Fail,
            _ if should_warn => TestStatus::Warn,
            _ => TestStatus::Pass,
        };
        TestVerdict { name: self.name.clone(), status, failures }
    }

    /// Everything that decides what the test says, for a checksum.
    pub(super) fn fingerprint(&self) -> String {
        format!("{self:?}")
    }
}

/// `{not_null: {…}}`, or `{test_name: not_null, …}`.
fn split_entry(map: &Map<String, Value>) -> Option<(String, Map<String, Value>)> {
    if let Some(Value::String(word)) = map.get("test_name") {
        let mut body = map.clone();
        body.remove("test_name");
        return Some((word.clone(), body));
    }
    let mut named = map.iter().filter(|(key, _)| !SETTINGS.contains(&key.as_str()) && *key != "config");
    let (word, inner) = named.next()?;
    if named.next().is_some() {
        return None;
    }
    let mut body: Map<String, Value> =
        map.iter().filter(|(k, _)| *k != word).map(|(k, v)| (k.clone(), v.clone())).collect();
    match inner {
        Value::Object(inner) => body.extend(inner.clone()),
        Value::Null => {}
        _ => return None,
    }
    Some((word.clone(), body))
}

fn check(word: &str, column: String, arguments: &Map<String, Value>) -> Result<Check, String> {
    let text = |key: &str| match arguments.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err(format!("test {word} needs the argument '{key}'")),
    };
    match word {
        "not_null" => Ok(Check::NotNull(column)),
        "unique" => Ok(Check::Unique(column)),
        "accepted_values" => {
            let Some(Value::Array(values)) = arguments.get("values") else {
                return Err("test accepted_values needs the argument 'values', a list".to_owned());
            };
            if values.is_empty() {
                return Err("test accepted_values needs at least one value".to_owned());
            }
            let quoted = arguments.get("quote") != Some(&Value::Bool(false));
            let values = values.iter().map(scalar);
            Ok(Check::AcceptedValues(column, values.map(|v| if quoted { literal(&v) } else { v }).collect()))
        }
        "relationships" => Ok(Check::Relationships { column, to: text("to")?, field: text("field")? }),
        other => {
            Err(format!("test '{other}' is not supported; not_null, unique, accepted_values and relationships are"))
        }
    }
}

/// A value as Python's `str` writes it, which is what dbt puts into the SQL.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => "None".to_owned(),
        other => other.to_string(),
    }
}

/// dbt's way to a test's name: word, model, column and arguments, everything else than letters and
/// digits an underscore (dbt-core, `parser/generic_test_builders.py`).
fn name(word: &str, model: &str, column: &str, arguments: &Map<String, Value>) -> String {
    let mut sorted: Vec<_> = arguments.iter().collect();
    sorted.sort_by_key(|(key, _)| key.as_str());
    let mut parts = vec![plain(column)];
    for (_, value) in sorted {
        match value {
            Value::Array(items) => parts.extend(items.iter().map(|v| plain(&scalar(v)))),
            Value::Object(map) => parts.extend(map.values().map(|v| plain(&scalar(v)))),
            other => parts.push(plain(&scalar(other))),
        }
    }
    format!("{word}_{model}_{}", parts.join("__"))
}

fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            plain.push(c);
        } else if !plain.ends_with('_') || plain.is_empty() {
            plain.push('_');
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(entry: Value) -> GenericTest {
        GenericTest::parse("orders", Some(("status", false)), &entry, "schema.yml").expect("good").expect("enabled")
    }

    #[test]
    fn both_styles_of_arguments_mean_the_same() {
        let old = parse(json!({"accepted_values": {"values": ["a", "b"], "severity": "warn", "where": "x > 1"}}));
        let new = parse(
            json!({"accepted_values": {"arguments": {"values": ["a", "b"]}, "config": {"severity": "warn", "where": "x > 1"}}}),
        );
        assert_eq!(old, new);
        assert_eq!(old.name, "accepted_values_orders_status__a__b");
        assert_eq!(old.severity, Severity::Warn);
    }

    #[test]
    fn values_are_quoted_unless_told_otherwise() {
        let quoted = parse(json!({"accepted_values": {"values": ["it's", 1]}}));
        assert_eq!(
            quoted.check,
            Check::AcceptedValues("status".to_owned(), vec!["'it''s'".to_owned(), "'1'".to_owned()])
        );
        let bare = parse(json!({"accepted_values": {"values": [1, 2], "quote": false}}));
        assert_eq!(bare.check, Check::AcceptedValues("status".to_owned(), vec!["1".to_owned(), "2".to_owned()]));
    }

    #[test]
    fn a_warning_never_holds_a_model_back() {
        let warn = parse(json!({"not_null": {"config": {"severity": "warn"}}}));
        assert_eq!(warn.verdict(3, true, true).status, TestStatus::Warn);
        let error = parse(json!("not_null"));
        assert_eq!(error.verdict(3, true, true).status, TestStatus::Fail);
        assert_eq!(error.verdict(3, true, false).status, TestStatus::Warn);
        assert_eq!(error.verdict(0, false, false).status, TestStatus::Pass);
    }

    #[test]
    fn an_unknown_test_and_a_missing_argument_are_named() {
        let fails =
            |entry| GenericTest::parse("m", Some(("c", false)), &entry, "f.yml, model m").expect_err("bad").context;
        assert!(fails(json!("nonsense")).contains("test 'nonsense' is not supported"));
        assert!(fails(json!({"relationships": {"to": "ref('a')"}})).contains("'field'"));
    }
}
